//! Function calls: which functions there are, and what they take.

use super::aggregation::AGGREGATIONS;
use super::grammar::{Operand, Parsed, Parser};
use crate::base::series::Labels;
use crate::base::text;
use crate::promql::ast::{LabelReplace, Limits, Matrix, Place, QueryFact, Scalar, Vector};
use crate::promql::error::Error;
use crate::promql::functions::{CALENDAR, MAPS};
use crate::promql::labels;
use crate::promql::over_time::{RANGE_FUNCTIONS, RangeFunction};
use crate::promql::query::Semantics;
use crate::promql::selector::{MatchOp, Selector};
use crate::promql::syntax::Form;

impl Parser<'_> {
    /// A call; the function's name has been read already.
    pub(super) fn call(&mut self, name: &str, place: usize) -> Parsed<Operand> {
        let Some(name) = self.known(name) else { return Err(unknown(name)) };
        let operands = self.arguments()?;
        let form = Form::Call { name, args: operands.iter().map(|operand| operand.syntax.clone()).collect() };
        let mut args = Args { parser: self, name, place, operands: operands.into_iter() };
        let first = Place(args.place_of_next());
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
            if let Matrix::Range { selector: Selector { edges, .. }, .. } = &arg
                && !function.edges.contains(edges)
            {
                return args.wrong(&format!("does not know `{edges}`: that is for rate, increase, delta and the like"));
            }
            while params.len() < function.params {
                params.push(*args.scalar()?);
            }
            Vector::OverTime { function, params, arg, place: first }.into()
        } else {
            match scalar_call(name, &mut args)? {
                Some(scalar) => scalar.into(),
                None => vector_call(name, &mut args)?.into(),
            }
        };
        if args.is_empty() { Ok(self.operand(place, node, form)) } else { args.wrong("has too many arguments") }
    }
}

impl Parser<'_> {
    /// The name of a function, if there is one of that name.
    fn known(&self, name: &str) -> Option<&'static str> {
        let is_past = |f: &RangeFunction| f.only_v2 && f.name == name && self.semantics == Semantics::V3;
        names().find(|known| *known == name).filter(|_| !RANGE_FUNCTIONS.iter().any(is_past))
    }
}

/// The arguments of a call, taken one by one.
struct Args<'p, 't> {
    parser: &'p Parser<'t>,
    name: &'p str,
    /// Of the call.
    place: usize,
    operands: std::vec::IntoIter<Operand>,
}

impl Args<'_, '_> {
    fn is_empty(&self) -> bool {
        self.operands.len() == 0
    }

    fn wrong<T>(&self, why: &str) -> Parsed<T> {
        self.parser.wrong(self.place, format!("{}() {why}", self.name))
    }

    /// Where the argument that comes next begins, or the call if none does.
    fn place_of_next(&self) -> usize {
        self.operands.as_slice().first().map_or(self.place, Operand::place)
    }

    fn next(&mut self) -> Parsed<Operand> {
        match self.operands.next() {
            Some(operand) => Ok(operand),
            None => self.wrong("has too few arguments"),
        }
    }

    fn vector(&mut self) -> Parsed<Box<Vector>> {
        let operand = self.next()?;
        self.parser.vector(operand)
    }

    fn scalar(&mut self) -> Parsed<Box<Scalar>> {
        let operand = self.next()?;
        self.parser.scalar(operand)
    }

    fn matrix(&mut self) -> Parsed<Box<Matrix>> {
        let operand = self.next()?;
        self.parser.matrix(operand)
    }

    fn text(&mut self) -> Parsed<String> {
        let operand = self.next()?;
        self.parser.text(operand)
    }

    fn texts(&mut self) -> Parsed<Vec<String>> {
        let mut texts = Vec::new();
        while !self.is_empty() {
            texts.push(self.text()?);
        }
        Ok(texts)
    }

    fn label_name(&mut self) -> Parsed<String> {
        let place = self.place_of_next();
        let name = self.text()?;
        if name.is_empty() { self.parser.wrong(place, "a label needs a name") } else { Ok(name) }
    }
}

