//! What ends an experiment early: conditions that can be evaluated while it goes on.

use std::time::Duration;

use super::super::Job;
use super::super::claim::{Claim, Promise, Purpose};
use super::super::effect_claim::EffectMeasure;
use super::super::fault::Fault;
use super::super::leak::{Grower, LeakClaim};
use super::super::promise::ends_for_good;
use super::super::raw;
use super::super::traffic::Traffic;
use super::super::world::Abort;
use super::Check;
use super::effect_claim::names_ids;
use crate::base::units;

/// How long a condition must be seen, unless the scenario says otherwise.
const HOLD: Duration = Duration::from_secs(10);
/// The same of memory, which shows no trend in seconds.
const HOLD_OF_MEMORY: Duration = Duration::from_secs(600);
/// So many looks at memory make a trend at the least.
const LOOKS: u32 = 20;
/// Conditions are looked at once a second.
const LOOK: Duration = Duration::from_secs(1);

/// What of a scenario a condition may be about.
pub(super) struct Known<'a> {
    pub traffic: &'a [Traffic],
    pub jobs: &'a [Job],
    pub faults: &'a [Fault],
    pub promises: &'a [Promise],
}

impl Check<'_, '_> {
    pub(super) fn aborts(&mut self, raw: &raw::Root, known: &Known<'_>) -> Vec<Abort> {
        let mut all = Vec::new();
        for (i, abort) in raw.abort_when.iter().flat_map(|a| &a.value).enumerate() {
            all.extend(self.within(&i.to_string(), |c| c.abort(abort, raw, known)));
        }
        all
    }

    fn abort(&mut self, raw: &raw::Abort, root: &raw::Root, known: &Known<'_>) -> Option<Abort> {
        // First, because after a mistake here it would be taken for told.
        let claim = self.condition(raw, root, known);
        let asked = raw.r#for.map(|hold| {
            if hold.value < LOOK || !hold.value.as_nanos().is_multiple_of(LOOK.as_nanos()) {
                let what = "conditions are looked at once a second";
                self.reader.wrong(hold.at, what, "write whole seconds, 1s or more: `for: 10s`");
            }
            hold.value
        });
        let claim = claim?;
        let default = if matches!(claim, Claim::Leak(_)) { HOLD_OF_MEMORY } else { HOLD };
        let hold = asked.unwrap_or(default);
        self.fits_condition(raw, &claim, hold, root, known);
        // A second is as fine as it gets, and a trend takes as many looks as it takes, however fast time runs.
        let scaled = self.scaled(hold).as_millis().div_ceil(LOOK.as_millis()).max(1) as u64;
        let least = if let Claim::Leak(leak) = &claim { looked_at(leak, root, known.jobs) * LOOKS } else { LOOK };
        let hold = (LOOK * u32::try_from(scaled).unwrap_or(u32::MAX)).max(least);
        Some(Abort { text: raw.expect.value.clone(), claim, hold, place: raw.expect.at })
    }

    fn condition(&mut self, raw: &raw::Abort, root: &raw::Root, known: &Known<'_>) -> Option<Claim> {
        let (expect, promql, traffic) = (&raw.expect, raw.promql.as_ref(), known.traffic);
        let read = self
            .absorbed(expect, promql, traffic, known.faults)
            .or_else(|| self.effect_claim(expect, promql, traffic, Purpose::Stop))
            .or_else(|| self.leak_claim(expect, promql, root, Purpose::Stop));
        read.unwrap_or_else(|| self.claim(expect, promql, traffic, Purpose::Stop))
    }

    /// What can never be met, and settings that do not go together.
    fn fits_condition(&mut self, raw: &raw::Abort, claim: &Claim, hold: Duration, root: &raw::Root, known: &Known<'_>) {
        let place = raw.expect.at;
        let of_fault = match claim {
            Claim::Client(expectation) if expectation.measure.is_of_fault() => {
                self.has_steady(expectation, place, known.promises.iter(), known.traffic);
                Some(expectation.measure.to_string())
            }
            Claim::Effects(claim) => {
                self.can_be_told(claim, place, known.traffic);
                let signal = known.traffic[claim.traffic].kind.signal();
                if claim.measure == EffectMeasure::Lost && signal.is_some_and(|signal| !names_ids(signal)) {
                    let what = "where a metric only counts effects, what is lost is known when all is drained";
                    self.reader.wrong(place, what, "ask the target, beside `promql`: what its counters say it lost");
                }
                if claim.measure == EffectMeasure::Drain && signal.is_some_and(|signal| !signal.unmatched.is_empty()) {
                    let what = "where counters tell of signals that start nothing, a drain is known when all is over";
                    self.reader.wrong(
                        place,
                        what,
                        "ask how far the reader is behind: `consumer_lag(signals) > 100000`",
                    );
                }
                (claim.measure == EffectMeasure::Drain).then(|| claim.measure.to_string())
            }
            Claim::Absorbed(absorbed) => {
                self.is_accounted_for(place, absorbed.fault, known.faults);
                if !absorbed.compare.is_ceiling() {
                    let (what, _) = ends_for_good(&raw.expect.value);
                    self.reader.wrong(place, what, "say what is too little: use < or <=");
                }
                None
            }
            Claim::Leak(leak) => {
                let least = looked_at(leak, root, known.jobs) * LOOKS;
                if hold < least {
                    let at = raw.r#for.map_or(place, |hold| hold.at);
                    let what = format!("memory shows no trend in fewer than {LOOKS} looks");
                    let remedy = format!("write {} or more, some ten minutes for a slow leak", units::duration(least));
                    self.reader.wrong(at, what, remedy);
                }
                None
            }
            Claim::Server { place, .. } if known.jobs.is_empty() && !self.reader.is_broken("observe") => {
                let what = "nothing is scraped, so that this has no answer ever";
                self.reader.wrong(*place, what, "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`");
                None
            }
            _ => None,
        };
        let Some(measure) = of_fault else { return };
        if known.faults.is_empty() && !self.reader.is_broken("faults") {
            let what = format!("there is no fault, and so no {measure}");
            self.reader.wrong(place, what, "add one under `faults:`, or leave this out");
        }
        if let Some(hold) = raw.r#for {
            let what = format!("a {measure} happens once, and its bound says how long it may take");
            self.reader.wrong(hold.at, what, "leave out `for`");
        }
    }
}

/// How often the memory that a claim is about is looked at: that of a process once a second, of a page at each scrape.
fn looked_at(claim: &LeakClaim, root: &raw::Root, jobs: &[Job]) -> Duration {
    let slowest = |meant: &dyn Fn(&Job) -> bool| jobs.iter().filter(|job| meant(job)).map(|job| job.every).max();
    let every = match &claim.of {
        Grower::Target if root.target.has_process() => None,
        Grower::Target => slowest(&|_| true),
        Grower::Process(_) => None,
        Grower::Job(name) => slowest(&|job| job.name == *name),
    };
    every.unwrap_or(LOOK).max(LOOK)
}
