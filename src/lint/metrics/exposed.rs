//! What was exposed: metrics with their types and their series, once or over time.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::suffixes;
use crate::base::series::Series;
use crate::evidence::page::Family;
use crate::observe::exposition::Kind;

/// What a scrape makes itself; no service exposes it.
const SYNTHETIC: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Metrics by name.
#[derive(Debug, Default)]
pub struct Exposed<'a> {
    /// In the order of their names.
    pub metrics: Vec<Metric<'a>>,
}

/// A metric: a family of series.
#[derive(Debug)]
pub struct Metric<'a> {
    /// As declared, or as its samples are called.
    pub name: String,
    /// What the page declares of it, if anything.
    pub family: Option<&'a Family>,
    /// Its type.
    pub kind: Kind,
    /// Its series.
    pub series: Vec<Member<'a>>,
}

/// A series of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it tells of the metric: the suffix of its name; empty for the value itself.
    pub part: &'static str,
    /// The series.
    pub series: &'a Series,
}

impl<'a> Exposed<'a> {
    /// Sorts series into the families that were declared. Series that scrapes make themselves are left out.
    pub fn new(families: &'a BTreeMap<String, Family>, series: impl IntoIterator<Item = &'a Series>) -> Exposed<'a> {
        let series: Vec<&Series> = series.into_iter().collect();
        let names: BTreeSet<&str> = series.iter().map(|s| s.labels.name()).collect();
        let mut metrics: BTreeMap<&str, Metric<'a>> = BTreeMap::new();
        for series in &series {
            let name = series.labels.name();
            if name.is_empty() || (SYNTHETIC.contains(&name) && !families.contains_key(name)) {
                continue;
            }
            let (metric, part) = resolve(name, families, &names);
            let member = Member { part, series };
            let of = metrics.entry(metric).or_insert_with(|| {
                let family = families.get(metric);
                let kind = family.and_then(|f| f.kind).unwrap_or_default();
                Metric { name: metric.to_owned(), family, kind, series: Vec::new() }
            });
            of.series.push(member);
        }
        Exposed { metrics: metrics.into_values().collect() }
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.metrics.iter().map(|metric| metric.series.len()).sum()
    }

    /// The series of a sample's or a family's name.
    pub fn named<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Series> {
        self.metrics.iter().flat_map(move |metric| {
            let whole = metric.name == name;
            metric.series.iter().map(|member| member.series).filter(move |s| whole || s.labels.name() == name)
        })
    }
}

/// The family of a series and which part of it the series tells. What nobody declared is a histogram by its buckets.
fn resolve<'n>(name: &'n str, families: &BTreeMap<String, Family>, names: &BTreeSet<&str>) -> (&'n str, &'static str) {
    const ALL: [&str; 8] = ["_bucket", "_sum", "_count", "_total", "_created", "_gsum", "_gcount", "_info"];
    let of = |suffix: &&'static str| {
        let base = name.strip_suffix(suffix)?;
        let declared = match families.get(base).and_then(|family| family.kind) {
            Some(kind) => suffixes(kind).contains(suffix),
            None if families.contains_key(name) => false,
            None => {
                matches!(*suffix, "_bucket" | "_sum" | "_count") && names.contains(format!("{base}_bucket").as_str())
            }
        };
        declared.then_some((base, *suffix))
    };
    ALL.iter().find_map(of).unwrap_or((name, ""))
}
