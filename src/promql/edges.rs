//! `anchored` and `smoothed`, the experimental modifiers of selectors: what a series is at the edges of a range is taken
//! from the samples beyond them, so that nothing need be extrapolated.

use super::ast::Edges;
use super::over_time::Window;
use crate::base::series::Sample;

/// The value at an instant: of the sample there, between the two beside it, or of the one before.
pub(super) fn at(samples: &[Sample], at: i64) -> Option<f64> {
    let next = samples.partition_point(|s| s.at < at);
    let before = next.checked_sub(1).and_then(|i| samples.get(i));
    match (before, samples.get(next)) {
        (_, Some(exact)) if exact.at == at => Some(exact.value),
        (Some(before), Some(after)) => Some(line(before, after, at, false)),
        (Some(before), None) => Some(before.value),
        (None, _) => None,
    }
}

/// The value between two samples. A counter that fell in between began again at zero.
fn line(from: &Sample, to: &Sample, at: i64, counter: bool) -> f64 {
    let start = if counter && to.value < from.value { 0.0 } else { from.value };
    start + (to.value - start) * (at - from.at) as f64 / (to.at - from.at) as f64
}

/// The samples that count: from the last at or before the start of the range to the end, or to the first at or after it.
fn counted<'w>(window: &Window<'w>) -> Option<(&'w [Sample], usize, usize)> {
    let samples = window.samples;
    let end = samples.len().checked_sub(1)?;
    let first = samples[..end].partition_point(|s| s.at <= window.start).saturating_sub(1);
    let last = match window.edges {
        Edges::Smoothed => samples[..end].partition_point(|s| s.at < window.end),
        _ => end,
    };
    let beside = samples[last].at <= window.start || window.edges == Edges::Smoothed && samples[first].at > window.end;
    (!beside).then_some((samples, first, last))
}

/// The change over the whole range. A counter's restarts are made good.
pub(super) fn change(window: &Window<'_>, counter: bool) -> Option<f64> {
    let (samples, mut first, mut last) = counted(window)?;
    let smoothed = window.edges == Edges::Smoothed;
    let left = match samples.get(first + 1) {
        Some(next) if smoothed && samples[first].at < window.start => {
            line(&samples[first], next, window.start, counter)
        }
        _ => samples[first].value,
    };
    let right = match last.checked_sub(1) {
        Some(before) if smoothed && samples[last].at > window.end => {
            line(&samples[before], &samples[last], window.end, counter)
        }
        _ => samples[last].value,
    };
    let mut change = right - left;
    if counter {
        // What lies at or beyond an edge is in `left` and `right` already.
        first += usize::from(samples[first].at <= window.start);
        last = if samples[last].at >= window.end { last } else { last + 1 };
        let mut before = left;
        let inner = samples.get(first..last).unwrap_or_default();
        for value in inner.iter().map(|s| s.value).chain([right]) {
            if value < before {
                change += before;
            }
            before = value;
        }
    }
    Some(change)
}

/// The samples of an anchored range: the value at its start, then those in it. Of other ranges all.
pub(super) fn anchored<'w>(window: &Window<'w>) -> Option<&'w [Sample]> {
    match window.edges {
        Edges::AsSampled => Some(window.samples),
        _ => counted(window).map(|(samples, first, last)| &samples[first..=last]),
    }
}

/// The samples as a range shows them: one at each edge, and those in between.
pub(super) fn shown(samples: &[Sample], (start, end): (i64, i64), edges: Edges) -> Vec<Sample> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    if last.at <= start || first.at > end {
        return Vec::new();
    }
    let edge = |at: i64| {
        let next = samples.partition_point(|s| s.at < at);
        let (before, after) = (next.checked_sub(1).and_then(|i| samples.get(i)), samples.get(next));
        match (before, after) {
            (_, Some(exact)) if exact.at == at => exact.value,
            (Some(before), Some(after)) if edges == Edges::Smoothed => line(before, after, at, false),
            (Some(before), _) => before.value,
            (None, Some(after)) => after.value,
            (None, None) => f64::NAN,
        }
    };
    let inner = samples.iter().copied().filter(|s| start < s.at && s.at < end);
    let (left, right) = (Sample { at: start, value: edge(start) }, Sample { at: end, value: edge(end) });
    std::iter::once(left).chain(inner).chain([right]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::query::Semantics;

    fn window(samples: &[(i64, f64)], edges: Edges) -> (Vec<Sample>, Edges) {
        (samples.iter().map(|(at, value)| Sample { at: *at, value: *value }).collect(), edges)
    }

    fn change_of(samples: &[(i64, f64)], edges: Edges) -> Option<f64> {
        let (samples, edges) = window(samples, edges);
        let semantics = Semantics::V3;
        change(&Window { samples: &samples, start: 10, end: 20, at: 20, edges, semantics }, true)
    }

    #[test]
    fn an_anchored_range_begins_with_what_was_before() {
        assert_eq!(change_of(&[(5, 1.0), (8, 2.0), (15, 5.0)], Edges::Anchored), Some(3.0));
        assert_eq!(change_of(&[(12, 2.0), (15, 5.0)], Edges::Anchored), Some(3.0));
        assert_eq!(change_of(&[(8, 9.0), (15, 5.0), (18, 7.0)], Edges::Anchored), Some(7.0));
        assert_eq!(change_of(&[(5, 1.0), (8, 2.0)], Edges::Anchored), None);
        assert_eq!(change_of(&[], Edges::Anchored), None);
    }

    #[test]
    fn a_smoothed_range_is_cut_out_of_straight_lines() {
        assert_eq!(change_of(&[(5, 0.0), (15, 10.0), (25, 20.0)], Edges::Smoothed), Some(10.0));
        assert_eq!(change_of(&[(5, 0.0), (25, 20.0)], Edges::Smoothed), Some(10.0));
        assert_eq!(change_of(&[(12, 1.0), (18, 4.0)], Edges::Smoothed), Some(3.0));
        assert_eq!(change_of(&[(22, 1.0), (28, 4.0)], Edges::Smoothed), None);
        // It restarted between 15 and 25: at 20 it stood at half of 4.
        assert_eq!(change_of(&[(10, 0.0), (15, 10.0), (25, 4.0)], Edges::Smoothed), Some(12.0));
    }

    #[test]
    fn between_two_samples_the_value_moves_in_a_line() {
        let (samples, _) = window(&[(0, 0.0), (10, 10.0)], Edges::Smoothed);
        assert_eq!([-1, 0, 4, 10, 12].map(|t| at(&samples, t)), [None, Some(0.0), Some(4.0), Some(10.0), Some(10.0)]);
    }
}
