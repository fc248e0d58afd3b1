//! Histograms add up: at every scrape, each by itself and all of one name with each other.

use std::collections::BTreeMap;

use super::exposed::{Exposed, Metric};
use super::finding::{At, Book};
use crate::base::metrics::rule;
use crate::base::series::{Labels, Sample, Series, is_stale};
use crate::observe::exposition::Kind;

/// Values may be observed between the reading of the buckets and that of the sum: so many are let pass.
const IN_FLIGHT: f64 = 16.0;

/// One histogram: what has the same labels but `le`.
#[derive(Default)]
struct One<'a> {
    buckets: Vec<(f64, &'a Series)>, // by bound
    sum: Option<&'a Series>,
    count: Option<&'a Series>,
}

/// Everything that is wrong with histograms.
pub(super) fn histograms(exposed: &Exposed<'_>, book: &mut Book) {
    for metric in &exposed.metrics {
        let declared = matches!(metric.kind, Kind::Histogram | Kind::GaugeHistogram);
        if declared || metric.series.iter().any(|member| member.part == "_bucket") {
            of_metric(metric, book);
        }
    }
}

fn of_metric(metric: &Metric<'_>, book: &mut Book) {
    let at = At::metric(&metric.name);
    let mut all: BTreeMap<Labels, One<'_>> = BTreeMap::new();
    for member in &metric.series {
        let series = member.series;
        let one = all.entry(series.labels.filter(|label| label != "le" && label != "__name__")).or_default();
        match member.part {
            "_bucket" => match series.labels.get("le").parse::<f64>() {
                Ok(bound) if !bound.is_nan() => one.buckets.push((bound, series)),
                _ => book.note(
                    rule::BOUND_UNREADABLE,
                    at,
                    || format!("`le=\"{}\"` is no bound", series.labels.get("le")),
                    || Some(series.labels.to_string()),
                ),
            },
            "_sum" | "_gsum" => one.sum = Some(series),
            "_count" | "_gcount" => one.count = Some(series),
            _ => {}
        }
    }
    let mut bounds: Option<Vec<f64>> = None;
    for (labels, one) in &mut all {
        one.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let example = || Some(format!("{}{labels}", metric.name));
        if one.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            book.note(rule::INF_MISSING, at, || "no bucket `le=\"+Inf\"`".into(), example);
        }
        let missing = [("_sum", one.sum.is_none()), ("_count", one.count.is_none())];
        let missing: Vec<&str> = missing.iter().filter(|(_, gone)| *gone).map(|(part, _)| *part).collect();
        if !missing.is_empty() {
            book.note(rule::SUM_MISSING, at, || format!("no `{}`", missing.join("` and no `")), example);
        }
        let own: Vec<f64> = one.buckets.iter().map(|(bound, _)| *bound).collect();
        match &bounds {
            Some(first) if *first != own => {
                let why = || format!("{} bounds here, {} elsewhere, or others", own.len(), first.len());
                book.note(rule::BOUNDS_DIFFER, at, why, example);
            }
            Some(_) => {}
            None => bounds = Some(own),
        }
        adds_up(metric, labels, one, book);
    }
}

/// Walks over the scrapes of one histogram.
fn adds_up(metric: &Metric<'_>, labels: &Labels, one: &One<'_>, book: &mut Book) {
    let at = At::metric(&metric.name);
    let example = || Some(format!("{}{labels}", metric.name));
    let Some((_, last)) = one.buckets.last() else { return };
    let mut places = vec![0; one.buckets.len()];
    let (mut sum_at, mut count_at) = (0, 0);
    let (mut fell, mut differed, mut impossible) = (false, false, false);
    for sample in last.samples.iter().filter(|s| !is_stale(s.value)) {
        let counts: Option<Vec<f64>> = one
            .buckets
            .iter()
            .zip(&mut places)
            .map(|((_, series), place)| value_at(&series.samples, place, sample.at))
            .collect();
        let Some(counts) = counts else { continue };
        if let Some(n) = (1..counts.len()).find(|n| counts[*n] < counts[n - 1]).filter(|_| !fell) {
            fell = true;
            let why = || {
                let [(low, _), (high, _)] = [one.buckets[n - 1], one.buckets[n]];
                format!("`le=\"{}\"` counts {}, `le=\"{}\"` only {}", bound(low), counts[n - 1], bound(high), counts[n])
            };
            book.note(rule::BUCKETS_FALL, at, why, example);
        }
        let total = counts.last().copied().unwrap_or_default();
        let is_whole = one.buckets.last().is_some_and(|(bound, _)| *bound == f64::INFINITY);
        let count = one.count.and_then(|count| value_at(&count.samples, &mut count_at, sample.at));
        if let Some(count) = count.filter(|count| is_whole && *count != total && !differed) {
            differed = true;
            book.note(rule::COUNT_DIFFERS, at, || format!("`_count` is {count}, `le=\"+Inf\"` {total}"), example);
        }
        let sum = one.sum.and_then(|sum| value_at(&sum.samples, &mut sum_at, sample.at));
        if let Some(sum) = sum.filter(|_| is_whole && !fell && !impossible) {
            let [low, high] = between(&one.buckets, &counts);
            if sum.is_nan() || sum < low || sum > high {
                impossible = true;
                let why = || {
                    let reach =
                        if high.is_finite() { format!("{low:.3} to {high:.3}") } else { format!("at least {low:.3}") };
                    format!("`_sum` is {sum}, and what the buckets hold adds up to {reach}")
                };
                book.note(rule::SUM_IMPOSSIBLE, at, why, example);
            }
        }
    }
}

/// Between what the sum must lie: every value at its bucket's lower bound, and every value at its upper. Values of a
/// histogram whose first bound is above 0 are taken for not negative. As many as may be in flight are let pass.
fn between(buckets: &[(f64, &Series)], counts: &[f64]) -> [f64; 2] {
    let (mut low, mut high, mut before, mut floor) = (0.0, 0.0, 0.0, f64::NEG_INFINITY);
    if buckets.first().is_some_and(|(bound, _)| *bound > 0.0) {
        floor = 0.0;
    }
    let mut widest = 0.0f64;
    for ((bound, _), count) in buckets.iter().zip(counts) {
        let own = count - before;
        if own > 0.0 {
            low += own * floor;
            high += own * bound;
        }
        if bound.is_finite() {
            widest = widest.max(bound.abs());
        }
        (before, floor) = (*count, *bound);
    }
    let slack = IN_FLIGHT * widest + 1e-9 * (low.abs() + if high.is_finite() { high.abs() } else { 0.0 });
    [low - slack, high + slack]
}

fn bound(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".into() } else { bound.to_string() }
}

/// The value at an instant; `place` only moves forward.
fn value_at(samples: &[Sample], place: &mut usize, at: i64) -> Option<f64> {
    while samples.get(*place).is_some_and(|s| s.at < at) {
        *place += 1;
    }
    samples.get(*place).filter(|s| s.at == at && !is_stale(s.value)).map(|s| s.value)
}
