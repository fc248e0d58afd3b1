//! The evaluator: walks an expression and computes it at an instant, or at each step of a range.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::ast::{Aggregation, Grouping, Limits, Matrix, QueryFact, Scalar, Vector};
use super::error::Error;
use super::histogram::Reading;
use super::over_time::{RangeFunction, Window};
use super::part::Part;
use super::query::{Options, Semantics};
use super::select::Storage;
use super::selector::{At, Selector};
use super::tags::Tags;
use super::value::{Element, Value};
use super::{aggregate, binary, functions, histogram, labels};
use crate::base::series::{Labels, Sample, Series, is_stale};

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
    query: Query,
    /// What each selector found: the same at each step.
    found: RefCell<HashMap<usize, Rc<[&'a Series]>>>,
    steps: Cell<u64>,
    reading: Reading,
}

type Points<'a> = Result<Vec<Point<'a>>, Error>;

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn new(storage: &'s Storage<'a>, options: &'s Options, query: Query) -> Self {
        Evaluator {
            storage,
            options,
            query,
            found: RefCell::default(),
            steps: Cell::new(0),
            reading: Reading::default(),
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
                let series = |s: Stretch<'a>| Series { labels: s.tags.into_labels(), samples: s.samples.into_owned() };
                Value::Matrix(self.matrix(matrix, at)?.into_iter().map(series).collect())
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
            Vector::Selector(selector) => self.instant(selector, at, |sample| sample.value),
            Vector::Constant(scalar) => self.constant(scalar, at),
            Vector::Negate(arg) => self.mapped(arg, at, |v| -v),
            Vector::Map { map, arg } => self.mapped(arg, at, map.apply),
            Vector::Clamp { arg, limits } => self.clamp(arg, limits, at),
            Vector::Round { arg, to } => self.round(arg, to.as_deref(), at),
            Vector::Timestamp(arg) => self.timestamp(arg, at),
            Vector::Sort { arg, descending } => self.sorted(arg, at, |points| aggregate::sort(points, *descending)),
            Vector::SortByLabel { arg, by, descending } => {
                self.sorted(arg, at, |points| labels::sort(points, by, *descending))
            }
            Vector::LabelReplace(call) => self.vector(&call.arg, at).and_then(|p| distinct(labels::replace(p, call))),
            Vector::LabelJoin { arg, to, separator, from } => {
                self.vector(arg, at).and_then(|points| distinct(labels::join(points, to, separator, from)))
            }
            Vector::Absent { arg, labels } => self.vector(arg, at).map(|points| absent(points.is_empty(), labels)),
            Vector::AbsentOverTime { arg, labels } => self.matrix(arg, at).map(|all| absent(all.is_empty(), labels)),
            Vector::OverTime { function, params, arg } => self.over_time(function, params, arg, at),
            Vector::HistogramQuantile { q, arg } => self.quantiles(q, arg, at),
            Vector::HistogramFraction { lower, upper, arg } => self.fractions(lower, upper, arg, at),
            Vector::Aggregate { op, grouping, arg } => {
                self.vector(arg, at).and_then(|points| self.aggregate(op, grouping, points, at))
            }
            Vector::WithScalar { op, vector, scalar, scalar_first, as_bool } => {
                let (points, scalar) = (self.vector(vector, at)?, self.scalar(scalar, at)?);
                distinct_origins(binary::with_scalar(*op, points, scalar, *scalar_first, *as_bool))
            }
            Vector::Match { op, lhs, rhs, matching, as_bool } => {
                let (lhs, rhs) = (self.vector(lhs, at)?, self.vector(rhs, at)?);
                binary::matched(*op, lhs, rhs, matching, *as_bool)
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
        let Vector::Selector(selector) = arg else { return self.mapped(arg, at, |_| at as f64 / 1e3) };
        let points = self.instant(selector, at, |sample| sample.at as f64 / 1e3)?;
        distinct_origins(points.into_iter().map(|p| Point { tags: p.tags.without_name(), ..p }).collect())
    }

    fn sorted(&self, arg: &Vector, at: i64, sort: impl Fn(&mut [Point<'a>])) -> Points<'a> {
        let mut points = self.vector(arg, at)?;
        sort(&mut points);
        Ok(points)
    }

    fn quantiles(&self, q: &Scalar, arg: &Vector, at: i64) -> Points<'a> {
        let q = self.scalar(q, at)?;
        distinct_origins(histogram::quantiles(q, self.vector(arg, at)?, self.options.semantics, self.reading))
    }

    fn fractions(&self, lower: &Scalar, upper: &Scalar, arg: &Vector, at: i64) -> Points<'a> {
        let (lower, upper) = (self.scalar(lower, at)?, self.scalar(upper, at)?);
        distinct_origins(histogram::fractions(lower, upper, self.vector(arg, at)?))
    }

    fn aggregate(&self, op: &Aggregation, grouping: &Grouping, points: Vec<Point<'a>>, at: i64) -> Points<'a> {
        use aggregate::reduce;
        Ok(match op {
            Aggregation::Sum => reduce(points, grouping, aggregate::sum),
            Aggregation::Avg => reduce(points, grouping, aggregate::mean),
            Aggregation::Min => reduce(points, grouping, aggregate::min),
            Aggregation::Max => reduce(points, grouping, aggregate::max),
            Aggregation::Count => reduce(points, grouping, |group| group.len() as f64),
            Aggregation::Group => reduce(points, grouping, |_| 1.0),
            Aggregation::Stddev => reduce(points, grouping, |group| aggregate::variance(group).sqrt()),
            Aggregation::Stdvar => reduce(points, grouping, aggregate::variance),
            Aggregation::Quantile(q) => {
                let q = self.scalar(q, at)?;
                reduce(points, grouping, |group| {
                    aggregate::quantile(q, &mut group.iter().map(|p| p.value).collect::<Vec<_>>())
                })
            }
            Aggregation::Top { k, largest } => aggregate::top(points, grouping, self.count_param(k, at)?, *largest),
            Aggregation::CountValues(label) => aggregate::count_values(points, grouping, label)?,
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

    /// The series that a selector finds.
    pub(super) fn series(&self, selector: &Selector) -> Rc<[&'a Series]> {
        let mut found = self.found.borrow_mut();
        found.entry(selector.id).or_insert_with(|| self.storage.select(selector).into()).clone()
    }

    /// The instant that a selector looks at.
    pub(super) fn moment(&self, at: i64, pinned: Option<At>, offset_ms: i64) -> i64 {
        let at = match pinned {
            None => at,
            Some(At::Ms(ms)) => ms,
            Some(At::Start) => self.query.start,
            Some(At::End) => self.query.end,
        };
        at.saturating_sub(offset_ms)
    }

    /// Where a range that reaches back from `end` begins: the first instant that a sample in it may have.
    fn first_instant(&self, end: i64, length: i64) -> i64 {
        let start = end.saturating_sub(length);
        match self.options.semantics {
            Semantics::V3 => start.saturating_add(1),
            Semantics::V2 => start,
        }
    }

    /// The newest sample of each series within the lookback; a series that has ended has none.
    fn instant(&self, selector: &Selector, at: i64, read: impl Fn(&Sample) -> f64) -> Points<'a> {
        let at = self.moment(at, selector.at, selector.offset_ms);
        let oldest = self.first_instant(at, self.options.lookback_ms);
        let newest = |series: &&'a Series| {
            let upto = series.samples.partition_point(|s| s.at <= at);
            let sample = series.samples[..upto].last().filter(|s| s.at >= oldest && !is_stale(s.value))?;
            Some(Point { tags: Tags::of(&series.labels), value: read(sample) })
        };
        Ok(self.series(selector).iter().filter_map(newest).collect())
    }

    /// The samples of a range; series without any are left out.
    pub(super) fn matrix(&self, matrix: &Matrix, at: i64) -> Result<Vec<Stretch<'a>>, Error> {
        match matrix {
            Matrix::Range { selector, range_ms } => {
                let end = self.moment(at, selector.at, selector.offset_ms);
                let start = self.first_instant(end, *range_ms);
                let stretch = |series: &&'a Series| {
                    let from = series.samples.partition_point(|s| s.at < start);
                    let length = series.samples[from..].partition_point(|s| s.at <= end);
                    let samples = without_markers(&series.samples[from..from + length]);
                    (!samples.is_empty()).then(|| Stretch { tags: Tags::of(&series.labels), samples })
                };
                Ok(self.series(selector).iter().filter_map(stretch).collect())
            }
            Matrix::Subquery { arg, range_ms, step_ms, offset_ms, at: pinned } => {
                let end = self.moment(at, *pinned, *offset_ms);
                let step = step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
                self.subquery(arg, self.first_instant(end, *range_ms), end, step)
            }
        }
    }

    /// A vector at each multiple of `step` from `start` to `end`.
    fn subquery(&self, arg: &Vector, start: i64, end: i64, step: i64) -> Result<Vec<Stretch<'a>>, Error> {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut stretches: Vec<Stretch<'a>> = Vec::new();
        let mut key = Vec::new();
        let floor = start.div_euclid(step).saturating_mul(step);
        let first = if floor < start { floor.saturating_add(step) } else { floor };
        for at in self.steps(first, end, step)? {
            for point in self.vector(arg, at)? {
                let sample = Sample { at, value: point.value };
                point.tags.full_key(&mut key);
                match places.get(&key) {
                    Some(place) => stretches[*place].samples.to_mut().push(sample),
                    None => {
                        places.insert(key.clone(), stretches.len());
                        stretches.push(Stretch { tags: point.tags, samples: Cow::Owned(vec![sample]) });
                    }
                }
            }
        }
        Ok(stretches)
    }

    /// The window that a matrix covers at an instant.
    pub(super) fn window(&self, matrix: &Matrix, at: i64) -> Window<'static> {
        let (range_ms, pinned, offset_ms) = match matrix {
            Matrix::Range { selector, range_ms } => (*range_ms, selector.at, selector.offset_ms),
            Matrix::Subquery { range_ms, at, offset_ms, .. } => (*range_ms, *at, *offset_ms),
        };
        let end = self.moment(at, pinned, offset_ms);
        Window { samples: &[], start: end.saturating_sub(range_ms), end, at, semantics: self.options.semantics }
    }

    /// A function over the samples of a range.
    fn over_time(&self, function: &RangeFunction, params: &[Scalar], arg: &Matrix, at: i64) -> Points<'a> {
        let params = params.iter().map(|p| self.scalar(p, at)).collect::<Result<Vec<_>, _>>()?;
        if let Some(bad) = params.iter().find(|p| function.factors && !(**p > 0.0 && **p < 1.0)) {
            let why = format!("invalid factor {bad} in {}(): it must lie between 0 and 1", function.name);
            return Err(Error::Evaluation(why));
        }
        let window = self.window(arg, at);
        let apply = |stretch: Stretch<'a>| {
            let value = (function.apply)(&Window { samples: &stretch.samples, ..window }, &params)?;
            let tags = if function.keeps_name { stretch.tags } else { stretch.tags.without_name() };
            Some(Point { tags, value })
        };
        let points = self.matrix(arg, at)?.into_iter().filter_map(apply).collect();
        if function.keeps_name { Ok(points) } else { distinct_origins(points) }
    }
}

/// Samples without stale markers, which a range does not end at.
fn without_markers(samples: &[Sample]) -> Cow<'_, [Sample]> {
    if samples.iter().any(|s| is_stale(s.value)) {
        Cow::Owned(samples.iter().copied().filter(|s| !is_stale(s.value)).collect())
    } else {
        Cow::Borrowed(samples)
    }
}

fn absent<'a>(is_absent: bool, labels: &Labels) -> Vec<Point<'a>> {
    if is_absent { vec![Point { tags: Tags::owned(labels.clone()), value: 1.0 }] } else { Vec::new() }
}

/// Elements that only lost their names are still distinct if all had the same one.
fn distinct_origins(points: Vec<Point<'_>>) -> Points<'_> {
    let same_name = points.windows(2).all(|pair| pair[0].tags.origin() == pair[1].tags.origin());
    if same_name { Ok(points) } else { distinct(points) }
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
