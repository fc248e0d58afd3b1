//! What the target took of the machine, and whether its memory grows.
//!
//! Of a process on this machine `/proc` tells; of others what their pages of metrics say of them: `process_*`, as client
//! libraries expose it, or `container_*`, as cAdvisor does.

mod leak;
mod page;
mod summary;

pub use page::is_memory;
pub use summary::{Growth, ResourceSummary};

use std::time::Duration;

use super::trial::Trial;
use super::verdict::Finding;
use crate::base::series::Series;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::event::Event;
use crate::evidence::resources::ProcessUse;
use crate::scenario::{Grower, LeakClaim, Promise, TARGET};

/// How sure the lower end of a growth must be that ends an experiment: it is asked for once a second.
const SURE: f64 = 0.999;

/// What is known of everything that is watched.
pub struct Resources(Vec<Taker>);

/// Somebody who takes something of the machine.
#[derive(Debug, Clone, PartialEq)]
struct Taker {
    /// `target`, the name of a process, or of a job.
    name: String,
    /// Who tells.
    source: Source,
    /// Each process that is told of by itself: of a page, each of its series.
    members: Vec<Member>,
    /// What was told, once a second or at each scrape.
    usage: Vec<Usage>,
}

/// Who tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// `/proc`.
    Proc,
    /// A page of metrics.
    Page,
}

/// The memory of one process.
#[derive(Debug, Clone, PartialEq, Default)]
struct Member {
    /// Which, where there are several.
    name: String,
    /// How much it had.
    memory: Vec<Level>,
}

/// How much memory there was.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    at: Offset,
    bytes: f64,
    /// Which life of the process it was, from 0.
    life: u32,
}

/// What was taken over a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Usage {
    at: Offset,
    /// In seconds.
    over: f64,
    /// In cores.
    cpu: Option<f64>,
    bytes: Option<f64>,
    files: Option<f64>,
    threads: Option<f64>,
    /// Of context, a second.
    switches: Option<f64>,
}

impl Resources {
    /// Reads what the evidence tells.
    pub fn read(trial: &Trial<'_>, samples: &[Series]) -> Resources {
        let mut all: Vec<Taker> = Vec::new();
        for event in &trial.evidence.events {
            let Event::Resources(told) = event else { continue };
            for of in &told.of {
                let known = all.iter().position(|taker| taker.name == of.name);
                let known = known.unwrap_or_else(|| {
                    let members = vec![Member::default()];
                    all.push(Taker { name: of.name.clone(), source: Source::Proc, members, usage: Vec::new() });
                    all.len() - 1
                });
                all[known].add(told.at, told.stretch().length().as_secs_f64(), of);
            }
        }
        let wall = trial.evidence.manifest.wall_zero;
        all.extend(trial.scenario.jobs.iter().filter_map(|job| page::read(&job.name, samples, wall)));
        Resources(all)
    }

    /// What a promise about memory comes to.
    pub fn finding(&self, trial: &Trial<'_>, promise: &Promise, claim: &LeakClaim) -> Finding {
        leak::finding(trial, &self.of(&claim.of), promise, claim)
    }

    /// Why a condition on memory is met that must hold for so long, if it is: by its growth over the last of it.
    pub fn too_fast(&self, trial: &Trial<'_>, claim: &LeakClaim, hold: Duration) -> Option<String> {
        let end = trial.windows.seen;
        let span = Span { start: end - hold, end };
        if span.start < Offset::ZERO {
            return None;
        }
        let takers = self.of(&claim.of);
        let members = takers.iter().flat_map(|taker| taker.members.iter().map(move |member| (*taker, member)));
        let mut grown = members.filter_map(|(taker, member)| {
            leak::grown(trial, &taker.name, &leak::within(member, &[span]), &[span], SURE)
        });
        // Whoever began in the middle of it grows as all do that begin.
        let fast = grown.find(|g| g.seen >= leak::LEAST_SEEN && claim.compare.holds(g.low, claim.bound as f64))?;
        Some(format!("{}, over {}", leak::say(&fast, SURE), units::duration(hold)))
    }

    /// What reports show, over the measured phase.
    pub fn summary(&self, trial: &Trial<'_>) -> Vec<ResourceSummary> {
        let measured = trial.timeline.measured(None);
        let measured = Span { start: measured.start, end: measured.end.min(trial.windows.seen) };
        self.0.iter().map(|taker| summary::of(trial, taker, measured)).collect()
    }

    /// Those whose memory a promise is about.
    fn of(&self, grower: &Grower) -> Vec<&Taker> {
        let by_proc = |name: &str| self.0.iter().find(|t| t.source == Source::Proc && t.name == name);
        match grower {
            // The kernel knows best; pages are asked where it was not.
            Grower::Target => match by_proc(TARGET) {
                Some(target) => vec![target],
                None => self.0.iter().filter(|t| t.source == Source::Page).collect(),
            },
            Grower::Process(name) => by_proc(name).into_iter().collect(),
            Grower::Job(name) => self.0.iter().filter(|t| t.source == Source::Page && t.name == *name).collect(),
        }
    }
}

impl Taker {
    fn add(&mut self, at: Offset, over: f64, of: &ProcessUse) {
        let id = (of.pid, of.started);
        let switches = of.voluntary.zip(of.involuntary).filter(|_| over > 0.0);
        self.usage.push(Usage {
            at,
            over,
            cpu: Some(of.cpu),
            bytes: Some(of.rss as f64),
            files: of.files.map(|n| n as f64),
            threads: of.threads.map(|n| n as f64),
            switches: switches.map(|(a, b)| (a + b) as f64 / over),
        });
        let Some(member) = self.members.first_mut() else { return };
        let life = match member.memory.last() {
            Some(last) if member.name == life_of(id) => last.life,
            Some(last) => last.life + 1,
            None => 0,
        };
        member.name = life_of(id);
        member.memory.push(Level { at, bytes: of.rss as f64, life });
    }
}

/// What tells one life of a process from another.
fn life_of((pid, started): (u32, u64)) -> String {
    format!("{pid}.{started}")
}
