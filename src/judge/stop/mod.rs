//! Stop conditions (`abort_when`): whether what ends an experiment early has been seen for as long as it says.
//!
//! A condition about the client is asked of the seconds in which shots were due, once all of them are over, or have been
//! under way for so long that they are beyond the bound whatever becomes of them. It is met when, over the stretch that
//! it must hold, each second that had shots meets it, and all of them together with as many shots as a promise would need.
//! Seconds that the generator spoilt count for neither side: nobody ends an experiment for what we did. Nor for signals that
//! rightly started nothing: as many as the system's own counters rose by since the beginning of the stretch may be such, all of them
//! where the counters say nothing, and the stretch as a whole must meet the condition without them, too.
//!
//! What goes wrong with signals only becomes more: a stretch is judged as soon as what is known of it is too much, and any that
//! is remembered may be the one.
//!
//! What happens once after a fault (recovery, detection, a drain) has taken too long when the promise that it would not is broken,
//! whatever is still to come.
//!
//! One about the target's metrics is asked at each scrape, and met when any element of the answer has met it at every scrape
//! of the stretch. No answer, or NaN, meets nothing.

mod shots;
mod strikes;

use std::time::Duration;

use super::effects;
use super::ledger;
use super::resources::{self, Resources};
use super::server::Server;
use super::trial::Trial;
use crate::base::series::{Labels, Series};
use crate::base::time::Offset;
use crate::base::units;
use crate::evidence::reader::Evidence;
use crate::plan::Plan;
use crate::scenario::{Abort, Claim, EffectMeasure, Scenario};

/// Watches the stop conditions of a scenario.
#[derive(Debug, Clone)]
pub struct Stops {
    /// Since when each condition about metrics has been met at every scrape; milliseconds since the Unix epoch.
    since: Vec<Option<i64>>,
    /// The scrape at which each was last asked.
    asked: Vec<Option<i64>>,
    /// How far back anything is asked for.
    horizon: Duration,
}

impl Stops {
    /// Nothing has been seen.
    pub fn new(scenario: &Scenario, plan: &Plan) -> Stops {
        let all = scenario.abort_when.len();
        Stops { since: vec![None; all], asked: vec![None; all], horizon: horizon(scenario, plan) }
    }

    /// How far back evidence is asked for, from what was due last and has come to an end.
    pub fn horizon(&self) -> Duration {
        self.horizon
    }

    /// Whether conditions ask what single requests faults struck, which is written down in files of its own.
    pub fn ask_for_touches(scenario: &Scenario) -> bool {
        // They also tell when what strikes as a whole first did, and which shots were under way when another began.
        let asks = |claim: &Claim| matches!(claim, Claim::Absorbed(_)) || strikes::is_of_fault(claim);
        scenario.abort_when.iter().any(|abort| asks(&abort.claim))
    }

    /// Whether a condition on memory asks for a series.
    pub fn ask_for(scenario: &Scenario, labels: &Labels) -> bool {
        let is_memory = || resources::is_memory(labels.name());
        scenario.abort_when.iter().any(|abort| matches!(abort.claim, Claim::Leak(_))) && is_memory()
    }

    /// Looks at what is known `now`: why the experiment must end, if it must.
    pub fn look(
        &mut self,
        scenario: &Scenario,
        plan: &Plan,
        evidence: &Evidence,
        samples: &[Series],
        now: Offset,
    ) -> Option<String> {
        if scenario.abort_when.is_empty() {
            return None;
        }
        let trial = Trial::new(scenario, plan, evidence);
        let server = Server::new(&trial, samples);
        let all = scenario.abort_when.iter().enumerate();
        let met = all.filter_map(|(i, abort)| {
            let why = match &abort.claim {
                Claim::Client(expectation) if expectation.measure.is_of_fault() => {
                    strikes::of_shots(&trial, &server, expectation, now, self.horizon)
                }
                Claim::Client(expectation) => shots::met(&trial, &server, expectation, abort, now),
                Claim::Effects(claim) if claim.measure == EffectMeasure::Drain => {
                    strikes::of_signals(&trial, claim, now, self.horizon)
                }
                Claim::Effects(claim) => effects::too_much(&trial, &server, claim, abort.hold),
                Claim::Absorbed(claim) => ledger::too_little(&trial, claim, abort.hold, now),
                Claim::Leak(claim) => Resources::read(&trial, samples).too_fast(&trial, claim, abort.hold),
                // Refused where they are read.
                Claim::Relative(_) | Claim::Alert(_) | Claim::Notified(_) | Claim::Capacity(_) => None,
                Claim::Server { expr, compare, bound, .. } => {
                    self.metrics(i, abort, server.now(&abort.text, expr, abort.hold, *compare, *bound))
                }
            }?;
            Some(format!("{}: {why}", abort.text))
        });
        met.collect::<Vec<_>>().into_iter().next()
    }

    /// Takes the answer at a scrape: when, and the element that meets the condition, if one does.
    fn metrics(&mut self, nth: usize, abort: &Abort, answer: Option<(i64, Option<String>)>) -> Option<String> {
        let (at, met) = answer?;
        if self.asked[nth].is_some_and(|asked| asked >= at) {
            return None;
        }
        self.asked[nth] = Some(at);
        let Some(element) = met else {
            self.since[nth] = None;
            return None;
        };
        let since = *self.since[nth].get_or_insert(at);
        let long = at - since >= abort.hold.as_millis() as i64;
        long.then(|| format!("{element}, for {}", units::duration(Duration::from_millis((at - since).unsigned_abs()))))
    }
}

/// How far back the conditions of a scenario ask.
fn horizon(scenario: &Scenario, plan: &Plan) -> Duration {
    let of = |abort: &Abort| match &abort.claim {
        claim if strikes::is_of_fault(claim) => strikes::horizon(scenario, plan, claim),
        _ => abort.hold,
    };
    scenario.abort_when.iter().map(of).max().unwrap_or_default()
}
