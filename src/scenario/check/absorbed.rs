//! Promises about `absorbed`: what makes sense of them.

use super::super::Place;
use super::super::absorbed;
use super::super::claim::Claim;
use super::super::fault::{Fault, On};
use super::super::inject::{HttpFault, Inject};
use super::super::promise::Known;
use super::super::shape::At;
use super::super::traffic::Traffic;
use super::Check;

impl Check<'_, '_> {
    /// A claim about `absorbed`, if it can be read; `None` when it is about something else.
    pub(super) fn absorbed(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        traffic: &[Traffic],
        faults: &[Fault],
    ) -> Option<Option<Claim>> {
        if promql.is_some() {
            return None;
        }
        let known = Known::all(traffic);
        let names: Vec<&str> = faults.iter().map(|f| f.name.as_str()).collect();
        Some(match absorbed::parse(&expect.value, &known, &names)? {
            Ok(absorbed) => Some(Claim::Absorbed(absorbed)),
            // What could not be read has had its mistakes told already.
            Err(_) if self.reader.is_broken_here() => None,
            Err((what, _)) if what.strip_suffix(absorbed::NO_SUBJECT).is_some_and(|name| self.is_mistaken(name)) => {
                None
            }
            Err((what, remedy)) => {
                self.reader.wrong(expect.at, what, remedy);
                None
            }
        })
    }

    /// Whether a traffic or a fault of this name, in backticks, is written but could not be read.
    fn is_mistaken(&self, name: &str) -> bool {
        let name = name.trim_matches('`');
        ["traffic", "faults"].iter().any(|key| self.reader.is_broken(&format!("{key}.{name}")))
    }

    /// Refuses a claim about requests that nothing will strike.
    pub(super) fn is_accounted_for(&mut self, expect: Place, fault: Option<usize>, faults: &[Fault]) {
        let mut on = faults.iter().enumerate().filter(|(f, _)| fault.is_none_or(|fault| fault == *f));
        if !on.any(|(_, fault)| matches!(fault.on, On::Upstream(_))) && !self.reader.is_broken("faults") {
            let what = "no fault on an upstream is meant: only their requests are accounted for one by one";
            self.reader.wrong(expect, what, "name a fault on `upstream/NAME`, or leave this out");
            return;
        }
        let mut meant =
            faults.iter().enumerate().filter(|(f, _)| fault.is_none_or(|fault| fault == *f)).map(|(_, f)| f);
        let refuses =
            |fault: &Fault| !matches!(fault.on, On::Upstream(_)) || fault.inject == Inject::Http(HttpFault::Refuse);
        if meant.all(refuses) && !self.reader.is_broken("faults") {
            let what = "a connection that is refused brings no request, and so no word of whose it was";
            self.reader.wrong(expect, what, "promise what clients see: `errors(…) < 5%` during the fault");
        }
    }
}
