//! What an expression looks at: instants, ranges and subqueries, and the functions over them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ast::{Edges, Length, Matrix, Place, Scalar, Vector};
use super::edges;
use super::error::Error;
use super::eval::{Evaluator, Point, Points, Stretch, distinct_origins};
use super::over_time::{RangeFunction, Window};
use super::print;
use super::query::Semantics;
use super::select::Found;
use super::selector::{At, Selector};
use super::tags::Tags;
use crate::base::series::{Sample, is_stale};

impl<'s, 'a> Evaluator<'s, 'a> {
    /// Milliseconds of an offset.
    fn offset(&self, length: &Length, at: i64) -> Result<i64, Error> {
        Ok(match length {
            Length::Ms(ms) => *ms,
            Length::Of(seconds) => (self.scalar(seconds, at)? * 1e3).round() as i64,
        })
    }

    /// Milliseconds of a range or a step, which is never nothing.
    fn length(&self, length: &Length, at: i64) -> Result<i64, Error> {
        match self.offset(length, at)? {
            ms if ms > 0 => Ok(ms),
            ms => {
                let why = format!("duration must be greater than 0, not {}: `{length}`", print::duration(ms));
                Err(Error::Evaluation(why))
            }
        }
    }

    /// The instant that a part of an expression looks at.
    pub(super) fn moment(&self, at: i64, pinned: Option<At>, offset: &Length) -> Result<i64, Error> {
        let offset_ms = self.offset(offset, at)?;
        let at = match pinned {
            None => at,
            Some(At::Ms(ms)) => ms,
            Some(At::Start) => self.query.start,
            Some(At::End) => self.query.end,
        };
        Ok(at.saturating_sub(offset_ms))
    }

    /// Where a range that reaches back from `end` begins: the first instant that a sample in it may have.
    fn first_instant(&self, end: i64, length: i64) -> i64 {
        let start = end.saturating_sub(length);
        match self.options.semantics {
            Semantics::V3 => start.saturating_add(1),
            Semantics::V2 => start,
        }
    }

