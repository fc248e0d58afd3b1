//! Why a second was unfit, as far as the instrument knows, and what helps. Words only: which seconds are unfit is
//! decided elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::fitness::Second;
use super::health::Vitals;
use crate::base::{text, units};
use crate::evidence::event::Event;
use crate::evidence::health::ProcessHealth;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::{Outcome, Why};
use crate::plan::Plan;
use crate::scenario::Scenario;

/// More than this share of a second without a core makes more than one shot in a hundred late.
const LOST: f64 = 0.01;
/// Stolen time is counted in hundredths of a second: one alone may be rounding.
const STEAL: f64 = 0.02;
/// What took so many times less of the core than something else is not worth a remedy.
const MINOR: f64 = 5.0;
/// From here on all cores count as busy, and others count as having taken part of them.
const BUSY: f64 = 0.95;
const OTHERS: f64 = 0.25;
/// A target beside us is named when it took so much of a core.
const BESIDE: f64 = 0.3;

/// What made a second unfit, in the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No file descriptor was left.
    Files,
    /// No local port was left.
    Ports,
    /// A limit on processor time held us back.
    Throttled,
    /// The hypervisor gave the core to others.
    Steal,
    /// Others on this machine had the core.
    RunQueue,
    /// A worker had more to do than a core can.
    Cpu,
    /// A worker was away although it had its core.
    Hiccup,
    /// Nothing that was measured explains it.
    Unexplained,
}

/// A cause at work in a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Which.
    pub cause: Cause,
    /// How bad; comparable within one cause, and among those that take the core: nanoseconds of a second.
    pub size: f64,
    /// How bad, in words: `run-queue delay 340 ms`.
    pub what: String,
    /// What that means: `other processes share the core`.
    pub why: String,
    /// What helps: `pin proofload or move it`.
    pub remedy: String,
}

/// What the run had to work with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Means {
    lag_limit: Duration,
    cpu_limit: f64,
    cores: u32,
    workers: u64,
    /// Connections that the run could open, and those that it wanted, where they were fewer.
    held: Option<(u32, u32)>,
    files: bool, // an exemplar says that descriptors were wanting
    ports: bool,
}

impl Means {
    /// Reads what a run had to work with.
    pub fn read(scenario: &Scenario, plan: &Plan, evidence: &Evidence) -> Means {
        let (had, wanted) = (evidence.manifest.connections, plan.connections(scenario));
        let mut means = Means {
            lag_limit: Duration::from_nanos(evidence.manifest.lag_limit),
            cpu_limit: scenario.fitness.cpu.fraction(),
            cores: evidence.manifest.host.cores,
            held: (had < wanted).then_some((had, wanted)),
            ..Means::default()
        };
        let mut workers = BTreeSet::new();
        for event in &evidence.events {
            match event {
                Event::Tick(tick) => workers.extend(tick.health.iter().map(|h| h.worker)),
                Event::Exemplar(said) if said.outcome == Outcome::NotSent(Why::Resources).word() => {
                    means.files |= ["os error 24)", "os error 23)"].iter().any(|code| said.why.contains(code));
                    means.ports |= said.why.contains("os error 99)");
                }
                _ => {}
            }
        }
        means.workers = workers.len() as u64;
        means
    }

    /// Whether our own limit on descriptors kept connections from being opened that the plan wants.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The causes at work in an unfit second; `short` is whether processor time was. None where nothing was told.
    pub fn causes(&self, row: &Second, short: bool, vitals: Option<&Vitals>) -> Vec<Named> {
        let mut causes = Vec::new();
        if row.ours > 0 {
            causes.extend(self.files(vitals));
            causes.extend(self.ports(vitals));
        }
        let Some(vitals) = vitals else { return causes };
        let late = row.is_late();
        if late {
            let takers = [self.throttled(vitals), self.steal(vitals), self.run_queue(vitals)];
            let most = takers.iter().flatten().map(|taker| taker.size).fold(0.0, f64::max);
            causes.extend(takers.into_iter().flatten().filter(|taker| taker.size * MINOR >= most));
        }
        if late || short {
            causes.extend(self.cpu(vitals));
        }
        if late {
            causes.extend(self.hiccup(vitals, &causes));
        }
        if causes.is_empty() && late {
            causes.push(Named {
                cause: Cause::Unexplained,
                size: 0.0,
                what: "lag".into(),
                why: "nothing that was measured explains it".into(),
                remedy: format!(
                    "if {} is finer than this machine can be, raise `fitness.lag`",
                    units::duration(self.lag_limit)
                ),
            });
        }
        causes
    }

