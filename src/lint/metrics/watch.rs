//! Pages of one target, one after the other: what `proofload metrics lint` looks at.

use std::collections::{BTreeMap, HashMap};

use super::exposed::Exposed;
use super::finding::Finding;
use super::{Load, Terms, layout, model};
use crate::base::series::{Sample, Series};
use crate::evidence::page::Family;
use crate::observe::exposition::{self, Dialect};

/// Pages of one target, in order.
#[derive(Debug, Default)]
pub struct Watch {
    families: BTreeMap<String, Family>,
    series: Vec<Series>,
    index: HashMap<String, usize>, // by the text of the series
    layout: BTreeMap<(String, String, Option<String>), Finding>,
    labels: Vec<(String, String)>,
}

/// What a watch saw in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Metrics.
    pub metrics: usize,
    /// Series.
    pub series: usize,
}

impl Watch {
    /// A watch that adds labels to every series, as a job of a server does.
    pub fn new(labels: Vec<(String, String)>) -> Watch {
        Watch { labels, ..Watch::default() }
    }

    /// Takes a page; `at` is in milliseconds on any axis.
    pub fn page(&mut self, at: i64, page: &[u8], media: Option<&str>) {
        for finding in layout(page, media) {
            let key = (finding.rule.id.to_owned(), finding.metric.clone(), finding.label.clone());
            // Of the same on several pages the first is kept.
            self.layout.entry(key).or_insert(finding);
        }
        let dialect = Dialect::of(media, page);
        let Ok(read) = exposition::parse(page, dialect) else { return }; // the layout has said why
        for family in read.families {
            let known = self.families.entry(family.name.to_string()).or_insert_with(|| Family {
                name: family.name.to_string(),
                kind: None,
                help: None,
                unit: None,
            });
            known.kind = family.kind.or(known.kind);
            known.help = family.help.map(|help| help.into_owned()).or_else(|| known.help.take());
            known.unit = family.unit.map(str::to_owned).or_else(|| known.unit.take());
        }
        for row in read.rows {
            let n = match self.index.get(row.series) {
                Some(n) => *n,
                None => {
                    let mut labels = exposition::labels(row.series, row.kind);
                    self.labels.iter().for_each(|(name, value)| labels.set(name.clone(), value.clone()));
                    self.series.push(Series { labels, samples: Vec::new() });
                    self.index.insert(row.series.to_owned(), self.series.len() - 1);
                    self.series.len() - 1
                }
            };
            let samples = &mut self.series[n].samples;
            if samples.last().is_none_or(|last| last.at < at) {
                samples.push(Sample { at, value: row.value });
            }
        }
    }

    /// Everything that is wrong. `requests` names a counter of the target's own that counts what it was asked; where it is
    /// left out, the counter called `…requests_total` that rose most.
    pub fn findings(&self, terms: &Terms, requests: Option<&str>) -> Vec<Finding> {
        let exposed = Exposed::new(&self.families, &self.series);
        let load = load(&exposed, requests);
        let mut all: Vec<Finding> = self.layout.values().cloned().collect();
        all.extend(model(&exposed, terms, &[], load.as_ref()));
        all.extend(super::restarts(&exposed).first().map(|_| {
            Finding::new(
                super::rule::RESTARTED,
                "process_start_time_seconds",
                "the process began anew while it was watched",
            )
        }));
        all
    }

    /// How much was seen.
    pub fn seen(&self) -> Seen {
        let exposed = Exposed::new(&self.families, &self.series);
        Seen { metrics: exposed.metrics.len(), series: exposed.series() }
    }

    /// What the growth of labels is measured by.
    pub fn load(&self, requests: Option<&str>) -> Option<Load> {
        load(&Exposed::new(&self.families, &self.series), requests)
    }
}

/// The requests that a counter counted.
fn load(exposed: &Exposed<'_>, requests: Option<&str>) -> Option<Load> {
    let counted = |name: &str| {
        let mut by_instant: BTreeMap<i64, f64> = BTreeMap::new();
        for sample in exposed.named(name).flat_map(|series| &series.samples) {
            *by_instant.entry(sample.at).or_default() += sample.value;
        }
        Load { requests: by_instant.into_iter().collect(), by: format!("of `{name}`") }
    };
    let rise = |load: &Load| Some(load.requests.last()?.1 - load.requests.first()?.1);
    match requests {
        Some(name) => Some(counted(name)).filter(|load| !load.requests.is_empty()),
        None => {
            let names = exposed.metrics.iter().map(|metric| match metric.name.ends_with("_total") {
                true => metric.name.clone(),
                false => format!("{}_total", metric.name),
            });
            let all = names.filter(|name| name.ends_with("requests_total")).map(|name| counted(&name));
            all.filter(|load| rise(load).is_some_and(|rise| rise > 0.0))
                .max_by(|a, b| rise(a).partial_cmp(&rise(b)).unwrap_or(std::cmp::Ordering::Equal))
        }
    }
}
