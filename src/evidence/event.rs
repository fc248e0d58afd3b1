//! `events.jsonl`: what happened, one line each. Instants are nanoseconds since the plan's zero.

use serde::{Deserialize, Serialize};

use super::counters::Count;
use super::effects::{Effects, Lag};
use super::followed::Followed;
use super::health::{Called, HostHealth, StageHealth, WorkerHealth};
use super::page::Page;
use super::resources::Resources;
use super::servers::{Alertmanager, Prometheus};
use crate::base::time::Offset;

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A load segment began.
    Phase {
        /// When.
        at: Offset,
        /// Of which traffic.
        traffic: String,
        /// The word for it in the scenario.
        phase: String,
        /// The connections of a closed loop; nothing where shots are planned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connections: Option<u32>,
    },
    /// What became of a fault, step by step.
    Fault {
        /// When.
        at: Offset,
        /// Which.
        fault: String,
        /// What became of it.
        step: FaultStep,
    },
    /// A fault was told to begin or to end: how long that took is the injector's own doing.
    Order {
        /// When it was told.
        at: Offset,
        /// Which.
        fault: String,
        /// Whether to end; else to begin.
        end: bool,
        /// When it should have been told.
        planned: Offset,
    },
    /// What is new of how the shots of a pipeline were followed.
    Followed(Followed),
    /// A token was asked for, that requests carry.
    Login {
        /// When that was over.
        at: Offset,
        /// For which traffic.
        traffic: String,
        /// Why there is none, where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// How often each upstream had been called by then, in the order of the scenario: whenever a fault begins or ends, and
    /// once a second.
    Calls {
        /// When.
        at: Offset,
        /// By upstream.
        upstreams: Vec<Called>,
    },
    /// What is new of what became of signals.
    Effects(Effects),
    /// How far a group is behind on a topic.
    Lag(Lag),
    /// How the stage did, once a second.
    Stage(StageHealth),
    /// Whether what is promised to be steady held before the first fault.
    Gate {
        /// When that was decided.
        at: Offset,
        /// Whether faults may begin.
        open: bool,
        /// In words.
        why: String,
    },
    /// What the scenario says must end the experiment was seen.
    Abort {
        /// When.
        at: Offset,
        /// Which condition, and what was seen.
        why: String,
    },
    /// What was seen of a part of the outside world after the last fault: a small request, and whether the answer was as
    /// without faults.
    Canary {
        /// When it was over.
        at: Offset,
        /// `upstream/NAME` or `link/NAME`.
        on: String,
        /// The fault that it looked for, if it looked for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<String>,
        /// Whether all was as without faults.
        clean: bool,
        /// What was seen.
        saw: String,
        /// What to type where something was left over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// How the generator did since the last tick, interval by interval. Readers add up the rows of one interval.
    Tick(Tick),
    /// How our process and the machine did, once a second.
    Host(HostHealth),
    /// What the target's processes took, once a second.
    Resources(Resources),
    /// A page of metrics was asked for.
    Scrape(Scrape),
    /// A Prometheus server that watches the target too was asked.
    Prometheus {
        /// When it had answered.
        at: Offset,
        /// What it said.
        #[serde(flatten)]
        told: Prometheus,
    },
    /// An Alertmanager was asked, or sent a notification.
    Alertmanager {
        /// When it had answered, or when the notification came.
        at: Offset,
        /// What it said.
        #[serde(flatten)]
        told: Alertmanager,
    },
    /// What a page of metrics says of itself, where it says something new.
    Page(Page),
    /// A probe was asked.
    Probe(Probe),
    /// A few of one kind of failure: never a line per request.
    Exemplar(Exemplar),
    /// A shot that was ok, and slower than all but a few before it.
    Slow(Exemplar),
    /// A request before or after the load.
    Aside {
        /// When it was over.
        at: Offset,
        /// Method and path.
        request: String,
        /// What was answered.
        status: Option<u16>,
        /// Why that is not what was wanted, if it is not.
        why: Option<String>,
    },
    /// Something to know about the run.
    Note {
        /// When.
        at: Offset,
        /// In words.
        text: String,
    },
}

/// What became of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FaultStep {
    /// The stage has it: from now on requests can be struck.
    Applied,
    /// It struck its first request.
    Touched,
    /// The stage has let go of it: from now on no request is struck.
    Cleared {
        /// How many requests could have been struck.
        eligible: u64,
        /// How many were.
        injected: u64,
    },
    /// It could not be applied.
    Failed {
        /// In words.
        why: String,
    },
    /// It could not be undone; `remedy` is what to type.
    Stuck {
        /// In words.
        why: String,
        /// What to type.
        remedy: String,
    },
    /// It was not applied on purpose.
    Withheld {
        /// In words.
        why: String,
    },
}

