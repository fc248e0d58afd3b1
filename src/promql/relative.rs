//! Whether a condition compares what happened with what else happened at the same time.

use super::ast::{Operator, Scalar, Vector};
use super::expr::Expr;
use super::part::Part;

impl Expr {
    /// Whether its value is relative: a ratio of two vectors, or a quantile. In those a range cancels out, and what
    /// happens shows long before the range is full of it. An absolute rate is diluted by all of its range.
    pub fn is_relative(&self) -> bool {
        is_relative(self.root.part())
    }
}

fn is_relative(part: Part<'_>) -> bool {
    match part {
        Part::Vector(Vector::HistogramQuantile { .. } | Vector::HistogramFraction { .. }) => true,
        Part::Vector(Vector::Match { op: Operator::Div, .. }) => true,
        Part::Vector(Vector::Match { op, .. }) if op.is_comparison() => true,
        Part::Vector(Vector::Set { lhs, rhs, .. }) => is_relative(Part::Vector(lhs)) && is_relative(Part::Vector(rhs)),
        Part::Vector(Vector::Selector(_)) | Part::Scalar(Scalar::Number(_)) => false,
        // A function, a factor or a threshold changes nothing of that.
        Part::Vector(_) => part.children().into_iter().any(is_relative),
        Part::Scalar(_) | Part::Matrix(_) | Part::Text(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

    #[test]
    fn ratios_and_quantiles_are_relative() {
        for (text, relative) in [
            ("sum(rate(a[5m])) / sum(rate(b[5m])) > 0.05", true),
            ("1 - sum(rate(a[5m])) / sum(rate(b[5m])) > 0.05", true),
            ("(rate(a[5m]) / rate(b[5m])) * 100 < 10 and rate(c[1m]) / rate(d[1m]) > 1", true),
            ("histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m]))) > 1", true),
            ("rate(a[5m]) > 0.1 * rate(b[5m])", true),
            ("rate(a[5m]) > 10", false),
            ("100 - (avg by (instance) (rate(a[5m])) * 100) > 90", false),
            ("rate(a[5m]) / 2 > 1", false),
            ("absent_over_time(a[30m])", false),
            ("a == 0", false),
        ] {
            assert_eq!(parse(text).expect("it is PromQL").is_relative(), relative, "{text}");
        }
    }
}
