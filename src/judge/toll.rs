//! What reports show of each fault beside the findings: when it was, what it struck, how it was felt and got over, and what
//! the canary saw afterwards.

use serde::Serialize;

use super::alerts::{FirstAlert, Replayed};
use super::detection::{self, Detected};
use super::dip::{DipSummary, dip};
use super::ledger::{Ledger, LedgerSummary};
use super::recovery::{Found, Recovery};
use super::trial::{Reading, Trial};
use super::verdict::{by_name, maybe_span, span};
use super::window::{FaultTimes, Occurrence};
use crate::base::time::{Offset, Span};
use crate::evidence::event::Event;
use crate::evidence::reader::Evidence;
use crate::scenario::Whose;

/// What was broken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultSummary {
    /// What windows call it.
    pub name: String,
    /// What it does.
    pub kind: &'static str,
    /// What it strikes one of at a time: `request`, `connection`, or, where it strikes as a whole, the `shot` that felt it.
    pub unit: &'static str,
    /// The share of those that it should strike.
    pub share: f64,
    /// When it should have been, from its first beginning to its last end.
    #[serde(serialize_with = "span")]
    pub planned: Span,
    /// From here on requests could be struck.
    pub applied: Option<Offset>,
    /// It struck its first request.
    pub touched: Option<Offset>,
    /// From here on no request was struck.
    pub cleared: Option<Offset>,
    /// First touch to last end as windows have it, rounded outward to 100 ms.
    #[serde(serialize_with = "maybe_span")]
    pub effective: Option<Span>,
    /// Requests that it could have struck.
    pub eligible: u64,
    /// Requests that it struck.
    pub injected: u64,
    /// Why it was not what the scenario describes, if so.
    pub trouble: Option<String>,
    /// How each traffic recovered; where it struck several times, from the last.
    #[serde(serialize_with = "by_name")]
    pub recovery: Vec<(String, RecoverySummary)>,
    /// How deep it cut into each traffic, and how much of it there was.
    #[serde(serialize_with = "by_name")]
    pub dip: Vec<(String, DipSummary)>,
    /// Each time that it was planned.
    pub occurrences: Vec<OccurrenceSummary>,
    /// What became of each request that it struck; nothing where it strikes none one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerSummary>,
}

/// One time that a fault was planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OccurrenceSummary {
    /// When it should have been.
    #[serde(serialize_with = "span")]
    pub planned: Span,
    /// From here on requests could be struck.
    pub applied: Option<Offset>,
    /// It struck its first request.
    pub touched: Option<Offset>,
    /// From here on no request was struck.
    pub cleared: Option<Offset>,
    /// First touch to end as windows have it, rounded outward to 100 ms.
    #[serde(serialize_with = "maybe_span")]
    pub effective: Option<Span>,
    /// When it was told to begin and to end; between that and `applied` or `cleared` is how long the stage took to obey.
    pub told: [Option<Offset>; 2],
    /// Requests that it could have struck.
    pub eligible: u64,
    /// Requests that it struck.
    pub injected: u64,
    /// When each traffic felt it.
    #[serde(serialize_with = "by_name")]
    pub detection: Vec<(String, DetectionSummary)>,
    /// The first alert that fired after it, where there are alert rules and one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<FirstAlert>,
    /// How each traffic recovered.
    #[serde(serialize_with = "by_name")]
    pub recovery: Vec<(String, RecoverySummary)>,
}

/// When a traffic felt a fault: the first breach of a steady promise after it began to strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectionSummary {
    /// `felt`, `never`, or `unknown`.
    pub found: &'static str,
    /// It was felt after the first and not after the second, in nanoseconds since the plan's zero.
    pub between: Option<[Offset; 2]>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How a traffic recovered from a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoverySummary {
    /// `recovered`, `never`, `undecided`, or `none` where there was nothing to recover from.
    pub found: &'static str,
    /// The recovery instant lies after the first and not after the second, in nanoseconds since the plan's zero.
    pub between: Option<[Offset; 2]>,
}

