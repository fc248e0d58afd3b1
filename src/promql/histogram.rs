//! Classic histograms: quantiles and fractions from cumulative buckets.

use std::collections::HashMap;

use super::ast::Place;
use super::eval::Point;
use super::notes::Notes;
use super::query::Semantics;
use super::tags::Tags;

/// A cumulative bucket: how many observations were at most `bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    bound: f64,
    count: f64,
}

/// Counts that differ by less than this share of their sum differ by rounding only.
const TOLERANCE: f64 = 1e-12;

/// Elements that share all labels but `le`, and the buckets that they are.
type Histograms<'a> = Vec<(Tags<'a>, Vec<Bucket>)>;

/// What is said of a quantile, of which only its bucket is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reading {
    /// As Prometheus: where in the bucket it would lie if the observations were spread evenly.
    #[default]
    Between,
    /// The lower edge of its bucket.
    From,
    /// The upper edge of its bucket.
    To,
}

/// Reads histograms from elements, and notes what is wrong with them.
pub(super) struct Reader<'n> {
    pub(super) semantics: Semantics,
    pub(super) reading: Reading,
    pub(super) notes: &'n Notes,
    /// Of the vector in the text.
    pub(super) place: Place,
}

impl Reader<'_> {
    /// The histograms among `points`. An element without a readable `le` is no bucket and is left out.
    pub(super) fn histograms<'a>(&self, points: Vec<Point<'a>>) -> Histograms<'a> {
        histograms(points, |point| {
            let of = match point.tags.origin() {
                "" => String::new(),
                name => format!(" for metric name {name:?}"),
            };
            let found = point.tags.get("le");
            let why = format!("bucket label \"le\" is missing or has a malformed value of {found:?}{of}");
            self.notes.warn(self.place, why);
        })
    }

    /// `histogram_quantile`
    pub(super) fn quantiles<'a>(&self, q: f64, histograms: Histograms<'a>) -> Vec<Point<'a>> {
        let point = |(tags, buckets): (Tags<'a>, Vec<Bucket>)| {
            let (value, fell) = quantile(q, buckets, self.semantics, self.reading);
            if fell {
                self.fell(tags.origin());
            }
            Point { tags: tags.without_name(), value }
        };
        histograms.into_iter().map(point).collect()
    }

    /// `histogram_fraction`
    pub(super) fn fractions<'a>(&self, lower: f64, upper: f64, histograms: Histograms<'a>) -> Vec<Point<'a>> {
        (histograms.into_iter())
            .map(|(tags, buckets)| Point { tags: tags.without_name(), value: fraction(lower, upper, buckets) })
            .collect()
    }

    /// Counts of buckets fell and were repaired.
    fn fell(&self, name: &str) {
        let of = if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") };
        let why = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){of}"
        );
        self.notes.inform(self.place, why);
    }
}

