//! The target's own alert rules.

use std::time::Duration;

use crate::scenario::shape::{At, Names};

record! {
    /// The target's own alert rules, replayed over what was scraped.
    pub struct Alerts {
        /// Rule files of Prometheus, beside the scenario.
        rules: At<Vec<At<String>>>,
        /// From one evaluation to the next, for groups that say nothing; 1m when left out, as in Prometheus.
        interval: Option<At<Duration>>,
        /// Divides `for`, intervals and ranges; the verdict says that these are not the deployed rules.
        time_scale: Option<At<u64>>,
        /// Whose PromQL: 3 (default) or 2.
        semantics: Option<At<String>>,
        /// Labels of the Prometheus that would evaluate the rules, for their templates.
        external_labels: Option<Names<At<String>>>,
        /// At how many phases of its interval a group is tried, 1 to 20; 5 when left out.
        phases: Option<At<u64>>,
        /// By alert: how bad it is when it fires outside the faults. Unless said here, that is critical for those whose
        /// label `severity` is critical, and the others may.
        expected: Option<Names<At<Expected>>>,
    }
}

choice! {
    /// How bad it is when an alert fires outside the faults.
    pub enum Expected {
        /// Not at all.
        Off = "off",
        /// Changes the verdict.
        Critical = "critical",
        /// Shown.
        Warning = "warning",
        /// Shown.
        Info = "info",
    }
}
