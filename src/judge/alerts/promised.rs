//! A promise about an alert, with all that was seen of the rules that it is about.

use std::time::Duration;

use super::Replayed;
use super::book::{self, Alert};
use super::track::{State, Track};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::instant;
use crate::promql::{self, MatchOp, Selector};
use crate::scenario::AlertClaim;

/// One time that a fault struck.
#[derive(Debug, Clone, Copy)]
pub struct Strike<'s> {
    /// The fault.
    pub name: &'s str,
    /// First touch to end.
    pub span: Span,
    /// From here on another one is to be reckoned with.
    pub until: Offset,
}

/// A promise about an alert. Where several rules make alerts of one name it is about all of them.
pub struct Promised<'r> {
    /// What is promised.
    pub claim: &'r AlertClaim,
    replayed: &'r Replayed<'r>,
    rules: Vec<usize>,
}

impl<'r> Promised<'r> {
    /// A promise about alerts of the rules at these positions of the book; at least one.
    pub fn new(claim: &'r AlertClaim, replayed: &'r Replayed<'r>, rules: Vec<usize>) -> Promised<'r> {
        Promised { claim, replayed, rules }
    }

    fn alerts(&self) -> impl Iterator<Item = &'r Alert> + '_ {
        let replayed = self.replayed;
        self.rules.iter().map(move |rule| &replayed.book.alerts[*rule])
    }

    fn longest(&self, length: impl Fn(&Alert) -> Duration) -> Duration {
        self.alerts().map(length).max().unwrap_or_default()
    }

    /// What was seen, by phase and then by rule.
    pub fn tracks(&self) -> Vec<Vec<&'r Track>> {
        let replayed = self.replayed;
        let of_phase = |phase: &'r Vec<Track>| self.rules.iter().map(move |rule| &phase[*rule]).collect();
        replayed.phases.iter().map(of_phase).collect()
    }

    /// From one evaluation to the next.
    pub fn interval(&self) -> Duration {
        self.longest(|alert| alert.interval)
    }

    /// How far the phases that are tried are apart.
    pub fn step(&self) -> Duration {
        self.interval() / (self.replayed.phases.len().max(1) as u32)
    }

    /// What is said where it is up to the phase of the group whether something was in time: what its alert did, at how many
    /// of the phases that were tried, and when.
    pub fn up_to_the_phase(&self, did: &str, times: usize, when: Option<String>, within: Duration) -> String {
        let phases = self.replayed.phases.len();
        let seen = match when {
            Some(when) if times == phases => format!("{did} {when}"),
            _ => format!("{did} at {times} of {phases} phases of its group"),
        };
        let (within, tolerance) = (units::duration(within), units::duration(self.interval()));
        format!("{seen}: within {within} or not is up to the phase, and the tolerance one interval, {tolerance}")
    }

    /// The rule's `keep_firing_for`.
    pub fn keep_firing_for(&self) -> Duration {
        self.longest(|alert| alert.keep)
    }

    /// How far back it reads.
    pub fn reach(&self) -> Duration {
        self.longest(|alert| alert.reach)
    }

    /// At how many evaluations of some stretches of time it was looked at, at one phase.
    pub fn evaluations(&self, parts: &[Span]) -> u64 {
        self.tracks().first().and_then(|t| t.first()).map_or(0, |track| track.ticks_in(parts).count() as u64)
    }

    /// At how many evaluations of some stretches it fired, by phase.
    pub fn firing(&self, parts: &[Span]) -> Vec<u64> {
        let of = |tracks: Vec<&Track>| tracks.iter().map(|t| t.count(State::Firing, &self.claim.labels, parts)).sum();
        self.tracks().into_iter().map(of).collect()
    }

    /// Up to where there are scrapes.
    pub fn seen(&self) -> Offset {
        self.replayed.last
    }

    /// The first scrape of what it reads.
    pub fn first_scrape(&self) -> Offset {
        self.replayed.basis.first(self.alerts())
    }

    /// From here on its longest range was full of what is judged: of scrapes, the first of which may be as late as scrapes are
    /// apart, and of the measured phase. What the warm-up did is not judged by way of a range either.
    pub fn history(&self) -> Offset {
        let measured = self.replayed.basis.trial.timeline.measured(None).start;
        let scraped = self.first_scrape() + self.reach().saturating_sub(self.replayed.scrape);
        if measured > Offset::ZERO { scraped.max(measured + self.reach()) } else { scraped }
    }

    /// Why it had too little to read at an instant, if so.
    pub fn short_of_history(&self, at: Offset) -> Option<String> {
        (at < self.history()).then(|| {
            format!(
                "it reads {}, and at {} there was less: it is full of what is judged from {} on",
                units::duration(self.reach()),
                instant(at),
                instant(self.history())
            )
        })
    }

    /// Why a stretch of time says nothing, by its scrapes.
    pub fn unfit(&self, span: Span) -> Option<Ruling> {
        // Behind the last scrape there is nothing to miss.
        let span = Span { end: span.end.min(self.seen()), ..span };
        if span.start >= span.end {
            return None;
        }
        let replayed = self.replayed;
        let alerts: Vec<&Alert> = self.alerts().collect();
        replayed.basis.unfit(alerts.iter().copied(), &replayed.book, span)
    }

