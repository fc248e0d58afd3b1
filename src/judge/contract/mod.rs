//! Whether the metrics of a job keep to their contract, and its probes to their word: from the evidence alone.
//!
//! Each part of a contract is a promise by itself. What a page looked like was noted when it was scraped; everything that
//! was exposed lies in the samples, and is held against the same rules as `proofload metrics lint` holds a live page. A
//! finding stands whatever we missed; that nothing was found counts only where we looked.

mod exposed;
mod moves;
mod probe;
mod restart;
mod scrape;
mod summary;

pub use summary::{ContractSummary, Part, ProbeSummary, Violation};

use super::trial::Trial;
use super::verdict::{self, Finding, Place, Quantity, Verdict};
use super::window;
use crate::base::metrics::Check;
use crate::base::series::Series;
use crate::base::time::Span;
use crate::evidence::event::{Event, Scrape};
use crate::scenario::{Contract, Window};
use exposed::View;

/// More of a job's scrapes missed by us, and it is not the run that was planned.
const MOST_MISSED: f64 = 0.05;

/// What every contract came to: its promises, and what reports show beside them.
pub fn contracts(trial: &Trial<'_>, samples: &[Series]) -> (Vec<Finding>, Vec<(String, ContractSummary)>) {
    let mut findings = Vec::new();
    let mut summaries = Vec::new();
    for contract in &trial.scenario.contracts {
        let (own, summary) = one(trial, contract, samples);
        findings.extend(own);
        summaries.push((contract.job.clone(), summary));
    }
    (findings, summaries)
}

/// What a part of a contract came to.
struct Ruling {
    part: &'static str,
    /// What is promised, after the job and the part.
    promise: String,
    window: Place,
    verdict: Verdict,
    observed: Option<Quantity>,
    compare: &'static str,
    bound: Quantity,
    samples: u64,
    why: String,
}

fn one(trial: &Trial<'_>, contract: &Contract, samples: &[Series]) -> (Vec<Finding>, ContractSummary) {
    let view = View::new(trial, contract, samples);
    let mut rulings: Vec<Ruling> = Vec::new();
    let mut violations: Vec<Violation> = Vec::new();
    let mut all = view.findings();
    all.extend(restart::unexplained(trial, &view));
    all.extend(scrape::findings(trial, contract));
    let (all, idle) = view.accept(all);
    for check in Check::ALL {
        let own: Vec<_> = all.iter().filter(|finding| finding.rule.check == check).collect();
        let ruling = match check {
            Check::Scrape => scrape::ruling(trial, contract, &view, &own),
            check => view.ruling(check, &own),
        };
        rulings.push(ruling);
        violations.extend(own.into_iter().map(|finding| Violation::of(finding, contract.strict)));
    }
    rulings.extend(moves::requires(trial, contract, &view));
    rulings.extend(moves::moves(trial, contract, &view));
    let (probed, probes) = probe::probes(trial, contract);
    rulings.extend(probed);
    let findings: Vec<Finding> = rulings.into_iter().map(|ruling| finding(contract, ruling)).collect();
    let parts = findings.iter().map(Part::of).collect();
    (findings, view.summary(parts, violations, probes, idle))
}

fn finding(contract: &Contract, ruling: Ruling) -> Finding {
    let Ruling { part, promise, window, verdict, observed, compare, bound, samples, why } = ruling;
    Finding {
        promise: format!("contract({}) {part}{}{promise}", contract.job, if promise.is_empty() { "" } else { " " }),
        promql: None,
        severity: contract.severity(part),
        window,
        observed,
        compare,
        bound,
        samples,
        needed: 1,
        verdict,
        why,
        slices: None,
        anatomy: None,
        course: None,
    }
}

/// The scrapes of a job, in order, those that we missed included.
fn scrapes<'t>(trial: &'t Trial<'_>, job: &'t str) -> impl Iterator<Item = &'t Scrape> {
    trial.evidence.events.iter().filter_map(move |event| match event {
        Event::Scrape(scrape) if scrape.job == job => Some(scrape),
        _ => None,
    })
}

/// A window in words and as it was.
fn place(trial: &Trial<'_>, window: Window, parts: Vec<Span>) -> Place {
    Place { name: window::name(window, None, trial.scenario), parts }
}

/// All of a run, from the first scrape to the last.
fn whole(trial: &Trial<'_>) -> Place {
    place(trial, Window::Measured, vec![trial.timeline.measured(None)])
}

fn plain(value: f64) -> Quantity {
    Quantity { value, kind: verdict::Kind::Plain }
}

/// Nothing is kept by a run that ended early: what may still have come is not known.
fn unfinished(trial: &Trial<'_>, kept: Verdict, why: String) -> (Verdict, String) {
    let (seen, end) = (trial.windows.seen, trial.timeline.measured(None).end);
    match kept {
        Verdict::Pass if seen < end => {
            let (seen, end) = (verdict::instant(seen), verdict::instant(end));
            (Verdict::Inconclusive, format!("{why} so far, but the run ended at {seen} of {end}"))
        }
        kept => (kept, why),
    }
}
