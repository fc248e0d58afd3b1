//! How deep a fault cut, and how much of it there was: the dip.
//!
//! A shot is bad when it failed or took longer than the tightest steady promise on `response` allows; without one, when it
//! failed. Shots count when they were due, from the first touch to the recovery instant.

use std::time::Duration;

use serde::Serialize;

use super::shots::{Stretch, Subject};
use super::slices;
use super::trial::{Reading, Trial};
use super::verdict::maybe_span;
use super::window::{Cut, GRID};
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::evidence::reply::Outcome;
use crate::scenario::{Compare, Expectation, Filter, Measure, Quantile, Whose, Window};

/// The depth of a dip is that of its worst stretch of this length.
const STRETCH: Duration = Duration::from_secs(1);
/// The quantile by which a dip slows.
const P95: Quantile = Quantile(950_000);

/// How deep a fault cut into a traffic, and how much of it there was.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DipSummary {
    /// Shots due from the first touch to the recovery instant.
    pub shots: u64,
    /// Of them, bad ones.
    pub bad: u64,
    /// The greatest share of bad shots over a second, or over all where there is less.
    pub depth: f64,
    /// That second: the first of equals.
    #[serde(serialize_with = "maybe_span")]
    pub deepest: Option<Span>,
    /// The share of bad shots, added up over time, in seconds: 1 is a second in which all were bad, or two in which half
    /// were.
    pub area: f64,
    /// p95 of the response in the worst second, in seconds; a failure counts at the timeout or more.
    pub p95: Option<f64>,
    /// p95 of the response before the first touch, in seconds.
    pub before: Option<f64>,
    /// How many times longer the one is than the other.
    pub slowdown: Option<f64>,
}

/// The dip of a traffic while and after a fault struck; nothing where no shot was due.
pub fn dip(trial: &Trial<'_>, fault: usize, traffic: usize) -> Option<DipSummary> {
    let measured = trial.timeline.measured(Some(traffic));
    let spans: Vec<Span> = trial.windows.faults[fault]
        .strikes()
        .enumerate()
        .map(|(nth, strike)| {
            let end = trial.windows.recovered(fault, nth, Some(traffic)).min(trial.windows.seen);
            Span { start: strike.start, end: end.max(strike.end) }
        })
        .filter_map(|span| measured.overlap(span))
        .collect();
    let mut dip = DipSummary::default();
    for span in apart(spans) {
        let slices = of_slices(trial, traffic, span);
        dip.shots += slices.iter().map(|(shots, _)| shots).sum::<u64>();
        dip.bad += slices.iter().map(|(_, bad)| bad).sum::<u64>();
        let share = |(shots, bad): &(u64, u64)| if *shots == 0 { 0.0 } else { *bad as f64 / *shots as f64 };
        dip.area += slices.iter().map(share).sum::<f64>() * GRID.as_secs_f64();
        let width = ((STRETCH.as_millis() / GRID.as_millis()) as usize).min(slices.len()).max(1);
        for (nth, window) in slices.windows(width).enumerate() {
            let sum = window.iter().fold((0, 0), |(shots, bad), (s, b)| (shots + s, bad + b));
            if share(&sum) > dip.depth {
                dip.depth = share(&sum);
                let start = span.start + GRID * nth as u32;
                dip.deepest = Some(Span { start, end: start + GRID * width as u32 });
            }
        }
        let slowest =
            span.slices(STRETCH).into_iter().filter_map(|second| p95(trial, traffic, second)).reduce(f64::max);
        dip.p95 = dip.p95.into_iter().chain(slowest).reduce(f64::max);
    }
    let before = trial.windows.cut(Window::Before(fault), Some(traffic));
    dip.before = before.parts.first().and_then(|span| p95(trial, traffic, *span));
    dip.slowdown = dip.p95.zip(dip.before.filter(|b| *b > 0.0)).map(|(p95, before)| p95 / before);
    (dip.shots > 0).then_some(dip)
}

/// Spans in order, those that meet made one.
fn apart(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::new();
    for span in spans {
        match all.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => all.push(span),
        }
    }
    all
}

/// Shots and bad shots by slice of the grid, in order.
fn of_slices(trial: &Trial<'_>, traffic: usize, span: Span) -> Vec<(u64, u64)> {
    let bound = slices::steady(&trial.scenario.promises, Whose::whole(traffic))
        .filter(|e| matches!(e.measure, Measure::Quantile(_) | Measure::Max))
        .filter(|e| e.clock == Timing::Response && e.class.is_none() && e.part.is_none())
        .map(|e| (e.bound, e.compare))
        .min_by_key(|(bound, _)| *bound);
    let too_long = |nanos: u64| bound.is_some_and(|(bound, compare)| !compare.holds(nanos as f64, bound as f64));
    let count = span.length().as_nanos().div_ceil(GRID.as_nanos()) as usize;
    let mut slices = vec![(0, 0); count];
    let subject = Subject { traffic, part: None, class: None, clock: Timing::Response };
    for (who, interval) in trial.shots.intervals(subject, span).filter(|(who, _)| who.outcome != Outcome::Skipped) {
        let nth = (interval.span.start.nanos_since(span.start) / GRID.as_nanos() as u64) as usize;
        let Some((shots, bad)) = slices.get_mut(nth) else { continue };
        for (nanos, n) in &interval.cells {
            *shots += n;
            *bad += if who.outcome.is_failure() || too_long(*nanos) { *n } else { 0 };
        }
    }
    slices
}

/// p95 of the response of the shots due in a span, in seconds, as a promise would have it.
fn p95(trial: &Trial<'_>, traffic: usize, span: Span) -> Option<f64> {
    let expectation = Expectation {
        measure: Measure::Quantile(P95),
        traffic,
        part: None,
        clock: Timing::Response,
        filter: Filter::All,
        class: None,
        compare: Compare::Less,
        bound: 0,
    };
    let cut = Cut { parts: vec![span], ..Cut::default() };
    let ruling = trial.rule(&expectation, None, &cut, &[Stretch::whole(span)], Reading::AsItWas);
    ruling.observed.map(|o| o.value)
}
