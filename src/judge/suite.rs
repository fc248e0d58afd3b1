//! What came of several runs in turn, and how the platform stood each of their faults.

use std::time::Duration;

use super::toll::FaultSummary;
use super::verdict::{Judgement, Verdict};
use crate::scenario::{Scenario, Severity, Window};

/// One scenario of a suite, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The name of the scenario.
    pub scenario: String,
    /// Its file, as it was named.
    pub file: String,
    /// What became of it.
    pub ended: Ended,
}

/// What became of a scenario of a suite.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It ran and was judged.
    Judged {
        /// Its judgement.
        judgement: Box<Judgement>,
        /// The folder of its evidence.
        place: String,
        /// How the platform stood its faults, in the order of the scenario.
        faults: Vec<Stood>,
    },
    /// It ran, and its evidence could not be judged.
    Unjudged {
        /// Why.
        why: String,
        /// The folder of its evidence.
        place: String,
    },
    /// Its capacity was searched.
    Searched {
        /// What the search came to.
        verdict: Verdict,
        /// Why.
        why: String,
        /// The folder of its study.
        place: String,
    },
    /// It could not start.
    NotStarted(String),
    /// The suite had ended before.
    NotRun,
}

/// How the platform stood one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// The fault.
    pub fault: String,
    /// What it does.
    pub kind: String,
    /// Requests that it struck.
    pub injected: u64,
    /// Of those, how many clients did not notice; `None` where that is not told.
    pub absorbed: Option<u64>,
    /// Of those, how many clients noticed; `None` where that is not told.
    pub surfaced: Option<u64>,
    /// How the traffic recovered that took longest.
    pub recovery: Recovery,
    /// How the critical promises about it came out, or, where none is, those about the whole run; `None` without either.
    pub verdict: Option<Verdict>,
}

/// How traffic recovered from a fault, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recovery {
    /// There was nothing to recover from.
    Nothing,
    /// Within this time after the fault's end: more than the first, no more than the second.
    Within(Duration, Duration),
    /// That could not be told.
    Undecided,
    /// Not before the end.
    Never,
}

/// How the platform stood each fault of a run.
pub fn stood(scenario: &Scenario, judgement: &Judgement) -> Vec<Stood> {
    let promises = || scenario.promises.iter().zip(&judgement.findings);
    let critical = |window: &dyn Fn(Window) -> bool| {
        let counts = promises().filter(|(p, _)| p.severity == Severity::Critical && window(p.window));
        counts.map(|(_, finding)| finding.verdict).max()
    };
    let one = |(i, fault): (usize, &FaultSummary)| {
        let about_it = critical(&|window| window.fault() == Some(i) && !matches!(window, Window::Before(_)));
        let verdict = about_it.or_else(|| critical(&|window| window == Window::Measured));
        let told = fault.ledger.as_ref().filter(|ledger| ledger.attributable);
        let invalid = fault.trouble.as_ref().map(|_| Verdict::Invalid);
        Stood {
            fault: fault.name.clone(),
            kind: fault.kind.to_string(),
            injected: fault.injected,
            absorbed: told.map(|ledger| ledger.absorbed),
            surfaced: told.map(|ledger| ledger.surfaced),
            recovery: recovery(fault),
            verdict: verdict.max(invalid),
        }
    };
    judgement.faults.iter().enumerate().map(one).collect()
}

fn recovery(fault: &FaultSummary) -> Recovery {
    let end = fault.effective.map_or(fault.planned.end, |span| span.end);
    let of = |found: &str, between: Option<[crate::base::time::Offset; 2]>| match (found, between) {
        ("none", _) => Recovery::Nothing,
        ("never", _) => Recovery::Never,
        (_, Some([after, by])) => Recovery::Within(after.since(end), by.since(end)),
        _ => Recovery::Undecided,
    };
    fault.recovery.iter().map(|(_, r)| of(r.found, r.between)).max().unwrap_or(Recovery::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recoveries_have_an_order() {
        let ms = Duration::from_millis;
        let order = [
            Recovery::Nothing,
            Recovery::Within(ms(0), ms(100)),
            Recovery::Within(ms(400), ms(500)),
            Recovery::Undecided,
            Recovery::Never,
        ];
        assert!(order.is_sorted());
    }
}
