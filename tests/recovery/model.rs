//! A target that recovers in a step, as arithmetic on a plan: known to the nanosecond, recorded by the recorder under a
//! virtual clock, read back and judged like any run.

use std::path::Path;
use std::time::Duration;

use proofload::base::seed::{Seed, Stream};
use proofload::base::time::Offset;
use proofload::base::trace::Tracer;
use proofload::evidence::event::{Event, FaultStep};
use proofload::evidence::folder::Folder;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{self, Batch, Recorder};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply};
use proofload::judge::{self, Judgement};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};

/// From the plan's zero to the fault.
const BEFORE: Duration = Duration::from_secs(2);
/// How long the fault lasts.
const FAULT: Duration = Duration::from_secs(1);
/// How often a sender reports.
const REPORT: Duration = Duration::from_millis(100);
/// What the promise on latency allows.
const BOUND: Duration = Duration::from_millis(100);

/// How the target fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers with an error.
    Errs,
    /// It answers well, and too late.
    Slow,
    /// Seven in ten shots err.
    Partly,
}

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Draws arrivals, latencies and what goes wrong on any day.
    pub seed: u64,
    /// Shots a second.
    pub rate: u64,
    /// From the fault's end until all is well again.
    pub after: Duration,
    /// How it fails until then.
    pub manner: Manner,
}

/// What was found of one target.
#[derive(Debug, Clone)]
pub struct Found {
    /// When all was well again.
    pub truth: Offset,
    /// The interval in which that was, by the judge.
    pub between: Option<[Offset; 2]>,
    /// All of it.
    pub judgement: Judgement,
}

impl Found {
    /// How far what is reported is from the truth; nothing where nothing is reported.
    pub fn error(&self) -> Option<Duration> {
        let [_, at] = self.between?;
        Some(at.since(self.truth).max(self.truth.since(at)))
    }

    /// How far the truth lies outside what is reported.
    pub fn outside(&self) -> Option<Duration> {
        let [from, at] = self.between?;
        Some(from.since(self.truth).max(self.truth.since(at)))
    }
}

impl Case {
    /// Plays it and judges what was recorded.
    pub fn play(&self, folder: &Path) -> Found {
        let scenario = self.scenario();
        let plan = Plan::new(&scenario);
        let end = Offset::after_zero(BEFORE + FAULT);
        let truth = end + self.after;
        let evidence = self.record(folder, &scenario, &plan, end, truth);
        let judgement = judge::judge(&scenario, &plan, &evidence, &[]);
        let recovery = judgement.faults[0].recovery.iter().find(|(name, _)| name == "x").map(|(_, r)| r.between);
        Found { truth, between: recovery.flatten(), judgement }
    }

    fn scenario(&self) -> Scenario {
        let length = (BEFORE + FAULT + self.after).as_millis() as u64 + 2_500;
        let text = format!(
            "proofload: 1\nseed: {}\ntarget: {{ sim: quote-service, timeout: 2s }}\nupstreams: {{ dep: {{ like: jupiter }} }}\n\
             traffic:\n  x:\n    flow: {{ steps: [{{ get: / }}] }}\n    load: [{{ hold: {{ at: {}/s, for: {length}ms }} }}]\n\
             faults:\n  outage: {{ on: upstream/dep, inject: {{ timeout: {{}} }}, at: {}ms, for: {}ms }}\nslo:\n  \
             - {{ expect: p95(x) < {}ms, outside: faults, steady: true }}\n  \
             - {{ expect: errors(x) < 5%, outside: faults, steady: true }}\n  \
             - {{ expect: recovery(x) < 31s, after: outage, stable: 1s }}\n",
            self.seed,
            self.rate,
            BEFORE.as_millis(),
            FAULT.as_millis(),
            BOUND.as_millis()
        );
        let settings = Settings::alone("recovery");
        scenario::read("recovery", &text, &settings).expect("valid")
    }