/// How the generator did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tick {
    /// When this was written.
    pub at: Offset,
    /// Every shot due before this instant has been taken up.
    pub through: Offset,
    /// Rows per traffic, in the order of the scenario.
    pub traffic: Vec<Vec<TickRow>>,
    /// The share of a core that each sender used since the last tick, spinning left out; by the second in which the
    /// measurement ended. What [`WorkerHealth`] says is not said here again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<(i64, f64)>,
    /// How each worker's thread did since the last tick.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<WorkerHealth>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Counts of the shots due in one interval of a second; each counted once over all ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TickRow {
    /// The interval: from this second to the next.
    pub second: i64,
    /// Taken up.
    pub due: u64,
    /// First byte written.
    pub sent: u64,
    /// Over, whatever became of them.
    pub finished: u64,
    /// Of those that are over, shots of closed loops, which nobody planned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Taken up later than the limit allows: our doing.
    pub late: u64,
    /// Not sent, or sent late, for want of our own resources: our doing.
    pub ours: u64,
}

/// A page of metrics was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scrape {
    /// Which job.
    pub job: String,
    /// When it should have been.
    pub planned: Offset,
    /// Request out.
    pub a: Offset,
    /// Reply complete.
    pub b: Offset,
    /// Why there are no samples; `None` when there are.
    pub failed: Option<String>,
    /// Whether we were too late for it ourselves: a missed scrape, which says nothing of the target.
    pub missed: bool,
    /// How many samples came.
    pub samples: u64,
    /// Our own counts at `a`, per traffic.
    pub at_a: Vec<Count>,
    /// Our own counts at `b`, per traffic.
    pub at_b: Vec<Count>,
    /// Whether nothing was under way: before the first shot or after the drain.
    pub quiet: bool,
}

/// A probe was asked: whether the service lives, whether it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Of which job's service.
    pub job: String,
    /// The path.
    pub path: String,
    /// When it was asked.
    pub at: Offset,
    /// From request to the head of the reply, or until it was given up, in nanoseconds.
    pub took: u64,
    /// What was answered; nothing where nobody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why nobody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether we were too late for it ourselves: it was not asked, which says nothing of the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
}

/// One of a few of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// When it was over.
    pub at: Offset,
    /// Which traffic.
    pub traffic: String,
    /// The word for the outcome.
    pub outcome: String,
    /// The status, if any.
    pub status: Option<u16>,
    /// The trace id.
    pub trace: String,
    /// done − due, in nanoseconds.
    pub response: u64,
    /// In words.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back() {
        for event in [
            Event::Fault {
                at: Offset::from_millis(5),
                fault: "f".into(),
                step: FaultStep::Cleared { eligible: 9, injected: 3 },
            },
            Event::Tick(Tick {
                traffic: vec![vec![TickRow { second: 3, due: 5, ..TickRow::default() }]],
                health: vec![WorkerHealth { worker: 1, cpu: 0.5, ..WorkerHealth::default() }],
                ..Tick::default()
            }),
            Event::Host(HostHealth { files: Some(64), ..HostHealth::default() }),
            Event::Note { at: Offset::ZERO, text: "x".into() },
            Event::Prometheus {
                at: Offset::from_millis(7),
                told: Prometheus::Answered {
                    expr: "x".into(),
                    instant: 1_800_000_000_123,
                    elements: vec![(vec![("a".into(), "b".into())], "NaN".into())],
                    failed: None,
                },
            },
            Event::Alertmanager {
                at: Offset::from_millis(8),
                told: Alertmanager::Polls { good: 3, failed: 0, dropped: 0 },
            },
        ] {
            let line = serde_json::to_string(&event).expect("serialises");
            assert_eq!(serde_json::from_str::<Event>(&line).expect("reads back"), event, "{line}");
        }
    }

    #[test]
    fn a_tick_of_before_there_was_health_reads() {
        let line = r#"{"event":"tick","at":1,"through":1,"traffic":[[]],"cpu":[[3,0.25]]}"#;
        let Ok(Event::Tick(tick)) = serde_json::from_str(line) else { panic!("a tick") };
        assert_eq!((tick.cpu.as_slice(), tick.health.len()), ([(3, 0.25)].as_slice(), 0));
    }
}