    fn files(&self, vitals: Option<&Vitals>) -> Option<Named> {
        let host = vitals.map(|v| v.host).unwrap_or_default();
        let (files, limit) = (host.files.unwrap_or(0), host.files_limit);
        let all_taken = limit.is_some_and(|limit| files >= limit);
        let remedy = "raise `ulimit -n`".to_owned();
        if vitals.is_some_and(|v| v.no_files) || self.files || all_taken {
            let of = |limit| format!(" {} of {}", text::thousands(files), text::thousands(limit));
            let what = format!("open files{}", limit.map_or(String::new(), of));
            let why = "no descriptor was left for a connection".into();
            return Some(Named { cause: Cause::Files, size: files as f64, what, why, remedy });
        }
        let (had, wanted) = self.held?;
        let of = limit.map_or(String::new(), |n| format!(" {}", text::thousands(n)));
        let what = format!("`ulimit -n`{of} leaves {had} of {wanted} connections");
        let why = "shots waited for a connection that we could not open".into();
        Some(Named { cause: Cause::Files, size: 0.0, what, why, remedy })
    }

    fn ports(&self, vitals: Option<&Vitals>) -> Option<Named> {
        if !(self.ports || vitals.is_some_and(|v| v.no_ports)) {
            return None;
        }
        let host = vitals.map(|v| v.host).unwrap_or_default();
        let of = host.ports.map_or(String::new(), |n| format!(" of {}", text::thousands(n)));
        let waiting = host.time_wait.unwrap_or(0);
        let what = match waiting {
            0 => format!("no free local port{of}"),
            n => format!("no free local port: {}{of} in TIME_WAIT", text::thousands(n)),
        };
        let why = "a port is free again a minute after its connection was closed".into();
        let remedy = "keep connections alive, spread addresses, or widen `net.ipv4.ip_local_port_range`".into();
        Some(Named { cause: Cause::Ports, size: waiting as f64, what, why, remedy })
    }

    fn throttled(&self, vitals: &Vitals) -> Option<Named> {
        let held = vitals.host.throttled.filter(|ns| *ns as f64 > vitals.host.over as f64 * LOST)?;
        Some(Named {
            cause: Cause::Throttled,
            size: held as f64,
            what: format!("held back for {}", length(held)),
            why: "the control group had used up its processor time".into(),
            remedy: "raise the container's CPU limit".into(),
        })
    }

    fn steal(&self, vitals: &Vitals) -> Option<Named> {
        let steal = vitals.host.steal.filter(|share| *share >= STEAL)?;
        Some(Named {
            cause: Cause::Steal,
            size: steal * 1e9,
            what: format!("steal {}", share(steal)),
            why: "the hypervisor gave the core to others".into(),
            remedy: "use a machine whose cores are its own".into(),
        })
    }

    /// By the worker's own account; where the kernel keeps none, by that of the machine.
    fn run_queue(&self, vitals: &Vitals) -> Option<Named> {
        let (size, what) = match (vitals.delay, vitals.host.busy, vitals.host.own) {
            (Some(delay), ..) if delay as f64 > 1e9 * LOST => {
                (delay as f64, format!("run-queue delay {}", length(delay)))
            }
            (None, Some(busy), Some(own)) => {
                let own = own.cpu / f64::from(self.cores.max(1));
                if busy < BUSY || busy - own < OTHERS {
                    return None;
                }
                let cores = text::count(u64::from(self.cores), "core");
                (
                    busy - own,
                    format!("the {cores} that we may use {} busy, {} by us", share(busy), share(own.min(busy))),
                )
            }
            _ => return None,
        };
        let beside = |target: ProcessHealth| format!(" (the target beside us used {:.1} cores)", target.cpu);
        let beside = vitals.host.target.filter(|t| t.cpu >= BESIDE).map_or(String::new(), beside);
        Some(Named {
            cause: Cause::RunQueue,
            size,
            what,
            why: format!("other processes share the core{beside}"),
            remedy: "pin proofload to a core of its own, or move them".into(),
        })
    }

