//! A probe: what a run of the scenario at one rate came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::Verdict;

/// What a run of the scenario at one rate came to. Lengths of time are in seconds, rates per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its number within the search, from 1.
    pub number: u32,
    /// What it was for.
    pub role: Role,
    /// What the target had borne before.
    pub from: Approach,
    /// The overload that it bore just before, in the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borne: Option<Borne>,
    /// The rate that was asked for over the measured phase. Poisson arrivals make somewhat more or fewer shots of it.
    pub offered: f64,
    /// Ok shots per second of the measured phase.
    pub achieved: f64,
    /// When its load began, in nanoseconds since the Unix epoch.
    pub start: i64,
    /// How long it was measured.
    pub length: f64,
    /// How long it warmed up before, which is not judged.
    pub warm_up: f64,
    /// Shots due in the measured phase that came to an end.
    pub shots: u64,
    /// How many shots its promises need to be decided, those of the most demanding.
    pub needed: u64,
    /// As the run was judged.
    pub verdict: Verdict,
    /// Whether the knee is told by it: not where it is INVALID or INCONCLUSIVE, was made before the target was warm, or asked
    /// something else.
    pub counts: bool,
    /// Why it came out so, where that is not one of its promises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The critical promise that was broken by most, for its bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_broken: Option<String>,
    /// Its critical promises, in the order of the scenario.
    pub promises: Vec<Held>,
    /// Response: from when a shot was due. A failure counts at least at the timeout.
    pub response: Lengths,
    /// Between what its p95 lies, with 95 %, by how it differs from one part of the probe to the next; nothing where there are
    /// too few shots to part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_between: Option<(f64, f64)>,
    /// Service: from when it was sent.
    pub service: Lengths,
    /// The share of shots that were neither ok nor skipped.
    pub errors: f64,
    /// How many came to each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Shots under way, on average over the measured phase, as counted once a second; nothing where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<f64>,
    /// The same by Little's law: shots a second times their mean response, each as long as it really took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub little: Option<f64>,
    /// How often each upstream was called, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstreams: BTreeMap<String, UpstreamUse>,
    /// What the target took, by name of the resource: `cpu_cores` on average, `rss_bytes` at the most, and others as they
    /// are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, f64>,
    /// Seconds of the measured phase in which the generator was unfit.
    pub unfit_seconds: u64,
    /// The most of a core that a sender used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_cpu: Option<f64>,
    /// The folder of its evidence, within that of the study.
    pub report: String,
}

/// What a probe was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To find out whether the target is warm: the first rate, until it gets no faster.
    Warm,
    /// To find the knee.
    Search,
    /// To find out whether it comes back: an overload, and then, without a break, a rate that had held.
    Return,
}

/// An overload that a probe begins with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Borne {
    /// Its rate.
    pub rate: f64,
    /// How long it lasted, in seconds.
    pub length: f64,
    /// How long the target had after it until it was judged, in seconds, at the rate at which it was.
    pub settle: f64,
}

/// What the target had borne before a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approach {
    /// Less, or nothing.
    Below,
    /// More.
    Above,
}

/// What became of a promise in a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// As typed: `p95(quotes) < 500ms`.
    pub promise: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was observed: seconds, a share, per second, or as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// What was promised, in the same unit.
    pub bound: f64,
    /// The unit of both: `s`, `ratio`, `/s`, or nothing.
    pub unit: String,
}

/// How long shots took; nothing where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lengths {
    /// The mean.
    pub mean: Option<f64>,
    /// Half are not longer.
    pub p50: Option<f64>,
    /// 95 in 100.
    pub p95: Option<f64>,
    /// 99 in 100.
    pub p99: Option<f64>,
}

/// How often an upstream was called.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct UpstreamUse {
    /// Calls per second of the measured phase, retries included.
    pub calls: f64,
    /// Calls for each shot that called it at all.
    pub per_shot: f64,
    /// Its rate limit, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

impl Probe {
    /// Whether its promises were all kept, or one was broken; nothing where that is not known.
    pub fn decided(&self) -> Option<bool> {
        match self.verdict {
            Verdict::Pass => Some(true),
            Verdict::Fail => Some(false),
            Verdict::Inconclusive | Verdict::Invalid => None,
        }
    }

    /// Whether it says that the target holds at its rate, or that it does not; nothing where it says nothing.
    pub fn held(&self) -> Option<bool> {
        self.decided().filter(|_| self.counts)
    }
}
