//! How fast the samples of a range change: `rate` and its family, and the straight line through them.

use super::ast::Edges;
use super::edges;
use super::over_time::Window;
use super::query::Semantics;
use super::sum;
use crate::base::series::Sample;

/// What the ends of a range are worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Starts at zero, never falls but when it restarts.
    Counter,
    Gauge,
}

fn seconds(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64 / 1e3
}

/// Per second, extrapolated.
pub(super) fn rate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Counter, seconds(window.start, window.end))
}

/// Over the range, extrapolated.
pub(super) fn increase(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Counter, 1.0)
}

/// Over the range, extrapolated; resets are not looked for.
pub(super) fn delta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Gauge, 1.0)
}

/// The change over the whole range, from the change between its first and its last sample. Less than two samples say
/// nothing. Towards each end of the range the change is carried on as far as the samples lie dense enough (1.1 of
/// their mean distance), otherwise for half that distance; a counter not below zero.
///
/// `share` divides the result: by the length of the range it is a rate.
fn extrapolated(window: &Window<'_>, kind: Kind, share: f64) -> Option<f64> {
    if window.edges != Edges::AsSampled {
        return Some(edges::change(window, kind == Kind::Counter)? / share);
    }
    let (first, last) = (window.samples.first()?, window.samples.last()?);
    if window.samples.len() < 2 {
        return None;
    }
    let mut change = last.value - first.value;
    if kind == Kind::Counter {
        // A fall is a restart from zero, so what was lost is the value before it. Most never fall, which is seen without a
        // branch for each sample.
        let falls = || window.samples.windows(2).map(|pair| (pair[0].value, pair[1].value));
        if falls().fold(false, |any, (before, after)| any | (after < before)) {
            change =
                falls().filter(|(before, after)| after < before).fold(change, |change, (before, _)| change + before);
        }
    }
    let covered = seconds(first.at, last.at);
    let distance = covered / (window.samples.len() - 1) as f64;
    let within = |gap: f64| if gap < 1.1 * distance { gap } else { distance / 2.0 };
    let to_start = seconds(window.start, first.at);
    let to_end = within(seconds(last.at, window.end));
    let to_zero = if kind == Kind::Counter && change > 0.0 && first.value >= 0.0 {
        covered * (first.value / change)
    } else {
        f64::INFINITY
    };
    let to_start = match window.semantics {
        Semantics::V3 => within(to_start).min(to_zero),
        // Before 2.51 the limit at zero came first, and could turn a wide gap into a near one.
        Semantics::V2 => within(to_start.min(to_zero)),
    };
    Some(change * ((covered + to_start + to_end) / covered / share))
}

/// The last two samples.
fn last_two<'w>(window: &Window<'w>) -> Option<(&'w Sample, &'w Sample)> {
    match window.samples {
        [.., before, last] if last.at > before.at => Some((before, last)),
        _ => None,
    }
}

/// Per second, between the last two samples.
pub(super) fn irate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let (before, last) = last_two(window)?;
    let change = if last.value < before.value { last.value } else { last.value - before.value };
    Some(change / seconds(before.at, last.at))
}

/// Between the last two samples.
pub(super) fn idelta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let (before, last) = last_two(window)?;
    Some(last.value - before.value)
}

/// How often the value fell.
pub(super) fn resets(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    count_pairs(window, |before, after| after < before)
}

/// How often the value became another one; NaN is the same as NaN.
pub(super) fn changes(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    count_pairs(window, |before, after| before != after && !(before.is_nan() && after.is_nan()))
}

fn count_pairs(window: &Window<'_>, is_counted: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let samples = edges::anchored(window)?;
    samples.first()?;
    let count = samples.windows(2).filter(|pair| is_counted(pair[0].value, pair[1].value)).count();
    Some(count as f64)
}

/// The slope per second of the line through the samples.
pub(super) fn deriv(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    // Times are counted from a sample nearby: squares of Unix times would lose the digits that matter.
    let origin = window.samples.first()?.at;
    Some(Line::through(window.samples, origin)?.slope)
}

/// Where the line through the samples will be, so many seconds after the evaluation.
pub(super) fn predict_linear(window: &Window<'_>, params: &[f64]) -> Option<f64> {
    let line = Line::through(window.samples, window.at)?;
    Some(line.slope * params.first()? + line.intercept)
}

/// A least-squares line: value = slope · seconds since the origin + intercept.
struct Line {
    slope: f64,
    intercept: f64,
}

impl Line {
    /// Needs two samples.
    fn through(samples: &[Sample], origin: i64) -> Option<Line> {
        let first = samples.first()?.value;
        if samples.len() < 2 {
            return None;
        }
        if samples.iter().all(|s| s.value == first) {
            // Rounding would otherwise give a flat line a slope.
            let flat = if first.is_infinite() { f64::NAN } else { first };
            return Some(Line { slope: if flat.is_nan() { flat } else { 0.0 }, intercept: flat });
        }
        let n = samples.len() as f64;
        let x_of = |s: &Sample| seconds(origin, s.at);
        let x = sum::sum(samples.iter().map(x_of));
        let y = sum::sum(samples.iter().map(|s| s.value));
        let xy = sum::sum(samples.iter().map(|s| x_of(s) * s.value));
        let xx = sum::sum(samples.iter().map(|s| x_of(s) * x_of(s)));
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Some(Line { slope, intercept: y / n - slope * x / n })
    }
}

/// Holt's linear trend (C. C. Holt, 1957), as a value at the last sample. Both factors lie between 0 and 1.
pub(super) fn double_exponential_smoothing(window: &Window<'_>, params: &[f64]) -> Option<f64> {
    let [level, trend_factor] = params else { return None };
    let [first, second, ..] = window.samples else { return None };
    let (mut before, mut smooth) = (0.0, first.value);
    let mut trend = second.value - first.value;
    for (i, sample) in window.samples[1..].iter().enumerate() {
        if i > 0 {
            trend = trend_factor * (smooth - before) + (1.0 - trend_factor) * trend;
        }
        before = smooth;
        smooth = level * sample.value + (1.0 - level) * (smooth + trend);
    }
    Some(smooth)
}
