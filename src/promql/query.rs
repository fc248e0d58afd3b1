//! Queries: an expression at an instant or at each step of a range.

use std::collections::BTreeMap;

use super::ast::Node;
use super::error::Error;
use super::eval::{Evaluator, Query};
use super::expr::Expr;
use super::notes::Note;
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

/// What an expression evaluates to, and what Prometheus would remark on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The value, or the values at each step.
    pub value: T,
    /// Infos first.
    pub notes: Vec<Note>,
}

/// The value of an expression at an instant, in milliseconds on the axis of the samples.
pub fn evaluate(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Result<Value, Error> {
    Ok(answer(expr, storage, at_ms, options)?.value)
}

/// The same with the notes to it.
pub fn answer(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Result<Answer<Value>, Error> {
    let evaluator = Evaluator::at(storage, options, at_ms);
    let value = evaluator.value(expr.root.part(), at_ms)?;
    Ok(Answer { value, notes: evaluator.notes.told(&expr.text) })
}

/// The values of an expression at `start_ms`, `start_ms + step_ms`, … up to and including `end_ms`: one series per
/// label set, sorted by labels. A number makes one series without labels; strings and ranges are errors.
pub fn evaluate_range(
    expr: &Expr,
    storage: &Storage<'_>,
    steps: (i64, i64, i64),
    options: &Options,
) -> Result<Vec<Series>, Error> {
    Ok(answer_range(expr, storage, steps, options)?.value)
}

/// The same with the notes to it.
pub fn answer_range(
    expr: &Expr,
    storage: &Storage<'_>,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
    options: &Options,
) -> Result<Answer<Vec<Series>>, Error> {
    if step_ms <= 0 {
        return Err(Error::Evaluation(format!("the step of a range query must be positive, not {step_ms} ms")));
    }
    if matches!(expr.root, Node::Matrix(_) | Node::Text(_)) {
        let why = format!("`{}` is neither a number nor an instant vector: it has no value at each step", expr.text());
        return Err(Error::Evaluation(why));
    }
    let evaluator = Evaluator::new(storage, options, Query { start: start_ms, end: end_ms, step: step_ms });
    let mut series: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for at in evaluator.steps(start_ms, end_ms, step_ms)? {
        let elements = match evaluator.value(expr.root.part(), at)? {
            Value::Vector(elements) => elements,
            Value::Scalar(value) => vec![Element { labels: Labels::default(), value }],
            Value::Matrix(_) | Value::Text(_) => Vec::new(),
        };
        for Element { labels, value } in elements {
            series.entry(labels).or_default().push(Sample { at, value });
        }
    }
    let value = series.into_iter().map(|(labels, samples)| Series { labels, samples }).collect();
    Ok(Answer { value, notes: evaluator.notes.told(&expr.text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    fn series(name: &str, job: &str) -> Series {
        let samples = (0..=10).map(|i| Sample { at: i * 1_000, value: i as f64 }).collect();
        Series { labels: Labels::new([("__name__", name), ("job", job)]), samples }
    }

    fn range(text: &str, steps: (i64, i64, i64)) -> Result<Vec<Series>, Error> {
        let (a, b) = (series("x", "a"), series("x", "b"));
        evaluate_range(&parse(text).expect("it is PromQL"), &Storage::new([&a, &b]), steps, &Options::default())
    }

    #[test]
    fn the_order_of_the_series_does_not_matter() {
        let (a, b, c) = (series("x", "a"), series("x", "b"), series("A", "a"));
        for text in ["topk(1, x)", "{job=~\".+\"}", "sum by (job) ({job=~\".+\"})"] {
            let expr = parse(text).expect("it is PromQL");
            let value = |storage| evaluate(&expr, &storage, 5_000, &Options::default());
            assert_eq!(value(Storage::new([&a, &b, &c])), value(Storage::new([&c, &b, &a])), "{text}");
        }
    }

    #[test]
    fn a_range_holds_its_end_when_a_step_meets_it() {
        let at = |series: Vec<Series>| series[0].samples.iter().map(|s| s.at).collect::<Vec<_>>();
        assert_eq!(at(range("x", (0, 4_000, 2_000)).expect("it has values")), [0, 2_000, 4_000]);
        assert_eq!(at(range("x", (0, 3_999, 2_000)).expect("it has values")), [0, 2_000]);
        assert_eq!(range("1", (5, 5, 1)).expect("a number").len(), 1);
        assert_eq!(range("x", (5, 4, 1)), Ok(Vec::new()));
        assert_eq!(range("1", (i64::MAX - 1, i64::MAX, 1)).expect("a number")[0].samples.len(), 2);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        for (text, steps) in [
            ("x", (0, 10, 0)),
            ("x", (0, 10, -1)),
            ("x[1m]", (0, 10, 1)),
            ("\"text\"", (0, 10, 1)),
            ("1", (0, i64::MAX, 1)),
            ("sum_over_time(vector(1)[1y:1ms])", (0, 0, 1)),
            ("sum_over_time(sum_over_time(vector(1)[1d:1s])[1d:1s])", (0, 0, 1)),
        ] {
            assert!(matches!(range(text, steps), Err(Error::Evaluation(_))), "{text} {steps:?}");
        }
    }

    #[test]
    fn the_far_ends_of_time_do_not_overflow() {
        let x = series("x", "a");
        for text in [
            "x",
            "rate(x[1000y])",
            "x offset 1000y",
            "x offset -1000y",
            "x @ -1e9",
            "max_over_time(x[5m:1m])",
            "predict_linear(x[1m] @ 5, 1)",
        ] {
            let expr = parse(text).expect("it is PromQL");
            for at in [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX] {
                let _ = evaluate(&expr, &Storage::new([&x]), at, &Options::default());
            }
        }
    }
}