    fn record(&self, parent: &Path, scenario: &Scenario, plan: &Plan, end: Offset, truth: Offset) -> Evidence {
        let folder = Folder::create(parent, self.seed as i64 * 1_000_000).expect("a folder");
        let tracer = Tracer::new(Seed(self.seed), "recovery");
        let known = recorder::Plan {
            traffic: vec![("x".into(), Vec::new())],
            parts: Vec::new(),
            edges: plan.timeline.edges(),
            faults: vec![("outage".into(), plan.timeline.faults[0].clone())],
            workers: 1,
            lag_limit: scenario.fitness.lag,
            wall_zero: 0,
            tracer,
        };
        let mut recorder = Recorder::create(&folder, known).expect("creates");
        let mut stream = Seed(self.seed).stream("target");
        let start = Offset::after_zero(BEFORE);
        let mut replies: Vec<Reply> =
            plan.traffic[0].shots().map(|shot| self.reply(shot.seq, shot.due, start, truth, &mut stream)).collect();
        replies.sort_by_key(|reply| reply.done);
        let tell = |recorder: &mut Recorder, at, step| {
            recorder.event(&Event::Fault { at, fault: "outage".into(), step }).expect("writes");
        };
        let mut steps = [
            (start, FaultStep::Applied),
            (start + Duration::from_millis(1), FaultStep::Touched),
            (end, FaultStep::Cleared { eligible: 1_000, injected: 1_000 }),
        ]
        .into_iter()
        .peekable();
        let second = Duration::from_secs(1);
        let mut flush = Offset::ZERO + second;
        // As a sender reports: in batches, many a second.
        for replies in replies.chunk_by(|a, b| a.done.floor_to(REPORT) == b.done.floor_to(REPORT)) {
            let Some(last) = replies.last() else { continue };
            let (first, at) = (replies[0].done, last.done);
            while let Some((at, step)) = steps.next_if(|(at, _)| *at <= first) {
                tell(&mut recorder, at, step);
            }
            while first >= flush {
                recorder.flush(flush).expect("writes");
                flush = flush + second;
            }
            let taken = replies.iter().map(|reply| (0, recorder::second_of(reply.due), 1)).collect();
            let batch = Batch { at, through: at, taken, replies: replies.to_vec(), ..Batch::default() };
            recorder.batch(&batch).expect("writes");
        }
        recorder.flush(flush).expect("writes");
        folder.write_manifest(&manifest(scenario, plan)).expect("writes");
        Evidence::read(&folder).expect("reads")
    }

    /// The reply to a shot: bad from the fault's start to the step, and good with a few bad ones at any other time.
    fn reply(&self, seq: u64, due: Offset, start: Offset, truth: Offset, stream: &mut Stream) -> Reply {
        let broken = due >= start && due < truth;
        let (chance, millis) = (stream.unit(), 2.0 + 20.0 * stream.unit());
        let usual = Duration::from_secs_f64(millis / 1e3);
        let (outcome, length) = match self.manner {
            Manner::Errs if broken => (Outcome::Rejected, usual),
            Manner::Slow if broken => (Outcome::Ok, usual + BOUND * 2),
            Manner::Partly if broken && chance < 0.7 => (Outcome::Rejected, usual),
            // On a good day one in a hundred errs, and as many are slow: within what is promised.
            _ if chance < 0.01 => (Outcome::Rejected, usual),
            _ if chance > 0.99 => (Outcome::Ok, usual + BOUND * 3),
            _ => (Outcome::Ok, usual),
        };
        let done = due + length;
        Reply {
            traffic: 0,
            seq,
            class: None,
            outcome,
            status: Some(if outcome == Outcome::Ok { 200 } else { 503 }),
            due,
            ready: due,
            sent: Some(due).into(),
            first_byte: Some(done).into(),
            done,
            opening: Opening::default(),
            not_before: Maybe::NONE,
            why: None,
        }
    }
}

fn manifest(scenario: &Scenario, plan: &Plan) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "recovery".into(),
        scenario: scenario.name.clone(),
        file: "recovery".into(),
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

/// Cases over seeds, rates, manners and lengths from half a second to `longest`, evenly over their logarithm.
pub fn cases(count: u64, longest: Duration) -> Vec<Case> {
    let case = |n: u64| {
        let mut stream = Seed(n).stream("case");
        let span = (longest.as_secs_f64() / 0.5).ln();
        Case {
            seed: n + 1,
            rate: [1_000, 1_000, 2_000][(n % 3) as usize],
            after: Duration::from_nanos((0.5e9 * (span * stream.unit()).exp()) as u64),
            manner: [Manner::Errs, Manner::Slow, Manner::Partly][(n / 3 % 3) as usize],
        }
    };
    (0..count).map(case).collect()
}
