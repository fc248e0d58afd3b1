//! How many series there are, and whether they grow with the traffic.
//!
//! A label whose values are bounded, however many they are, fills up: most of its values come with the first requests. One
//! that holds an order's id goes on: the second half of the requests brings as many new values as the first. So growth is
//! measured over the second half of the load, in new values per 1 000 requests.

use std::collections::BTreeMap;

use super::exposed::{Exposed, Metric};
use super::finding::{At, Book};
use crate::base::metrics::rule;
use crate::base::text;
use crate::observe::exposition::Kind;

/// Fewer new values in the second half say nothing.
const LEAST: usize = 20;
/// So many examples of values.
const EXAMPLES: usize = 3;

/// How many series and values there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The most series of one metric.
    pub series: u64,
    /// The most values of one label of one metric; `le` and `quantile` are not counted.
    pub values: u64,
    /// The most new values of a label per 1 000 requests, over the second half of the load.
    pub growth: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { series: 10_000, values: 1_000, growth: 10.0 }
    }
}

/// What was asked of the target while it was watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// How many requests there had been by when: milliseconds on the axis of the samples, in order.
    pub requests: Vec<(i64, f64)>,
    /// Who counted them, for sentences.
    pub by: String,
}

/// The second half of a load.
struct Half {
    from: i64,
    to: i64,
    requests: f64,
}

impl Load {
    fn second_half(&self) -> Option<Half> {
        let (first, last) = (self.requests.first()?, self.requests.last()?);
        let middle = first.1 + (last.1 - first.1) / 2.0;
        let start = self.requests.iter().rev().find(|(_, n)| *n <= middle)?;
        // What came in after the last request is the last request's doing.
        let requests = last.1 - start.1;
        (requests >= 100.0).then_some(Half { from: start.0, to: i64::MAX, requests })
    }
}

/// Everything that is wrong with the number of series.
pub(super) fn cardinality(exposed: &Exposed<'_>, limits: &Limits, load: Option<&Load>, book: &mut Book) {
    let half = load.and_then(Load::second_half);
    for metric in &exposed.metrics {
        let series = metric.series.len() as u64;
        if series > limits.series {
            let why = || {
                format!(
                    "{}, {} are allowed",
                    text::count(series, "series").replace("seriess", "series"),
                    text::thousands(limits.series)
                )
            };
            book.say(rule::SERIES_MANY, At::metric(&metric.name), why);
        }
        for (label, values) in values(metric) {
            let at = At::label(&metric.name, label);
            if values.len() as u64 > limits.values {
                let why = || {
                    let count = text::count(values.len() as u64, "value");
                    format!("`{label}` has {count}, {} are allowed", text::thousands(limits.values))
                };
                book.say(rule::VALUES_MANY, at, why);
            }
            let Some(half) = &half else { continue };
            let mut new: Vec<(i64, &str)> = values
                .iter()
                .filter(|(_, first)| **first > half.from && **first <= half.to)
                .map(|(v, t)| (*t, *v))
                .collect();
            let growth = new.len() as f64 / half.requests * 1000.0;
            if new.len() >= LEAST && growth > limits.growth {
                new.sort_unstable();
                let by = load.map_or("requests", |load| load.by.as_str());
                let why = || {
                    format!(
                        "`{label}` grows with the traffic: {growth:.0} new values per 1 000 {by} over the second half of the load, {} by then",
                        text::thousands(values.len() as u64)
                    )
                };
                for (_, value) in new.iter().take(EXAMPLES) {
                    book.note(rule::LABEL_GROWS, at, why, || Some(format!("{label}=\"{value}\"")));
                }
            }
        }
    }
}

/// The values of each label, and when each was seen first.
fn values<'a>(metric: &Metric<'a>) -> BTreeMap<&'a str, BTreeMap<&'a str, i64>> {
    let mut all: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    let bounds = matches!(metric.kind, Kind::Histogram | Kind::GaugeHistogram | Kind::Summary | Kind::Unknown);
    for member in &metric.series {
        let Some(first) = member.series.samples.first().map(|sample| sample.at) else { continue };
        for (label, value) in member.series.labels.iter() {
            if matches!(label, "__name__" | "job" | "instance") || (bounds && matches!(label, "le" | "quantile")) {
                continue;
            }
            let seen = all.entry(label).or_default().entry(value).or_insert(first);
            *seen = first.min(*seen);
        }
    }
    all
}
