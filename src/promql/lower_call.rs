//! Lowering of function calls: which functions there are, and what they take.

use super::ast::{LabelReplace, Limits, Matrix, Node, QueryFact, Scalar, Vector};
use super::error::Error;
use super::functions::{CALENDAR, MAPS};
use super::labels;
use super::lower::{Lower, Lowered};
use super::over_time::RANGE_FUNCTIONS;
use super::selector::{MatchOp, Selector};
use crate::base::series::Labels;

impl Lower<'_> {
    pub(super) fn call(&self, name: &str, args: Vec<Node>) -> Lowered<Node> {
        if let Some(why) = refused(name) {
            return Err(Error::unsupported(name, why));
        }
        let mut args = Args { lower: self, name, nodes: args.into_iter() };
        let node = if let Some(map) = MAPS.iter().find(|map| map.name == name) {
            let by_default = CALENDAR.contains(&name) && args.is_empty();
            let time = || Box::new(Vector::Constant(Box::new(Scalar::Time)));
            let arg = if by_default { time() } else { args.vector()? };
            Vector::Map { map, arg }.into()
        } else if let Some(function) = RANGE_FUNCTIONS.iter().find(|function| function.name == name) {
            let mut params = Vec::new();
            let before = if function.range_first { 0 } else { function.params };
            for _ in 0..before {
                params.push(*args.scalar()?);
            }
            let arg = *args.matrix()?;
            while params.len() < function.params {
                params.push(*args.scalar()?);
            }
            Vector::OverTime { function, params, arg }.into()
        } else {
            match scalar_call(name, &mut args)? {
                Some(scalar) => scalar.into(),
                None => vector_call(name, &mut args)?.into(),
            }
        };
        if args.is_empty() { Ok(node) } else { self.wrong(format!("{name}() has too many arguments")) }
    }
}

/// The arguments of a call, taken one by one.
struct Args<'l, 't> {
    lower: &'l Lower<'t>,
    name: &'l str,
    nodes: std::vec::IntoIter<Node>,
}

impl Args<'_, '_> {
    fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    fn next(&mut self) -> Lowered<Node> {
        match self.nodes.next() {
            Some(node) => Ok(node),
            None => self.lower.wrong(format!("{}() has too few arguments", self.name)),
        }
    }

    fn vector(&mut self) -> Lowered<Box<Vector>> {
        let node = self.next()?;
        self.lower.vector(node)
    }

    fn scalar(&mut self) -> Lowered<Box<Scalar>> {
        let node = self.next()?;
        self.lower.scalar(node)
    }

    fn matrix(&mut self) -> Lowered<Box<Matrix>> {
        let node = self.next()?;
        self.lower.matrix(node)
    }

    fn text(&mut self) -> Lowered<String> {
        let node = self.next()?;
        self.lower.text(node)
    }

    fn texts(&mut self) -> Lowered<Vec<String>> {
        let mut texts = Vec::new();
        while !self.is_empty() {
            texts.push(self.text()?);
        }
        Ok(texts)
    }

    fn label_name(&mut self) -> Lowered<String> {
        let name = self.text()?;
        if name.is_empty() { self.lower.wrong("a label needs a name") } else { Ok(name) }
    }
}

/// A function that yields a number; `None` if this is none.
fn scalar_call(name: &str, args: &mut Args<'_, '_>) -> Lowered<Option<Scalar>> {
    Ok(Some(match name {
        "time" => Scalar::Time,
        "pi" => Scalar::Number(std::f64::consts::PI),
        "start" => Scalar::Query(QueryFact::Start),
        "end" => Scalar::Query(QueryFact::End),
        "range" => Scalar::Query(QueryFact::Range),
        "step" => Scalar::Query(QueryFact::Step),
        "scalar" => Scalar::Of(args.vector()?),
        "min_of" | "max_of" => {
            Scalar::Extreme { largest: name == "max_of", of: Box::new([*args.scalar()?, *args.scalar()?]) }
        }
        _ => return Ok(None),
    }))
}

/// A function that yields a vector and fits no table.
fn vector_call(name: &str, args: &mut Args<'_, '_>) -> Lowered<Vector> {
    Ok(match name {
        "vector" => Vector::Constant(args.scalar()?),
        "timestamp" => Vector::Timestamp(args.vector()?),
        "sort" | "sort_desc" => Vector::Sort { arg: args.vector()?, descending: name == "sort_desc" },
        "sort_by_label" | "sort_by_label_desc" => {
            Vector::SortByLabel { arg: args.vector()?, by: args.texts()?, descending: name == "sort_by_label_desc" }
        }
        "round" => {
            let arg = args.vector()?;
            let to = if args.is_empty() { None } else { Some(args.scalar()?) };
            Vector::Round { arg, to }
        }
        "clamp_min" => Vector::Clamp { arg: args.vector()?, limits: Box::new(Limits::Min(*args.scalar()?)) },
        "clamp_max" => Vector::Clamp { arg: args.vector()?, limits: Box::new(Limits::Max(*args.scalar()?)) },
        "clamp" => {
            Vector::Clamp { arg: args.vector()?, limits: Box::new(Limits::Both([*args.scalar()?, *args.scalar()?])) }
        }
        "histogram_quantile" => Vector::HistogramQuantile { q: args.scalar()?, arg: args.vector()? },
        "histogram_fraction" => {
            Vector::HistogramFraction { lower: args.scalar()?, upper: args.scalar()?, arg: args.vector()? }
        }
        "absent" => {
            let arg = args.vector()?;
            let labels = match &*arg {
                Vector::Selector(selector) => absent_labels(selector),
                _ => Labels::default(),
            };
            Vector::Absent { arg, labels }
        }
        "absent_over_time" => {
            let arg = *args.matrix()?;
            let labels = match &arg {
                Matrix::Range { selector, .. } => absent_labels(selector),
                Matrix::Subquery { .. } => Labels::default(),
            };
            Vector::AbsentOverTime { arg, labels }
        }
        "label_replace" => {
            let (arg, to, replacement) = (*args.vector()?, args.label_name()?, args.text()?);
            let (from, pattern) = (args.text()?, args.text()?);
            let regex = args.lower.anchored(&pattern)?;
            Vector::LabelReplace(Box::new(LabelReplace { arg, to, replacement, from, pattern, regex }))
        }
        "label_join" => {
            let (arg, to, separator) = (args.vector()?, args.label_name()?, args.text()?);
            Vector::LabelJoin { arg, to, separator, from: args.texts()? }
        }
        _ => return Err(Error::unsupported(name, "this function is not known here")),
    })
}

/// What `absent` can say of the series that is not there.
fn absent_labels(selector: &Selector) -> Labels {
    labels::of_absent(selector.matchers.iter().map(|m| {
        let pinned = matches!(m.op, MatchOp::Equal).then_some(m.value.as_str());
        (m.label.as_str(), pinned)
    }))
}

/// Functions that the parser knows and the evaluator does not, with the reason.
fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "histogram_avg"
        | "histogram_count"
        | "histogram_stddev"
        | "histogram_stdvar"
        | "histogram_sum"
        | "histogram_quantiles" => {
            "it reads native histograms, which are not part of this evaluator; classic ones have _bucket, _sum, _count"
        }
        "info" | "integral" | "start_timestamp" => "it is experimental in Prometheus",
        _ => return None,
    })
}
