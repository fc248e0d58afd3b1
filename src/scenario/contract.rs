//! What the metrics of a job must be, and how the probes beside them must answer.

use std::time::Duration;

use super::claim::{Severity, Window};
use super::mistake::Place;
use crate::base::metrics::Template;

/// What is promised of the metrics of a job. Each part of it is a promise of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// The job.
    pub job: String,
    /// Labels that every series carries.
    pub labels: Vec<String>,
    /// How metrics are called.
    pub names: Option<Template>,
    /// Metrics that are there.
    pub requires: Vec<String>,
    /// Metrics that change under load.
    pub moves: Vec<String>,
    /// How probes answer.
    pub probes: Vec<Probe>,
    /// How many series there may be.
    pub cardinality: Cardinality,
    /// How long a scrape may take.
    pub scrape: ScrapeLimits,
    /// Findings that are accepted: their name, and the metrics they may be about, in which `*` stands for anything.
    pub except: Vec<(String, Vec<String>)>,
    /// Whether warnings break it.
    pub strict: bool,
    /// What a broken part means, by its word; critical where it is not named.
    pub severities: Vec<(&'static str, Severity)>,
    /// Where it is written.
    pub place: Place,
}

impl Contract {
    /// What a broken part means.
    pub fn severity(&self, part: &str) -> Severity {
        let named = self.severities.iter().find(|(word, _)| *word == part);
        named.map_or(Severity::Critical, |(_, severity)| *severity)
    }
}

/// How many series there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cardinality {
    /// Of one metric.
    pub series: u64,
    /// Values of one label of one metric.
    pub values: u64,
    /// New values of a label per 1 000 requests, over the second half of the load.
    pub growth: f64,
}

/// How long a scrape may take, and how large a page may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Less than this.
    pub within: Duration,
    /// From here on a warning.
    pub warn: Duration,
    /// The largest page, in bytes.
    pub size: u64,
}

/// How a probe answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its path on the job's service.
    pub path: String,
    /// The status in each of these windows.
    pub expected: Vec<(Window, u16)>,
    /// From one to the next.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long it may take to follow when a fault begins or ends.
    pub within: Duration,
}