/// Each fault, in the order of the scenario.
pub fn faults(trial: &Trial<'_>, ledger: &Ledger, alerts: Option<&Replayed<'_>>) -> Vec<FaultSummary> {
    let traffic = trial.scenario.traffic.iter().map(|t| t.name.clone()).enumerate();
    let of = |(fault, times): (usize, &FaultTimes)| {
        let occurrences = occurrences(trial, fault, alerts);
        let none = RecoverySummary { found: "none", between: None };
        let last = times.strikes().count().checked_sub(1).map(|strike| &trial.windows.recoveries[fault][strike]);
        let recovery = |traffic: usize| last.map_or(none.clone(), |all| recovery(&all[traffic]));
        let planned = trial.timeline.faults[fault].iter();
        let hull = |spans: &mut dyn Iterator<Item = Span>| {
            spans.reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) })
        };
        let nowhere = Span { start: Offset::ZERO, end: Offset::ZERO };
        FaultSummary {
            name: trial.scenario.faults[fault].name.clone(),
            kind: trial.scenario.faults[fault].inject.word(),
            unit: trial.scenario.faults[fault].unit(),
            share: trial.scenario.faults[fault].share.fraction(),
            planned: hull(&mut planned.copied()).unwrap_or(nowhere),
            applied: occurrences.iter().find_map(|o| o.applied),
            touched: occurrences.iter().find_map(|o| o.touched),
            cleared: occurrences.iter().rev().find_map(|o| o.cleared),
            effective: hull(&mut times.strikes()),
            eligible: times.eligible,
            injected: times.injected,
            trouble: times.trouble.clone(),
            recovery: traffic.clone().map(|(i, name)| (name, recovery(i))).collect(),
            dip: traffic.clone().filter_map(|(i, name)| Some((name, dip(trial, fault, i)?))).collect(),
            occurrences,
            ledger: ledger.summary(trial, fault),
        }
    };
    trial.windows.faults.iter().enumerate().map(of).collect()
}

fn occurrences(trial: &Trial<'_>, fault: usize, alerts: Option<&Replayed<'_>>) -> Vec<OccurrenceSummary> {
    let mut strikes = 0..;
    let names = || trial.scenario.traffic.iter().map(|t| t.name.clone()).enumerate();
    let of = |times: &Occurrence| {
        // Those that touched nothing have no place among the strikes.
        let strike = times.effective.and_then(|_| strikes.next());
        let of_traffic = |strike: usize| {
            let detection = names().map(|(i, name)| (name, detection(trial, fault, strike, i))).collect();
            let recoveries = &trial.windows.recoveries[fault][strike];
            (detection, names().map(|(i, name)| (name, recovery(&recoveries[i]))).collect())
        };
        let (detection, recovery) = strike.map(of_traffic).unwrap_or_default();
        let Occurrence { planned, applied, touched, cleared, effective, told, eligible, injected, .. } = *times;
        let alert = effective.and_then(|strike| alerts?.first(strike));
        OccurrenceSummary {
            planned,
            applied,
            touched,
            cleared,
            effective,
            told,
            eligible,
            injected,
            detection,
            alert,
            recovery,
        }
    };
    trial.windows.faults[fault].occurrences.iter().map(of).collect()
}

fn recovery(recovery: &Recovery) -> RecoverySummary {
    match recovery.found {
        Found::Recovered { from, at } => RecoverySummary { found: "recovered", between: Some([from, at]) },
        Found::Never { .. } => RecoverySummary { found: "never", between: None },
        Found::Undecided { .. } => RecoverySummary { found: "undecided", between: None },
    }
}

fn detection(trial: &Trial<'_>, fault: usize, strike: usize, traffic: usize) -> DetectionSummary {
    let whose = Whose::whole(traffic);
    let bound = detection::bound(fault, whose, &trial.scenario.promises);
    match detection::search(trial, fault, strike, whose, bound, Reading::AsItWas) {
        Detected::Felt { from, at } => DetectionSummary { found: "felt", between: Some([from, at]), why: None },
        Detected::Never { .. } => DetectionSummary { found: "never", between: None, why: None },
        Detected::Unknown { why } => DetectionSummary { found: "unknown", between: None, why: Some(why) },
    }
}

/// What was seen of a part of the outside world after the last fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanarySummary {
    /// `upstream/NAME` or `link/NAME`.
    pub on: String,
    /// The fault that it looked for, if it looked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether all was as without faults.
    pub clean: bool,
    /// What was seen.
    pub saw: String,
}

/// What the canary saw, in order.
pub fn canary(evidence: &Evidence) -> Vec<CanarySummary> {
    let of = |event: &Event| match event {
        Event::Canary { on, fault, clean, saw, .. } => {
            Some(CanarySummary { on: on.clone(), fault: fault.clone(), clean: *clean, saw: saw.clone() })
        }
        _ => None,
    };
    evidence.events.iter().filter_map(of).collect()
}
