//! The promises.

use std::time::Duration;

use crate::base::units::Share;
use crate::scenario::shape::{At, Names};

record! {
    /// A promise: what was said, and where it must hold.
    pub struct Promise {
        /// `p95(quotes) < 500ms`; with `promql`, `value > 75%`.
        expect: Option<At<String>>,
        /// A PromQL expression over the target's own metrics; `$window` is the length of the window.
        promql: Option<At<String>>,
        /// In the measured phase before this fault first touched anything.
        before: Option<At<String>>,
        /// While this fault was effective.
        during: Option<At<String>>,
        /// From this fault's end to the recovery instant.
        recovery: Option<At<String>>,
        /// From the recovery instant after this fault; for recovery, detection and drain it only names the fault.
        after: Option<At<String>>,
        /// `faults`: everywhere but during and in recovery from faults.
        outside: Option<At<String>>,
        /// Every slice of this length must hold.
        each: Option<At<Duration>>,
        /// Must hold before the first fault; recovery means that it holds again.
        steady: Option<At<bool>>,
        /// For recovery: how long it must have held again; 5s when left out.
        stable: Option<At<Duration>>,
        /// critical (default), warning or info.
        severity: Option<At<Severity>>,
        /// 95%: the whole confidence interval decides, not the point.
        confidence: Option<At<Share>>,
        /// `allowed`: the PromQL range may reach outside the window.
        look_back: Option<At<String>>,
        /// An alert, instead of `expect`: a rule under `alerts`, or what Alertmanager notifies.
        alert: Option<At<String>>,
        /// Labels that the alert must carry; it may carry others.
        labels: Option<At<Names<At<String>>>>,
        /// The alert fires not later than this after the first touch of the fault named by `after`.
        fires_within: Option<At<Duration>>,
        /// The alert has let go not later than this after the end of the fault named by `after`.
        resolves_within: Option<At<Duration>>,
        /// `true`: the alert does not fire in the window.
        stays_silent: Option<At<bool>>,
        /// A notification that the alert fires reaches the run not later than this after the first touch of the fault named
        /// by `after`, or after the start of the measured phase.
        notified_within: Option<At<Duration>>,
        /// One that it is resolved does, not later than this after the end of the fault, or after the start.
        resolve_notified_within: Option<At<Duration>>,
        /// Alertmanager itself has the alert in a group for a receiver, and does not hold it back, not later than this after the
        /// first touch of the fault, or after the start. Nothing need be sent.
        routed_within: Option<At<Duration>>,
        /// For whom the notification or the group is, as Alertmanager's configuration names it.
        receiver: Option<At<String>>,
        /// The labels by which its alerts are grouped.
        grouped_by: Option<At<Vec<At<String>>>>,
        /// Whose samples PromQL reads where both are watched: `scrape`, our own, or `prometheus`, the server's.
        source: Option<At<String>>,
    }
}

choice! {
    /// What a broken promise means.
    pub enum Severity {
        /// Changes the verdict.
        Critical = "critical",
        /// Shown.
        Warning = "warning",
        /// Shown.
        Info = "info",
    }
}

record! {
    /// What ends the experiment early.
    pub struct Abort {
        /// What must be seen, of any measure: `errors(quotes) > 50%`, `recovery(quotes) > 30s`; with `promql`, `value > 0.5`.
        expect: At<String>,
        /// A PromQL expression over the target's own metrics.
        promql: Option<At<String>>,
        /// For how long without a break; 10s when left out, 10m for `leak`. Not of what happens once after a fault.
        r#for: Option<At<Duration>>,
    }
}
