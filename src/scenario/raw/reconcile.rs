//! What the client's books are held against.

use std::time::Duration;

use super::Severity;
use crate::base::units::Share;
use crate::scenario::shape::{At, Names};

record! {
    /// The client's counts and latencies, held against what the target's metrics say of the same requests.
    pub struct Reconcile {
        /// Counters: how many requests there were.
        counts: Option<Vec<Count>>,
        /// One counter over another: a success rate, a hit rate.
        ratios: Option<Vec<Ratio>>,
        /// Histograms: how long requests took.
        latency: Option<Vec<Latency>>,
    }
}

record! {
    /// A counter of requests.
    pub struct Count {
        /// Whose requests it counts: a traffic, or several: `quotes + orders`.
        of: At<String>,
        /// The counter: a metric's name, with label matchers if need be.
        counter: At<String>,
        /// Counts only requests whose reply was of this class.
        class: Option<At<String>>,
        /// Counts only requests that were answered with this status, such as 200 or 5xx.
        status: Option<At<String>>,
        /// Counts only requests to this path.
        route: Option<At<String>>,
        /// By which labels it tells requests apart.
        by: Option<By>,
        /// The value of the route label where it is neither the path nor a template of it.
        routes: Option<Names<At<String>>>,
        /// Whether it counts requests that nobody waited for any more: counted or uncounted.
        timeouts: Option<At<Timeouts>>,
        /// Other traffic than ours reaches the target: how much is measured before and after the load.
        foreign: Option<Foreign>,
        /// critical (default), warning or info.
        severity: Option<At<Severity>>,
    }
}

record! {
    /// By which labels of the metric requests are told apart.
    pub struct By {
        /// The label that holds the status, or its class.
        status: Option<At<String>>,
        /// The label that holds the path, a template of it, or a name for it.
        route: Option<At<String>>,
        /// The label that holds the class, as the traffic names it or as the reply says it.
        class: Option<At<String>>,
    }
}

choice! {
    /// Whether a counter counts requests that nobody waited for any more.
    pub enum Timeouts {
        /// Every one: a counter that lacks one lies.
        Counted = "counted",
        /// None has to be.
        Uncounted = "uncounted",
    }
}

record! {
    /// Traffic that is not ours.
    pub struct Foreign {
        /// How long it is measured, once before the load and once after it.
        baseline: At<Duration>,
    }
}

record! {
    /// One counter over another.
    pub struct Ratio {
        /// Whose requests they count.
        of: At<String>,
        /// The class of reply that `counter` counts.
        class: Option<At<String>>,
        /// The status that `counter` counts, such as 200 or 2xx.
        status: Option<At<String>>,
        /// The counter above the line.
        counter: At<String>,
        /// The counter below it, which counts all of them.
        over: At<String>,
        /// critical (default), warning or info.
        severity: Option<At<Severity>>,
    }
}

record! {
    /// A histogram, or a summary, of how long requests took.
    pub struct Latency {
        /// Whose requests it times.
        of: At<String>,
        /// The histogram: its name without `_bucket`, with label matchers if need be.
        histogram: Option<At<String>>,
        /// The summary; it is shown beside the client's quantiles and never decides.
        summary: Option<At<String>>,
        /// Times only requests whose reply was of this class.
        class: Option<At<String>>,
        /// By which label it tells classes apart.
        by: Option<ByClass>,
        /// s, ms, us or ns; by the metric's name when left out.
        unit: Option<At<Unit>>,
        /// The most of the requests that anything outside the service may have pushed over a bucket's bound.
        gap: Option<At<Share>>,
        /// critical (default), warning or info.
        severity: Option<At<Severity>>,
    }
}

record! {
    /// By which label of a histogram classes are told apart.
    pub struct ByClass {
        /// The label that holds the class, as the traffic names it or as the reply says it.
        class: At<String>,
    }
}

choice! {
    /// What a metric counts time in.
    pub enum Unit {
        /// Seconds.
        Seconds = "s",
        /// Milliseconds.
        Milliseconds = "ms",
        /// Microseconds.
        Microseconds = "us",
        /// Nanoseconds.
        Nanoseconds = "ns",
    }
}
