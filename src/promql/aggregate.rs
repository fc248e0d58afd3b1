//! Aggregations: many elements into one for each group, or into the few that matter.

use std::collections::HashMap;

use super::ast::Grouping;
use super::eval::Point;
use super::query::Semantics;
use super::sum::{Mean, Sum};
use super::tags::Tags;

/// The elements of each group, groups in the order in which they first appear.
fn groups<'a>(points: Vec<Point<'a>>, grouping: &Grouping) -> Vec<Vec<Point<'a>>> {
    if matches!(grouping, Grouping::By(names) if names.is_empty()) {
        return if points.is_empty() { Vec::new() } else { vec![points] };
    }
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<Vec<Point<'a>>> = Vec::new();
    let mut key = Vec::new();
    for point in points {
        point.tags.group_key(grouping, &mut key);
        let place = match places.get(&key) {
            Some(place) => *place,
            None => {
                places.insert(key.clone(), groups.len());
                groups.push(Vec::new());
                groups.len() - 1
            }
        };
        groups[place].push(point);
    }
    groups
}

/// One element for each group.
pub(super) fn reduce<'a>(
    points: Vec<Point<'a>>,
    grouping: &Grouping,
    op: impl Fn(&[Point<'a>]) -> f64,
) -> Vec<Point<'a>> {
    (groups(points, grouping).into_iter())
        .map(|group| Point { value: op(&group), tags: Tags::owned(group[0].tags.group(grouping)) })
        .collect()
}

pub(super) fn sum(group: &[Point<'_>]) -> f64 {
    group.iter().fold(Sum::default(), |sum, p| sum.plus(p.value)).value()
}

/// Of a group that is not empty.
pub(super) fn mean(group: &[Point<'_>]) -> f64 {
    group[1..].iter().fold(Mean::starting(group[0].value), |mean, p| mean.plus(p.value)).value()
}

pub(super) fn min(group: &[Point<'_>]) -> f64 {
    extreme(group, |a, b| a < b)
}

pub(super) fn max(group: &[Point<'_>]) -> f64 {
    extreme(group, |a, b| a > b)
}

/// The value that beats all others; any number beats NaN.
fn extreme(group: &[Point<'_>], beats: impl Fn(f64, f64) -> bool) -> f64 {
    group.iter().fold(f64::NAN, |best, p| if best.is_nan() || beats(p.value, best) { p.value } else { best })
}

/// The population variance (B. P. Welford, 1962); NaN as soon as one value is not finite, which before 3.0 one alone was
/// not looked at for.
pub(super) fn variance(group: &[Point<'_>], semantics: Semantics) -> f64 {
    if semantics == Semantics::V2 && group.len() == 1 {
        return 0.0;
    }
    if group.iter().any(|p| !p.value.is_finite()) {
        return f64::NAN;
    }
    let (mut mean, mut squares) = (0.0, 0.0);
    for (i, point) in group.iter().enumerate() {
        let before = point.value - mean;
        mean += before / (i + 1) as f64;
        squares += before * (point.value - mean);
    }
    squares / group.len() as f64
}

/// `topk` and `bottomk`: the elements themselves, best first within each group, NaN last.
pub(super) fn top<'a>(points: Vec<Point<'a>>, grouping: &Grouping, k: usize, largest: bool) -> Vec<Point<'a>> {
    let mut out = Vec::new();
    for mut group in groups(points, grouping) {
        sort(&mut group, largest);
        group.truncate(k);
        out.append(&mut group);
    }
    out
}

/// `limitk`: the first `k` elements of each group, in the order of their labels.
pub(super) fn limit<'a>(points: Vec<Point<'a>>, grouping: &Grouping, k: usize) -> Vec<Point<'a>> {
    groups(points, grouping).into_iter().flat_map(|group| group.into_iter().take(k)).collect()
}

/// `limit_ratio`: about that share of the elements, by a hash of their labels; a negative share takes those that the
/// positive one of the same remainder leaves.
pub(super) fn share(points: Vec<Point<'_>>, ratio: f64) -> Vec<Point<'_>> {
    let mut key = Vec::new();
    let kept = |point: &Point<'_>| {
        point.tags.full_key(&mut key);
        // FNV-1a, then a last mixing, for its upper bits are the poorer ones.
        let hash =
            key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
    };
    points.into_iter().filter(kept).collect()
}

/// Sorts by value, NaN last in both directions; equal values stay in their order.
pub(super) fn sort(points: &mut [Point<'_>], descending: bool) {
    points.sort_by(|a, b| {
        let by_value = if descending { b.value.partial_cmp(&a.value) } else { a.value.partial_cmp(&b.value) };
        by_value.unwrap_or_else(|| a.value.is_nan().cmp(&b.value.is_nan()))
    });
}

/// `count_values`: how many elements have each value, which becomes the label `label`.
pub(super) fn count_values<'a>(points: Vec<Point<'a>>, grouping: &Grouping, label: &str) -> Vec<Point<'a>> {
    let grouping = match grouping {
        Grouping::By(names) => Grouping::By(names.iter().cloned().chain([label.to_string()]).collect()),
        Grouping::Without(names) => Grouping::Without(names.clone()),
    };
    let valued = points.into_iter().map(|point| {
        let mut labels = point.tags.into_labels();
        labels.set(label, super::print::number(point.value));
        Point { tags: Tags::owned(labels), value: 1.0 }
    });
    reduce(valued.collect(), &grouping, |group| group.len() as f64)
}

/// The value at rank q·(n − 1), between the two nearest samples in proportion. NaN sorts before all numbers. Sorts
/// `values`; below 0 and above 1 the answer is infinite.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let below = (lower as usize).min(last);
    values[below] * (1.0 - weight) + values[(below + 1).min(last)] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(quantile(0.75, &mut [4.0, 0.0, 1.0]), 2.5);
        assert_eq!(quantile(1.0, &mut [4.0, 0.0, 1.0]), 4.0);
        assert_eq!(quantile(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut [1.0]), f64::INFINITY);
        assert!(quantile(0.5, &mut []).is_nan() && quantile(f64::NAN, &mut [1.0]).is_nan());
        assert!(quantile(0.2, &mut [0.0, f64::NAN, 1.0]).is_nan());
    }
}
