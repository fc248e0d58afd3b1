//! When a fault was first felt: from its first touch to the first bad [slice](super::slices) of any steady promise.
//!
//! What was bad already when it began, or while another fault struck, says nothing of it: then nobody can tell.

use std::collections::BTreeSet;
use std::time::Duration;

use super::evaluate::{blank, why_empty};
use super::measure::{self, Ruling};
use super::recovery::worst;
use super::shots::Stretch;
use super::slices;
use super::trial::{Reading, Trial, subject};
use super::verdict::{Finding, Quantity, Verdict, instant};
use super::window::Cut;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{Claim, Expectation, Measure, Promise, Whose, Window};

/// A fault is felt against what was before it: so long it must have been calm.
const CALM: Duration = Duration::from_secs(1);

/// What a search for the first breach found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// It was felt, after `from` and not later than `at`.
    Felt {
        /// The first bad slice begins here, or the fault does.
        from: Offset,
        /// The first bad slice ends here.
        at: Offset,
    },
    /// Nothing was bad up to here, which is all that was asked for.
    Never {
        /// Where it ends.
        until: Offset,
    },
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// The longest that a promise on detection allows; zero without one.
pub fn bound(fault: usize, whose: Whose, promises: &[Promise]) -> Duration {
    let bounds = promises.iter().filter_map(|p| match &p.claim {
        Claim::Client(e) if e.measure == Measure::Detection && e.whose() == whose => {
            (p.window == Window::After(fault)).then_some(Duration::from_nanos(e.bound))
        }
        _ => None,
    });
    bounds.max().unwrap_or_default()
}

/// Looks for the first breach after a fault began to strike: for as long as `bound`, and in any case until the traffic
/// had recovered.
pub fn search(
    trial: &Trial<'_>,
    fault: usize,
    nth: usize,
    whose: Whose,
    bound: Duration,
    reading: Reading,
) -> Detected {
    let unknown = |why: String| Detected::Unknown { why };
    let Some(strike) = trial.windows.faults[fault].strikes().nth(nth) else { return unknown("it never struck".into()) };
    let start = strike.start;
    let steady: Vec<&Expectation> = slices::steady(&trial.scenario.promises, whose).collect();
    if steady.is_empty() {
        return unknown("no promise on it is steady".into());
    }
    let all = trial.windows.faults.iter().enumerate();
    let all = all.flat_map(|(f, times)| times.strikes().map(move |span| (f, span)));
    let others: Vec<(usize, Span)> = all.filter(|(f, span)| *f != fault || *span != strike).collect();
    if let Some((other, _)) = others.iter().find(|(_, span)| span.contains(start)) {
        return unknown(format!("`{}` struck already when it began", trial.scenario.faults[*other].name));
    }
    let cut = |part: Span| Cut { parts: vec![part], leaving: (0..trial.windows.faults.len()).collect(), joining: None };
    let before = Span { start: start - CALM, end: start };
    // A slice of a slower clock may reach into the fault.
    if slices::bad(trial, &steady, &cut(before), reading).iter().any(|slice| slice.end <= start) {
        return unknown("it was broken already when the fault began".into());
    }
    let recovered = trial.windows.recovered(fault, nth, Some(whose.traffic));
    let wanted = (start + bound).max(recovered.min(trial.timeline.end));
    let measured = trial.timeline.measured(Some(whose.traffic));
    let next = others.iter().map(|(_, span)| span.start).filter(|s| *s >= start).min();
    let until = wanted.min(measured.end).min(trial.windows.seen).min(next.unwrap_or(Offset::MAX));
    let part = cut(Span { start, end: until.max(start) });
    if let Some(first) = slices::bad(trial, &steady, &part, reading).first() {
        return Detected::Felt { from: first.start.max(start), at: first.end };
    }
    let (most, least) = (slices::fullest(trial, &steady, &part), slices::least(&steady));
    match () {
        () if most < least => unknown(format!(
            "no slice of time held more than {}, and {least} bad ones are needed to be beyond chance",
            text::count(most, "shot")
        )),
        () if until < start + bound => {
            unknown(format!("what was seen without another fault ends at {}", instant(until)))
        }
        () => Detected::Never { until },
    }
}

/// What a promise on detection comes to: the worst of a fault's strikes.
pub fn finding(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation, fault: usize) -> Finding {
    let strikes = 0..trial.windows.faults[fault].strikes().count();
    let rulings: Vec<(Span, Ruling)> = strikes.map(|nth| on_strike(trial, expectation, fault, nth)).collect();
    let blank = blank(trial, promise, Vec::new(), measure::bound(expectation), expectation.compare.word());
    let steady: Vec<&Expectation> = slices::steady(&trial.scenario.promises, expectation.whose()).collect();
    match rulings.is_empty() {
        true => Finding { why: why_empty(trial, promise.window), ..blank },
        false => worst(Finding { needed: slices::least(&steady), ..blank }, &rulings),
    }
}

/// What a promise on detection comes to at one strike of a fault, and how far that was looked at.
pub fn on_strike(trial: &Trial<'_>, expectation: &Expectation, fault: usize, nth: usize) -> (Span, Ruling) {
    let strike =
        trial.windows.faults[fault].strikes().nth(nth).unwrap_or(Span { start: Offset::ZERO, end: Offset::ZERO });
    let bound = Duration::from_nanos(expectation.bound);
    let look = |reading| {
        let took = |at: Offset| at.since(strike.start);
        let within =
            |from, at| format!("{} to {} after it began", units::duration(took(from)), units::duration(took(at)));
        let ruling = |verdict, observed: Option<Duration>, why| Ruling {
            verdict,
            observed: observed.map(Quantity::time),
            samples: 0,
            why,
        };
        match search(trial, fault, nth, expectation.whose(), bound, reading) {
            Detected::Felt { from, at } => {
                let kept = expectation.compare.holds(took(at).as_nanos() as f64, expectation.bound as f64);
                let why = match kept {
                    true => format!("felt {}", within(from, at)),
                    false => format!("felt only {}", within(from, at)),
                };
                (ruling(if kept { Verdict::Pass } else { Verdict::Fail }, Some(took(at)), why), at)
            }
            Detected::Never { until } => {
                let why = format!("never felt: no steady promise was broken up to {}", instant(until));
                (ruling(Verdict::Fail, None, why), until)
            }
            Detected::Unknown { why } => (ruling(Verdict::Inconclusive, None, why), strike.end),
        }
    };
    let (mut ruling, until) = look(Reading::AsItWas);
    let span = Span { start: strike.start, end: until.max(strike.start) };
    let unfit = trial.fitness.unfit(expectation.traffic, &[span]);
    if !unfit.is_empty() {
        // What we spoil may look like the fault being felt, and may keep it from being felt.
        let blame = trial.fitness.blame(expectation.traffic, &unfit);
        let becomes = |reading| look(reading).0.verdict;
        let (reading, hides) = match ruling.verdict {
            Verdict::Pass => (Reading::WithoutUnfit, "but not without our own doing"),
            _ => (Reading::Worst, "but our own doing may hide it"),
        };
        let decided = matches!(ruling.verdict, Verdict::Pass | Verdict::Fail);
        if decided && becomes(reading) != ruling.verdict {
            ruling.why = format!("{}, {hides}: {blame}", ruling.why);
            ruling.verdict = Verdict::Invalid;
        }
    }
    let cut = Cut { parts: vec![span], ..Cut::default() };
    let shots = trial.shots.population(subject(expectation), &cut, &[Stretch::whole(span)], &BTreeSet::new(), false);
    ruling.samples = shots.due();
    (span, ruling)
}
