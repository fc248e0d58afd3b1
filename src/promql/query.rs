//! Queries: an expression at an instant or at each step of a range.

use std::collections::BTreeMap;

use super::ast::Node;
use super::error::Error;
use super::eval::{Evaluator, Query};
use super::expr::Expr;
use super::select::Storage;
use super::value::{Element, Value};
use crate::base::series::{Labels, Sample, Series};

/// Whose rules an evaluation follows where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Semantics {
    /// Prometheus 3: a range excludes its first instant, extrapolation is limited to half a distance before it is
    /// limited at zero, bucket counts that differ by rounding are equal.
    #[default]
    V3,
    /// Prometheus before 2.49: a range includes its first instant, the limit at zero comes first, bucket counts count
    /// as they are.
    V2,
}

/// What an evaluation depends on besides expression and samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How old the newest sample may be for an instant selector, in milliseconds.
    pub lookback_ms: i64,
    /// The step of subqueries that name none, in milliseconds; Prometheus takes its evaluation interval.
    pub subquery_step_ms: i64,
    /// Whose rules hold.
    pub semantics: Semantics,
}

/// Prometheus's own: 5 minutes back, steps of 1 minute.
impl Default for Options {
    fn default() -> Options {
        Options { lookback_ms: 300_000, subquery_step_ms: 60_000, semantics: Semantics::V3 }
    }
}

/// The value of an expression at an instant, in milliseconds on the axis of the samples.
pub fn evaluate(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Result<Value, Error> {
    let query = Query { start: at_ms, end: at_ms, step: 0 };
    Evaluator::new(storage, options, query).value(expr.root.part(), at_ms)
}

/// The values of an expression at `start_ms`, `start_ms + step_ms`, … up to and including `end_ms`: one series per
/// label set, sorted by labels. A number makes one series without labels; strings and ranges are errors.
pub fn evaluate_range(
    expr: &Expr,
    storage: &Storage<'_>,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
    options: &Options,
) -> Result<Vec<Series>, Error> {
    if step_ms <= 0 {
        return Err(Error::Evaluation(format!("the step of a range query must be positive, not {step_ms} ms")));
    }
    if matches!(expr.root, Node::Matrix(_) | Node::Text(_)) {
        let why = format!("`{}` is neither a number nor an instant vector: it has no value at each step", expr.text);
        return Err(Error::Evaluation(why));
    }
    let evaluator = Evaluator::new(storage, options, Query { start: start_ms, end: end_ms, step: step_ms });
    let mut series: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    let mut at = start_ms;
    while at <= end_ms {
        let elements = match evaluator.value(expr.root.part(), at)? {
            Value::Vector(elements) => elements,
            Value::Scalar(value) => vec![Element { labels: Labels::default(), value }],
            Value::Matrix(_) | Value::Text(_) => Vec::new(),
        };
        for Element { labels, value } in elements {
            series.entry(labels).or_default().push(Sample { at, value });
        }
        at = at.saturating_add(step_ms);
    }
    Ok(series.into_iter().map(|(labels, samples)| Series { labels, samples }).collect())
}
