//! Between which edges of buckets the answer of an expression lies: where in its bucket a quantile of a histogram is, the
//! number that Prometheus interpolates only guesses.

use super::ast::{Aggregation, Node, Operator, Scalar, Vector};
use super::eval::Evaluator;
use super::expr::Expr;
use super::histogram::Reading;
use super::part::Part;
use super::query::Options;
use super::select::Storage;
use super::value::{Element, Value};
use crate::base::series::Labels;

/// What is known of an element of an answer: it lies above `low`, and at `high` or below.
#[derive(Debug, Clone, PartialEq)]
pub struct Bracket {
    /// Of which element.
    pub labels: Labels,
    /// The lower edge of its bucket; 0 for the first, or minus infinity where bounds are not positive.
    pub low: f64,
    /// The upper edge, which may be infinite.
    pub high: f64,
    /// What an edge is multiplied by on its way to the answer: `le` times this.
    pub scale: f64,
}

/// The brackets of an expression that is a `histogram_quantile`, or one times or divided by a positive constant, or the
/// greatest, the least or an order of such. Of others, and of elements without a quantile, there are none.
pub fn brackets(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Vec<Bracket> {
    let Node::Vector(root) = &expr.root else { return Vec::new() };
    let Some(scale) = scale(root) else { return Vec::new() };
    let read = |reading| {
        let evaluator = Evaluator::at(storage, options, at_ms).reading(reading);
        match evaluator.value(Part::Vector(root), at_ms) {
            Ok(Value::Vector(elements)) => elements,
            _ => Vec::new(),
        }
    };
    let upper = read(Reading::To);
    let bracket = |Element { labels, value: low }| {
        let high = upper.iter().find(|e| e.labels == labels)?.value;
        (low <= high).then_some(Bracket { labels, low, high, scale })
    };
    read(Reading::From).into_iter().filter_map(bracket).collect()
}

/// By what the edges of buckets are multiplied, where the answer rises and falls with the one quantile in it.
fn scale(vector: &Vector) -> Option<f64> {
    match vector {
        Vector::HistogramQuantile { .. } => Some(1.0),
        Vector::Sort { arg, .. } | Vector::SortByLabel { arg, .. } | Vector::LabelJoin { arg, .. } => scale(arg),
        Vector::LabelReplace(call) => scale(&call.arg),
        Vector::Aggregate { op: Aggregation::Max | Aggregation::Min, arg, .. } => scale(arg),
        Vector::WithScalar { op: Operator::Mul, vector, scalar, .. } => Some(scale(vector)? * positive(scalar)?),
        Vector::WithScalar { op: Operator::Div, vector, scalar, scalar_first: false, .. } => {
            Some(scale(vector)? / positive(scalar)?)
        }
        _ => None,
    }
}

fn positive(scalar: &Scalar) -> Option<f64> {
    scalar.constant().filter(|value| *value > 0.0 && value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::{Sample, Series};
    use crate::promql::parse;

    /// Quoter a answers within 0.1 and 0.5, b within 0.5 and 1, c never.
    fn of(text: &str) -> Vec<(String, f64, f64, f64)> {
        let mut all = Vec::new();
        for (quoter, counts) in [("a", [0.0, 9.0, 9.0, 9.0]), ("b", [1.0, 2.0, 9.0, 9.0]), ("c", [0.0; 4])] {
            for (le, count) in ["0.1", "0.5", "1", "+Inf"].into_iter().zip(counts) {
                let labels = Labels::new([("__name__", "x_bucket"), ("quoter", quoter), ("le", le)]);
                let samples = [0, 60_000].map(|at| Sample { at, value: if at > 0 { count } else { 0.0 } });
                all.push(Series { labels, samples: samples.into() });
            }
        }
        let expr = parse(text).expect("it is PromQL");
        let found = brackets(&expr, &Storage::new(&all), 60_000, &Options::default());
        found.into_iter().map(|b| (b.labels.get("quoter").to_owned(), b.low, b.high, b.scale)).collect()
    }

    #[test]
    fn the_bucket_is_known_through_what_keeps_its_order() {
        let (a, b) = (("a".to_owned(), 0.1, 0.5, 1.0), ("b".to_owned(), 0.5, 1.0, 1.0));
        let scaled = |(who, low, high, _): &(String, f64, f64, f64), by: f64| (who.clone(), low * by, high * by, by);
        let whole = |(_, low, high, scale): &(String, f64, f64, f64)| (String::new(), *low, *high, *scale);
        let q = "histogram_quantile(0.95, sum by (quoter, le) (increase(x_bucket[1m1s])))";
        assert_eq!(of(q), [a.clone(), b.clone()]);
        assert_eq!(of(&format!("({q})")), [a.clone(), b.clone()]);
        assert_eq!(of(&format!("sort_desc({q})")), [b.clone(), a.clone()]);
        for by in ["* 1000", "* (10 * 100)", "* 1e6 / 1e3"] {
            assert_eq!(of(&format!("{q} {by}")), [scaled(&a, 1000.0), scaled(&b, 1000.0)], "{by}");
        }
        assert_eq!(of(&format!("1000 * {q}")), [scaled(&a, 1000.0), scaled(&b, 1000.0)]);
        assert_eq!(of(&format!("{q} / 4")), [scaled(&a, 0.25), scaled(&b, 0.25)]);
        assert_eq!(of(&format!("max({q})")), [whole(&b)]);
        assert_eq!(of(&format!("min({q}) * 2")), [whole(&scaled(&a, 2.0))]);
        assert_eq!(of("histogram_quantile(0.2, x_bucket{quoter=\"b\"})"), [("b".to_owned(), 0.1, 0.5, 1.0)]);
    }

    #[test]
    fn through_what_does_not_it_is_not() {
        let q = "histogram_quantile(0.95, x_bucket)";
        for other in [
            format!("{q} * -1"),
            format!("{q} * 0"),
            format!("1 / {q}"),
            format!("{q} + 1"),
            format!("{q} > 0"),
            format!("{q} / histogram_quantile(0.5, x_bucket)"),
            format!("{q} * on() group_left() vector(1)"),
            format!("sum({q})"),
            format!("topk(1, {q})"),
            format!("abs({q})"),
            "rate(x_bucket[1m])".to_owned(),
            "1".to_owned(),
            "histogram_quantile(0.95, nothing_bucket)".to_owned(),
            "histogram_quantile(0.95, x_bucket{quoter=\"c\"})".to_owned(),
        ] {
            assert_eq!(of(&other), [], "{other}");
        }
    }
}
