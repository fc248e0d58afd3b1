//! When the target had recovered from a fault.
//!
//! The recovery instant is the earliest of the fault's end and the ends of later bad [slices](super::slices) after which,
//! for as long as `stable`, no slice is bad and every steady promise holds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::evaluate::{blank, why_empty};
use super::measure::{self, Ruling};
use super::shots::Stretch;
use super::slices;
use super::trial::{Reading, Trial, subject};
use super::verdict::{Finding, Quantity, Verdict, instant};
use super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{Claim, Expectation, Measure, Promise, Whose, Window};

/// When a traffic had recovered from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What was found.
    pub found: Found,
    /// Where windows take recovery to end.
    pub ends: Offset,
}

/// What a search for the recovery instant found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It recovered, after `from` and not later than `at`.
    Recovered { from: Offset, at: Offset },
    /// It did not, up to `until`.
    Never { until: Offset },
    /// It did at `earliest` if at all; what came after was too short, or too few shots, to tell.
    Undecided { earliest: Offset, until: Offset },
}

/// What a promise on recovery, or the scenario without one, says of a fault and a traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The longest that any promise allows; zero without one.
    pub bound: Duration,
    /// How long the steady promises must have held again.
    pub stable: Duration,
}

impl Wanted {
    /// What the promises say.
    pub fn read(fault: usize, whose: Whose, promises: &[Promise]) -> Wanted {
        let on_recovery = promises.iter().filter_map(|p| match &p.claim {
            Claim::Client(e) if is_about(p, e, fault, whose) => Some((Duration::from_nanos(e.bound), p.stable)),
            _ => None,
        });
        // Every promise carries the default, which only one on recovery can change.
        let stable = on_recovery.clone().map(|(_, stable)| stable).max();
        let default = promises.iter().find(|p| !matches!(&p.claim, Claim::Client(e) if e.measure == Measure::Recovery));
        Wanted {
            bound: on_recovery.map(|(bound, _)| bound).max().unwrap_or(Duration::ZERO),
            stable: stable.or(default.map(|p| p.stable)).unwrap_or(Duration::from_secs(5)),
        }
    }
}

fn is_about(promise: &Promise, expectation: &Expectation, fault: usize, whose: Whose) -> bool {
    expectation.measure == Measure::Recovery
        && whose.covers(expectation.whose())
        && promise.window == Window::After(fault)
}

/// Where windows take recovery to end: the instant, or the fault's end and the promised bound if there was none.
pub fn locate(trial: &Trial<'_>, fault: usize, strike: Span, traffic: usize) -> Recovery {
    let whose = Whose::whole(traffic);
    let wanted = Wanted::read(fault, whose, &trial.scenario.promises);
    let found = search(trial, strike, whose, wanted, Reading::AsItWas);
    let ends = match found {
        Found::Recovered { at, .. } => at,
        Found::Undecided { earliest, .. } => earliest,
        // Without a promise nothing allows it to be bad: what comes next is `after`, and judged.
        Found::Never { .. } => strike.end + wanted.bound,
    };
    Recovery { found, ends }
}

/// Looks for the recovery instant after a strike.
pub fn search(trial: &Trial<'_>, strike: Span, whose: Whose, wanted: Wanted, reading: Reading) -> Found {
    let start = strike.end;
    let until = trial.timeline.measured(Some(whose.traffic)).end.min(trial.windows.seen);
    let until = until.min(trial.windows.next_strike(start)).max(start);
    let steady: Vec<&Expectation> = slices::steady(&trial.scenario.promises, whose).collect();
    let cut = Cut {
        parts: vec![Span { start, end: until }],
        leaving: (0..trial.windows.faults.len()).collect(),
        joining: None,
    };
    let bad = slices::bad(trial, &steady, &cut, reading);
    let mut undecided = None;
    let candidates = std::iter::once(Span { start, end: start }).chain(bad.iter().copied());
    for candidate in candidates {
        let at = candidate.end;
        let calm = Span { start: at, end: at + wanted.stable };
        let next = bad.partition_point(|slice| slice.end <= at);
        if bad[next..].iter().any(|slice| slice.start < calm.end) {
            continue;
        }
        if calm.end > until {
            let cut_short = until < start + wanted.bound + wanted.stable;
            let in_time = at.since(start) <= wanted.bound || wanted.bound.is_zero();
            if cut_short && in_time {
                undecided = undecided.or(Some(at));
            }
            break;
        }
        match keeps_all(trial, &steady, &cut, calm, reading) {
            Verdict::Pass if undecided.is_none() => return Found::Recovered { from: candidate.start, at },
            Verdict::Pass => break,
            Verdict::Fail => {}
            Verdict::Inconclusive | Verdict::Invalid => undecided = undecided.or(Some(at)),
        }
    }
    match undecided {
        Some(earliest) => Found::Undecided { earliest, until },
        // A bad slice that is still to come may be the last one.
        None if until < start + wanted.bound => Found::Undecided { earliest: until, until },
        None => Found::Never { until },
    }
}

fn keeps_all(trial: &Trial<'_>, steady: &[&Expectation], cut: &Cut, calm: Span, reading: Reading) -> Verdict {
    let cut = Cut { parts: vec![calm], ..cut.clone() };
    let keeps = |e: &&Expectation| trial.rule(e, None, &cut, &[Stretch::whole(calm)], reading).verdict;
    steady.iter().map(keeps).max().unwrap_or(Verdict::Pass)
}

