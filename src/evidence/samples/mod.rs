//! `samples.chunks`: every series of every scraped job, small, and readable after a sudden death.
//!
//! A header (magic, version, the wall-clock anchor, CRC) and then chunks, one per [`Writer::flush`]: length, CRC-32,
//! payload, little-endian. A payload is a row of scrapes; what one says is coded against the scrape before it, across
//! chunks, so that a file is read from its start and as far as it is whole. A scrape is
//!
//! ```text
//! target          number, or the next free one and then job, instance, and the labels of the job; all are empty for what
//!                 was not scraped but fetched: its series keep the labels that they came with, and no scrape makes any
//! at              ms since the previous scrape of this target
//! answered        1, or 0: then every scraped series of the target is stale here
//! new series      slot, type, labels (what they share with the previous new series at either end is left out)
//! returned        runs of slots that were stale and now are not
//! values          one per live slot, in the order of slots: see `code`; a series that is absent says so and is stale
//! timed values    slot, timestamp, value: samples that carry a timestamp of their own
//! ```
//!
//! Numbers are LEB128, signed ones zigzag. Slots 0 to 4 of each target are the series that a scrape itself makes, `up`
//! and its companions. Times in the file are milliseconds on the run's axis, whose zero is the plan's zero; the header
//! holds that zero in Unix time, and the reader answers in Unix time, so that PromQL's `time()` agrees with what
//! targets expose. A scraped label that clashes with `job` or `instance` becomes `exported_job`, `exported_instance`.
//! Version 1 had no labels of jobs; it is read still.

mod code;
mod dictionary;
mod follow;
mod openmetrics;
mod read;
mod target;
mod write;

pub use follow::{Follower, Keep};
pub use openmetrics::export_openmetrics;
pub use read::{Error, Samples, Scraped, read, read_where};
pub use write::{Kept, Scrape, Writer};

use serde::{Deserialize, Serialize};

const MAGIC: [u8; 8] = *b"\x89plsamp\n";
const VERSION: u32 = 2;
/// Does not say what targets are labelled with.
const UNLABELLED: u32 = 1;
/// Magic, version, anchor, CRC of the three.
const HEADER: usize = 8 + 4 + 8 + 4;
/// Length and CRC.
const CHUNK_HEADER: usize = 8;

/// A metric's type, as its `# TYPE` line declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `untyped`, `unknown`, or not declared.
    #[default]
    Unknown,
    /// Only rises, except at a restart.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Cumulative buckets by `le`.
    Histogram,
    /// Quantiles worked out by the target.
    Summary,
    /// OpenMetrics: buckets whose counts may fall.
    GaugeHistogram,
    /// OpenMetrics: labels that tell facts; the value is 1.
    Info,
    /// OpenMetrics: one series per state.
    StateSet,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Unknown,
        Kind::Counter,
        Kind::Gauge,
        Kind::Histogram,
        Kind::Summary,
        Kind::GaugeHistogram,
        Kind::Info,
        Kind::StateSet,
    ];

    /// The word of a `# TYPE` line, as OpenMetrics has it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Unknown => "unknown",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::GaugeHistogram => "gaugehistogram",
            Kind::Info => "info",
            Kind::StateSet => "stateset",
        }
    }

    /// The type that a word of either format names.
    pub fn from_word(word: &str) -> Option<Kind> {
        if word == "untyped" {
            return Some(Kind::Unknown);
        }
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One sample of a scraped page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// `name{…}` exactly as the page has it. The same text is the same series.
    pub series: &'a str,
    /// The type that was declared for it.
    pub kind: Kind,
    /// May be NaN or infinite.
    pub value: f64,
    /// The page's own timestamp, in milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
}

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