    /// The first error among the evaluations of some stretches, at any phase.
    pub fn error(&self, parts: &[Span]) -> Option<String> {
        let tracks = self.tracks();
        let mut errors = tracks.iter().flatten().filter_map(|track| track.failure_in(parts));
        errors.next().map(|(at, why)| format!("the evaluation at {} failed: {why}", instant(at)))
    }

    /// Why it could not fire in some stretches of time, if so: its evaluation failed, or what it reads was never exposed.
    pub fn mute(&self, parts: &[Span]) -> Option<String> {
        self.error(parts).or_else(|| {
            let absent: Vec<Vec<String>> = self.alerts().map(|alert| self.replayed.unmet(alert)).collect();
            // Several rules of one name: one that can speak is enough.
            if absent.is_empty() || absent.iter().any(Vec::is_empty) {
                return None;
            }
            let absent: Vec<String> = absent.concat();
            Some(format!("{} was never exposed", absent.join(" and ")))
        })
    }

    /// How near it came to firing in some stretches of time.
    pub fn how_close(&self, parts: &[Span]) -> String {
        let tracks = self.tracks();
        let pending = tracks.iter().flatten().map(|track| track.longest_pending(&self.claim.labels, parts)).max();
        let mut said = match pending.unwrap_or_default() {
            Duration::ZERO
                if tracks.iter().flatten().any(|t| t.count(State::Pending, &self.claim.labels, parts) > 0) =>
            {
                "pending at one evaluation".to_owned()
            }
            Duration::ZERO => "never pending".to_owned(),
            pending => {
                let hold = units::duration(self.longest(|alert| alert.hold));
                format!("pending for {} at the most, of {hold}", units::duration(pending))
            }
        };
        let mut idle: Vec<String> = self.alerts().flat_map(|alert| self.replayed.unselected(alert)).collect();
        idle.sort();
        idle.dedup();
        if !idle.is_empty() {
            said.push_str(&format!("; {} found no series", idle.join(" and ")));
        }
        said
    }

    /// The first firing that falls into some stretches of time: from, to, and whose it was, in words.
    pub fn first_firing(&self, parts: &[Span]) -> Option<(Offset, Option<Offset>, String)> {
        let tracks = self.tracks();
        let carries = |labels: &crate::base::series::Labels| {
            self.claim.labels.iter().all(|(name, value)| labels.get(name) == value)
        };
        let instances = tracks.first()?.iter().flat_map(|t| &t.instances).filter(|i| carries(&i.labels));
        let stints = instances.flat_map(|i| i.stints.iter().map(move |stint| (i, stint)));
        let within = stints.filter(|(_, stint)| {
            stint.state == State::Firing && parts.iter().any(|p| p.overlap(stint.span()).is_some())
        });
        let (instance, stint) = within.min_by_key(|(_, stint)| stint.from)?;
        let who = instance.labels.filter(|name| name != "alertname" && name != "__name__");
        let said = instance.annotations.iter().find(|(name, _)| name == "summary" || name == "description");
        let said = said.map_or_else(String::new, |(_, text)| format!(": {}", text.trim()));
        Some((stint.from, stint.to, format!(" {who}{said}")))
    }
}

impl Replayed<'_> {
    /// What an alert reads that was never exposed, so that it could not fire.
    pub fn unmet(&self, alert: &Alert) -> Vec<String> {
        let base = |selector: &Selector| book::is_written(selector, &self.book) || self.is_exposed(selector);
        let behind = |selector: &Selector| {
            let exprs = selector.metric().and_then(|name| self.book.recorded.get(name));
            exprs.is_some_and(|all| all.iter().all(|expr| !promql::unmet(expr, &base).is_empty()))
        };
        let known = |selector: &Selector| base(selector) && !behind(selector);
        if promql::unmet(&alert.expr, &known).is_empty() {
            return Vec::new();
        }
        let mut names: Vec<String> = Vec::new();
        for want in alert.reads.iter().flat_map(|expr| promql::unmet(expr, &base)) {
            let want = format!("`{want}`");
            if !names.contains(&want) {
                names.push(want);
            }
        }
        names
    }

    /// Whether the target exposed a metric, with the labels that a selector asks for whatever their values.
    fn is_exposed(&self, selector: &Selector) -> bool {
        let storage = self.basis.storage;
        let Some(name) = selector.metric() else { return !storage.select(selector).is_empty() };
        let series = storage.named(name);
        let asked = selector.matchers.iter().filter(|m| m.label != "__name__" && !m.matches(""));
        !series.is_empty()
            && asked.into_iter().all(|m| {
                let is_there = |one: &&crate::base::series::Series| !one.labels.get(&m.label).is_empty();
                matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex(_)) || series.iter().any(is_there)
            })
    }

    /// What an alert reads that is exposed, but never with such labels.
    pub fn unselected(&self, alert: &Alert) -> Vec<String> {
        let selections = alert.reads.iter().flat_map(|expr| expr.selectors());
        let idle = selections.filter(|s| {
            self.is_exposed(s.selector)
                && self.basis.storage.select(s.selector).is_empty()
                && !book::is_written(s.selector, &self.book)
        });
        idle.map(|s| format!("`{}`", s.selector)).collect()
    }
}
