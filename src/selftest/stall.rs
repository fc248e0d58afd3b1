//! Whether what is reported of a server that freezes is the truth. The truth of a shot is when the server, by its own
//! log, answered it, less when the shot was due by the plan.

use std::time::Duration;

use super::trial::{Bench, Trial};
use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::base::trace::Tracer;
use crate::evidence::tally::Tally;
use crate::sim::calibrator::{self, Served};

/// The quantiles that are compared; 1 is the maximum.
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 1.0];
/// What is reported may be off by so much, or by a hundredth.
const TOLERANCE: Duration = Duration::from_millis(1);

/// How a server freezes, and under which load.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Shots a second.
    pub rate: u32,
    /// For how long, in milliseconds.
    pub freeze: u64,
    /// From one freeze to the next, in milliseconds; 0 for one freeze.
    pub every: u64,
    /// How long the load is, in seconds.
    pub load: u32,
}

/// What is tried on a user's machine.
pub const CASES: [Case; 3] = [
    Case { rate: 500, freeze: 100, every: 1_000, load: 3 },
    Case { rate: 2_000, freeze: 100, every: 1_000, load: 3 },
    Case { rate: 10_000, freeze: 2_000, every: 0, load: 4 },
];

/// What was found out about one case.
#[derive(Debug, Clone)]
pub struct Stall {
    /// Which.
    pub case: Case,
    /// How many shots were planned, and how many the server answered by its log.
    pub shots: (u64, u64),
    /// Quantile by quantile.
    pub truths: Vec<Truth>,
}

/// One quantile.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Which; 1 is the maximum.
    pub quantile: f64,
    /// By the plan and the server's log.
    pub truth: Duration,
    /// As we report it.
    pub reported: Duration,
    /// As a closed-loop tool would: from when the request was sent.
    pub closed: Duration,
}

/// Sends while a server freezes, and compares.
pub async fn measure(bench: &Bench, case: Case) -> Result<Stall, String> {
    let Case { rate, freeze, every, load } = case;
    let name = format!("stall-{rate}-{freeze}");
    let log = bench.file(&format!("{name}.log"));
    let yaml = format!(
        "proofload: 1\ntarget:\n  sim: calibrator\n  with: {{ freeze: {freeze}ms, every: {every}ms, from: 500ms, log: '{}', cpu: {} }}\n  \
         timeout: 20s\n  connections: 64\ntraffic:\n  x:\n    flow: {{ steps: [ {{ get: / }} ] }}\n    arrivals: even\n    \
         load: [ {{ hold: {{ at: {rate}/s, for: {load}s }} }} ]\n",
        log.display(),
        bench.target_cpu()
    );
    let trial = bench.trial(&name, &yaml).await?;
    let served = calibrator::read_log(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    Ok(compare(case, &trial, &served))
}

fn compare(case: Case, trial: &Trial, served: &[Served]) -> Stall {
    let manifest = &trial.evidence.manifest;
    let tracer = Tracer::new(trial.scenario.seed, &manifest.run);
    let due: Vec<Offset> = trial.plan.traffic[0].shots().map(|shot| shot.due).collect();
    let truth = |served: &Served| {
        let due = due.get(tracer.shot(served.trace)?.seq as usize)?;
        let answered = Offset::from_nanos(served.answered as i64 - manifest.monotonic_zero as i64);
        Some(answered.since(*due))
    };
    let mut truths: Vec<Duration> = served.iter().filter_map(truth).collect();
    truths.sort_unstable();
    let (reported, closed) = (trial.tally(Timing::Response), trial.tally(Timing::Service));
    let row = |quantile: f64| {
        let rank = ((quantile * truths.len() as f64).ceil() as usize).clamp(1, truths.len().max(1));
        let of = |tally: &Tally| if quantile == 1.0 { tally.max() } else { tally.quantile(quantile) };
        Some(Truth { quantile, truth: *truths.get(rank - 1)?, reported: of(&reported)?, closed: of(&closed)? })
    };
    Stall {
        case,
        shots: (due.len() as u64, truths.len() as u64),
        truths: QUANTILES.into_iter().filter_map(row).collect(),
    }
}

impl Stall {
    /// Whether every shot is in the log and every quantile is the truth.
    pub fn holds(&self) -> bool {
        self.shots.0 == self.shots.1 && self.truths.len() == QUANTILES.len() && self.truths.iter().all(Truth::holds)
    }
}

impl Truth {
    /// Whether what is reported is the truth.
    pub fn holds(&self) -> bool {
        self.reported.abs_diff(self.truth) <= TOLERANCE.max(self.truth / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_within_a_hundredth_or_a_millisecond() {
        let truth = |truth, reported| Truth {
            quantile: 0.5,
            truth: Duration::from_micros(truth),
            reported: Duration::from_micros(reported),
            closed: Duration::ZERO,
        };
        assert!(truth(1_000, 1_999).holds() && truth(200_000, 198_000).holds());
        assert!(!truth(1_000, 2_001).holds() && !truth(200_000, 197_999).holds() && !truth(54_000, 1_100).holds());
    }
}
