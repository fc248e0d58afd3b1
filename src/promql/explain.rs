//! How an answer came about, and why there is none: a verdict of NO DATA must name what was missing.

use super::ast::{Aggregation, Matrix, Operator, Scalar, SetOperator, Vector};
use super::error::Error;
use super::eval::Evaluator;
use super::expr::Expr;
use super::histogram;
use super::part::Part;
use super::print::{duration, number};
use super::query::Options;
use super::select::Storage;
use super::selector::{MatchOp, Matcher, Selector};
use super::value::{Element, Value};
use crate::base::series::is_stale;

/// How many elements a line of [`explain`] shows before it only counts them.
const SHOWN: usize = 3;

/// The expression as a tree, each part on a line of its own with what it evaluates to, parts indented below what they
/// are part of.
pub fn explain(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> String {
    fn line(out: &mut String, evaluator: &Evaluator<'_, '_>, part: Part<'_>, at: i64, depth: usize) {
        if depth > 0 && matches!(part, Part::Scalar(Scalar::Number(_)) | Part::Text(_)) {
            return;
        }
        let summary = match evaluator.value(part, at) {
            Ok(value) => summary(&value),
            Err(error) => format!("error: {error}"),
        };
        out.push_str(&format!("{:indent$}{part}  =  {summary}\n", "", indent = 2 * depth));
        let at = inner_instant(evaluator, part, at);
        part.children().into_iter().for_each(|child| line(out, evaluator, child, at, depth + 1));
    }
    let mut out = String::new();
    line(&mut out, &Evaluator::at(storage, options, at_ms), expr.root.part(), at_ms, 0);
    out
}

/// The instant at which the parts of a part are looked at: for a subquery its end, otherwise the same.
fn inner_instant(evaluator: &Evaluator<'_, '_>, part: Part<'_>, at: i64) -> i64 {
    match part {
        Part::Matrix(Matrix::Subquery { offset, at: pinned, .. }) => {
            evaluator.moment(at, *pinned, offset).unwrap_or(at)
        }
        _ => at,
    }
}

fn summary(value: &Value) -> String {
    let list = |elements: &[Element]| {
        let shown = elements.iter().take(SHOWN).map(|e| format!("{} {}", e.labels, number(e.value)));
        shown.collect::<Vec<_>>().join("; ")
    };
    match value {
        Value::Scalar(value) => number(*value),
        Value::Text(text) => text.clone(),
        Value::Vector(elements) => match elements.len() {
            0 => "no element".into(),
            1 => list(elements),
            n if n <= SHOWN => format!("{n} elements: {}", list(elements)),
            n => format!("{n} elements: {}; …", list(elements)),
        },
        Value::Matrix(series) => {
            let samples: usize = series.iter().map(|s| s.samples.len()).sum();
            format!("{}, {}", count(series.len(), "series", "series"), count(samples, "sample", "samples"))
        }
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Why an expression is empty or NaN: one sentence for each part that is to blame, none if it has a value. Most often
/// that is an operand which selects nothing.
pub fn explain_empty(expr: &Expr, storage: &Storage<'_>, at_ms: i64, options: &Options) -> Vec<String> {
    let mut search = Search { evaluator: Evaluator::at(storage, options, at_ms), reasons: Vec::new() };
    if search.state(expr.root.part(), at_ms) != State::Fine {
        search.blame(expr.root.part(), at_ms);
    }
    search.reasons.dedup();
    search.reasons
}

/// What a part is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    Empty,
    /// All of its elements are NaN.
    NoNumber,
    Error,
}

struct Search<'s, 'a> {
    evaluator: Evaluator<'s, 'a>,
    reasons: Vec<String>,
}

impl Search<'_, '_> {
    fn state(&self, part: Part<'_>, at: i64) -> State {
        match self.evaluator.value(part, at) {
            Err(_) => State::Error,
            Ok(Value::Vector(elements)) if elements.is_empty() => State::Empty,
            Ok(Value::Vector(elements)) if elements.iter().all(|e| e.value.is_nan()) => State::NoNumber,
            Ok(Value::Matrix(series)) if series.is_empty() => State::Empty,
            Ok(Value::Scalar(value)) if value.is_nan() => State::NoNumber,
            Ok(_) => State::Fine,
        }
    }

    fn say(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// How many elements a vector has.
    fn size(&self, vector: &Vector, at: i64) -> usize {
        self.evaluator.vector(vector, at).map_or(0, |points| points.len())
    }

    /// Blames the parts of a part; whether any of them is to blame.
    fn blame_children(&mut self, part: Part<'_>, at: i64) -> bool {
        let at = inner_instant(&self.evaluator, part, at);
        let bad: Vec<Part<'_>> =
            part.children().into_iter().filter(|child| self.state(*child, at) != State::Fine).collect();
        bad.iter().for_each(|child| self.blame(*child, at));
        !bad.is_empty()
    }

    /// Says why a part that is empty or NaN is so.
    fn blame(&mut self, part: Part<'_>, at: i64) {
        let state = self.state(part, at);
        if state == State::Error {
            if let Err(Error::Evaluation(why)) = self.evaluator.value(part, at) {
                self.say(format!("`{part}`: {why}"));
            }
            return;
        }
        match part {
            Part::Vector(Vector::Selector(selector)) => self.blame_selector(part, selector, None, at),
            Part::Matrix(Matrix::Range { selector, range }) => {
                self.blame_selector(part, selector, Some(range.ms()), at);
            }
            Part::Vector(Vector::OverTime { arg: Matrix::Range { selector, range }, .. })
                if self.evaluator.series(selector).is_empty() =>
            {
                // The call is what the reader knows the selector by.
                self.blame_selector(part, selector, Some(range.ms()), at);
            }
            Part::Vector(Vector::Absent { arg, .. }) => {
                self.say(format!("`{part}` is empty because `{arg}` is there"));
            }
            Part::Vector(Vector::AbsentOverTime { arg, .. }) => {
                self.say(format!("`{part}` is empty because `{arg}` is there"));
            }
            part => {
                if !self.blame_children(part, at) {
                    let why = self.own_fault(part, state, at);
                    self.say(format!("`{part}` {why}"));
                }
            }
        }
    }

    /// Why a part has no value although everything that it is made of has one.
    fn own_fault(&self, part: Part<'_>, state: State, at: i64) -> String {
        let fallback = || match state {
            State::NoNumber => "is NaN".to_string(),
            _ => "is empty".to_string(),
        };
        let Part::Vector(vector) = part else {
            return match part {
                Part::Scalar(Scalar::Of(arg)) => format!("takes exactly one element, not {}", self.size(arg, at)),
                Part::Scalar(Scalar::Binary { op: Operator::Div, .. }) => "is NaN: 0 / 0".into(),
                Part::Matrix(Matrix::Subquery { .. }) => "has no step at which its inner part has a value".into(),
                _ => fallback(),
            };
        };
        match vector {
            Vector::OverTime { function, arg, .. } if state == State::Empty => {
                let most = self.evaluator.matrix(arg, at).ok();
                let most = most.and_then(|all| all.iter().map(|s| s.samples.len()).max()).unwrap_or(0);
                format!("is empty: {}() needs more than {} in `{arg}`", function.name, count(most, "sample", "samples"))
            }
            Vector::HistogramQuantile { arg, .. } | Vector::HistogramFraction { arg, .. } => {
                let points = self.evaluator.vector(arg, at).unwrap_or_default();
                histogram::doubt(points).map_or_else(fallback, str::to_string)
            }
            Vector::WithScalar { op, vector, as_bool: false, .. } if op.is_comparison() => {
                format!("holds for none of {}", count(self.size(vector, at), "element", "elements"))
            }
            Vector::WithScalar { op: Operator::Div, .. } | Vector::Match { op: Operator::Div, .. }
                if state == State::NoNumber =>
            {
                "is NaN: 0 / 0".into()
            }
            Vector::Match { op, lhs, rhs, as_bool, .. } if state == State::Empty => {
                let sizes = (self.size(lhs, at), self.size(rhs, at));
                let or_comparison =
                    if op.is_comparison() && !as_bool { ", or the comparison holds for none" } else { "" };
                format!(
                    "is empty: no element of the left ({}) has the match labels of one of the right ({}){or_comparison}",
                    sizes.0, sizes.1
                )
            }
            Vector::Set { op: SetOperator::Unless, .. } => "is empty: each element of the left is on the right".into(),
            Vector::Set { .. } => "is empty: no element of the left is on the right".into(),
            Vector::Aggregate { op: Aggregation::Top { .. }, .. } => "keeps no element".into(),
            _ => fallback(),
        }
    }

    fn blame_selector(&mut self, part: Part<'_>, selector: &Selector, range_ms: Option<i64>, at: i64) {
        let series = self.evaluator.series(selector);
        if series.is_empty() {
            let why = self.why_unselected(selector);
            return self.say(format!("`{part}` selects no series: {why}"));
        }
        let selected = count(series.len(), "series", "series");
        if self.state(part, at) == State::NoNumber {
            return self.say(format!("`{part}` is NaN in {selected}"));
        }
        let end = self.evaluator.moment(at, selector.at, &selector.offset).unwrap_or(at);
        let length = range_ms.unwrap_or(self.evaluator.options.lookback_ms);
        let newest =
            series.iter().flat_map(|f| f.series.samples.iter().rev().find(|s| s.at <= end)).max_by_key(|s| s.at);
        let why = match newest {
            None => "all samples are later".into(),
            Some(sample) if is_stale(sample.value) => format!("ended {} before", duration(end - sample.at)),
            Some(sample) => format!("the newest is {} old", duration(end - sample.at)),
        };
        self.say(format!("`{part}` has no sample in the {} that it looks at: {selected}, {why}", duration(length)));
    }

    /// Which matcher is not met.
    fn why_unselected(&self, selector: &Selector) -> String {
        let all = self.evaluator.storage.all();
        let known: Vec<_> = match selector.metric() {
            Some(name) => {
                let named = self.evaluator.storage.named(name);
                if named.is_empty() {
                    return format!("metric `{name}` is absent");
                }
                named.to_vec()
            }
            None => all.to_vec(),
        };
        let is_name = |m: &&Matcher| m.label == "__name__" && matches!(m.op, MatchOp::Equal);
        let unmet: Vec<String> = (selector.matchers.iter())
            .filter(|m| !is_name(m) && !known.iter().any(|s| m.matches(s.labels.get(&m.label))))
            .map(|m| format!("`{m}`"))
            .collect();
        let of = selector.metric().map_or("series".to_string(), |name| format!("series of metric `{name}`"));
        if unmet.is_empty() {
            format!("none of the {} {of} satisfies all matchers at once", known.len())
        } else {
            format!("none of the {} {of} has {}", known.len(), unmet.join(" nor "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::{Labels, Sample, Series, stale};
    use crate::promql::parse;

    fn series(name: &str, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
        let mut all = Labels::new(labels.iter().copied());
        all.set("__name__", name);
        Series {
            labels: all,
            samples: samples.iter().map(|(at, value)| Sample { at: at * 1000, value: *value }).collect(),
        }
    }

    fn world() -> Vec<Series> {
        let steady: Vec<(i64, f64)> = (0..=8).map(|i| (i * 15, 15.0 * i as f64)).collect();
        let zero: Vec<(i64, f64)> = (0..=8).map(|i| (i * 15, 0.0)).collect();
        vec![
            series("hits", &[("job", "a"), ("zone", "x")], &steady),
            series("hits", &[("job", "b"), ("zone", "y")], &steady),
            series("idle", &[("job", "a")], &zero),
            series("once", &[("job", "a")], &[(110, 1.0)]),
            series("gone", &[("job", "a")], &[(30, 1.0), (45, stale())]),
            series("old", &[("job", "a")], &[(0, 1.0)]),
            series("late", &[("job", "a")], &[(300, 1.0)]),
            series("took_bucket", &[("le", "1")], &zero),
            series("took_bucket", &[("le", "+Inf")], &zero),
            series("open_bucket", &[("le", "1")], &steady),
            series("blank", &[], &[(115, f64::NAN)]),
        ]
    }

    fn why(text: &str) -> Vec<String> {
        let world = world();
        explain_empty(&parse(text).expect("it is PromQL"), &Storage::new(&world), 120_000, &Options::default())
    }

    #[test]
    fn an_answer_needs_no_excuse() {
        for text in ["hits", "sum(rate(hits[1m]))", "1", "\"a\"", "absent(nothing)", "hits[1m]", "vector(0) or nothing"]
        {
            assert_eq!(why(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_operand_that_is_missing_is_named() {
        for (text, reason) in [
            ("misses", "`misses` selects no series: metric `misses` is absent"),
            ("rate(b[60s])", "`rate(b[1m])` selects no series: metric `b` is absent"),
            (
                "sum(rate(hits[1m])) / (sum(rate(hits[1m])) + sum(rate(misses[1m])))",
                "`rate(misses[1m])` selects no series: metric `misses` is absent",
            ),
            (
                "hits{job=\"c\",zone=\"x\"}",
                "`hits{job=\"c\",zone=\"x\"}` selects no series: none of the 2 series of metric `hits` has `job=\"c\"`",
            ),
            (
                "hits{job=\"a\",zone=\"y\"}",
                "`hits{job=\"a\",zone=\"y\"}` selects no series: none of the 2 series of metric `hits` satisfies all \
                 matchers at once",
            ),
            ("{job=\"z\"}", "`{job=\"z\"}` selects no series: none of the 11 series has `job=\"z\"`"),
            ("rate(once[1m])", "`rate(once[1m])` is empty: rate() needs more than 1 sample in `once[1m]`"),
            ("gone", "`gone` has no sample in the 5m that it looks at: 1 series, ended 1m15s before"),
            ("rate(old[1m])", "`old[1m]` has no sample in the 1m that it looks at: 1 series, the newest is 2m old"),
            ("late", "`late` has no sample in the 5m that it looks at: 1 series, all samples are later"),
            ("hits > 1000", "`hits > 1000` holds for none of 2 elements"),
            ("rate(idle[1m]) / rate(idle[1m])", "`rate(idle[1m]) / rate(idle[1m])` is NaN: 0 / 0"),
            ("histogram_quantile(0.9, rate(took_bucket[1m]))", "0 observations in the range"),
            ("histogram_quantile(0.9, open_bucket)", "there is no bucket le=\"+Inf\""),
            ("histogram_quantile(0.9, sum(took_bucket))", "no element has the label `le`"),
            ("hits / idle", "no element of the left (2) has the match labels of one of the right (1)"),
            ("hits and idle", "no element of the left is on the right"),
            ("hits unless hits", "each element of the left is on the right"),
            ("scalar(hits)", "`scalar(hits)` takes exactly one element, not 2"),
            ("absent(hits)", "`absent(hits)` is empty because `hits` is there"),
            ("topk(0, hits)", "keeps no element"),
            ("blank + 1", "`blank` is NaN in 1 series"),
            ("max_over_time(misses[1m:15s])", "`misses` selects no series: metric `misses` is absent"),
            ("hits * on() once", "multiple matches for labels"),
        ] {
            let reasons = why(text);
            assert!(reasons.len() == 1 && reasons[0].contains(reason), "{text}: {reasons:#?}");
        }
    }

    #[test]
    fn each_missing_operand_is_named_once() {
        let reasons = why("sum(misses) / (sum(misses) + sum(others))");
        assert_eq!(reasons.len(), 2, "{reasons:#?}");
        assert!(reasons[0].contains("`misses`") && reasons[1].contains("`others`"));
    }

    #[test]
    fn the_tree_shows_what_each_part_is_worth() {
        let world = world();
        let expr = parse("sum(last_over_time(hits[1m])) / 2 > bool scalar(nothing)").expect("it is PromQL");
        let tree = explain(&expr, &Storage::new(&world), 120_000, &Options::default());
        let wanted = "\
(sum(last_over_time(hits[1m])) / 2) > bool scalar(nothing)  =  {} 0
  sum(last_over_time(hits[1m])) / 2  =  {} 120
    sum(last_over_time(hits[1m]))  =  {} 240
      last_over_time(hits[1m])  =  2 elements: hits{job=\"a\",zone=\"x\"} 120; hits{job=\"b\",zone=\"y\"} 120
        hits[1m]  =  2 series, 8 samples
  scalar(nothing)  =  NaN
    nothing  =  no element
";
        assert_eq!(tree, wanted);
    }
}
