//! Which labels a part of an expression yields, as far as its text and what is exposed tell.

use std::collections::BTreeSet;

use super::subject::Subject;
use crate::promql::MatchOp;
use crate::promql::syntax::{Form, Labelled, Side, Syntax};

/// The labels of what a part yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// All elements have these and no other.
    Exactly(BTreeSet<String>),
    /// Each element has some of these and no other.
    Within(BTreeSet<String>),
    /// Whatever the metrics carry.
    Unknown,
    /// It is a number.
    Number,
}

impl Shape {
    /// The labels that it can have at most, where that is known.
    pub fn at_most(&self) -> Option<&BTreeSet<String>> {
        match self {
            Shape::Exactly(labels) | Shape::Within(labels) => Some(labels),
            Shape::Unknown | Shape::Number => None,
        }
    }

    fn map(self, change: impl FnOnce(&mut BTreeSet<String>)) -> Shape {
        match self {
            Shape::Exactly(mut labels) => {
                change(&mut labels);
                Shape::Exactly(labels)
            }
            Shape::Within(mut labels) => {
                change(&mut labels);
                Shape::Within(labels)
            }
            other => other,
        }
    }
}

/// Whether what a part yields surely carries the label `instance`, which every scrape adds: nothing has taken it away.
pub fn carries_instance(subject: &Subject<'_>, part: &Syntax) -> bool {
    match &part.form {
        Form::Number(_) | Form::Text(_) => false,
        // What a rule recorded has the labels that it left; what stands for a variable may be such a name.
        Form::Selector(pick) => pick.metric.as_deref().is_some_and(|metric| {
            let recorded = metric.contains(':') || subject.known.recorded.contains(metric) || subject.is_open(metric);
            !recorded && !metric.starts_with("ALERTS")
        }),
        Form::Negate(arg) | Form::Subquery { arg, .. } => carries_instance(subject, arg),
        Form::Call { name, args } => {
            let makes_its_own =
                ["absent", "absent_over_time", "vector", "scalar", "label_replace", "label_join", "info"];
            !makes_its_own.contains(name) && args.iter().any(|arg| carries_instance(subject, arg))
        }
        Form::Aggregate { op, arg, grouping, .. } => {
            let kept = match grouping {
                Labelled::Unsaid => matches!(op.as_str(), "topk" | "bottomk"),
                Labelled::Only(by) => by.iter().any(|label| label == "instance"),
                Labelled::AllBut(without) => !without.iter().any(|label| label == "instance"),
            };
            kept && carries_instance(subject, arg)
        }
        Form::Binary(binary) => {
            let (lhs, rhs) = (carries_instance(subject, &binary.lhs), carries_instance(subject, &binary.rhs));
            match (binary.op.as_str(), &binary.group) {
                ("and" | "unless", _) | (_, Some((Side::Left, _))) => lhs,
                (_, Some((Side::Right, _))) => rhs,
                ("or", _) => lhs && rhs,
                _ if binary.matching != Labelled::Unsaid => false,
                _ => lhs || rhs,
            }
        }
    }
}

fn set(labels: &[String]) -> BTreeSet<String> {
    labels.iter().cloned().collect()
}

