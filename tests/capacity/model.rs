//! A search against a target that is arithmetic, under a virtual clock: every probe is a scenario that is planned, recorded by
//! the recorder, read back and judged like any run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proofload::base::seed::{Seed, Stream};
use proofload::base::time::Offset;
use proofload::base::trace::Tracer;
use proofload::capacity::{self, Order, Probing, Tried};
use proofload::evidence::folder::Folder;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{self, Batch, Recorder};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply, Stage};
use proofload::judge;
use proofload::judge::capacity::{Ended, Made, Probe, Search};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};

use crate::laws::Law;

/// How often a sender reports.
const REPORT: Duration = Duration::from_millis(100);
/// Between two runs.
const BETWEEN: f64 = 2.5;
/// How late a sender is that cannot keep up, in seconds.
const LATE: f64 = 0.05;

/// What is searched, and how.
#[derive(Debug, Clone)]
pub struct Case {
    /// Of the scenario.
    pub seed: u64,
    /// The first rate, per second.
    pub from: u64,
    /// The promises, each a line of `slo:`.
    pub slo: &'static str,
    /// What stands under `capacity:`, beside the length of probes.
    pub more: &'static str,
    /// How long a probe is.
    pub probe: u64,
    /// How long it warms up.
    pub warm_up: u64,
}

impl Default for Case {
    fn default() -> Case {
        Case { seed: 1, from: 20, slo: "p95(x) < 100ms", more: "", probe: 10, warm_up: 2 }
    }
}

/// What happens beside the target.
pub struct Day {
    /// From this rate on the sender is late.
    pub generator: f64,
    /// In these probes it is late whatever the rate.
    pub busy: Vec<u32>,
    /// After so many probes somebody ends it.
    pub ended_after: Option<u32>,
}

impl Default for Day {
    fn default() -> Day {
        Day { generator: f64::INFINITY, busy: Vec::new(), ended_after: None }
    }
}

impl Case {
    /// Searches, and what was found.
    pub fn search(&self, law: &mut dyn Law, day: &Day) -> Search {
        let parent = tempfile::tempdir().expect("a folder");
        let scenario = self.scenario();
        let plan = Plan::new(&scenario);
        let wanted = scenario.capacity.clone().expect("a search");
        let probing = Probing::new(&scenario, &plan, &wanted, None).expect("can be searched");
        let aim = probing.aim();
        let world = std::cell::RefCell::new(World {
            parent: parent.path().to_owned(),
            law,
            day,
            now: 0.0,
            made: 0,
            chance: Seed(self.seed).stream("target"),
        });
        capacity::search(
            None,
            &aim,
            |order, number| Tried::Probe(Box::new(world.borrow_mut().probe(&probing, order, number))),
            || {
                let world = world.borrow();
                let ended = day.ended_after.is_some_and(|most| world.made >= most).then_some(Ended::Interrupted);
                (world.now, ended)
            },
            |_| {},
        )
    }

    /// The scenario whose capacity is searched.
    pub fn scenario(&self) -> Scenario {
        let Case { seed, from, slo, more, probe, warm_up } = self;
        let slo: Vec<String> = slo.split("; ").map(|promise| format!("  - expect: {promise}\n")).collect();
        let text = format!(
            "proofload: 1\nseed: {seed}\ntarget: {{ sim: calibrator, timeout: 2s }}\ntraffic:\n  x:\n    flow: {{ steps: [{{ get: / }}] }}\n    \
             load: [{{ hold: {{ at: {from}/s, for: 60s }} }}]\nslo:\n{}capacity: {{ probe: {probe}s, warm_up: {warm_up}s{more} }}\n",
            slo.concat()
        );
        scenario::read("capacity", &text, &Settings::alone("capacity")).expect("valid")
    }
}

struct World<'w> {
    parent: PathBuf,
    law: &'w mut dyn Law,
    day: &'w Day,
    now: f64, // in seconds since the target began
    made: u32,
    chance: Stream,
}