/// A function that yields a number; `None` if this is none.
fn scalar_call(name: &str, args: &mut Args<'_, '_>) -> Parsed<Option<Scalar>> {
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
fn vector_call(name: &str, args: &mut Args<'_, '_>) -> Parsed<Vector> {
    Ok(match name {
        "vector" => Vector::Constant(args.scalar()?),
        "timestamp" => Vector::Timestamp(args.vector()?),
        "sort" | "sort_desc" => {
            let place = Place(args.place);
            Vector::Sort { arg: args.vector()?, descending: name == "sort_desc", place }
        }
        "sort_by_label" | "sort_by_label_desc" => {
            let (place, descending) = (Place(args.place), name == "sort_by_label_desc");
            Vector::SortByLabel { arg: args.vector()?, by: args.texts()?, descending, place }
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
        "histogram_quantile" => {
            let first = Place(args.place_of_next());
            let q = args.scalar()?;
            let places = [first, Place(args.place_of_next())];
            Vector::HistogramQuantile { q, arg: args.vector()?, places }
        }
        "histogram_quantiles" => {
            let mut places = vec![Place(args.place_of_next())];
            let (arg, to) = (args.vector()?, args.label_name()?);
            let mut qs = Vec::new();
            while qs.is_empty() || !args.is_empty() {
                places.push(Place(args.place_of_next()));
                qs.push(*args.scalar()?);
            }
            Vector::HistogramQuantiles { arg, to, qs, places }
        }
        "histogram_fraction" => {
            let (lower, upper) = (args.scalar()?, args.scalar()?);
            let place = Place(args.place_of_next());
            Vector::HistogramFraction { lower, upper, arg: args.vector()?, place }
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
            let from = args.text()?;
            let place = args.place_of_next();
            let pattern = args.text()?;
            let regex = args.parser.anchored(place, &pattern)?;
            Vector::LabelReplace(Box::new(LabelReplace { arg, to, replacement, from, pattern, regex }))
        }
        "label_join" => {
            let (arg, to, separator) = (args.vector()?, args.label_name()?, args.text()?);
            Vector::LabelJoin { arg, to, separator, from: args.texts()? }
        }
        _ => match OF_NATIVE.iter().find(|function| **function == name) {
            Some(function) => Vector::OfNative { function, arg: args.vector()? },
            None => return Err(unknown(name)),
        },
    })
}

/// What `absent` can say of the series that is not there.
fn absent_labels(selector: &Selector) -> Labels {
    labels::of_absent(selector.matchers.iter().map(|m| {
        let pinned = matches!(m.op, MatchOp::Equal).then_some(m.value.as_str());
        (m.label.as_str(), pinned)
    }))
}

/// Functions that read native histograms and pass over everything else.
const OF_NATIVE: [&str; 5] =
    ["histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum"];

/// Functions that are in no table.
const OTHERS: [&str; 26] = [
    "absent",
    "absent_over_time",
    "clamp",
    "clamp_max",
    "clamp_min",
    "end",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_quantiles",
    "label_join",
    "label_replace",
    "max_of",
    "min_of",
    "pi",
    "range",
    "round",
    "scalar",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "start",
    "step",
    "time",
    "timestamp",
    "vector",
];

/// The names of all functions.
fn names() -> impl Iterator<Item = &'static str> {
    let tables = RANGE_FUNCTIONS.iter().map(|function| function.name).chain(MAPS.iter().map(|map| map.name));
    tables.chain(OTHERS).chain(OF_NATIVE)
}

fn unknown(name: &str) -> Error {
    let why = match name {
        "holt_winters" => "Prometheus 3 calls it `double_exponential_smoothing`".into(),
        "info" | "integral" | "start_timestamp" => "it is experimental in Prometheus".into(),
        "sum_over" | "avg_over" | "count_over" => format!("did you mean `{name}_time`?"),
        "bytes_over_time" | "bytes_rate" | "line_format" | "unwrap" | "label_format" => {
            "it belongs to LogQL, not to PromQL".into()
        }
        _ => match text::nearest(name, names().chain(AGGREGATIONS)) {
            Some(near) => format!("there is no such function; did you mean `{near}`?"),
            None => "there is no such function".into(),
        },
    };
    Error::unsupported(format!("{name}()"), why)
}
