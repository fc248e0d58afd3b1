//! What reports show of a contract beside its promises.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::metrics::{Check, Gravity};
use crate::evidence::event::Probe as Asked;
use crate::judge::verdict::{Finding as Promised, Verdict};
use crate::lint::metrics::Finding;

/// What a contract came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContractSummary {
    /// What the page was served as.
    pub media: Option<String>,
    /// Metrics in all.
    pub metrics: u64,
    /// Series in all.
    pub series: u64,
    /// The largest page, in bytes.
    pub bytes: Option<u64>,
    /// The slowest scrape under load, in seconds.
    pub slowest: Option<f64>,
    /// Each part, which is a promise.
    pub parts: Vec<Part>,
    /// What was found and not accepted.
    pub violations: Vec<Violation>,
    /// What each probe answered.
    pub probes: Vec<ProbeSummary>,
    /// Exceptions that nothing came under.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
}

/// A part of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The promise, as it stands among the findings.
    pub promise: String,
    /// Where.
    pub window: String,
    /// How it came out.
    pub verdict: Verdict,
}

impl Part {
    /// Of a promise.
    pub(super) fn of(finding: &Promised) -> Part {
        Part { promise: finding.promise.clone(), window: finding.window.name.clone(), verdict: finding.verdict }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its name in the table of the linter.
    pub id: &'static str,
    /// The part of the contract that it is about.
    pub part: Check,
    /// `error` or `warning`.
    pub gravity: Gravity,
    /// Whether it breaks the contract.
    pub breaks: bool,
    /// Of which metric; nothing for the page as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metric: String,
    /// The first line of the page with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How often.
    pub count: u64,
    /// In words.
    pub why: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// A few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

impl Violation {
    /// Of a finding.
    pub(super) fn of(finding: &Finding, strict: bool) -> Violation {
        Violation {
            id: finding.rule.id,
            part: finding.rule.check,
            gravity: finding.rule.gravity,
            breaks: strict || finding.rule.gravity == Gravity::Error,
            metric: finding.metric.clone(),
            line: finding.line,
            count: finding.count,
            why: finding.why.clone(),
            remedy: finding.rule.remedy,
            examples: finding.examples.clone(),
        }
    }
}

/// What a probe answered in all of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeSummary {
    /// Its path.
    pub path: String,
    /// How often each status was answered.
    pub answers: BTreeMap<u16, u64>,
    /// How often nobody answered.
    pub unanswered: u64,
    /// How often we were too late to ask.
    pub missed: u64,
    /// The slowest answer, in seconds.
    pub slowest: Option<f64>,
}

impl ProbeSummary {
    pub(super) fn of(path: &str, asked: &[&Asked]) -> ProbeSummary {
        let mut answers = BTreeMap::new();
        for status in asked.iter().filter_map(|asked| asked.status) {
            *answers.entry(status).or_default() += 1;
        }
        let heard = asked.iter().filter(|asked| !asked.missed);
        ProbeSummary {
            path: path.to_owned(),
            answers,
            unanswered: heard.clone().filter(|asked| asked.status.is_none()).count() as u64,
            missed: asked.iter().filter(|asked| asked.missed).count() as u64,
            slowest: heard.map(|asked| asked.took).max().map(|nanos| nanos as f64 / 1e9),
        }
    }
}
