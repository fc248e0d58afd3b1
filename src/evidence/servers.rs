//! What the servers said that watch the target for its owners: a Prometheus, an Alertmanager. The raw samples that were
//! fetched from Prometheus are in `prometheus.chunks`; everything else that it said is here.
//!
//! Instants of the server are milliseconds since the Unix epoch on its own clock; how far that is from ours it says too.

use serde::{Deserialize, Serialize};

/// What was fetched, as [`samples`](super::samples) keep it.
pub const FETCHED: &str = "prometheus.chunks";

/// What the rules of the server are called among the inputs.
pub const RULES: &str = "prometheus-rules.yml";

/// Labels by name, as they came.
pub type Pairs = Vec<(String, String)>;

/// What a Prometheus server said, or did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Prometheus {
    /// Who it is.
    Itself {
        /// `Prometheus`, `Mimir`, `Thanos`, `VictoriaMetrics`.
        product: String,
        /// Its version, where it says one.
        version: Option<String>,
        /// The major version whose PromQL it speaks, 2 or 3.
        semantics: u32,
        /// How that is known: `scenario`, `version` or `assumed`.
        by: String,
        /// How far its clock was ahead of ours, in nanoseconds.
        ahead: i64,
        /// How far that may be off: half of the quickest answer, in nanoseconds.
        doubt: u64,
        /// How often it scrapes, in nanoseconds, where that is known.
        every: Option<u64>,
    },
    /// The raw samples of a selector, or why there are none.
    Fetched {
        /// Which series, as PromQL.
        selector: String,
        /// From this instant of the server…
        from: i64,
        /// …to this one.
        to: i64,
        /// How many series came.
        series: u64,
        /// How many samples came.
        samples: u64,
        /// Why not all of it came.
        failed: Option<String>,
    },
    /// What it makes of an expression itself.
    Answered {
        /// The expression.
        expr: String,
        /// At this instant of the server.
        instant: i64,
        /// Labels and value, the value as it was written: it may be NaN.
        elements: Vec<(Pairs, String)>,
        /// Why there is no answer.
        failed: Option<String>,
    },
    /// The alerts that were pending or firing when all was over.
    Alerts {
        /// At most a thousand of them.
        alerts: Vec<Alert>,
    },
    /// Rules that it could not evaluate, and how many it has.
    Rules {
        /// How many rules it has.
        rules: u64,
        /// Name and error of those that failed.
        failing: Vec<(String, String)>,
    },
    /// Something else that was asked and not answered.
    Failed {
        /// What was asked.
        asked: String,
        /// Why there is no answer.
        why: String,
    },
}

/// An alert as Prometheus has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// All of them, `alertname` included.
    pub labels: Pairs,
    /// `pending` or `firing`.
    pub state: String,
    /// Since when, as it says.
    pub since: String,
}

/// What an Alertmanager said or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Alertmanager {
    /// Who it is.
    Itself {
        /// Its version, where it says one.
        version: Option<String>,
        /// `v2` or `v1`.
        api: String,
        /// Where its notifications are received.
        listen: Option<String>,
    },
    /// An alert that it has, when it has changed.
    Alert {
        /// All of them, `alertname` included.
        labels: Pairs,
        /// `active`, `suppressed` or `unprocessed`; `gone` when it has it no more.
        state: String,
        /// The silences that keep it from being sent on.
        silenced_by: Vec<String>,
        /// The alerts that do: their labels where they are known, else their fingerprints.
        inhibited_by: Vec<String>,
        /// Whom its routes lead to.
        receivers: Vec<String>,
    },
    /// A group of alerts that it sends on together, when it has changed.
    Group {
        /// To whom, as its configuration names it.
        receiver: String,
        /// What its alerts have in common by its route's `group_by`.
        labels: Pairs,
        /// At most a hundred of them; none when it has the group no more.
        alerts: Vec<Member>,
        /// How many were left out.
        left_out: u64,
    },
    /// It sent a notification, and this run received it.
    Notified {
        /// Whose notification, as its configuration names it.
        receiver: String,
        /// `firing` or `resolved`: that of the whole group.
        status: String,
        /// What its alerts have in common by its route's `group_by`.
        group: Pairs,
        /// At most a hundred of them.
        alerts: Vec<Notice>,
        /// How many alerts were left out by Alertmanager or by us.
        left_out: u64,
    },
    /// How many times it was asked, and how many of those were in vain.
    Polls {
        /// Answered.
        good: u64,
        /// Not answered.
        failed: u64,
        /// Notifications that were received and not kept: there were too many.
        dropped: u64,
    },
    /// Something that was asked and not answered, or received and not understood; the first of its kind.
    Failed {
        /// What was asked.
        asked: String,
        /// Why there is no answer.
        why: String,
    },
}

/// An alert in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// All of them, `alertname` included.
    pub labels: Pairs,
    /// `active`, `suppressed` or `unprocessed`.
    pub state: String,
}

/// An alert in a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// All of them, `alertname` included.
    pub labels: Pairs,
    /// `firing` or `resolved`.
    pub status: String,
    /// Since when, as Alertmanager says.
    pub starts: String,
    /// Until when, as Alertmanager says; long ago while it fires.
    pub ends: String,
}

/// Whether labels hold a value under a name.
pub fn has(labels: &[(String, String)], name: &str, value: &str) -> bool {
    labels.iter().any(|(n, v)| n == name && v == value)
}
