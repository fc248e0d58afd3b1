//! The run itself as metrics, for whoever watches it from a Prometheus: as a page to be scraped, or as what is pushed.
//! What was planned, what was sent and what became of it, faults, and how promises stand. Pure.

mod page;
mod push;

pub use page::{Media, page};
pub use push::{Extra, write_request};

use crate::evidence::board::{BOUNDS, Board, Lane};
use crate::evidence::reply::Outcome;
use crate::judge::{Standing, State, Verdict};
use crate::plan::Plan;

/// What is known of a run.
pub struct Metered<'m> {
    /// The name of the scenario.
    pub scenario: &'m str,
    /// The version of this program.
    pub version: &'m str,
    /// What was planned.
    pub plan: &'m Plan,
    /// What the recorder counted.
    pub board: &'m Board,
    /// How promises stand.
    pub standings: &'m [Standing],
    /// What the judge made of it, when it has.
    pub verdict: Option<Verdict>,
}

/// How values of a metric move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts by bucket.
    Histogram,
    /// A fact, always 1.
    Info,
}

/// All series of a name.
pub struct Family {
    /// Without the suffixes of its samples.
    pub name: &'static str,
    /// How its values move.
    pub kind: Kind,
    /// What it is.
    pub help: &'static str,
    /// In the order in which they are written.
    pub samples: Vec<Sample>,
}