    pub(super) fn selected(&self, selector: &Selector, at: i64) -> Points<'a> {
        match selector.edges {
            Edges::AsSampled => self.instant(selector, at, |sample| sample.value),
            edges => self.between(selector, edges, at),
        }
    }

    /// The newest sample of each series within the lookback; a series that has ended has none.
    pub(super) fn instant(&self, selector: &Selector, at: i64, read: impl Fn(&Sample) -> f64) -> Points<'a> {
        let at = self.moment(at, selector.at, &selector.offset)?;
        let oldest = self.first_instant(at, self.options.lookback_ms);
        let newest = |Found { series, .. }: &Found<'s, 'a>| {
            let sample =
                series.samples[..upto(&series.samples, at)].last().filter(|s| s.at >= oldest && !is_stale(s.value))?;
            Some(Point { tags: Tags::of(&series.labels), value: read(sample) })
        };
        Ok(self.series(selector).iter().filter_map(newest).collect())
    }

    /// The value of each series at an instant that lies between two samples.
    fn between(&self, selector: &Selector, edges: Edges, at: i64) -> Points<'a> {
        let at = self.moment(at, selector.at, &selector.offset)?;
        let value = |found: &Found<'s, 'a>| {
            let samples = self.around(*found, at, at, edges);
            Some(Point { tags: Tags::of(&found.series.labels), value: edges::at(&samples, at)? })
        };
        Ok(self.series(selector).iter().filter_map(value).collect())
    }

    /// The samples of a series from `start` to `end`, and those beyond that tell what it is at the edges.
    fn around(&self, found: Found<'s, 'a>, start: i64, end: i64, edges: Edges) -> Cow<'a, [Sample]> {
        let lookback = self.options.lookback_ms;
        let first = match edges {
            Edges::AsSampled => start,
            Edges::Anchored | Edges::Smoothed => self.first_instant(start, lookback),
        };
        let last = if edges == Edges::Smoothed { end.saturating_add(lookback) } else { end };
        let samples = &found.series.samples;
        let samples = &samples[..upto(samples, last)];
        let samples = &samples[upto(samples, first.saturating_sub(1))..];
        if found.is_marked() { without_markers(samples) } else { Cow::Borrowed(samples) }
    }

    /// The samples of a range; series without any are left out.
    pub(super) fn matrix(&self, matrix: &Matrix, at: i64) -> Result<Vec<Stretch<'a>>, Error> {
        let mut stretches = Vec::new();
        self.each_stretch(matrix, at, |stretch| stretches.push(stretch))?;
        Ok(stretches)
    }

    /// Shows the samples of a range series by series, so that not all of them need be held at once.
    fn each_stretch(&self, matrix: &Matrix, at: i64, mut see: impl FnMut(Stretch<'a>)) -> Result<(), Error> {
        match matrix {
            Matrix::Range { selector, range } => {
                let end = self.moment(at, selector.at, &selector.offset)?;
                let start = self.first_instant(end, self.length(range, at)?);
                for found in self.series(selector).iter() {
                    let samples = self.around(*found, start, end, selector.edges);
                    if !samples.is_empty() {
                        see(Stretch { tags: Tags::of(&found.series.labels), samples });
                    }
                }
                Ok(())
            }
            Matrix::Subquery { arg, range, step, offset, at: pinned } => {
                let end = self.moment(at, *pinned, offset)?;
                let step = match step {
                    Some(step) => self.length(step, at)?,
                    None => self.options.subquery_step_ms.max(1),
                };
                let start = self.first_instant(end, self.length(range, at)?);
                self.nested.set(self.nested.get() + 1);
                let stretches = self.subquery(arg, start, end, step);
                self.nested.set(self.nested.get() - 1);
                stretches?.into_iter().for_each(see);
                Ok(())
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
    pub(super) fn window(&self, matrix: &Matrix, at: i64) -> Result<Window<'static>, Error> {
        let (range, pinned, offset, edges) = match matrix {
            Matrix::Range { selector, range } => (range, selector.at, &selector.offset, selector.edges),
            Matrix::Subquery { range, at, offset, .. } => (range, *at, offset, Edges::AsSampled),
        };
        let (end, range) = (self.moment(at, pinned, offset)?, self.length(range, at)?);
        let semantics = self.options.semantics;
        Ok(Window { samples: &[], start: end.saturating_sub(range), end, at, edges, semantics })
    }

    /// A function over the samples of a range.
    pub(super) fn over_time(
        &self,
        function: &RangeFunction,
        params: &[Scalar],
        arg: &Matrix,
        place: Place,
        at: i64,
    ) -> Points<'a> {
        let params = params.iter().map(|p| self.scalar(p, at)).collect::<Result<Vec<_>, _>>()?;
        if let Some((bad, what)) = params.iter().zip(function.factors).find(|(p, _)| **p <= 0.0 || **p >= 1.0) {
            let short: String = what.split(' ').filter_map(|word| word.chars().next()).collect();
            let why = format!("invalid {what}. Expected: 0 < {short} < 1, got: {bad:.6}");
            return Err(Error::Evaluation(why));
        }
        let window = self.window(arg, at)?;
        let mut points = Vec::new();
        let mut named = None;
        self.each_stretch(arg, at, |stretch| {
            let Some(value) = (function.apply)(&Window { samples: &stretch.samples, ..window }, &params) else {
                return;
            };
            if function.of_counters {
                let name = stretch.tags.origin();
                if named.as_deref() != Some(name) {
                    self.notes.counter(place, name);
                    named = Some(name.to_owned());
                }
            }
            let tags = if function.keeps_name { stretch.tags } else { stretch.tags.without_name() };
            points.push(Point { tags, value });
        })?;
        if function.takes_quantile
            && let (Some(q), false) = (params.first(), points.is_empty())
        {
            self.notes.quantile(place, *q);
        }
        if function.keeps_name { Ok(points) } else { distinct_origins(points) }
    }
}

/// How many samples lie at or before an instant. Most questions are about the end of a series, and many about all of it:
/// neither needs a search.
fn upto(samples: &[Sample], at: i64) -> usize {
    match samples {
        [.., last] if last.at <= at => samples.len(),
        [first, ..] if first.at > at => 0,
        samples => samples.partition_point(|s| s.at <= at),
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
