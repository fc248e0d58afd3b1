//! How the instrument itself did: each worker's thread, our process, the stage's and the machine that they run on, about
//! once a second.
//! Whatever the system does not tell is left out; nothing is not zero.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::base::time::{Offset, Span};

/// How a worker's thread did over a stretch of about a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerHealth {
    /// Which worker, from 0.
    pub worker: u16,
    /// Where the stretch ended.
    pub at: Offset,
    /// How long the stretch was, in nanoseconds.
    pub over: u64,
    /// The share of a core that it used for work, spinning left out; 1 is all of it.
    pub cpu: f64,
    /// How long it spun, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub spun: u64,
    /// How long it was ready to run but had no core, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u64>,
    /// How often the core was taken from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switches: Option<u64>,
    /// How late it woke, or took up what was due, at the worst, in nanoseconds.
    pub hiccup: u64,
    /// The most shots that waited for a connection at once.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// The most connections that were open at once.
    pub open: u64,
    /// The most shots that were under way at once.
    pub in_flight: u64,
    /// Connections that it could not open for want of file descriptors.
    #[serde(skip_serializing_if = "is_zero")]
    pub no_files: u64,
    /// Connections that it could not open for want of local ports.
    #[serde(skip_serializing_if = "is_zero")]
    pub no_ports: u64,
}

/// How our process and the machine did over a stretch of about a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostHealth {
    /// Where the stretch ended.
    pub at: Offset,
    /// How long the stretch was, in nanoseconds.
    pub over: u64,
    /// The share of the time of all cores that our process may use that was used, by whomever; 1 is all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// The share of a core's time that the hypervisor gave to others; of the core that lost most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steal: Option<f64>,
    /// How long our process was held back by a limit on processor time of its control group, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<u64>,
    /// Our process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<ProcessHealth>,
    /// File descriptors that our process had open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// How many it may have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_limit: Option<u64>,
    /// TCP sockets in use in our network, by whomever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u64>,
    /// TCP connections in TIME_WAIT in our network: each keeps its local port from being used again to the same place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_wait: Option<u64>,
    /// Local ports that connections may leave from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u64>,
    /// The target's own process, where the run started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<ProcessHealth>,
}

/// What a process took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessHealth {
    /// Processor time, in cores: 1.5 is one core and half of another.
    pub cpu: f64,
    /// Resident memory, in bytes.
    pub rss: u64,
}

/// How the stage did over a stretch of about a second: what it adds to everything that passes it, and whether it could keep
/// up. What an injector takes for itself must not be taken for a fault, nor for the service's own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StageHealth {
    /// Where the stretch ended.
    pub at: Offset,
    /// How long the stretch was, in nanoseconds.
    pub over: u64,
    /// Processor time that its process used, in nanoseconds.
    pub used: u64,
    /// How late it took up what was due, asked a hundred times a second whether it was awake or not.
    pub wakes: Lateness,
    /// How late replies went out that no fault struck: from when they were due by the upstream's own law to their last byte.
    pub calls: Lateness,
    /// How long bytes were in links that no toxic held, from read to written.
    pub links: Lateness,
}

/// How late things were, in nanoseconds; zeros where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lateness {
    /// How many things.
    pub count: u64,
    /// Half of them no more.
    pub p50: u64,
    /// 99 in 100 of them no more.
    pub p99: u64,
    /// None more.
    pub max: u64,
}

/// How often an upstream has been called by shots of the run, since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Called {
    /// Calls that carried a trace of ours, retries included.
    pub calls: u64,
    /// The shots that they were for.
    pub shots: u64,
}

impl StageHealth {
    /// The stretch that this is about.
    pub fn stretch(&self) -> Span {
        stretch(self.at, self.over)
    }

    /// The share of a core that its process used; 1 is all of one.
    pub fn cpu(&self) -> f64 {
        if self.over == 0 { 0.0 } else { self.used as f64 / self.over as f64 }
    }
}

impl Lateness {
    /// Of counted lengths.
    pub fn of(tally: &Tally) -> Lateness {
        let nanos = |length: Option<Duration>| length.map_or(0, |length| length.as_nanos() as u64);
        let quantile = |q| nanos(tally.quantile(q));
        Lateness { count: tally.count(), p50: quantile(0.5), p99: quantile(0.99), max: nanos(tally.max()) }
    }
}

impl WorkerHealth {
    /// The stretch that this is about.
    pub fn stretch(&self) -> Span {
        stretch(self.at, self.over)
    }
}

impl HostHealth {
    /// The stretch that this is about.
    pub fn stretch(&self) -> Span {
        stretch(self.at, self.over)
    }
}

fn stretch(at: Offset, over: u64) -> Span {
    Span { start: Offset::from_nanos(at.nanos().saturating_sub_unsigned(over)), end: at }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_worker_takes_less_than_300_bytes_a_second() {
        let worker = WorkerHealth {
            worker: 63,
            at: Offset::from_nanos(604_800_000_123_456),
            over: 1_000_123_456,
            cpu: 0.9876,
            spun: 912_345_678,
            delay: Some(912_345_678),
            switches: Some(123_456),
            hiccup: 912_345_678,
            waiting: 12_345,
            open: 10_000,
            in_flight: 22_345,
            no_files: 1_234,
            no_ports: 1_234,
        };
        let line = serde_json::to_string(&worker).expect("serialises");
        assert!(line.len() < 300, "{}: {line}", line.len());
        assert_eq!(serde_json::from_str::<WorkerHealth>(&line).expect("reads back"), worker);
    }

    #[test]
    fn what_was_not_told_is_not_zero() {
        let read: WorkerHealth = serde_json::from_str(r#"{"worker":1,"at":5,"new":"field"}"#).expect("reads");
        assert_eq!((read.worker, read.delay, read.switches), (1, None, None));
        let read: HostHealth = serde_json::from_str(r#"{"at":5,"steal":0.25}"#).expect("reads");
        assert_eq!((read.steal, read.files, read.own), (Some(0.25), None, None));
    }
}
