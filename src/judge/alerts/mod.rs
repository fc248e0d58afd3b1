//! The target's own alert rules, replayed over what was scraped: promises about them, what holds without being promised,
//! and the table of what each rule did where.
//!
//! Rules are evaluated as Prometheus would: group by group, at the group's interval, over the samples with their own times,
//! from the plan's zero to the last scrape. A server's evaluations fall anywhere between two of ours, so a group is tried
//! at several phases of its interval, and what is up to the phase is not decided. The samples are those of our own scrapes,
//! or those of a Prometheus server, whose own word on what fired then stands beside ours.

mod basis;
mod beside;
mod book;
mod expected;
mod fires;
mod forecast;
mod needs;
mod promised;
mod questions;
mod replay;
mod resolves;
mod review;
mod silent;
mod summary;
mod track;

pub use beside::{BesideSummary, said as beside_said};
pub use forecast::{Forecast, forecast};
pub(super) use needs::selections;
pub use review::review;
pub use summary::{AlertSummary, AlertsSummary, FirstAlert, InstanceSummary, WindowSummary};
pub use track::{State, Stint};

use std::time::Duration;

use basis::Basis;
use book::Book;
use promised::{Promised, Strike};
use replay::Phase;
use track::Track;

use super::evaluate;
use super::fetched::Agreement;
use super::measure::Ruling;
use super::server::Server;
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::scenario::{AlertClaim, Alerts, Must, Promise, Window};

/// Another fault's end within this is the same end: faults that end together are let go of one after the other.
const TOGETHER: Duration = Duration::from_secs(1);
/// How the time is called in which an alert lets go of a fault.
const WINDOW_SETTLING: &str = "settling after";

/// The rules of a scenario, and what they did in a run.
pub struct Replayed<'a> {
    basis: Basis<'a>,
    alerts: &'a Alerts,
    book: Book,
    /// What each alert of the book did, by phase.
    phases: Vec<Vec<Track>>,
    /// The same by the word of the server whose samples these are.
    beside: Vec<Vec<BesideSummary>>,
    /// From one scrape to the next, at the slowest.
    scrape: Duration,
    /// The last scrape.
    last: Offset,
}

