//! What this host can be trusted with: the whole instrument, from plan to evidence, held against a server of our own
//! that keeps its own log.
//!
//! Five questions, a few seconds each. How punctually do shots leave, at which rates? How many requests can be sent at
//! all, and what does one cost? Is what is reported of a server that freezes what its log says? Do the stage's faults
//! strike as often as they should? Does each kind of fault do what it says, and is it gone when it is over?

mod accuracy;
pub mod breakage;
mod capacity;
mod cores;
pub mod outside;
pub mod punctuality;
pub mod stall;
mod trial;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use crate::base::units;
use crate::scenario::Precision;

pub use accuracy::Accuracy;
pub use breakage::Broken;
pub use capacity::Capacity;
pub use punctuality::Punctuality;
pub use stall::{Stall, Truth};
pub use trial::Bench;
pub use trust::Trust;

/// What was found out about this host.
#[derive(Debug, Clone)]
pub struct Findings {
    /// At rising rates.
    pub punctuality: Vec<Punctuality>,
    /// In a closed loop.
    pub capacity: Capacity,
    /// Of servers that freeze.
    pub stalls: Vec<Stall>,
    /// Of a fault on a stub.
    pub accuracy: Accuracy,
    /// Of every kind of fault that can be tried on any host: not limits on control groups, and no containers.
    pub broken: Vec<Broken>,
}

/// What a run takes beside its load: a target starts, answers, is heard to its end and stopped.
const AROUND: Duration = Duration::from_millis(1_500);

/// How long the self-test takes by its own plan, on a machine that keeps up.
pub fn planned() -> Duration {
    let (rates, stalls) = (punctuality::RATES.len() as u32, stall::CASES.len() as u32);
    let frozen: u32 = stall::CASES.iter().map(|case| case.load).sum();
    let loads = punctuality::LENGTH * rates + Duration::from_secs(frozen.into()) + capacity::LENGTH + accuracy::LENGTH;
    loads + outside::LENGTH + breakage::LENGTH + AROUND * (rates + stalls + 3)
}

/// Tests this host; `tell` is told of each part as it begins. `program` is this program, for its children. The error
/// says which part could not be done and why.
pub async fn run(program: PathBuf, tell: impl Fn(&str)) -> Result<Findings, String> {
    let bench = Bench::new(program)?;
    tell(&format!("five parts, about {} in all", units::duration(Duration::from_secs(planned().as_secs()))));
    tell("punctuality: shots at rising rates");
    let mut punctuality = Vec::new();
    for rate in punctuality::RATES {
        punctuality.push(punctuality::measure(&bench, rate, Precision::Balanced).await?);
    }
    tell("capacity: a closed loop on 64 connections");
    let capacity = capacity::measure(&bench).await?;
    tell("truth: servers that freeze");
    let mut stalls = Vec::new();
    for case in stall::CASES {
        stalls.push(stall::measure(&bench, case).await?);
    }
    tell("faults: one request in five");
    let accuracy = accuracy::measure(&bench).await?;
    tell("faults: one of each kind");
    let mut broken = breakage::measure(&bench).await?;
    broken.extend(outside::measure(&bench).await?);
    Ok(Findings { punctuality, capacity, stalls, accuracy, broken })
}

impl Findings {
    /// Whether what is reported is the truth here. How much load the host can take is another question.
    pub fn holds(&self) -> bool {
        let broken = self.broken.iter().all(|broken| broken.seen.is_ok());
        self.stalls.iter().all(Stall::holds) && self.accuracy.holds() && broken && self.trust().is_some()
    }

    /// What the host can be trusted with; `None` when with no rate that was tried.
    pub fn trust(&self) -> Option<Trust> {
        let kept = self.punctuality.iter().take_while(|p| p.kept()).last()?;
        Some(Trust::new(kept.rate, self.capacity.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_less_than_a_minute() {
        assert!(planned() < Duration::from_secs(55), "{:?}", planned());
    }
}
