//! When the target had recovered from a fault.
//!
//! Each steady promise by itself allows a share of bad shots. A slice of time is bad when a promise's share exceeds its
//! allowance beyond what chance explains in 999 of 1000 slices. The recovery instant is the earliest of the fault's end
//! and the ends of later bad slices after which, for as long as `stable`, no slice is bad and every steady promise
//! holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::measure;
use super::shots::{Subject, second};
use super::stat;
use super::trial::{Reading, Trial};
use super::verdict::Verdict;
use super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::grid;
use crate::evidence::reply::Outcome;
use crate::scenario::{Claim, Expectation, Filter, Measure, Promise, Window};

/// Chance explains a bad slice when it is at least this likely to be no worse.
const BEYOND_CHANCE: f64 = 0.999;

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
    /// There was nothing to recover from.
    NoFault,
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
    pub fn read(fault: usize, traffic: usize, promises: &[Promise]) -> Wanted {
        let on_recovery = promises.iter().filter_map(|p| match &p.claim {
            Claim::Client(e) if is_about(p, e, fault, traffic) => Some((Duration::from_nanos(e.bound), p.stable)),
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

fn is_about(promise: &Promise, expectation: &Expectation, fault: usize, traffic: usize) -> bool {
    expectation.measure == Measure::Recovery && expectation.traffic == traffic && promise.window == Window::After(fault)
}

/// Where windows take recovery to end: the instant, or the fault's end and the promised bound if there was none.
pub fn locate(trial: &Trial<'_>, fault: usize, traffic: usize) -> Recovery {
    let wanted = Wanted::read(fault, traffic, &trial.scenario.promises);
    let found = search(trial, fault, traffic, wanted, Reading::AsItWas);
    let ends = match found {
        Found::Recovered { at, .. } => at,
        Found::Undecided { earliest, .. } => earliest,
        // Without a promise nothing allows it to be bad: what comes next is `after`, and judged.
        Found::Never { .. } => trial.windows.faults[fault].effective.map_or(Offset::MAX, |e| e.end + wanted.bound),
        Found::NoFault => Offset::MAX,
    };
    Recovery { found, ends }
}

/// Looks for the recovery instant.
pub fn search(trial: &Trial<'_>, fault: usize, traffic: usize, wanted: Wanted, reading: Reading) -> Found {
    let Some(effective) = trial.windows.faults[fault].effective else { return Found::NoFault };
    let start = effective.end;
    let until = trial.timeline.measured(Some(traffic)).end.min(trial.windows.seen);
    let until = until.min(trial.windows.next_strike(start)).max(start);
    let steady: Vec<&Expectation> = steady(&trial.scenario.promises, traffic).collect();
    let cut = Cut {
        parts: vec![Span { start, end: until }],
        leaving: (0..trial.windows.faults.len()).filter(|f| *f != fault).collect(),
        joining: None,
    };
    let mut bad: Vec<Span> = steady.iter().flat_map(|e| bad_slices(trial, e, &cut, reading)).collect();
    bad.sort_unstable_by_key(|slice| (slice.end, slice.start));
    bad.dedup();
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
        None => Found::Never { until },
    }
}

/// The steady promises on a traffic.
pub fn steady(promises: &[Promise], traffic: usize) -> impl Iterator<Item = &Expectation> {
    promises.iter().filter(|p| p.steady).filter_map(move |p| match &p.claim {
        Claim::Client(e) if e.traffic == traffic => Some(e),
        _ => None,
    })
}

fn keeps_all(trial: &Trial<'_>, steady: &[&Expectation], cut: &Cut, calm: Span, reading: Reading) -> Verdict {
    let cut = Cut { parts: vec![calm], ..cut.clone() };
    let keeps = |e: &&Expectation| trial.rule(e, None, &cut, &[super::shots::Stretch::whole(calm)], reading).verdict;
    steady.iter().map(keeps).max().unwrap_or(Verdict::Pass)
}

/// How many shots of a slice there are, and how many of them are bad.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    shots: u64,
    bad: u64,
}

/// The slices in which a promise's share of bad shots exceeds its allowance beyond chance.
fn bad_slices(trial: &Trial<'_>, expectation: &Expectation, cut: &Cut, reading: Reading) -> Vec<Span> {
    let width = grid(expectation.clock);
    let allowance = allowance(expectation);
    let mut bounds: BTreeMap<u64, u64> = BTreeMap::new(); // by the number of shots
    let slices = slices(trial, expectation, cut, reading);
    let mut is_bad = |slice: &Slice| {
        let bound = || stat::binomial_bound(slice.shots, allowance, BEYOND_CHANCE);
        slice.bad > *bounds.entry(slice.shots).or_insert_with(bound)
    };
    let bad = slices.iter().filter(|(_, slice)| is_bad(slice)).map(|(start, _)| *start);
    bad.map(|start| Span { start, end: start + width }).collect()
}

fn slices(trial: &Trial<'_>, expectation: &Expectation, cut: &Cut, reading: Reading) -> BTreeMap<Offset, Slice> {
    let Expectation { traffic, class, clock, filter, .. } = *expectation;
    let subject = Subject { traffic, class, clock };
    let width = grid(clock);
    let mut slices: BTreeMap<Offset, Slice> = BTreeMap::new();
    let whole = cut.parts.iter().filter_map(|part| {
        // Slower clocks count by the second, and not the one in which the fault ended.
        Some(Span { start: part.start.ceil_to(width), end: part.end }).filter(|s| s.start < s.end)
    });
    let whole: Vec<Span> = whole.collect();
    let is_bad = |outcome: Outcome, nanos: Option<u64>| match expectation.measure {
        Measure::Quantile(_) | Measure::Max => {
            let over = nanos.is_some_and(|n| !expectation.compare.holds(n as f64, expectation.bound as f64));
            outcome.is_failure() || over
        }
        measure => measure::counts(measure, outcome),
    };
    let timed = matches!(expectation.measure, Measure::Quantile(_) | Measure::Max);
    let counted = |outcome: Outcome| match filter {
        Filter::All => !(timed && outcome == Outcome::Skipped),
        Filter::Ok => outcome == Outcome::Ok,
        Filter::Failed => outcome.is_failure(),
    };
    for span in &whole {
        for (who, interval) in trial.shots.intervals(subject, *span).filter(|(who, _)| counted(who.outcome)) {
            let slice = slices.entry(interval.span.start.floor_to(width)).or_default();
            for (nanos, count) in &interval.cells {
                // Each shot is on the response clock once; its length is on the promise's own.
                if who.timing == Timing::Response {
                    slice.shots += count;
                }
                let length = (who.timing == clock && !who.outcome.is_failure()).then_some(*nanos);
                let counts_here = length.is_some() || who.timing == Timing::Response && who.outcome.is_failure();
                let untimed = !timed && who.timing == Timing::Response;
                if (counts_here || untimed) && is_bad(who.outcome, length) {
                    slice.bad += count;
                }
            }
        }
        for (shot, _) in trial.shots.moving(subject, cut, super::shots::Stretch::whole(*span), *span) {
            if let Some(slice) = slices.get_mut(&shot.due.floor_to(width)).filter(|_| counted(shot.outcome)) {
                let nanos = if clock == Timing::Response { Some(shot.response) } else { shot.service };
                let nanos = nanos.map(crate::evidence::tally::cell);
                slice.shots = slice.shots.saturating_sub(1);
                slice.bad = slice.bad.saturating_sub(u64::from(is_bad(shot.outcome, nanos)));
            }
        }
    }
    let unfit = trial.fitness.unfit(traffic, &whole);
    match reading {
        Reading::AsItWas => {}
        Reading::WithoutUnfit => slices.retain(|start, _| !unfit.contains(&second(*start))),
        Reading::Worst => spoil(trial, traffic, &unfit, width, &whole, &mut slices),
    }
    slices
}

/// What we spoilt in a second may all have been in any one of its slices.
fn spoil(
    trial: &Trial<'_>,
    traffic: usize,
    unfit: &BTreeSet<i64>,
    width: Duration,
    whole: &[Span],
    slices: &mut BTreeMap<Offset, Slice>,
) {
    for unfit in unfit {
        let spoilt = trial.fitness.spoilt(traffic, &BTreeSet::from([*unfit]));
        let mut start = Offset::from_millis(unfit * 1000);
        let end = start + Duration::from_secs(1);
        while start < end {
            if whole.iter().any(|span| span.contains(start)) {
                let slice = slices.entry(start).or_default();
                slice.shots += spoilt.lost;
                slice.bad = match spoilt.all.is_empty() {
                    true => (slice.bad + spoilt.lost + spoilt.shots).min(slice.shots),
                    false => slice.shots,
                };
            }
            start = start + width;
        }
    }
}

/// The share of bad shots that a steady promise allows.
fn allowance(expectation: &Expectation) -> f64 {
    match expectation.measure {
        Measure::Quantile(q) => 1.0 - q.fraction(),
        Measure::Errors | Measure::Timeouts | Measure::Rejected => expectation.bound as f64 / 1e9,
        Measure::Max | Measure::Mean | Measure::Rate | Measure::Recovery => 0.0,
    }
}