/// Elements without a readable `le` are shown to `unread`.
fn histograms<'a>(points: Vec<Point<'a>>, unread: impl Fn(&Point<'a>)) -> Histograms<'a> {
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut histograms: Histograms<'a> = Vec::new();
    let mut key = Vec::new();
    for point in points {
        let Ok(bound) = point.tags.get("le").parse() else {
            unread(&point);
            continue;
        };
        let bucket = Bucket { bound, count: point.value };
        point.tags.key_without("le", &mut key);
        match places.get(&key) {
            Some(place) => histograms[*place].1.push(bucket),
            None => {
                places.insert(key.clone(), histograms.len());
                histograms.push((point.tags.without("le"), vec![bucket]));
            }
        }
    }
    histograms
}

/// Why these elements give no quantile; `None` if they do.
pub(super) fn doubt(points: Vec<Point<'_>>) -> Option<&'static str> {
    let all = histograms(points, |_| ());
    if all.is_empty() {
        return Some("is empty: no element has the label `le`");
    }
    let faults = all.into_iter().map(|(_, buckets)| match complete(buckets).as_deref() {
        None => Some("is NaN: there is no bucket le=\"+Inf\""),
        Some([_]) => Some("is NaN: there is no bucket but le=\"+Inf\""),
        Some([.., last]) if last.count == 0.0 => Some("is NaN: 0 observations in the range"),
        Some(_) => None,
    });
    faults.reduce(|first, next| first.and(next)).flatten()
}

/// Sorted by bound, equal bounds merged; `None` without a bucket for everything (`+Inf`).
fn complete(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if buckets.last()?.bound != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    Some(buckets)
}

/// Makes the counts rise; whether they fell by more than rounding. They do where buckets were scraped or summed apart, and
/// a fall would turn the search for a rank astray.
fn repair(buckets: &mut [Bucket], semantics: Semantics) -> bool {
    let (mut before, mut fell) = (f64::NEG_INFINITY, false);
    for bucket in buckets {
        let rounding = semantics == Semantics::V3 && almost_equal(before, bucket.count);
        if bucket.count < before || rounding {
            fell |= !rounding;
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    fell
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let (difference, total) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || total < f64::MIN_POSITIVE {
        difference < TOLERANCE * f64::MIN_POSITIVE
    } else {
        difference / total.min(f64::MAX) < TOLERANCE
    }
}

/// The value below which the share `q` of the observations lies, and whether counts had to be repaired. In the highest bucket nothing is known but its lower
/// edge; the lowest begins at zero if its bound is positive.
fn quantile(q: f64, buckets: Vec<Bucket>, semantics: Semantics, reading: Reading) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    let Some(mut buckets) = complete(buckets) else { return (f64::NAN, false) };
    let fell = repair(&mut buckets, semantics);
    (ranked(q, &buckets, reading), fell)
}

/// The value at the rank q · N, of buckets whose counts rise.
fn ranked(q: f64, buckets: &[Bucket], reading: Reading) -> f64 {
    let [finite @ .., all] = buckets else { return f64::NAN };
    let (Some(first), Some(largest)) = (finite.first(), finite.last()) else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * all.count;
    let place = finite.partition_point(|bucket| bucket.count < rank || bucket.count.is_nan());
    let Some(bucket) = finite.get(place) else {
        return if reading == Reading::To { f64::INFINITY } else { largest.bound };
    };
    let (start, below) = match place.checked_sub(1) {
        Some(before) => (finite[before].bound, finite[before].count),
        None if first.bound <= 0.0 => (f64::NEG_INFINITY, 0.0),
        None => (0.0, 0.0),
    };
    match reading {
        Reading::From => start,
        Reading::To => bucket.bound,
        Reading::Between if start.is_infinite() => bucket.bound,
        Reading::Between => start + (bucket.bound - start) * ((rank - below) / (bucket.count - below)),
    }
}

/// The share of the observations between two values, if they lie evenly within their bucket.
fn fraction(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(buckets) = complete(buckets) else { return f64::NAN };
    let (Some(first), Some(all)) = (buckets.first(), buckets.last()) else { return f64::NAN };
    if all.count == 0.0 || all.count.is_nan() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let lowest = if first.bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    let rank = |value: f64| -> f64 {
        let (mut start, mut below) = (lowest, 0.0);
        for bucket in &buckets {
            if start >= value {
                return below;
            }
            if value < bucket.bound {
                if start == f64::NEG_INFINITY {
                    return bucket.count;
                }
                return below + (bucket.count - below) * (value - start) / (bucket.bound - start);
            }
            (start, below) = (bucket.bound, bucket.count);
        }
        all.count
    };
    (rank(upper).min(all.count) - rank(lower).min(all.count)) / all.count
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    fn q(q: f64, pairs: &[(f64, f64)]) -> f64 {
        quantile(q, buckets(pairs), Semantics::V3, Reading::Between).0
    }

    #[test]
    fn within_a_bucket_ranks_are_spread_evenly() {
        let latency = [(0.1, 50.0), (0.5, 90.0), (1.0, 100.0), (INF, 100.0)];
        assert_eq!(q(0.5, &latency), 0.1);
        assert_eq!(q(0.7, &latency), 0.1 + 0.4 * (20.0 / 40.0));
        assert_eq!(q(0.25, &latency), 0.05);
        assert_eq!(q(1.0, &latency), 1.0);
    }

    #[test]
    fn beyond_the_largest_finite_bound_nothing_is_known() {
        assert_eq!(q(0.99, &[(1.0, 10.0), (2.0, 20.0), (INF, 100.0)]), 2.0);
    }

    #[test]
    fn the_lowest_bucket_begins_at_zero_or_has_no_width() {
        assert_eq!(q(0.5, &[(2.0, 10.0), (INF, 10.0)]), 1.0);
        assert_eq!(q(0.5, &[(-2.0, 10.0), (INF, 10.0)]), -2.0);
        assert_eq!(q(0.0, &[(0.0, 0.0), (1.0, 10.0), (INF, 10.0)]), 0.0);
    }

    #[test]
    fn the_bucket_of_a_quantile_has_two_edges() {
        let edges = |q, pairs: &[(f64, f64)]| {
            let read = |reading| quantile(q, buckets(pairs), Semantics::V3, reading).0;
            (read(Reading::From), read(Reading::To))
        };
        let latency = [(0.1, 50.0), (0.5, 90.0), (INF, 100.0)];
        assert_eq!(edges(0.5, &latency), (0.0, 0.1));
        assert_eq!(edges(0.51, &latency), (0.1, 0.5));
        assert_eq!(edges(0.9, &latency), (0.1, 0.5));
        assert_eq!(edges(0.95, &latency), (0.5, INF));
        assert_eq!(edges(0.5, &[(-2.0, 10.0), (INF, 10.0)]), (-INF, -2.0));
        assert!(edges(0.5, &[(0.1, 0.0), (INF, 0.0)]).0.is_nan());
        assert!(edges(0.5, &[(0.1, 5.0)]).1.is_nan());
    }

    #[test]
    fn what_is_no_histogram_has_no_quantile() {
        assert!(q(0.5, &[(1.0, 10.0), (2.0, 20.0)]).is_nan(), "no +Inf");
        assert!(q(0.5, &[(INF, 20.0)]).is_nan(), "one bucket");
        assert!(q(0.5, &[(1.0, 0.0), (INF, 0.0)]).is_nan(), "no observation");
        assert!(q(0.5, &[]).is_nan());
        assert!(q(f64::NAN, &[(1.0, 1.0), (INF, 1.0)]).is_nan());
        assert_eq!((q(-0.1, &[]), q(1.1, &[])), (f64::NEG_INFINITY, INF));
    }

    #[test]
    fn falling_counts_are_repaired_and_equal_bounds_merged() {
        assert_eq!(q(0.5, &[(1.0, 10.0), (2.0, 5.0), (4.0, 20.0), (INF, 20.0)]), 1.0);
        assert_eq!(q(0.75, &[(1.0, 10.0), (2.0, 5.0), (4.0, 20.0), (INF, 20.0)]), 3.0);
        assert_eq!(q(0.5, &[(1.0, 5.0), (1.0, 5.0), (2.0, 20.0), (INF, 20.0)]), 1.0);
    }

    #[test]
    fn differences_from_rounding_are_none() {
        // Without the tolerance the rank of q=1 would be found in the highest finite bucket.
        let rounded = [(1.0, 10.0), (2.0, 10.000_000_000_001), (4.0, 10.000_000_000_002), (INF, 10.000_000_000_002)];
        assert_eq!(q(1.0, &rounded), 1.0);
        assert_eq!(quantile(1.0, buckets(&rounded), Semantics::V2, Reading::Between), (4.0, false));
    }

    #[test]
    fn a_fraction_lies_between_two_ranks() {
        let f = |lower, upper| fraction(lower, upper, buckets(&[(1.0, 10.0), (2.0, 30.0), (INF, 40.0)]));
        assert_eq!(f(0.0, 1.0), 0.25);
        assert_eq!(f(0.5, 1.5), (20.0 - 5.0) / 40.0);
        assert_eq!(f(2.0, INF), 0.25);
        assert_eq!(f(f64::NEG_INFINITY, INF), 1.0);
        assert_eq!(f(2.0, 1.0), 0.0);
        // Above the largest finite bound it is not known where the rest lies: none of it is counted.
        assert_eq!(f(0.0, 1e9), 0.75);
        assert!(f(f64::NAN, 1.0).is_nan());
    }
}
