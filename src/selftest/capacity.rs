//! How many requests can be sent at all, by one worker, against a server that does no work.

use std::time::Duration;

use super::trial::Bench;
use crate::base::timing::Timing;

/// How long it is sent.
pub const LENGTH: Duration = Duration::from_secs(2);

/// What one worker can do.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Requests a second in a closed loop on 64 connections.
    pub rate: f64,
    /// What one costs the worker, in microseconds of processor time.
    pub cost: Option<f64>,
}

/// Sends as fast as it goes for some seconds.
pub async fn measure(bench: &Bench) -> Result<Capacity, String> {
    let yaml = format!(
        "proofload: 1\ntarget: {{ sim: calibrator, with: {{ cpu: {} }}, connections: 64 }}\ntraffic:\n  x:\n    \
         flow: {{ steps: [ {{ get: / }} ] }}\n    load: [ {{ saturate: {{ connections: 64, for: {}ms }} }} ]\nfitness: {{ workers: 1 }}\n",
        bench.target_cpu(),
        LENGTH.as_millis()
    );
    let trial = bench.trial("capacity", &yaml).await?;
    let rate = trial.tally(Timing::Response).count() as f64 / trial.measured().length().as_secs_f64();
    Ok(Capacity { rate, cost: trial.cpu().map(|cpu| cpu * 1e6 / rate.max(1.0)) })
}
