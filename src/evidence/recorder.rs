//! The one writer of a run's evidence: takes what senders, faults and scrapes report, and writes it as it comes.
//!
//! It reads no clock: every instant comes with what is reported, so a run can be recorded under a virtual clock.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use super::append::Appender;
use super::event::{Event, Exemplar, FaultStep, Tick};
use super::folder::Folder;
use super::health::WorkerHealth;
use super::latency;
use super::reply::{Outcome, PartReply, Reply};
use super::rows::Rows;
use super::tally::{Bins, Tally};
use super::touches::{self, PartTouch, ShotTouch};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::trace::{Shot, TraceId, Tracer};

/// At most so many exemplars of one kind between two events of the run.
const EXEMPLARS: u32 = 10;

/// So many of the slowest shots of a traffic are told apart.
const SLOWEST: usize = 10;
/// One that is to be among the slowest is so many times slower than the least of them: where all get slower and slower,
/// that keeps the log from having a line for each.
const SLOWER: f64 = 1.05;

/// What a sender reports, many times a second.
#[derive(Debug, Default)]
pub struct Batch {
    /// Which worker, from 0.
    pub worker: u16,
    /// When it was put together.
    pub at: Offset,
    /// Every shot of the worker's share due before this instant has been taken up: once all have, of any instant.
    pub through: Offset,
    /// Shots taken up since the last batch: traffic, due second, how many.
    pub taken: Vec<(u16, i64, u64)>,
    /// Shots that are over since the last batch.
    pub replies: Vec<Reply>,
    /// Parts of shots that are over since the last batch.
    pub parts: Vec<PartReply>,
    /// The share of a core that the sender used, and the second in which the measurement ended; where there is no health.
    pub cpu: Option<(i64, f64)>,
    /// How the worker did since it last told.
    pub health: Vec<WorkerHealth>,
    /// What else it has to tell.
    pub told: Vec<Event>,
}

/// What the recorder needs to know beforehand.
pub struct Plan<'a> {
    /// Kinds of traffic with their classes, in the order of the scenario.
    pub traffic: Vec<(String, Vec<String>)>,
    /// What the parts of each are called in all, in the same order; what is missing has none.
    pub parts: Vec<Vec<String>>,
    /// Planned edges, in order.
    pub edges: &'a [Offset],
    /// Faults by name with their planned times, in the order of the scenario.
    pub faults: Vec<(String, Vec<Span>)>,
    /// How many workers will report; at least one.
    pub workers: usize,
    /// The lag above which a shot was late by our doing.
    pub lag_limit: Duration,
    /// Nanoseconds since the Unix epoch at the plan's zero.
    pub wall_zero: i64,
    /// Writes trace ids.
    pub tracer: Tracer,
}

/// Writes the evidence of a run.
pub struct Recorder {
    latency: latency::Writer,
    touches: touches::Writer,
    touched_parts: Option<touches::Writer>, // where anything has parts
    events: Appender,
    tracer: Tracer,
    names: Vec<String>,
    parts: Vec<usize>, // where the parts of each traffic begin among the names of the log
    lag_limit: Duration,
    faults: Vec<FaultWatch>,
    rows: Vec<Rows>, // per traffic
    cpu: Vec<(i64, f64)>,
    health: Vec<WorkerHealth>,
    through: Vec<Offset>, // by worker
    exemplars: HashMap<(u16, Outcome, Option<u16>), u32>,
    slowest: Vec<Vec<Duration>>, // per traffic, the longest first
    live: Vec<Live>,             // per traffic
    recent: Vec<Bins>,           // the same: what finished since the last look
    busiest: Option<f64>,
}

/// When shots must be noted for a fault's sake.
struct FaultWatch {
    name: String,
    planned: Span, // one of its occurrences
    undone: Option<Offset>,
    void: bool,
}

/// How a traffic does right now.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Shots taken up so far.
    pub taken: u64,
    /// Shots that are over.
    pub finished: u64,
    /// The same by what became of them, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Shots taken up late so far: our doing.
    pub late: u64,
    /// What finished since the last look.
    pub recent: Tally,
    /// Failures since the last look.
    pub recent_failed: u64,
}

/// How a run does right now.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Each traffic, in the order of the scenario.
    pub traffic: Vec<Live>,
    /// The share of a core that the busiest worker used since the last look.
    pub cpu: Option<f64>,
}

