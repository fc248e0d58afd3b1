//! What a histogram really says of a quantile: the bucket that it lies in. Where in the bucket, the number that PromQL
//! interpolates only guesses; a bound inside the bucket cannot be decided by it.

use std::collections::BTreeMap;
use std::fmt;

use super::verdict::Verdict;
use crate::base::series::Labels;
use crate::promql::{self, Options, Storage, Value};
use crate::scenario::Compare;

/// The bucket that a quantile lies in: above `low`, at most `high`.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// Of which element of the answer.
    pub labels: Labels,
    /// The bound of the bucket before; minus infinity for the first.
    pub low: f64,
    /// Its own bound, which may be infinite.
    pub high: f64,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", Edge(self.low), Edge(self.high))
    }
}

struct Edge(f64);

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            edge => write!(f, "{edge}"),
        }
    }
}

impl Within {
    /// Whether a quantile in this bucket keeps to a bound.
    pub fn verdict(&self, compare: Compare, bound: f64) -> Verdict {
        let (below, above) = (self.high <= bound, self.low >= bound);
        match compare {
            Compare::Less | Compare::AtMost if below => Verdict::Pass,
            Compare::Less | Compare::AtMost if above => Verdict::Fail,
            Compare::Greater | Compare::AtLeast if above => Verdict::Pass,
            Compare::Greater | Compare::AtLeast if below => Verdict::Fail,
            _ => Verdict::Inconclusive,
        }
    }
}

/// The buckets that the quantiles of an expression lie in, if the whole expression is one `histogram_quantile` of a
/// fixed share; otherwise, and for histograms without a quantile, none.
pub fn locate(expr: &str, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Vec<Within> {
    let Some((q, buckets)) = split(expr) else { return Vec::new() };
    let Ok(parsed) = promql::parse(buckets) else { return Vec::new() };
    let Ok(Value::Vector(elements)) = promql::evaluate(&parsed, storage, at_ms, options) else { return Vec::new() };
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for element in elements {
        let Ok(bound) = element.labels.get("le").parse::<f64>() else { continue };
        let labels = element.labels.filter(|name| name != "le" && name != "__name__");
        histograms.entry(labels).or_default().push((bound, element.value));
    }
    histograms.into_iter().filter_map(|(labels, buckets)| find(labels, buckets, q)).collect()
}

/// The bucket that the rank falls in. Counts are cumulative; where rounding lets them fall, the most so far counts.
fn find(labels: Labels, mut buckets: Vec<(f64, f64)>, q: f64) -> Option<Within> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (last, total) = *buckets.last()?;
    if last != f64::INFINITY || buckets.len() < 2 || total.is_nan() || total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let (mut low, mut most) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (bound, count) in buckets {
        most = count.max(most);
        if most >= rank {
            // What is measured is not negative, so the first bucket begins at 0 if its bound is above.
            let low = if low == f64::NEG_INFINITY && bound > 0.0 { 0.0 } else { low };
            return Some(Within { labels, low, high: bound });
        }
        low = bound;
    }
    None
}

/// The share and the argument of an expression that is one `histogram_quantile(0.95, …)` from end to end.
fn split(expr: &str) -> Option<(f64, &str)> {
    let arguments = expr.trim().strip_prefix("histogram_quantile")?.trim_start().strip_prefix('(')?;
    let mut depth = 1;
    let mut comma = None;
    let mut quote = None;
    let mut escaped = false;
    for (place, c) in arguments.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(open), '\\') if open != '`' => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 1 && comma.is_none() => comma = Some(place),
            _ => {}
        }
        if depth == 0 {
            let comma = comma.filter(|_| arguments[place + 1..].trim().is_empty())?;
            let q = arguments[..comma].trim().parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
            return Some((q, &arguments[comma + 1..place]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_quantile_is_split() {
        let inner = "sum by (le) (rate(x{a=\")\"}[1m]))";
        assert_eq!(split(&format!(" histogram_quantile (0.95, {inner}) ")), Some((0.95, format!(" {inner}").as_str())));
        for other in [
            "histogram_quantile(0.9, x) * 2",
            "histogram_quantile(scalar(q), x)",
            "max(histogram_quantile(0.9, x))",
            "histogram_quantile(0.9, x",
            "rate(x[1m])",
        ] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    fn within(low: f64, high: f64) -> Within {
        Within { labels: Labels::default(), low, high }
    }

    #[test]
    fn a_bound_inside_the_bucket_is_not_decided() {
        let bucket = within(0.25, 0.5);
        assert_eq!(bucket.verdict(Compare::Less, 0.5), Verdict::Pass);
        assert_eq!(bucket.verdict(Compare::Less, 0.25), Verdict::Fail);
        assert_eq!(bucket.verdict(Compare::Less, 0.3), Verdict::Inconclusive);
        assert_eq!(bucket.verdict(Compare::Greater, 0.25), Verdict::Pass);
        assert_eq!(bucket.verdict(Compare::Greater, 0.5), Verdict::Fail);
        assert_eq!(within(0.5, f64::INFINITY).verdict(Compare::Less, 10.0), Verdict::Inconclusive);
        assert_eq!(within(0.5, f64::INFINITY).verdict(Compare::Less, 0.5), Verdict::Fail);
    }

    #[test]
    fn the_rank_finds_its_bucket() {
        let buckets = |last| vec![(0.1, 50.0), (0.5, 90.0), (f64::INFINITY, last)];
        let find = |q, last| find(Labels::default(), buckets(last), q).map(|w| (w.low, w.high));
        assert_eq!(find(0.5, 100.0), Some((0.0, 0.1)));
        assert_eq!(find(0.51, 100.0), Some((0.1, 0.5)));
        assert_eq!(find(0.9, 100.0), Some((0.1, 0.5)));
        assert_eq!(find(0.95, 100.0), Some((0.5, f64::INFINITY)));
        assert_eq!(super::find(Labels::default(), vec![(0.1, 5.0)], 0.5), None);
        assert_eq!(super::find(Labels::default(), vec![(0.1, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
    }
}
