//! Promises about memory: what makes sense of them.

use super::super::claim::{Claim, Promise, Purpose};
use super::super::leak::{self, Growers};
use super::super::raw;
use super::super::shape::At;
use super::Check;

impl Check<'_, '_> {
    /// A claim about memory, if it can be read; `None` when it is about something else.
    pub(super) fn leak_claim(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        root: &raw::Root,
        purpose: Purpose,
    ) -> Option<Option<Claim>> {
        if promql.is_some() {
            return None;
        }
        let processes: Vec<&str> =
            root.processes.iter().flat_map(|p| &p.value.0).map(|(n, _)| n.value.as_str()).collect();
        let jobs = root.observe.iter().filter_map(|o| o.jobs.as_ref()).flat_map(|jobs| &jobs.0);
        let jobs: Vec<&str> = jobs.map(|(name, _)| name.value.as_str()).collect();
        let known = Growers { processes: &processes, jobs: &jobs, target: root.target.has_process() };
        let claim = leak::parse(&expect.value, known, purpose)?;
        Some(match claim {
            Ok(claim) => Some(Claim::Leak(claim)),
            // What could not be read has had its mistakes told already.
            Err(_) if self.reader.is_broken_here() => None,
            Err(_) if ["target", "processes", "observe"].iter().any(|key| self.reader.is_broken(key)) => None,
            Err((what, remedy)) => {
                self.reader.wrong(expect.at, what, remedy);
                None
            }
        })
    }

    /// Settings that do not go together.
    pub(super) fn fits_leak(&mut self, promise: &Promise, raw: &raw::Promise) {
        if promise.steady {
            let remedy = "steady are promises on what the client sees at once; leave `steady` out";
            self.reader.wrong(promise.place, "`leak` cannot be steady", remedy);
        }
        if let Some(stable) = raw.stable {
            self.reader.wrong(stable.at, "`stable` belongs to a promise on recovery", "leave it out");
        }
        if let Some(look_back) = &raw.look_back {
            self.reader.wrong(look_back.at, "`look_back` belongs to a PromQL promise", "leave it out");
        }
        if let Some(each) = raw.each {
            let what = "how memory grows shows over a whole window, not in its slices";
            self.reader.wrong(each.at, what, "leave out `each`");
        }
    }
}
