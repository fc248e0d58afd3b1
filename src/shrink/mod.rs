//! From a schedule of faults that breaks a promise to the smallest part of it that still does: delta debugging. The
//! search is pure; whoever uses it says what a try is.

mod search;

pub use search::{Part, Seen, Shrunk, shrink};

use std::time::Duration;

use crate::base::units::{self, Share};
use crate::judge::{Finding, Judgement, Severity, Verdict};
use crate::scenario::{Fault, Scenario};

/// A fault shorter than this is not halved.
const SHORTEST: Duration = Duration::from_secs(2);

/// The promise whose breaking is shrunk: as typed and where it must hold, by which it is known again in every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    promise: String,
    promql: Option<String>,
    window: String,
    position: usize,
}

impl Broken {
    /// The critical promises that a run broke.
    pub fn all(judgement: &Judgement) -> Vec<Broken> {
        let broken = judgement.findings.iter().enumerate().filter(|(_, f)| is_broken(f));
        broken
            .map(|(position, f)| Broken {
                promise: f.promise.clone(),
                promql: f.promql.clone(),
                window: f.window.name.clone(),
                position,
            })
            .collect()
    }

    /// As reports have it: the promise and where it must hold.
    pub fn words(&self) -> String {
        match &self.promql {
            Some(expr) => format!("{} of {expr}, {}", self.promise, self.window),
            None => format!("{}, {}", self.promise, self.window),
        }
    }

    /// Whether this is how the promise is written, wherever it must hold.
    pub fn is(&self, promise: &str) -> bool {
        self.promise == promise
    }

    /// The fault without which the promise means nothing: that of its window, by position.
    pub fn names(&self, scenario: &Scenario) -> Option<usize> {
        scenario.promises.get(self.position).and_then(|p| p.window.fault())
    }

    /// What another run says of this promise, and of nothing else.
    pub fn seen(&self, judgement: &Judgement) -> Seen {
        let same = |f: &&Finding| f.promise == self.promise && f.promql == self.promql && f.window.name == self.window;
        match judgement.findings.iter().find(same).map(|f| (is_broken(f), f.verdict)) {
            Some((true, _)) => Seen::Fails,
            Some((_, Verdict::Pass)) | None => Seen::Holds,
            _ => Seen::Unclear,
        }
    }
}

fn is_broken(finding: &Finding) -> bool {
    finding.severity == Severity::Critical && finding.verdict == Verdict::Fail
}

/// What to set in a scenario so that its faults are cut as the parts say; `None` where a fault cannot be cut so far.
/// `time_scale` is that of the scenario, whose lengths are divided by it already.
pub fn settings(faults: &[Fault], parts: &[Part], time_scale: u32) -> Option<Vec<(String, String)>> {
    let mut set = Vec::new();
    for part in parts {
        let fault = &faults[part.fault];
        if part.halved > 0 {
            let whole = fault.length * time_scale;
            let length = Duration::from_millis((whole.as_millis() as u64) >> part.halved);
            if length * 2 < SHORTEST {
                return None;
            }
            set.push((format!("faults.{}.for", fault.name), units::duration(length)));
        }
        if part.thinned > 0 {
            let share = Share(fault.share.0 >> part.thinned);
            set.push((format!("faults.{}.share", fault.name), share.to_string()));
        }
    }
    Some(set)
}