impl World<'_> {
    fn probe(&mut self, probing: &Probing<'_>, order: &Order, number: u32) -> Probe {
        self.now += BETWEEN + order.rest;
        self.made += 1;
        let text = probing.text(order, number).expect("a probe");
        let scenario = scenario::read("probe", &text, &Settings::alone("probe")).expect("valid");
        let plan = Plan::new(&scenario);
        let late = order.rate >= self.day.generator || self.day.busy.contains(&self.made);
        let mut replies: Vec<Reply> = plan.traffic[0].shots().map(|s| self.reply(s.seq, s.due, late)).collect();
        self.now += plan.timeline.end.secs();
        let evidence = record(&self.parent, &scenario, &plan, &mut replies, number);
        let judgement = judge::judge(&scenario, &plan, &evidence, &[]);
        let made = Made {
            number,
            role: order.role,
            from: order.from,
            borne: order.borne,
            offered: order.rate,
            report: String::new(),
        };
        Probe::read((&scenario, &plan), &evidence, &judgement, 0, made)
    }

    fn reply(&mut self, seq: u64, due: Offset, late: bool) -> Reply {
        let ready = due + Duration::from_secs_f64(if late { LATE } else { 0.0 });
        let (length, ok) = self.law.arrive(self.now + ready.secs(), &mut self.chance);
        let timeout = 2.0;
        let (outcome, length) = match (length < timeout, ok) {
            (true, true) => (Outcome::Ok, length),
            (true, false) => (Outcome::Rejected, length),
            (false, _) => (Outcome::TimedOut(Stage::Head), timeout),
        };
        let done = ready + Duration::from_secs_f64(length);
        let answered = !matches!(outcome, Outcome::TimedOut(_));
        Reply {
            traffic: 0,
            seq,
            class: None,
            outcome,
            status: answered.then_some(if outcome == Outcome::Ok { 200 } else { 503 }),
            due,
            ready,
            sent: Some(ready).into(),
            first_byte: answered.then_some(done).into(),
            done,
            opening: Opening::default(),
            not_before: Maybe::NONE,
            why: None,
        }
    }
}

fn record(parent: &Path, scenario: &Scenario, plan: &Plan, replies: &mut [Reply], number: u32) -> Evidence {
    let folder = Folder::create(parent, i64::from(number) * 1_000_000).expect("a folder");
    let known = recorder::Plan {
        traffic: vec![("x".into(), Vec::new())],
        parts: Vec::new(),
        edges: plan.timeline.edges(),
        faults: Vec::new(),
        workers: 1,
        lag_limit: scenario.fitness.lag,
        wall_zero: 0,
        tracer: Tracer::new(scenario.seed, "capacity"),
    };
    let mut recorder = Recorder::create(&folder, known).expect("creates");
    let mut taken: Vec<Offset> = replies.iter().map(|reply| reply.due).collect();
    taken.sort_unstable();
    replies.sort_by_key(|reply| reply.done);
    let last = replies.last().map_or(Offset::ZERO, |reply| reply.done).max(plan.timeline.end);
    let (mut from, mut at, second) = (Offset::ZERO, Offset::ZERO, Duration::from_secs(1));
    let (mut due, mut done) = (taken.as_slice(), &*replies);
    // As a sender reports: many times a second, what was taken up and what is over.
    while from <= last {
        let to = from + REPORT;
        let (now, later) = due.split_at(due.partition_point(|at| *at < to));
        let (over, under_way) = done.split_at(done.partition_point(|reply| reply.done < to));
        let taken = now.iter().map(|at| (0, recorder::second_of(*at), 1)).collect();
        let batch = Batch { at: to, through: to, taken, replies: over.to_vec(), ..Batch::default() };
        recorder.batch(&batch).expect("writes");
        if to >= at + second {
            recorder.flush(to).expect("writes");
            at = to;
        }
        (due, done, from) = (later, under_way, to);
    }
    recorder.flush(from + second).expect("writes");
    folder.write_manifest(&manifest(scenario, plan)).expect("writes");
    Evidence::read(&folder).expect("reads")
}

fn manifest(scenario: &Scenario, plan: &Plan) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "capacity".into(),
        scenario: scenario.name.clone(),
        file: "capacity".into(),
        scenario_digest: String::new(),
        plan_digest: String::new(),
        seed: scenario.seed.0,
        time_scale: 1,
        inputs: Vec::new(),
        wall_zero: 0,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host::default(),
        services: Vec::new(),
        kafka: Vec::new(),
        connections: plan.connections(scenario),
        timeout: scenario.target.timeout.as_nanos() as u64,
        lag_limit: scenario.fitness.lag.as_nanos() as u64,
        end: Some(End { how: How::Complete, at: plan.timeline.end }),
    }
}