impl Recorder {
    /// Creates the files in a run's folder.
    pub fn create(folder: &Folder, plan: Plan<'_>) -> io::Result<Recorder> {
        let names: Vec<String> = plan.traffic.iter().map(|(name, _)| name.clone()).collect();
        let watch = |name: &str, planned| FaultWatch { name: name.to_owned(), planned, undone: None, void: false };
        let watched = plan.faults.iter().flat_map(|(name, spans)| spans.iter().map(|span| watch(name, *span)));
        let mut logged = plan.traffic;
        let has_parts = plan.parts.iter().any(|of_traffic| !of_traffic.is_empty());
        let touched_parts = has_parts.then(|| touches::Writer::create(&folder.file(touches::PARTS)));
        let mut parts = Vec::new();
        for of_traffic in plan.parts {
            parts.push(logged.len());
            logged.extend(of_traffic.into_iter().map(|name| (name, Vec::new())));
        }
        let rows = names.len();
        Ok(Recorder {
            latency: latency::Writer::create(
                &folder.file("latency.hlog"),
                logged,
                plan.edges.to_vec(),
                plan.wall_zero,
            )?,
            touches: touches::Writer::create(&folder.file(touches::SHOTS))?,
            touched_parts: touched_parts.transpose()?,
            events: Appender::create(&folder.file("events.jsonl"))?,
            tracer: plan.tracer,
            rows: names.iter().map(|_| Rows::default()).collect(),
            names,
            parts,
            lag_limit: plan.lag_limit,
            faults: watched.collect(),
            cpu: Vec::new(),
            health: Vec::new(),
            through: vec![Offset::ZERO; plan.workers.max(1)],
            exemplars: HashMap::new(),
            slowest: vec![Vec::new(); rows],
            live: vec![Live::default(); rows],
            recent: vec![Bins::default(); rows],
            busiest: None,
        })
    }