/// The labels of what `part` yields.
pub fn shape(subject: &Subject<'_>, part: &Syntax) -> Shape {
    match &part.form {
        Form::Number(_) | Form::Text(_) => Shape::Number,
        Form::Negate(arg) | Form::Subquery { arg, .. } => shape(subject, arg),
        Form::Selector(pick) => {
            let Some(exposed) = subject.known.exposed else { return Shape::Unknown };
            if exposed.is_page() && pick.metric.as_deref().is_some_and(super::exposed::Exposed::is_synthetic) {
                return Shape::Unknown;
            }
            match exposed.labels_of(&subject.selected(pick)) {
                Some(labels) => Shape::Exactly(labels),
                None => Shape::Unknown,
            }
        }
        Form::Call { name, args } => call(subject, name, args),
        Form::Aggregate { op, arg, grouping, param } => {
            let inner = shape(subject, arg);
            if matches!(op.as_str(), "topk" | "bottomk" | "limitk" | "limit_ratio") {
                return inner;
            }
            let shape = match grouping {
                Labelled::Unsaid => Shape::Exactly(BTreeSet::new()),
                Labelled::Only(labels) => match inner {
                    Shape::Exactly(inner) => Shape::Exactly(set(labels).intersection(&inner).cloned().collect()),
                    Shape::Within(inner) => Shape::Within(set(labels).intersection(&inner).cloned().collect()),
                    _ => Shape::Exactly(set(labels)),
                },
                Labelled::AllBut(labels) => inner.map(|inner| inner.retain(|l| !labels.contains(l))),
            };
            match param.as_ref().map(|param| &param.form) {
                Some(Form::Text(label)) => shape.map(|labels| labels.extend([label.clone()])),
                _ => shape,
            }
        }
        Form::Binary(binary) => {
            let (lhs, rhs) = (shape(subject, &binary.lhs), shape(subject, &binary.rhs));
            match (binary.op.as_str(), lhs, rhs) {
                (_, Shape::Number, Shape::Number) => Shape::Number,
                (_, Shape::Number, vector) | (_, vector, Shape::Number) => vector,
                ("and" | "unless", lhs, _) => lhs,
                ("or", lhs, rhs) if lhs == rhs => lhs,
                ("or", lhs, rhs) => match (lhs.at_most(), rhs.at_most()) {
                    (Some(a), Some(b)) => Shape::Within(a.union(b).cloned().collect()),
                    _ => Shape::Unknown,
                },
                (_, lhs, rhs) => match (&binary.group, &binary.matching) {
                    (Some((side, taken)), _) => {
                        let many = if *side == Side::Left { lhs } else { rhs };
                        many.map(|labels| labels.extend(taken.iter().cloned()))
                    }
                    (None, Labelled::Only(labels)) => Shape::Exactly(set(labels)),
                    (None, Labelled::AllBut(labels)) => lhs.map(|inner| inner.retain(|l| !labels.contains(l))),
                    (None, Labelled::Unsaid) if lhs == Shape::Unknown => rhs,
                    (None, Labelled::Unsaid) => lhs,
                },
            }
        }
    }
}

fn call(subject: &Subject<'_>, name: &str, args: &[Syntax]) -> Shape {
    match name {
        "vector" => Shape::Exactly(BTreeSet::new()),
        "time" | "scalar" | "pi" => Shape::Number,
        "absent" | "absent_over_time" => match args.first().map(|arg| &arg.form) {
            Some(Form::Selector(pick)) => {
                let equal =
                    pick.matchers.iter().filter(|(m, _)| matches!(m.op, MatchOp::Equal) && m.label != "__name__");
                Shape::Within(equal.map(|(m, _)| m.label.clone()).collect())
            }
            _ => Shape::Exactly(BTreeSet::new()),
        },
        "histogram_quantile" => match args.last() {
            Some(arg) => shape(subject, arg).map(|labels| labels.retain(|label| label != "le")),
            None => Shape::Unknown,
        },
        "label_replace" | "label_join" => {
            let label = match args.get(1).map(|arg| &arg.form) {
                Some(Form::Text(label)) => label.clone(),
                _ => return Shape::Unknown,
            };
            // Whether the label is written depends on the values.
            match args.first().map(|arg| shape(subject, arg)) {
                Some(Shape::Exactly(mut labels) | Shape::Within(mut labels)) => {
                    labels.insert(label);
                    Shape::Within(labels)
                }
                _ => Shape::Unknown,
            }
        }
        "day_of_month" | "day_of_week" | "day_of_year" | "days_in_month" | "hour" | "minute" | "month" | "year"
            if args.is_empty() =>
        {
            Shape::Exactly(BTreeSet::new())
        }
        "info" => Shape::Unknown,
        _ => {
            let vector = args.iter().map(|arg| shape(subject, arg)).find(|shape| *shape != Shape::Number);
            vector.unwrap_or(Shape::Unknown)
        }
    }
}
