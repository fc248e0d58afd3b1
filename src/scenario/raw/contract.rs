//! What the metrics of a job must be, and the probes beside them.

use std::time::Duration;

use serde_json::{Value, json};

use super::slo::Severity;
use crate::base::units::Size;
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

record! {
    /// What the metrics of a job must be, by themselves and under load.
    pub struct Contract {
        /// Labels that every series must carry; service, environment and version when left out.
        labels: Option<At<Vec<At<String>>>>,
        /// How metrics must be called: `{service}_{subsystem}_{name}_{unit}`, any part in [ ] may be missing; anything when
        /// left out.
        names: Option<At<String>>,
        /// What `{service}` is; any one word when left out.
        service: Option<At<String>>,
        /// Metrics that must be there.
        requires: Option<Vec<At<String>>>,
        /// Metrics that must be there, and change under load.
        moves: Option<Vec<At<String>>>,
        /// Paths that say whether the service lives and is ready, and the status that each must answer with.
        probes: Option<Names<Probe>>,
        /// How many series there may be.
        cardinality: Option<Cardinality>,
        /// How long a scrape may take, and how large a page may be.
        scrape: Option<ScrapeLimits>,
        /// Findings that are known and accepted: by the finding's name, the metrics that it may be about; * stands for anything.
        except: Option<Names<Vec<At<String>>>>,
        /// Whether warnings break it as errors do; false when left out.
        strict: Option<At<bool>>,
        /// What a broken part means; critical where left out.
        severity: Option<Severities>,
    }
}

record! {
    /// How many series there may be.
    pub struct Cardinality {
        /// The most series of one metric; 10000 when left out.
        series: Option<At<u64>>,
        /// The most values of one label of one metric; 1000 when left out.
        values: Option<At<u64>>,
        /// The most new values of a label per 1 000 requests, over the second half of the load; 10 when left out.
        growth: Option<At<f64>>,
    }
}

record! {
    /// How long a scrape may take, and how large a page may be.
    pub struct ScrapeLimits {
        /// Every scrape under load takes less; 1s when left out.
        within: Option<At<Duration>>,
        /// From here on it is a warning; 100ms when left out.
        warn: Option<At<Duration>>,
        /// The largest page, uncompressed; 10MB when left out.
        size: Option<At<Size>>,
    }
}

record! {
    /// What each part of a contract means when it is broken.
    pub struct Severities {
        /// What the page is served as, and its lines.
        format: Option<At<Severity>>,
        /// HELP and TYPE.
        metadata: Option<At<Severity>>,
        /// How metrics are called.
        names: Option<At<Severity>>,
        /// Which labels they carry.
        labels: Option<At<Severity>>,
        /// That counters only rise.
        counters: Option<At<Severity>>,
        /// That histograms and summaries add up.
        histograms: Option<At<Severity>>,
        /// How many series there are.
        cardinality: Option<At<Severity>>,
        /// How long a scrape takes.
        scrape: Option<At<Severity>>,
        /// That metrics are there.
        requires: Option<At<Severity>>,
        /// That metrics change under load.
        moves: Option<At<Severity>>,
        /// That probes answer as they should.
        probes: Option<At<Severity>>,
    }
}

record! {
    /// What a probe must answer with, and when.
    pub struct ProbeMap {
        /// The status before, between and after faults.
        outside: Option<At<u64>>,
        /// The status while a fault is effective, by the fault's name.
        during: Option<Names<At<u64>>>,
        /// How often it is asked; 500ms when left out, not below 200ms.
        every: Option<At<Duration>>,
        /// How long an answer may take; 1s when left out.
        timeout: Option<At<Duration>>,
        /// How long it may take to follow when a fault begins or ends; 2s when left out.
        within: Option<At<Duration>>,
    }
}

/// What a probe must answer with: a status at all times, or by window.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// At all times.
    Always(At<u64>),
    /// By window.
    ByWindow(ProbeMap),
}

impl Shape for Probe {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => ProbeMap::read(node, reader).map(Probe::ByWindow),
            _ => At::read(node, reader).map(Probe::Always),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [u64::schema(), ProbeMap::schema()] })
    }
}