    /// Takes what a sender reports.
    pub fn batch(&mut self, batch: &Batch) -> io::Result<()> {
        if let Some(through) = self.through.get_mut(usize::from(batch.worker)) {
            *through = batch.through.max(*through);
        }
        for (traffic, second, count) in &batch.taken {
            self.rows[usize::from(*traffic)].at(*second).due += count;
            self.live[usize::from(*traffic)].taken += count;
        }
        for reply in &batch.replies {
            self.reply(reply)?;
        }
        for part in &batch.parts {
            self.part(part)?;
        }
        self.cpu.extend(batch.cpu);
        self.health.extend(&batch.health);
        let busiest = batch.health.iter().map(|health| health.cpu).chain(self.busiest);
        self.busiest = busiest.reduce(f64::max);
        for told in &batch.told {
            self.event(told)?;
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) -> io::Result<()> {
        self.latency.record(reply);
        let late = reply.lag() > self.lag_limit;
        let row = self.rows[usize::from(reply.traffic)].at(second_of(reply.due));
        row.finished += 1;
        row.closed += u64::from(reply.seq >= Shot::CLOSED);
        row.sent += u64::from(reply.sent.is_some());
        row.late += u64::from(late);
        row.ours += u64::from(reply.outcome.is_ours());
        let failed = reply.outcome.is_failure();
        let live = &mut self.live[usize::from(reply.traffic)];
        live.finished += 1;
        live.outcomes[usize::from(reply.outcome.code())] += 1;
        live.recent_failed += u64::from(failed);
        live.late += u64::from(late);
        self.recent[usize::from(reply.traffic)].add(reply.done.nanos_since(reply.due), 1);
        if self.meets_a_fault(reply.due, reply.done) {
            let trace = self.trace(reply);
            self.touches.write(&ShotTouch::new(reply, trace))?;
        }
        if reply.outcome == Outcome::Ok && self.is_slow(reply) {
            self.write(&Event::Slow(self.exemplar(reply)))?;
        }
        if failed {
            let shown = self.exemplars.entry((reply.traffic, reply.outcome, reply.status)).or_default();
            *shown += 1;
            if *shown <= EXEMPLARS {
                self.write(&Event::Exemplar(self.exemplar(reply)))?;
            }
        }
        Ok(())
    }

    fn trace(&self, reply: &Reply) -> TraceId {
        self.tracer.id(Shot { traffic: reply.traffic, seq: reply.seq })
    }

    fn exemplar(&self, reply: &Reply) -> Exemplar {
        Exemplar {
            at: reply.done,
            traffic: self.names[usize::from(reply.traffic)].clone(),
            outcome: reply.outcome.word().into(),
            status: reply.status,
            trace: self.trace(reply).to_string(),
            response: reply.response().as_nanos() as u64,
            why: text::shorten(reply.why.as_deref().unwrap_or_default(), 300),
        }
    }

    /// Whether a shot is among the slowest of its traffic so far; from then on it is.
    fn is_slow(&mut self, reply: &Reply) -> bool {
        let (slowest, response) = (&mut self.slowest[usize::from(reply.traffic)], reply.response());
        let is_slow = slowest.len() < SLOWEST || slowest.last().is_some_and(|least| response > least.mul_f64(SLOWER));
        if is_slow {
            slowest.insert(slowest.partition_point(|longer| *longer >= response), response);
            slowest.truncate(SLOWEST);
        }
        is_slow
    }

    fn part(&mut self, part: &PartReply) -> io::Result<()> {
        let reply = &part.reply;
        self.latency.count(self.parts[usize::from(reply.traffic)] + usize::from(part.part), part.shot, reply);
        // What we are late with counts where its shot does.
        if reply.lag() > self.lag_limit {
            self.rows[usize::from(reply.traffic)].at(second_of(part.shot)).late += 1;
            self.live[usize::from(reply.traffic)].late += 1;
        }
        let is_touched = self.meets_a_fault(part.shot, reply.done);
        if let Some(touched) = self.touched_parts.as_mut().filter(|_| is_touched) {
            let trace = self.tracer.id(Shot { traffic: reply.traffic, seq: reply.seq });
            touched.write(&PartTouch::new(part, trace))?;
        }
        Ok(())
    }

    /// Whether what was due, and over, at these instants was under way while a fault may have been.
    fn meets_a_fault(&self, due: Offset, done: Offset) -> bool {
        let under_way =
            |f: &FaultWatch| !f.void && done >= f.planned.start && f.undone.is_none_or(|undone| due <= undone);
        self.faults.iter().any(under_way)
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Fault { at, fault, step } => {
                self.exemplars.clear();
                // Of the occurrence that has begun; nothing happens to one before its time.
                let begun = |f: &FaultWatch| f.name == *fault && f.planned.start <= *at;
                let of_fault = self.faults.iter().rposition(begun);
                let first = || self.faults.iter().position(|f| f.name == *fault);
                if let Some(watch) = of_fault.or_else(first).map(|i| &mut self.faults[i]) {
                    match step {
                        FaultStep::Cleared { .. } => watch.undone = Some(*at),
                        FaultStep::Failed { .. } | FaultStep::Withheld { .. } => watch.void = true,
                        FaultStep::Applied | FaultStep::Touched | FaultStep::Stuck { .. } => {}
                    }
                }
            }
            Event::Phase { .. } => self.exemplars.clear(),
            _ => {}
        }
        self.write(event)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(self.events.waiting(), event)?;
        self.events.waiting().push(b'\n');
        self.events.relieve()
    }

    /// Hands everything so far to the system, with a tick. Call once a second.
    pub fn flush(&mut self, at: Offset) -> io::Result<()> {
        self.latency.flush()?;
        self.touches.flush()?;
        self.touched_parts.as_mut().map_or(Ok(()), touches::Writer::flush)?;
        let traffic = self.rows.iter_mut().map(Rows::take).collect();
        // What one worker has not taken up is not taken up, however far the others are; who has nothing left holds up nobody.
        let through = self.through.iter().copied().min().unwrap_or_default().min(at);
        let (cpu, health) = (std::mem::take(&mut self.cpu), std::mem::take(&mut self.health));
        let tick = Tick { at, through, traffic, cpu, health };
        self.write(&Event::Tick(tick))?;
        self.events.flush()
    }

    /// How the run does; what is recent is counted anew from here.
    pub fn look(&mut self) -> Look {
        let lanes = self.live.iter_mut().zip(&mut self.recent);
        let traffic = lanes.map(|(live, recent)| {
            let seen = Live { recent: recent.take(), ..live.clone() };
            live.recent_failed = 0;
            seen
        });
        Look { traffic: traffic.collect(), cpu: self.busiest.take() }
    }
}

/// The interval of a second in which a shot is due.
pub fn second_of(due: Offset) -> i64 {
    due.nanos().div_euclid(1_000_000_000)
}

#[cfg(test)]
mod tests;
