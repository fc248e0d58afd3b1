//! How punctually shots leave.

use std::time::Duration;

use super::trial::Bench;
use crate::base::time::{Clock, Offset};
use crate::base::timing::Timing;
use crate::evidence::tally::Tally;
use crate::scenario::Precision;

/// Shots a second that are tried, in order.
pub const RATES: [u32; 4] = [1_000, 10_000, 25_000, 50_000];
/// A host keeps a rate when 99 shots in 100 leave within this time: the limit that a run has by default at the least.
const PUNCTUAL: Duration = Duration::from_millis(1);
/// And when the busiest worker is not busier than this.
const BUSY: f64 = 0.8;
/// How long is sent before it counts, and then.
const WARM_UP: Duration = Duration::from_millis(500);
const HOLD: Duration = Duration::from_secs(2);
/// How long a loop that does nothing else is watched for comparison.
const BARE: Duration = Duration::from_millis(500);
/// How long one rate takes.
pub const LENGTH: Duration = WARM_UP.saturating_add(HOLD).saturating_add(BARE);

/// How punctual shots were at one rate.
#[derive(Debug, Clone)]
pub struct Punctuality {
    /// Shots a second.
    pub rate: u32,
    /// How many were planned in the whole load, and how many were taken up.
    pub shots: (u64, u64),
    /// How late they were.
    pub lag: Tally,
    /// How late a loop is that only spins until each due time: what the host does not allow anybody.
    pub bare: Tally,
    /// The share of a core that the busiest worker used.
    pub cpu: Option<f64>,
}

/// Sends at a rate for some seconds.
pub async fn measure(bench: &Bench, rate: u32, precision: Precision) -> Result<Punctuality, String> {
    let word = precision.word();
    let yaml = format!(
        "proofload: 1\ntarget: {{ sim: calibrator, with: {{ cpu: {} }} }}\ntraffic:\n  x:\n    flow: {{ steps: [ {{ get: / }} ] }}\n    arrivals: even\n    \
         load: [ {{ warm_up: {{ at: {rate}/s, for: {}ms }} }}, {{ hold: {{ for: {}ms }} }} ]\n\
         fitness: {{ precision: {word} }}\n",
        bench.target_cpu(),
        WARM_UP.as_millis(),
        HOLD.as_millis()
    );
    let trial = bench.trial(&format!("punctual-{rate}-{word}"), &yaml).await?;
    let taken = trial
        .evidence
        .latency
        .tally(crate::base::time::Span { start: Offset::ZERO, end: Offset::MAX }, |tag| tag.timing == Timing::Response);
    let bare = tokio::task::spawn_blocking(move || spin(rate)).await.map_err(|e| e.to_string())?;
    Ok(Punctuality {
        rate,
        shots: (trial.plan.traffic[0].count(), taken.count()),
        lag: trial.tally(Timing::Lag),
        bare,
        cpu: trial.cpu(),
    })
}

fn spin(rate: u32) -> Tally {
    let clock = Clock::starting_in(Duration::from_millis(1));
    let step = Duration::from_secs(1) / rate;
    let mut due = Offset::ZERO;
    let mut late = Tally::default();
    while due < Offset::after_zero(BARE) {
        let mut now = clock.now();
        while now < due {
            std::hint::spin_loop();
            now = clock.now();
        }
        late.record(now.since(due));
        due = due + step;
    }
    late
}

impl Punctuality {
    /// What a shot costs, in microseconds of the worker's processor time.
    pub fn cost(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu * 1e6 / f64::from(self.rate))
    }

    /// Whether the host keeps this rate.
    pub fn kept(&self) -> bool {
        let punctual = self.lag.quantile(0.99).is_some_and(|lag| lag <= PUNCTUAL);
        punctual && self.shots.0 == self.shots.1 && self.cpu.is_none_or(|cpu| cpu <= BUSY)
    }
}
