//! What a histogram really says of a quantile: the bucket that it lies in. Where in the bucket, the number that PromQL
//! interpolates only guesses; a bound inside the bucket cannot be decided by it.

use super::verdict::Verdict;
use crate::promql::Bracket;
use crate::scenario::Compare;

/// An edge that came out of a multiplication is what it should be up to this share.
const ROUNDING: f64 = 1e-12;

/// Whether a quantile in this bucket keeps to a bound.
pub fn verdict(bucket: &Bracket, compare: Compare, bound: f64) -> Verdict {
    let is_bound = |edge: f64| edge == bound || (edge - bound).abs() <= ROUNDING * bound.abs();
    let below = bucket.high <= bound || is_bound(bucket.high);
    let above = bucket.low >= bound || is_bound(bucket.low);
    match compare {
        Compare::Less | Compare::AtMost if below => Verdict::Pass,
        Compare::Less | Compare::AtMost if above => Verdict::Fail,
        Compare::Greater | Compare::AtLeast if above => Verdict::Pass,
        Compare::Greater | Compare::AtLeast if below => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// The bucket as sentences have it: `(0.25, 0.5]`.
pub fn words(bucket: &Bracket) -> String {
    format!("({}, {}]", edge(bucket.low), edge(bucket.high))
}

/// The `le` of a bucket that would decide a bound.
pub fn missing(bucket: &Bracket, bound: f64) -> String {
    edge(bound / bucket.scale)
}

/// A number without what rounding has left in its last digits.
fn edge(edge: f64) -> String {
    match edge {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        edge => format!("{edge:.11e}").parse().map_or_else(|_| edge.to_string(), |short: f64| short.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::Labels;

    fn within(low: f64, high: f64) -> Bracket {
        Bracket { labels: Labels::default(), low, high, scale: 1.0 }
    }

    #[test]
    fn a_bound_inside_the_bucket_is_not_decided() {
        let is = |low, high, compare, bound| verdict(&within(low, high), compare, bound);
        assert_eq!(is(0.25, 0.5, Compare::Less, 0.5), Verdict::Pass);
        assert_eq!(is(0.25, 0.5, Compare::Less, 0.25), Verdict::Fail);
        assert_eq!(is(0.25, 0.5, Compare::Less, 0.3), Verdict::Inconclusive);
        assert_eq!(is(0.25, 0.5, Compare::Greater, 0.25), Verdict::Pass);
        assert_eq!(is(0.25, 0.5, Compare::Greater, 0.5), Verdict::Fail);
        assert_eq!(is(0.5, f64::INFINITY, Compare::Less, 10.0), Verdict::Inconclusive);
        assert_eq!(is(0.5, f64::INFINITY, Compare::Less, 0.5), Verdict::Fail);
    }

    #[test]
    fn what_a_multiplication_left_behind_decides_nothing() {
        assert_ne!((0.07 * 100.0, 0.57 * 100.0), (7.0, 57.0));
        let scaled = Bracket { scale: 100.0, ..within(0.07 * 100.0, 0.57 * 100.0) };
        assert_eq!(verdict(&scaled, Compare::Less, 7.0), Verdict::Fail);
        assert_eq!(verdict(&within(6.999_999_999_999_999, 9.0), Compare::AtLeast, 7.0), Verdict::Pass);
        assert_eq!(verdict(&within(1.0, 7.000_000_000_000_001), Compare::Less, 7.0), Verdict::Pass);
        assert_eq!(verdict(&scaled, Compare::Less, 57.0), Verdict::Pass);
        assert_eq!(verdict(&scaled, Compare::Less, 56.9), Verdict::Inconclusive);
        assert_eq!((words(&scaled), missing(&scaled, 30.0)), ("(7, 57]".to_owned(), "0.3".to_owned()));
        assert_eq!(words(&within(f64::NEG_INFINITY, f64::INFINITY)), "(-Inf, +Inf]");
    }
}
