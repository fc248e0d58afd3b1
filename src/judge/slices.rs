//! Slices of time in which a steady promise is broken. Each steady promise by itself allows a share of bad shots; a slice
//! is bad when its share exceeds that beyond what chance explains in 999 of 1000 slices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::measure;
use super::shots::{Stretch, Subject, second};
use super::stat;
use super::trial::{Reading, Trial};
use super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::grid;
use crate::evidence::reply::Outcome;
use crate::scenario::{Claim, Expectation, Filter, Measure, Promise, Whose};

/// Chance explains a bad slice when it is at least this likely to be no worse.
const BEYOND_CHANCE: f64 = 0.999;

/// The steady promises on some shots: on a traffic, its parts included, or on a part alone.
pub fn steady(promises: &[Promise], whose: Whose) -> impl Iterator<Item = &Expectation> {
    promises.iter().filter(|p| p.steady).filter_map(move |p| match &p.claim {
        Claim::Client(e) if whose.covers(e.whose()) => Some(e),
        _ => None,
    })
}

/// The bad slices of some steady promises in a window, by their ends, each once.
pub fn bad(trial: &Trial<'_>, steady: &[&Expectation], cut: &Cut, reading: Reading) -> Vec<Span> {
    let mut bad: Vec<Span> = steady.iter().flat_map(|e| bad_slices(trial, e, cut, reading)).collect();
    bad.sort_unstable_by_key(|slice| (slice.end, slice.start));
    bad.dedup();
    bad
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
    let allowance = expectation.allowance();
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
    let Expectation { traffic, part, class, clock, filter, .. } = *expectation;
    let subject = Subject { traffic, part, class, clock };
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
        for (shot, _) in trial.shots.moving(subject, cut, Stretch::whole(*span), *span) {
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

/// The most shots that a slice of the response clock holds in a window.
pub fn fullest(trial: &Trial<'_>, steady: &[&Expectation], cut: &Cut) -> u64 {
    let most = |e: &&Expectation| {
        slices(trial, e, cut, Reading::AsItWas).values().map(|slice| slice.shots).max().unwrap_or_default()
    };
    steady.iter().map(most).max().unwrap_or_default()
}

/// How many shots a slice needs, all of them bad, to be bad beyond chance; the least of some steady promises.
pub fn least(steady: &[&Expectation]) -> u64 {
    steady.iter().map(|e| e.least_bad()).min().unwrap_or(1)
}
