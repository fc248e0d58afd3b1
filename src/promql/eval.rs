//! The evaluator: walks an expression and computes it at an instant, or at each step of a range.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::ast::{Aggregation, Edges, Grouping, Limits, Place, QueryFact, Scalar, Vector};
use super::error::Error;
use super::histogram::Reading;
use super::notes::Notes;
use super::part::Part;
use super::query::Options;
use super::select::{Found, Storage};
use super::selector::Selector;
use super::tags::Tags;
use super::value::{Element, Value};
use super::{aggregate, binary, edges, functions, go, histogram, labels};
use crate::base::series::{Labels, Sample, Series};

/// More evaluations than that in one query are refused: a subquery such as `x[1y:1ms]` would never end.
const MAX_STEPS: u64 = 2_000_000;

/// An element of an instant vector on its way.
#[derive(Debug, Clone)]
pub(super) struct Point<'a> {
    pub(super) tags: Tags<'a>,
    pub(super) value: f64,
}

/// The samples of one series in a range.
pub(super) struct Stretch<'a> {
    pub(super) tags: Tags<'a>,
    pub(super) samples: Cow<'a, [Sample]>,
}

/// Where a query begins and ends, and its step; in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// One query over one storage.
pub(super) struct Evaluator<'s, 'a> {
    pub(super) storage: &'s Storage<'a>,
    pub(super) options: &'s Options,
    pub(super) query: Query,
    /// What each selector found: the same at each step.
    found: RefCell<HashMap<usize, Rc<[Found<'s, 'a>]>>>,
    steps: Cell<u64>,
    /// How many subqueries the part that is evaluated stands in.
    pub(super) nested: Cell<u32>,
    reading: Reading,
    pub(super) notes: Notes,
}