/// What a promise on recovery comes to: the worst of a fault's strikes.
pub fn finding(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation, fault: usize) -> Finding {
    let strikes = trial.windows.faults[fault].strikes();
    let rulings: Vec<(Span, Ruling)> =
        strikes.map(|strike| on_strike(trial, expectation, promise.stable, strike)).collect();
    let blank = blank(trial, promise, Vec::new(), measure::bound(expectation), expectation.compare.word());
    let needed = slices::steady(&trial.scenario.promises, expectation.whose()).map(Expectation::minimum).max();
    match rulings.is_empty() {
        true => Finding { why: why_empty(trial, promise.window), ..blank },
        false => worst(Finding { needed: needed.unwrap_or_default(), ..blank }, &rulings),
    }
}

/// The finding on something that happens each time that a fault strikes: the worst ruling, and of equals the longest.
pub fn worst(mut finding: Finding, rulings: &[(Span, Ruling)]) -> Finding {
    let length = |ruling: &Ruling| ruling.observed.map_or(f64::INFINITY, |o| o.value);
    let worse = |a: &&(Span, Ruling), b: &&(Span, Ruling)| {
        a.1.verdict.cmp(&b.1.verdict).then(length(&a.1).total_cmp(&length(&b.1))).then(b.0.cmp(&a.0))
    };
    finding.window.parts = rulings.iter().map(|(span, _)| *span).collect();
    if let Some((span, worst)) = rulings.iter().max_by(worse) {
        (finding.verdict, finding.observed, finding.samples) = (worst.verdict, worst.observed, worst.samples);
        finding.why = match rulings.len() {
            1 => worst.why.clone(),
            n => format!("{}; worst of {n} times, from {} on", worst.why, instant(span.start)),
        };
    }
    finding
}

/// What a promise on recovery comes to after one strike, and how far that was looked at.
pub fn on_strike(trial: &Trial<'_>, expectation: &Expectation, stable: Duration, strike: Span) -> (Span, Ruling) {
    let wanted = Wanted { bound: Duration::from_nanos(expectation.bound), stable };
    let look = |reading| {
        let found = search(trial, strike, expectation.whose(), wanted, reading);
        let took = |at: Offset| at.since(strike.end);
        let keeps = |at| expectation.compare.holds(took(at).as_nanos() as f64, expectation.bound as f64);
        let deadline = format!("{} after it ended at {}", units::duration(wanted.bound), instant(strike.end));
        let (verdict, observed, why) = match found {
            Found::Recovered { from, at } => {
                let within = match from == at {
                    true => "at once: nothing was broken any more when the fault ended".to_owned(),
                    false => format!(
                        "{} to {} after the fault ended",
                        units::duration(took(from)),
                        units::duration(took(at))
                    ),
                };
                match keeps(at) {
                    true => (Verdict::Pass, Some(took(at)), format!("recovered {within}")),
                    false => {
                        (Verdict::Fail, Some(took(at)), format!("had not recovered {deadline}; it recovered {within}"))
                    }
                }
            }
            Found::Never { until } => {
                (Verdict::Fail, None, format!("had not recovered {deadline}, nor by {}", instant(until)))
            }
            Found::Undecided { earliest, until } if !keeps(earliest) => (
                Verdict::Fail,
                None,
                format!("had not recovered {deadline}; what followed was seen up to {}", instant(until)),
            ),
            Found::Undecided { earliest, until } => (
                Verdict::Inconclusive,
                None,
                format!(
                    "may have recovered at {}, but {} of calm and enough shots were not seen up to {}",
                    instant(earliest),
                    units::duration(wanted.stable),
                    instant(until)
                ),
            ),
        };
        let until = match found {
            Found::Recovered { at, .. } => at + wanted.stable,
            Found::Never { until } | Found::Undecided { until, .. } => until,
        };
        let ruling = Ruling { verdict, observed: observed.map(Quantity::time), samples: 0, why };
        (ruling, Span { start: strike.end, end: until })
    };
    let (mut ruling, span) = look(Reading::AsItWas);
    let unfit = trial.fitness.unfit(expectation.traffic, &[span]);
    if !unfit.is_empty() {
        let blame = trial.fitness.blame(expectation.traffic, &unfit);
        let against = |reading, verdict| look(reading).0.verdict != verdict;
        if ruling.verdict == Verdict::Fail && against(Reading::WithoutUnfit, Verdict::Fail) {
            ruling.verdict = Verdict::Invalid;
            ruling.why = format!("{}, but not without our own doing: {blame}", ruling.why);
        } else if ruling.verdict == Verdict::Pass && against(Reading::Worst, Verdict::Pass) {
            ruling.verdict = Verdict::Invalid;
            ruling.why = format!("{}, but our own doing may hide worse: {blame}", ruling.why);
        }
    }
    let cut = Cut { parts: vec![span], ..Cut::default() };
    let shots = trial.shots.population(subject(expectation), &cut, &[Stretch::whole(span)], &BTreeSet::new(), false);
    ruling.samples = shots.due();
    (span, ruling)
}
