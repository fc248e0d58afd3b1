//! Runs whose law is known: a plan, one server with a queue before it, the recorder, all under a virtual clock. What waits
//! behind a long reply waits too, so that lengths hang together over time as those of a real target do.

use std::path::Path;
use std::time::Duration;

use proofload::base::seed::{Seed, Stream};
use proofload::base::time::Offset;
use proofload::base::trace::Tracer;
use proofload::evidence::folder::Folder;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{self, Batch, Recorder};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply};
use proofload::judge::{self, Comparison, FIGURES, Side};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};

/// How often a sender reports.
const REPORT: Duration = Duration::from_millis(100);
/// From the due time to the queue, and from the server back.
const WAY: f64 = 0.004;

/// A run to be made up.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Draws the server's lengths; arrivals are those of the plan.
    pub seed: u64,
    /// Shots a second.
    pub rate: u64,
    /// How many seconds.
    pub seconds: u64,
    /// The share of time that the server works.
    pub busy: f64,
    /// How many times as long everything takes.
    pub slower: f64,
    /// The share of shots that fail.
    pub fails: f64,
}

/// A run that was made up.
pub struct Run {
    pub plan: Plan,
    pub evidence: Evidence,
}

impl Made {
    /// Makes it up and reads it back.
    pub fn make(&self, parent: &Path) -> Run {
        let scenario = self.scenario();
        let plan = Plan::new(&scenario);
        let folder = Folder::create(parent, self.seed as i64 * 1_000_000).expect("a folder");
        let known = recorder::Plan {
            traffic: vec![("x".into(), Vec::new())],
            parts: Vec::new(),
            edges: plan.timeline.edges(),
            faults: Vec::new(),
            workers: 1,
            lag_limit: scenario.fitness.lag,
            wall_zero: 0,
            tracer: Tracer::new(Seed(self.seed), "compare"),
        };
        let mut recorder = Recorder::create(&folder, known).expect("creates");
        let mut replies = self.replies(&plan);
        replies.sort_by_key(|reply| reply.done);
        let second = Duration::from_secs(1);
        let mut flush = Offset::ZERO + second;
        for replies in replies.chunk_by(|a, b| a.done.floor_to(REPORT) == b.done.floor_to(REPORT)) {
            let (Some(first), Some(last)) = (replies.first(), replies.last()) else { continue };
            while first.done >= flush {
                recorder.flush(flush).expect("writes");
                flush = flush + second;
            }
            let taken = replies.iter().map(|reply| (0, recorder::second_of(reply.due), 1)).collect();
            let batch =
                Batch { at: last.done, through: last.done, taken, replies: replies.to_vec(), ..Batch::default() };
            recorder.batch(&batch).expect("writes");
        }
        recorder.flush(flush).expect("writes");
        folder.write_manifest(&manifest(&scenario, &plan)).expect("writes");
        let evidence = Evidence::read(&folder).expect("reads");
        std::fs::remove_dir_all(folder.path()).expect("ours");
        Run { plan, evidence }
    }

    fn scenario(&self) -> Scenario {
        // One seed: the plans of a pair are the same, as those of a fair pair are.
        let text = format!(
            "proofload: 1\nseed: 1\ntarget: {{ sim: quote-service, timeout: 2s }}\ntraffic:\n  x:\n    \
             flow: {{ steps: [{{ get: / }}] }}\n    load: [{{ hold: {{ at: {}/s, for: {}s }} }}]\n\
             slo:\n  - {{ expect: errors(x) < 50% }}\n",
            self.rate, self.seconds
        );
        scenario::read("compare", &text, &Settings::alone("compare")).expect("valid")
    }

    fn replies(&self, plan: &Plan) -> Vec<Reply> {
        let mut stream = Seed(self.seed).stream("target");
        let mean = self.busy / self.rate as f64;
        let mut free = 0.0; // when the server has done all that came before
        let mut reply = |seq: u64, due: Offset| {
            // A lognormal length: many are short and some are long.
            let length = mean * (0.8 * normal(&mut stream) - 0.32).exp();
            let start = f64::max(due.secs(), free);
            free = start + length;
            let took = Duration::from_secs_f64((WAY + free - due.secs()) * self.slower);
            let outcome = if stream.unit() < self.fails { Outcome::Rejected } else { Outcome::Ok };
            let done = due + took;
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
                not_before: Maybe::NONE,
                done,
                opening: Opening::default(),
                why: None,
            }
        };
        plan.traffic[0].shots().map(|shot| reply(shot.seq, shot.due)).collect()
    }
}

/// A standard normal number: Box and Muller's method.
fn normal(stream: &mut Stream) -> f64 {
    let (u, v) = (stream.unit().max(1e-300), stream.unit());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Compares two runs, with 5 % for what matters.
pub fn compared(base: &Run, candidate: &Run) -> Comparison {
    let side = |run: &'_ Run| run.plan.timeline.measured(Some(0));
    judge::compare(
        Side { evidence: &base.evidence, traffic: "x", measured: side(base) },
        Side { evidence: &candidate.evidence, traffic: "x", measured: side(candidate) },
        0.05,
        FIGURES,
        Seed(1),
    )
}

fn manifest(scenario: &Scenario, plan: &Plan) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "compare".into(),
        scenario: scenario.name.clone(),
        file: "compare".into(),
        scenario_digest: String::new(),
        plan_digest: plan.digest(),
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