    fn cpu(&self, vitals: &Vitals) -> Option<Named> {
        let (used, worker) = vitals.cpu.filter(|(used, _)| *used > self.cpu_limit)?;
        let who = match self.workers {
            0 | 1 => "the worker".to_owned(),
            of => format!("worker {} of {of}", worker + 1),
        };
        let more = match self.workers < u64::from(self.cores) {
            true => "add workers (`fitness.workers`)",
            false => "give it more cores, send less",
        };
        Some(Named {
            cause: Cause::Cpu,
            size: used,
            what: format!("{who} used {} of a core", share(used)),
            why: "it had more to do than it had time for".into(),
            remedy: format!("{more}, or use `precision: eco`"),
        })
    }

    /// Where the worker was away and what took its core explains less than half of it.
    fn hiccup(&self, vitals: &Vitals, causes: &[Named]) -> Option<Named> {
        let host = vitals.host;
        let stolen = host.steal.unwrap_or(0.0) * host.over as f64;
        let gone = vitals.delay.unwrap_or(0) as f64 + host.throttled.unwrap_or(0) as f64 + stolen;
        let by_work = causes.iter().any(|c| c.cause == Cause::Cpu);
        let away = Duration::from_nanos(vitals.hiccup);
        if away <= self.lag_limit || by_work || gone * 2.0 >= vitals.hiccup as f64 {
            return None;
        }
        Some(Named {
            cause: Cause::Hiccup,
            size: vitals.hiccup as f64,
            what: format!("hiccup {}", length(vitals.hiccup)),
            why: "the worker was away, or woke late, although nobody took its core".into(),
            remedy: "keep it from being stopped or swapped out, and the machine from sleeping".into(),
        })
    }
}

/// `340 ms`
fn length(nanos: u64) -> String {
    units::measured(Duration::from_nanos(nanos))
}

/// `23 %`: causes are told by the hundredth, which is what the system counts in.
fn share(fraction: f64) -> String {
    format!("{:.0} %", fraction * 100.0)
}

/// A cause over all unfit seconds of the measured phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseSummary {
    /// Which.
    pub cause: Cause,
    /// In how many of the unfit seconds.
    pub seconds: u64,
    /// How bad, at the worst, in words.
    pub what: String,
    /// What that means.
    pub why: String,
    /// What helps.
    pub remedy: String,
}

/// Puts the causes of several seconds together, each with its worst.
#[derive(Debug, Default)]
pub struct Sum(Vec<(Named, BTreeSet<i64>)>);

impl Sum {
    /// Adds the causes of a second.
    pub fn add(&mut self, second: i64, causes: Vec<Named>) {
        for named in causes {
            match self.0.iter_mut().find(|(known, _)| known.cause == named.cause) {
                Some((known, seconds)) => {
                    seconds.insert(second);
                    if named.size > known.size {
                        *known = named;
                    }
                }
                None => self.0.push((named, BTreeSet::from([second]))),
            }
        }
    }

    /// `run-queue delay 340 ms, steal 23 %`; nothing without causes.
    pub fn brief(mut self) -> Option<String> {
        self.0.sort_by_key(|(named, _)| named.cause);
        let what: Vec<&str> =
            self.0.iter().filter(|(n, _)| n.cause != Cause::Unexplained).map(|(n, _)| n.what.as_str()).collect();
        (!what.is_empty()).then(|| text::list(what))
    }

    /// For reports.
    pub fn summaries(mut self) -> Vec<CauseSummary> {
        self.0.sort_by_key(|(named, _)| named.cause);
        let summary = |(named, seconds): (Named, BTreeSet<i64>)| CauseSummary {
            cause: named.cause,
            seconds: seconds.len() as u64,
            what: named.what,
            why: named.why,
            remedy: named.remedy,
        };
        self.0.into_iter().map(summary).collect()
    }
}
