//! The functions over the samples of a range, one row each.

use super::aggregate::quantile;
use super::ast::Edges;
use super::query::Semantics;
use super::rate;
use super::sum::{self, Sum};
use crate::base::series::Sample;

/// The samples of one series in a range, without stale markers.
#[derive(Debug)]
pub(super) struct Window<'w> {
    pub(super) samples: &'w [Sample],
    /// Where the range begins and ends, in milliseconds.
    pub(super) start: i64,
    pub(super) end: i64,
    /// The instant of the evaluation, which `offset` and `@` set apart from the end.
    pub(super) at: i64,
    /// What the samples beyond the range say of its edges; without that there are none.
    pub(super) edges: Edges,
    pub(super) semantics: Semantics,
}

/// A function over a range. `None` means that this series has no result.
#[derive(Debug)]
pub(super) struct RangeFunction {
    pub(super) name: &'static str,
    pub(super) apply: fn(&Window<'_>, &[f64]) -> Option<f64>,
    /// How many numbers it takes besides the range.
    pub(super) params: usize,
    /// Whether the range is written before the numbers.
    pub(super) range_first: bool,
    /// Whether the result is a sample of the series and so keeps the metric's name.
    pub(super) keeps_name: bool,
    /// What the numbers are called that must lie strictly between 0 and 1.
    pub(super) factors: &'static [&'static str],
    /// Whether it makes sense for counters only.
    pub(super) of_counters: bool,
    /// Whether its number is a quantile.
    pub(super) takes_quantile: bool,
    /// Which modifiers of a range it understands.
    pub(super) edges: &'static [Edges],
    /// Whether Prometheus 3 has it no longer.
    pub(super) only_v2: bool,
}

const fn plain(name: &'static str, apply: fn(&Window<'_>, &[f64]) -> Option<f64>) -> RangeFunction {
    RangeFunction {
        name,
        apply,
        params: 0,
        range_first: true,
        keeps_name: false,
        factors: &[],
        of_counters: false,
        takes_quantile: false,
        edges: &[Edges::AsSampled],
        only_v2: false,
    }
}

const ANY_EDGES: &[Edges] = &[Edges::AsSampled, Edges::Anchored, Edges::Smoothed];
const SMOOTHING: &[&str] = &["smoothing factor", "trend factor"];

/// All of them.
pub(super) static RANGE_FUNCTIONS: &[RangeFunction] = &[
    RangeFunction { of_counters: true, edges: ANY_EDGES, ..plain("rate", rate::rate) },
    RangeFunction { of_counters: true, edges: ANY_EDGES, ..plain("increase", rate::increase) },
    RangeFunction { edges: ANY_EDGES, ..plain("delta", rate::delta) },
    plain("irate", rate::irate),
    plain("idelta", rate::idelta),
    RangeFunction { edges: &[Edges::AsSampled, Edges::Anchored], ..plain("resets", rate::resets) },
    RangeFunction { edges: &[Edges::AsSampled, Edges::Anchored], ..plain("changes", rate::changes) },
    plain("deriv", rate::deriv),
    RangeFunction { params: 1, ..plain("predict_linear", rate::predict_linear) },
    RangeFunction {
        params: 2,
        factors: SMOOTHING,
        ..plain("double_exponential_smoothing", rate::double_exponential_smoothing)
    },
    RangeFunction {
        params: 2,
        factors: SMOOTHING,
        only_v2: true,
        ..plain("holt_winters", rate::double_exponential_smoothing)
    },
    plain("avg_over_time", |w, _| sum::mean(values(w))),
    plain("sum_over_time", |w, _| w.samples.first().map(|_| sum::sum(values(w)))),
    plain("min_over_time", |w, _| extreme(w, |a, b| a < b).map(|s| s.value)),
    plain("max_over_time", |w, _| extreme(w, |a, b| a > b).map(|s| s.value)),
    plain("count_over_time", |w, _| w.samples.first().map(|_| w.samples.len() as f64)),
    plain("present_over_time", |w, _| w.samples.first().map(|_| 1.0)),
    plain("stddev_over_time", |w, _| variance(w).map(f64::sqrt)),
    plain("stdvar_over_time", |w, _| variance(w)),
    plain("mad_over_time", |w, _| deviation(w)),
    RangeFunction {
        params: 1,
        range_first: false,
        takes_quantile: true,
        ..plain("quantile_over_time", quantile_over_time)
    },
    RangeFunction { keeps_name: true, ..plain("last_over_time", |w, _| Some(w.samples.last()?.value)) },
    RangeFunction { keeps_name: true, ..plain("first_over_time", |w, _| Some(w.samples.first()?.value)) },
    plain("ts_of_last_over_time", |w, _| Some(seconds(w.samples.last()?))),
    plain("ts_of_first_over_time", |w, _| Some(seconds(w.samples.first()?))),
    plain("ts_of_min_over_time", |w, _| extreme(w, |a, b| a <= b).map(seconds)),
    plain("ts_of_max_over_time", |w, _| extreme(w, |a, b| a >= b).map(seconds)),
];

fn values<'w>(window: &Window<'w>) -> impl Iterator<Item = f64> + 'w {
    window.samples.iter().map(|s| s.value)
}

fn seconds(sample: &Sample) -> f64 {
    sample.at as f64 / 1e3
}

/// The sample that beats all others; any number beats NaN.
fn extreme<'w>(window: &Window<'w>, beats: impl Fn(f64, f64) -> bool) -> Option<&'w Sample> {
    window.samples.iter().reduce(|best, s| if beats(s.value, best.value) || best.value.is_nan() { s } else { best })
}

fn quantile_over_time(window: &Window<'_>, params: &[f64]) -> Option<f64> {
    window.samples.first()?;
    let mut values: Vec<f64> = values(window).collect();
    Some(quantile(*params.first()?, &mut values))
}

/// The population variance (B. P. Welford, 1962), with compensated sums.
fn variance(window: &Window<'_>) -> Option<f64> {
    window.samples.first()?;
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (i, value) in values(window).enumerate() {
        let before = value - mean.value();
        mean = mean.plus(before / (i + 1) as f64);
        squares = squares.plus(before * (value - mean.value()));
    }
    Some(squares.value() / window.samples.len() as f64)
}

/// The median of the distances from the median.
fn deviation(window: &Window<'_>) -> Option<f64> {
    window.samples.first()?;
    if values(window).any(f64::is_nan) {
        return Some(f64::NAN);
    }
    let mut all: Vec<f64> = values(window).collect();
    let median = quantile(0.5, &mut all);
    all.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(quantile(0.5, &mut all))
}