impl<'a> Replayed<'a> {
    /// Replays the rules of a scenario, if it has any.
    pub fn new(server: &'a Server<'a>) -> Option<Replayed<'a>> {
        let alerts = server.trial.scenario.alerts.as_ref()?;
        let (basis, book) = (Basis::of(server, alerts), Book::read(alerts));
        let (scrape, last) = (basis.pace(&book), basis.last());
        let phases = (0..alerts.phases).map(|n| replay::phase(&basis, alerts, &book, &Phase::Nth(n), last)).collect();
        let replayed = Replayed { basis, alerts, book, phases, beside: Vec::new(), scrape, last };
        Some(Replayed { beside: replayed.beside(), ..replayed })
    }

    /// What a promise about an alert comes to.
    pub fn finding(&self, promise: &Promise, claim: &AlertClaim) -> Finding {
        let rules = self.book.named(&claim.alert);
        let parts = self.parts(promise.window, &rules);
        let (bound, compare) = match claim.must {
            Must::Fire(within) | Must::Resolve(within) => (Quantity::time(within), "<="),
            Must::StaySilent => (Quantity { value: 0.0, kind: Kind::Plain }, "=="),
        };
        let mut finding = evaluate::blank(self.basis.trial, promise, parts.clone(), bound, compare);
        finding.needed = 1;
        if rules.is_empty() {
            finding.why = self.unknown(&claim.alert);
            return finding;
        }
        let promised = Promised::new(claim, self, rules.clone());
        let ruling = match (claim.must, promise.window) {
            (Must::StaySilent, _) if parts.is_empty() => None,
            (Must::StaySilent, _) => Some(silent::rule(&promised, &parts)),
            (Must::Fire(within), Window::After(fault)) => {
                let (spans, ruling) = self.each_strike(fault, |strike| {
                    let due = Span { start: strike.span.start, end: strike.span.start + within };
                    (due, fires::rule(&promised, strike, within))
                });
                finding.window.parts = spans;
                ruling
            }
            (Must::Resolve(within), Window::After(fault)) => {
                let (spans, ruling) = self.each_strike(fault, |strike| {
                    let due = Span { start: strike.span.end, end: strike.span.end + within };
                    (due, resolves::rule(&promised, strike, within))
                });
                finding.window.parts = spans;
                ruling
            }
            // Refused where it is read.
            (Must::Fire(_) | Must::Resolve(_), _) => None,
        };
        match ruling {
            Some(ruling) => {
                let ruling = self.contested(ruling, &rules, &claim.labels);
                (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
                (finding.samples, finding.why) = (ruling.samples, ruling.why + &self.scaled());
            }
            None => finding.why = evaluate::why_empty(self.basis.trial, promise.window),
        }
        finding
    }

    /// The worst of what a promise comes to each time that a fault struck.
    fn each_strike(&self, fault: usize, rule: impl Fn(Strike<'_>) -> (Span, Ruling)) -> (Vec<Span>, Option<Ruling>) {
        let strikes = self.strikes(fault);
        let several = strikes.len() > 1;
        let rulings = strikes.iter().enumerate().map(|(nth, strike)| {
            let (span, mut ruling) = rule(*strike);
            if several {
                ruling.why = format!("{} of {} times: {}", nth + 1, strikes.len(), ruling.why);
            }
            (span, ruling)
        });
        let rulings: Vec<(Span, Ruling)> = rulings.collect();
        let spans = rulings.iter().map(|(span, _)| *span).collect();
        // Of equals the first.
        let worst = rulings.into_iter().rev().map(|(_, ruling)| ruling).max_by_key(|ruling| ruling.verdict);
        (spans, worst)
    }

    /// Each time that a fault struck.
    fn strikes(&self, fault: usize) -> Vec<Strike<'a>> {
        let trial = self.basis.trial;
        let faults = trial.windows.faults.iter().enumerate();
        let all: Vec<(usize, Span)> =
            faults.flat_map(|(f, times)| times.strikes().map(move |span| (f, span))).collect();
        let of = |span: Span| {
            let others = all.iter().filter(|(f, other)| (*f, *other) != (fault, span)).map(|(_, other)| other);
            let until =
                others.filter(|other| other.end > span.end + TOGETHER).map(|other| other.start.max(span.end)).min();
            Strike { name: &trial.scenario.faults[fault].name, span, until: until.unwrap_or(Offset::MAX) }
        };
        trial.windows.faults[fault].strikes().map(of).collect()
    }

    /// The stretches of time that a promise to stay silent is about. Outside and after faults the time that the alert needs to
    /// let go of them is left out: it fires on because of the fault, and for it there is `resolves_within`.
    fn parts(&self, window: Window, rules: &[usize]) -> Vec<Span> {
        let parts = self.basis.trial.windows.cut(window, None).parts;
        match window {
            Window::Outside | Window::After(_) => self.without_faults(parts, rules),
            _ => parts,
        }
    }

    /// Stretches of time without those in which some alerts are expected to fire, or may.
    fn without_faults(&self, mut parts: Vec<Span>, rules: &[usize]) -> Vec<Span> {
        let trial = self.basis.trial;
        let settling = rules.iter().map(|rule| self.book.alerts[*rule].settling(self.scrape)).max().unwrap_or_default();
        for strike in trial.windows.faults.iter().flat_map(|times| times.strikes()) {
            let hole = Span { start: strike.start, end: strike.end + settling };
            parts = parts.into_iter().flat_map(|part| part.without(hole)).collect();
        }
        parts
    }

    /// Why nothing is known of an alert.
    fn unknown(&self, name: &str) -> String {
        match self.book.mistakes.first() {
            Some((file, _, mistake)) => format!("`{file}`:{}: {}", mistake.at.line, mistake.what),
            None => {
                let known: Vec<&str> = self.book.alerts.iter().map(|alert| alert.name.as_str()).collect();
                format!("no rule makes an alert `{name}`: {}", text::suggest(name, known))
            }
        }
    }

    /// What must be said of rules that are not the deployed ones.
    fn scaled(&self) -> String {
        match self.alerts.scale {
            0 | 1 => String::new(),
            by => format!(" (rules scaled 1:{by}: not the deployed ones)"),
        }
    }
}

/// What a promise about an alert comes to, in a run with or without rules.
pub fn finding(trial: &Trial<'_>, replayed: Option<&Replayed<'_>>, promise: &Promise, claim: &AlertClaim) -> Finding {
    match replayed {
        Some(replayed) => replayed.finding(promise, claim),
        // Refused where it is read.
        None => Finding {
            why: format!("there are no rules: nothing makes an alert `{}`", claim.alert),
            ..evaluate::blank(trial, promise, Vec::new(), Quantity { value: 0.0, kind: Kind::Plain }, "==")
        },
    }
}