/// What tells a series from others, in the order in which it is written.
pub type Labels = Vec<(&'static str, String)>;

/// A value.
pub struct Sample {
    /// What its name has more than its family's.
    pub suffix: &'static str,
    /// In the order in which they are written.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Everything that is said of a run.
pub fn families(of: &Metered<'_>) -> Vec<Family> {
    let board = of.board;
    let named = |more: Labels| [vec![("scenario", of.scenario.to_owned())], more].concat();
    let family = |name, kind, help, samples| Family { name, kind, help, samples };
    let sample = |suffix, more, value| Sample { suffix, labels: named(more), value };
    let each_lane = |suffix, value: &dyn Fn(usize) -> f64| -> Vec<Sample> {
        let lanes = board.traffic.iter().enumerate();
        lanes.map(|(n, lane)| sample(suffix, vec![("traffic", lane.name.clone())], value(n))).collect()
    };
    let phases = board.traffic.iter().filter(|lane| !lane.phase.is_empty() && board.at < board.end);
    let outcomes = board.traffic.iter().flat_map(|lane| {
        let counted = Outcome::ALL.into_iter().zip(lane.outcomes);
        // What every run has from the beginning, and what has happened: others would be zeros for ever.
        let shown = counted.filter(|(outcome, count)| *count > 0 || *outcome == Outcome::Ok);
        shown.map(move |(outcome, count)| {
            (vec![("traffic", lane.name.clone()), ("outcome", outcome.word().into())], count)
        })
    });
    let planned =
        |n: usize| of.plan.traffic.get(n).map_or(0.0, |plan| plan.profile.expected_by(board.at.min(board.end)));
    let stands = |state: State| -> Vec<Sample> {
        let promise = |standing: &Standing| {
            let labels = vec![
                ("promise", standing.promise.clone()),
                ("window", standing.window.clone()),
                ("severity", standing.severity.word().into()),
            ];
            sample("", labels, f64::from(standing.state == state))
        };
        // Of what is promised twice in the same words one series is enough.
        let is_first = |n: usize, s: &Standing| {
            !of.standings[..n].iter().any(|before| (&before.promise, &before.window) == (&s.promise, &s.window))
        };
        of.standings.iter().enumerate().filter(|(n, s)| is_first(*n, s)).map(|(_, s)| promise(s)).collect()
    };
    let started = (board.wall - board.at.nanos()) as f64 / 1e9;
    let mut families = vec![
        family(
            "proofload_run",
            Kind::Info,
            "Which scenario is run, and by which version of proofload.",
            vec![sample("_info", vec![("version", of.version.into())], 1.0)],
        ),
        family(
            "proofload_run_started_timestamp_seconds",
            Kind::Gauge,
            "When the load began, or will, in seconds since the Unix epoch.",
            vec![sample("", vec![], started)],
        ),
        family(
            "proofload_run_position_seconds",
            Kind::Gauge,
            "How long the load has been going on, in seconds; below zero before it begins.",
            vec![sample("", vec![], board.at.secs())],
        ),
        family(
            "proofload_run_planned_seconds",
            Kind::Gauge,
            "How long the load is planned to go on, in seconds.",
            vec![sample("", vec![], board.end.secs())],
        ),
        family(
            "proofload_phase_active",
            Kind::Gauge,
            "1 for the load segment that each traffic is in.",
            phases.map(|l| sample("", vec![("traffic", l.name.clone()), ("phase", l.phase.clone())], 1.0)).collect(),
        ),
        family(
            "proofload_shots_planned",
            Kind::Counter,
            "Shots that the plan expects to be due by now; those of closed loops are not planned.",
            each_lane("_total", &planned),
        ),
        family(
            "proofload_shots_taken",
            Kind::Counter,
            "Shots taken up by our senders.",
            each_lane("_total", &|n| board.traffic[n].taken as f64),
        ),
        family(
            "proofload_shots_finished",
            Kind::Counter,
            "Shots that are over, by what became of them.",
            outcomes.map(|(labels, count)| sample("_total", labels, count as f64)).collect(),
        ),
        family(
            "proofload_shots_late",
            Kind::Counter,
            "Shots that were taken up late by our own doing.",
            each_lane("_total", &|n| board.traffic[n].late as f64),
        ),
        family(
            "proofload_shots_in_flight",
            Kind::Gauge,
            "Shots under way.",
            each_lane("", &|n| board.traffic[n].in_flight() as f64),
        ),
        family(
            "proofload_response_seconds",
            Kind::Histogram,
            "From when a shot was due to when it was over, whatever became of it, in seconds.",
            board.traffic.iter().flat_map(|lane| histogram(lane, &named)).collect(),
        ),
        family(
            "proofload_fault_active",
            Kind::Gauge,
            "1 for each fault that is effective.",
            board.faults.iter().map(|fault| sample("", vec![("fault", fault.clone())], 1.0)).collect(),
        ),
        family(
            "proofload_promise_broken",
            Kind::Gauge,
            "1 where a promise is broken by what is known so far; the verdict may be another.",
            stands(State::Broken),
        ),
        family(
            "proofload_promise_kept",
            Kind::Gauge,
            "1 where a promise is kept by what is known so far; the verdict may be another.",
            stands(State::Kept),
        ),
        family(
            "proofload_sender_cpu_ratio",
            Kind::Gauge,
            "The share of a core that the busiest sender used in the last second.",
            board.cpu.map(|cpu| sample("", vec![], cpu)).into_iter().collect(),
        ),
        family(
            "proofload_run_verdict",
            Kind::Gauge,
            "1 for the verdict, when the run has been judged.",
            of.verdict.map(|verdict| sample("", vec![("verdict", verdict.word().into())], 1.0)).into_iter().collect(),
        ),
    ];
    families.retain(|family| !family.samples.is_empty());
    families
}

/// The samples of a histogram: cumulative, its bounds rising.
fn histogram(lane: &Lane, named: &dyn Fn(Labels) -> Labels) -> Vec<Sample> {
    let traffic = || vec![("traffic", lane.name.clone())];
    let mut below = 0;
    let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
    let mut samples: Vec<Sample> = bounds
        .zip(lane.buckets)
        .map(|(bound, count)| {
            below += count;
            let labels = [named(traffic()), vec![("le", page::number(bound))]].concat();
            Sample { suffix: "_bucket", labels, value: below as f64 }
        })
        .collect();
    samples.push(Sample { suffix: "_sum", labels: named(traffic()), value: lane.seconds });
    samples.push(Sample { suffix: "_count", labels: named(traffic()), value: below as f64 });
    samples
}
