//! The target's own alert rules.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

record! {
    /// The target's own alert rules, replayed over what was scraped.
    pub struct Alerts {
        /// Rule files of Prometheus, beside the scenario; or { prometheus: true }: the rules that the server of
        /// `observe.prometheus` evaluates.
        rules: At<Rules>,
        /// Over whose samples: `scrape`, our own, or `prometheus`, the server's. The server's where the rules are, or where
        /// nothing else is watched; our own otherwise.
        source: Option<At<String>>,
        /// From one evaluation to the next, for groups that say nothing; 1m when left out, as in Prometheus.
        interval: Option<At<Duration>>,
        /// Divides `for`, intervals and ranges; the verdict says that these are not the deployed rules.
        time_scale: Option<At<u64>>,
        /// Whose PromQL: 3 or 2; over the server's samples its own when left out, otherwise 3.
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

/// Where rules come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Rules {
    /// Files beside the scenario.
    Files(Vec<At<String>>),
    /// A server.
    Live(Live),
}

record! {
    /// The rules of a running server.
    pub struct Live {
        /// true: those that the server of `observe.prometheus` evaluates when the run starts.
        prometheus: At<bool>,
        /// Only these of its groups, by name; all of them when left out.
        groups: Option<At<Vec<At<String>>>>,
    }
}

impl Shape for Rules {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Live::read(node, reader).map(Rules::Live),
            _ => Vec::read(node, reader).map(Rules::Files),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [Vec::<At<String>>::schema(), Live::schema()] })
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
