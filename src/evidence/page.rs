//! What a page of metrics says besides its samples: what it is served as, the type, help and unit of each family, and how
//! it is laid out. Samples lie in `samples.chunks`; this stands among the events, at the first scrape of a job, whenever
//! it has changed, and at the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::samples::Kind;
use crate::base::time::Offset;

/// A page of metrics as it was seen once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Of which job.
    pub job: String,
    /// When it was asked for.
    pub at: Offset,
    /// What it was served as; nothing where there was no `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// Its size in bytes, uncompressed.
    pub bytes: u64,
    /// From request to the end of the reply, in nanoseconds.
    pub took: u64,
    /// How many samples it has; 0 where it could not be read.
    pub samples: u64,
    /// What it declares, in its order; a family that is declared in two places stands here twice.
    pub families: Vec<Family>,
    /// What is wrong with how it is laid out.
    pub remarks: Vec<Remark>,
}

/// What a page declares of a family of metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// As declared: in OpenMetrics a counter's is without `_total`.
    pub name: String,
    /// Nothing where there is no `# TYPE`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Nothing where there is no `# HELP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// OpenMetrics only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// One kind of thing that is wrong with one metric, however often, with a few examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Which kind, by its name in the table of the linter.
    pub id: String,
    /// Of which metric; empty for the page as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metric: String,
    /// The first line with it, from 1; nothing where it is not on a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How often.
    pub count: u64,
    /// In words, of the first.
    pub why: String,
    /// At most three, as they stand on the page, shortened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// Every page of a job among the events, in their order.
pub fn pages<'e>(events: &'e [Event], job: &'e str) -> impl Iterator<Item = &'e Page> {
    events.iter().filter_map(move |event| match event {
        Event::Page(page) if page.job == job => Some(page),
        _ => None,
    })
}

/// What the pages of a job declared in all of a run, by family: of what was said differently over time, the last holds.
pub fn declared(events: &[Event], job: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    for family in pages(events, job).flat_map(|page| &page.families) {
        let known = all.entry(family.name.clone()).or_insert_with(|| Family {
            name: family.name.clone(),
            kind: None,
            help: None,
            unit: None,
        });
        known.kind = family.kind.or(known.kind);
        known.help = family.help.clone().or_else(|| known.help.take());
        known.unit = family.unit.clone().or_else(|| known.unit.take());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, kind: Option<Kind>, help: Option<&str>) -> Family {
        Family { name: name.into(), kind, help: help.map(str::to_owned), unit: None }
    }

    fn page(job: &str, families: Vec<Family>) -> Event {
        Event::Page(Page {
            job: job.into(),
            at: Offset::ZERO,
            media: Some("text/plain; version=0.0.4".into()),
            bytes: 10,
            took: 5,
            samples: 1,
            families,
            remarks: vec![Remark {
                id: "type-missing".into(),
                metric: "a".into(),
                line: Some(3),
                count: 2,
                why: "because".into(),
                examples: vec!["a 1".into()],
            }],
        })
    }

    #[test]
    fn a_page_reads_back() {
        let event = page("api", vec![family("a", Some(Kind::GaugeHistogram), Some("A"))]);
        let line = serde_json::to_string(&event).expect("serialises");
        assert!(line.contains(r#""type":"gaugehistogram""#), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).expect("reads back"), event);
    }

    #[test]
    fn the_last_word_on_a_family_holds() {
        let events = [
            page("api", vec![family("a", Some(Kind::Counter), None), family("a", None, Some("first"))]),
            page("other", vec![family("b", None, None)]),
            page("api", vec![family("a", None, Some("second")), family("c", Some(Kind::Gauge), None)]),
        ];
        let declared = declared(&events, "api");
        assert_eq!(declared.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(declared["a"], family("a", Some(Kind::Counter), Some("second")));
    }
}