pub(super) type Points<'a> = Result<Vec<Point<'a>>, Error>;

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn new(storage: &'s Storage<'a>, options: &'s Options, query: Query) -> Self {
        Evaluator {
            storage,
            options,
            query,
            found: RefCell::default(),
            steps: Cell::new(0),
            nested: Cell::new(0),
            reading: Reading::default(),
            notes: Notes::default(),
        }
    }

    /// An evaluator for one instant.
    pub(super) fn at(storage: &'s Storage<'a>, options: &'s Options, at: i64) -> Self {
        Evaluator::new(storage, options, Query { start: at, end: at, step: 0 })
    }

    /// The same, for another instant.
    pub(super) fn move_to(&mut self, at: i64) {
        self.query = Query { start: at, end: at, step: 0 };
        self.steps.set(0);
    }

    /// The same, which says that of quantiles.
    pub(super) fn reading(self, reading: Reading) -> Self {
        Evaluator { reading, ..self }
    }

    /// The value of any part of an expression.
    pub(super) fn value(&self, part: Part<'_>, at: i64) -> Result<Value, Error> {
        Ok(match part {
            Part::Scalar(scalar) => Value::Scalar(self.scalar(scalar, at)?),
            Part::Text(text) => Value::Text(text.into()),
            Part::Vector(vector) => {
                let element = |p: Point<'a>| Element { labels: p.tags.into_labels(), value: p.value };
                Value::Vector(self.vector(vector, at)?.into_iter().map(element).collect())
            }
            Part::Matrix(matrix) => {
                let window = self.window(matrix, at)?;
                let series = |s: Stretch<'a>| Series {
                    labels: s.tags.into_labels(),
                    samples: match window.edges {
                        Edges::AsSampled => s.samples.into_owned(),
                        edges => edges::shown(&s.samples, (window.start, window.end), edges),
                    },
                };
                let mut series: Vec<Series> = self.matrix(matrix, at)?.into_iter().map(series).collect();
                series.retain(|s| !s.samples.is_empty());
                Value::Matrix(series)
            }
        })
    }

    /// Each multiple of `step` above `start` up to `end`, `start` included; an error if those are too many.
    pub(super) fn steps(&self, start: i64, end: i64, step: i64) -> Result<impl Iterator<Item = i64> + use<>, Error> {
        let count = if end < start { 0 } else { end.abs_diff(start) / step.unsigned_abs().max(1) + 1 };
        self.steps.set(self.steps.get().saturating_add(count));
        if self.steps.get() > MAX_STEPS {
            return Err(Error::Evaluation(format!(
                "more than {MAX_STEPS} steps: take longer steps or a shorter range"
            )));
        }
        Ok((0..count as i64).map(move |i| start.wrapping_add(i.wrapping_mul(step))))
    }

    /// One number.
    pub(super) fn scalar(&self, scalar: &Scalar, at: i64) -> Result<f64, Error> {
        Ok(match scalar {
            Scalar::Number(value) => *value,
            Scalar::Time => at as f64 / 1e3,
            Scalar::Query(fact) => {
                let Query { start, end, step } = self.query;
                let ms = match fact {
                    QueryFact::Start => start,
                    QueryFact::End => end,
                    QueryFact::Range => end.saturating_sub(start),
                    QueryFact::Step => step,
                };
                ms as f64 / 1e3
            }
            Scalar::Of(arg) => match self.vector(arg, at)?.as_slice() {
                [only] => only.value,
                _ => f64::NAN,
            },
            Scalar::Negate(arg) => -self.scalar(arg, at)?,
            Scalar::Binary { op, lhs, rhs } => op.apply(self.scalar(lhs, at)?, self.scalar(rhs, at)?),
            Scalar::Extreme { largest, of } => {
                let (a, b) = (self.scalar(&of[0], at)?, self.scalar(&of[1], at)?);
                if *largest { functions::larger(a, b) } else { functions::smaller(a, b) }
            }
        })
    }

    /// An instant vector. Each kind is a function of its own: this one calls itself as deep as expressions nest.
    pub(super) fn vector(&self, vector: &Vector, at: i64) -> Points<'a> {
        match vector {
            Vector::Selector(selector) => self.selected(selector, at),
            Vector::Constant(scalar) => self.constant(scalar, at),
            Vector::Negate(arg) => self.mapped(arg, at, |v| -v),
            Vector::Map { map, arg } => self.mapped(arg, at, map.apply),
            Vector::Clamp { arg, limits } => self.clamp(arg, limits, at),
            Vector::Round { arg, to } => self.round(arg, to.as_deref(), at),
            Vector::Timestamp(arg) => self.timestamp(arg, at),
            Vector::Sort { arg, descending, place } => {
                self.sorted(arg, *place, at, |points| aggregate::sort(points, *descending))
            }
            Vector::SortByLabel { arg, by, descending, place } => {
                self.sorted(arg, *place, at, |points| labels::sort(points, by, *descending))
            }
            Vector::LabelReplace(call) => self.vector(&call.arg, at).and_then(|p| distinct(labels::replace(p, call))),
            Vector::LabelJoin { arg, to, separator, from } => {
                self.vector(arg, at).and_then(|points| distinct(labels::join(points, to, separator, from)))
            }
            Vector::Absent { arg, labels } => self.vector(arg, at).map(|points| absent(points.is_empty(), labels)),
            Vector::AbsentOverTime { arg, labels } => self.matrix(arg, at).map(|all| absent(all.is_empty(), labels)),
            Vector::OverTime { function, params, arg, place } => self.over_time(function, params, arg, *place, at),
            Vector::HistogramQuantile { q, arg, places } => self.quantiles(q, arg, *places, at),
            Vector::HistogramQuantiles { arg, to, qs, places } => self.many_quantiles(arg, to, (qs, places), at),
            Vector::HistogramFraction { lower, upper, arg, place } => self.fractions(lower, upper, arg, *place, at),
            Vector::OfNative { arg, .. } => self.vector(arg, at).map(|_| Vec::new()),
            Vector::Aggregate { op, grouping, arg } => {
                self.vector(arg, at).and_then(|points| self.aggregate(op, grouping, points, at))
            }
            Vector::WithScalar { op, vector, scalar, scalar_first, as_bool } => {
                let (points, scalar) = (self.vector(vector, at)?, self.scalar(scalar, at)?);
                distinct_origins(binary::with_scalar(
                    *op,
                    points,
                    scalar,
                    *scalar_first,
                    *as_bool,
                    self.options.semantics,
                ))
            }
            Vector::Match { op, lhs, rhs, matching, as_bool } => {
                let (lhs, rhs) = (self.vector(lhs, at)?, self.vector(rhs, at)?);
                binary::matched(*op, lhs, rhs, matching, *as_bool, self.options.semantics)
            }
            Vector::Set { op, lhs, rhs, on } => {
                let (lhs, rhs) = (self.vector(lhs, at)?, self.vector(rhs, at)?);
                Ok(binary::set(*op, lhs, rhs, on))
            }
        }
    }

    fn constant(&self, scalar: &Scalar, at: i64) -> Points<'a> {
        Ok(vec![Point { tags: Tags::default(), value: self.scalar(scalar, at)? }])
    }

    /// Applies a function that drops the metric's name to each value.
    fn mapped(&self, arg: &Vector, at: i64, apply: impl Fn(f64) -> f64) -> Points<'a> {
        let each = |p: Point<'a>| Point { value: apply(p.value), tags: p.tags.without_name() };
        distinct_origins(self.vector(arg, at)?.into_iter().map(each).collect())
    }

    fn clamp(&self, arg: &Vector, limits: &Limits, at: i64) -> Points<'a> {
        let (min, max) = match limits {
            Limits::Min(min) => (self.scalar(min, at)?, f64::INFINITY),
            Limits::Max(max) => (f64::NEG_INFINITY, self.scalar(max, at)?),
            Limits::Both([min, max]) => (self.scalar(min, at)?, self.scalar(max, at)?),
        };
        if max < min {
            return Ok(Vec::new());
        }
        self.mapped(arg, at, |v| functions::larger(min, functions::smaller(max, v)))
    }

    fn round(&self, arg: &Vector, to: Option<&Scalar>, at: i64) -> Points<'a> {
        let to = to.map_or(Ok(1.0), |to| self.scalar(to, at))?;
        self.mapped(arg, at, |v| functions::round(v, to))
    }

    /// Of a selector the samples' own times, of anything else that of the evaluation.
    fn timestamp(&self, arg: &Vector, at: i64) -> Points<'a> {
        let selector = match arg {
            Vector::Selector(selector) if selector.edges == Edges::AsSampled => selector,
            _ => return self.mapped(arg, at, |_| at as f64 / 1e3),
        };
        let points = self.instant(selector, at, |sample| sample.at as f64 / 1e3)?;
        distinct_origins(points.into_iter().map(|p| Point { tags: p.tags.without_name(), ..p }).collect())
    }

    fn sorted(&self, arg: &Vector, place: Place, at: i64, sort: impl Fn(&mut [Point<'a>])) -> Points<'a> {
        if self.query.start != self.query.end || self.nested.get() > 0 {
            let why = "sort is ineffective for range queries since results are always ordered by labels";
            self.notes.warn(place, why.into());
        }
        let mut points = self.vector(arg, at)?;
        sort(&mut points);
        Ok(points)
    }

    fn quantiles(&self, q: &Scalar, arg: &Vector, [q_at, arg_at]: [Place; 2], at: i64) -> Points<'a> {
        let q = self.scalar(q, at)?;
        self.notes.quantile(q_at, q);
        let reader = self.histogram_reader(arg_at);
        distinct_origins(reader.quantiles(q, reader.histograms(self.vector(arg, at)?)))
    }

    fn many_quantiles(&self, arg: &Vector, to: &str, (qs, places): (&[Scalar], &[Place]), at: i64) -> Points<'a> {
        let Some((first, rest)) = places.split_first() else { return Ok(Vec::new()) };
        let reader = self.histogram_reader(*first);
        let histograms = reader.histograms(self.vector(arg, at)?);
        let mut points = Vec::new();
        for (q, place) in qs.iter().zip(rest) {
            let q = self.scalar(q, at)?;
            self.notes.quantile(*place, q);
            points.extend(reader.quantiles(q, histograms.clone()).into_iter().map(|point| {
                let mut labels = point.tags.into_labels();
                labels.set(to, go::general(q, None));
                Point { tags: Tags::owned(labels), ..point }
            }));
        }
        distinct(points)
    }

    fn fractions(&self, lower: &Scalar, upper: &Scalar, arg: &Vector, place: Place, at: i64) -> Points<'a> {
        let (lower, upper) = (self.scalar(lower, at)?, self.scalar(upper, at)?);
        let reader = self.histogram_reader(place);
        distinct_origins(reader.fractions(lower, upper, reader.histograms(self.vector(arg, at)?)))
    }

    fn histogram_reader(&self, place: Place) -> histogram::Reader<'_> {
        histogram::Reader { semantics: self.options.semantics, reading: self.reading, notes: &self.notes, place }
    }

    fn aggregate(&self, op: &Aggregation, grouping: &Grouping, points: Vec<Point<'a>>, at: i64) -> Points<'a> {
        use aggregate::reduce;
        let variance = |group: &[Point<'_>]| aggregate::variance(group, self.options.semantics);
        Ok(match op {
            Aggregation::Sum => reduce(points, grouping, aggregate::sum),
            Aggregation::Avg => reduce(points, grouping, aggregate::mean),
            Aggregation::Min => reduce(points, grouping, aggregate::min),
            Aggregation::Max => reduce(points, grouping, aggregate::max),
            Aggregation::Count => reduce(points, grouping, |group| group.len() as f64),
            Aggregation::Group => reduce(points, grouping, |_| 1.0),
            Aggregation::Stddev => reduce(points, grouping, |group| variance(group).sqrt()),
            Aggregation::Stdvar => reduce(points, grouping, variance),
            Aggregation::Quantile { q, place } => {
                let q = self.scalar(q, at)?;
                self.notes.quantile(*place, q);
                reduce(points, grouping, |group| {
                    aggregate::quantile(q, &mut group.iter().map(|p| p.value).collect::<Vec<_>>())
                })
            }
            Aggregation::Top { k, largest } => aggregate::top(points, grouping, self.count_param(k, at)?, *largest),
            Aggregation::Limit(k) => aggregate::limit(points, grouping, self.count_param(k, at)?),
            Aggregation::Ratio { ratio, place } => aggregate::share(points, self.ratio_param(ratio, *place, at)?),
            Aggregation::CountValues(label) => aggregate::count_values(points, grouping, label),
        })
    }

    /// How many elements `topk` keeps.
    fn count_param(&self, k: &Scalar, at: i64) -> Result<usize, Error> {
        let k = self.scalar(k, at)?;
        if k.is_nan() {
            return Err(Error::Evaluation("Parameter value is NaN".into()));
        }
        if k.abs() >= i64::MAX as f64 {
            return Err(Error::Evaluation(format!("Scalar value {k} overflows int64")));
        }
        Ok(k.max(0.0) as usize)
    }

    /// Which share `limit_ratio` keeps.
    fn ratio_param(&self, ratio: &Scalar, place: Place, at: i64) -> Result<f64, Error> {
        let ratio = self.scalar(ratio, at)?;
        if ratio.is_nan() {
            return Err(Error::Evaluation("Ratio value is NaN".into()));
        }
        let capped = ratio.clamp(-1.0, 1.0);
        if capped != ratio {
            let (got, capped) = (go::general(ratio, None), go::general(capped, None));
            let why = format!("ratio value should be between -1 and 1, got {got}, capping to {capped}");
            self.notes.warn(place, why);
        }
        Ok(capped)
    }

    /// The series that a selector finds.
    pub(super) fn series(&self, selector: &Selector) -> Rc<[Found<'s, 'a>]> {
        let mut found = self.found.borrow_mut();
        found.entry(selector.id).or_insert_with(|| self.storage.find(selector).into()).clone()
    }
}

fn absent<'a>(is_absent: bool, labels: &Labels) -> Vec<Point<'a>> {
    if is_absent { vec![Point { tags: Tags::owned(labels.clone()), value: 1.0 }] } else { Vec::new() }
}

/// Elements that only lost their names are still distinct if all had the same one.
pub(super) fn distinct_origins(points: Vec<Point<'_>>) -> Points<'_> {
    let Some((first, rest)) = points.split_first() else { return Ok(points) };
    if rest.iter().all(|point| point.tags.has_metadata_of(&first.tags)) { Ok(points) } else { distinct(points) }
}

/// Two elements that have become the same are an error, not a merge.
fn distinct(points: Vec<Point<'_>>) -> Points<'_> {
    let mut seen = HashSet::with_capacity(points.len());
    let mut key = Vec::new();
    for point in &points {
        point.tags.full_key(&mut key);
        if !seen.insert(key.clone()) {
            let twice = point.tags.clone().into_labels();
            let why = format!("vector cannot contain metrics with the same labelset: {twice} stands there twice");
            return Err(Error::Evaluation(why));
        }
    }
    Ok(points)
}
