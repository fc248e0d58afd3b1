//! What ends an experiment early: conditions that can be evaluated while it goes on.

use std::time::Duration;

use super::super::Job;
use super::super::claim::Claim;
use super::super::raw;
use super::super::traffic::Traffic;
use super::super::world::Abort;
use super::Check;

/// How long a condition must be seen, unless the scenario says otherwise.
const HOLD: Duration = Duration::from_secs(10);
/// Conditions are looked at once a second.
const LOOK: Duration = Duration::from_secs(1);

impl Check<'_, '_> {
    pub(super) fn aborts(&mut self, raw: &raw::Root, traffic: &[Traffic], jobs: &[Job]) -> Vec<Abort> {
        let mut all = Vec::new();
        for (i, abort) in raw.abort_when.iter().flat_map(|a| &a.value).enumerate() {
            all.extend(self.within(&i.to_string(), |c| c.abort(abort, traffic, jobs)));
        }
        all
    }

    fn abort(&mut self, raw: &raw::Abort, traffic: &[Traffic], jobs: &[Job]) -> Option<Abort> {
        // First, because after a mistake here it would be taken for told.
        let claim = self.claim(&raw.expect, raw.promql.as_ref(), traffic);
        let hold = raw.r#for.map_or(HOLD, |hold| {
            if hold.value < LOOK || !hold.value.as_nanos().is_multiple_of(LOOK.as_nanos()) {
                let what = "conditions are looked at once a second";
                self.reader.wrong(hold.at, what, "write whole seconds, 1s or more: `for: 10s`");
            }
            hold.value
        });
        match &claim {
            Some(Claim::Client(e)) if e.measure.is_of_fault() => {
                let what = format!("a {} is known when all is over", e.measure);
                self.reader.wrong(raw.expect.at, what, "name a measure of shots, such as `errors`");
            }
            Some(Claim::Server { place, .. }) if jobs.is_empty() && !self.reader.is_broken("observe") => {
                let what = "nothing is scraped, so that this has no answer ever";
                self.reader.wrong(*place, what, "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`");
            }
            _ => {}
        }
        // A second is as fine as it gets, however fast time runs.
        let scaled = self.scaled(hold).as_millis().div_ceil(LOOK.as_millis()).max(1) as u64;
        let hold = LOOK * u32::try_from(scaled).unwrap_or(u32::MAX);
        Some(Abort { text: raw.expect.value.clone(), claim: claim?, hold, place: raw.expect.at })
    }
}
