//! How long scrapes take while the target is loaded, and how large pages are.
//!
//! Scrapes that overlap a fault which acts on a process, or a hook's, are left out: a frozen process answers nobody. In a
//! second that was unfit, a slow scrape may have been slow by our doing.

use std::time::Duration;

use super::exposed::{View, said};
use super::{MOST_MISSED, Ruling, place, scrapes, unfinished};
use crate::base::metrics::{Gravity, rule};
use crate::base::text;
use crate::base::time::Span;
use crate::base::units;
use crate::evidence::event::Scrape;
use crate::evidence::page;
use crate::judge::trial::Trial;
use crate::judge::verdict::{Quantity, Verdict, instant};
use crate::lint::metrics::Finding;
use crate::scenario::{Contract, On, Window};

/// The scrapes under load that count.
fn counted<'t>(trial: &'t Trial<'_>, contract: &'t Contract) -> Vec<&'t Scrape> {
    let struck: Vec<Span> = trial
        .scenario
        .faults
        .iter()
        .zip(&trial.windows.faults)
        .filter(|(fault, _)| matches!(fault.on, On::Process(_) | On::Hook(_)))
        .flat_map(|(_, times)| times.strikes())
        .collect();
    let clear = |scrape: &&Scrape| {
        let span = Span { start: scrape.a, end: scrape.b.max(scrape.a + Duration::from_nanos(1)) };
        !scrape.missed && !scrape.quiet && !struck.iter().any(|s| s.overlap(span).is_some())
    };
    scrapes(trial, &contract.job).filter(clear).collect()
}

/// The slowest scrape under load.
pub(super) fn slowest<'t>(trial: &'t Trial<'_>, contract: &'t Contract) -> Option<(Duration, &'t Scrape)> {
    counted(trial, contract).into_iter().map(|scrape| (scrape.b.since(scrape.a), scrape)).max_by_key(|(took, _)| *took)
}

/// Whether a scrape fell into a second in which the generator was unfit.
fn is_spoilt(trial: &Trial<'_>, scrape: &Scrape) -> bool {
    let span = Span { start: scrape.a, end: scrape.b.max(scrape.a + Duration::from_nanos(1)) };
    (0..trial.scenario.traffic.len()).any(|traffic| !trial.fitness.unfit(traffic, &[span]).is_empty())
}

/// What is wrong with scrapes and pages.
pub(super) fn findings(trial: &Trial<'_>, contract: &Contract) -> Vec<Finding> {
    let limits = &contract.scrape;
    let all = counted(trial, contract);
    let took = |scrape: &Scrape| scrape.b.since(scrape.a);
    let mut found = Vec::new();
    let of = |rule, slow: Vec<&&Scrape>, bound: Duration| {
        let worst = slow.iter().max_by_key(|scrape| took(scrape))?;
        let mut finding = Finding::new(
            rule,
            "",
            format!(
                "{} of {} took {} or more; the worst {} at {}",
                text::thousands(slow.len() as u64),
                text::count(all.len() as u64, "scrape"),
                units::duration(bound),
                units::measured(took(worst)),
                instant(worst.a)
            ),
        );
        finding.count = slow.len() as u64;
        Some(finding)
    };
    let slow: Vec<&&Scrape> = all.iter().filter(|s| took(s) >= limits.within).collect();
    let tardy: Vec<&&Scrape> = all.iter().filter(|s| took(s) >= limits.warn && took(s) < limits.within).collect();
    found.extend(of(rule::SCRAPE_SLOW, slow, limits.within));
    found.extend(of(rule::SCRAPE_TARDY, tardy, limits.warn));
    let failed: Vec<&&Scrape> = all.iter().filter(|s| s.failed.is_some() && took(s) < limits.within).collect();
    if let Some(first) = failed.first() {
        let why = first.failed.clone().unwrap_or_default();
        let said = format!(
            "{} of {} brought nothing; at {}: {why}",
            failed.len(),
            text::count(all.len() as u64, "scrape"),
            instant(first.a)
        );
        found.push(Finding { count: failed.len() as u64, ..Finding::new(rule::PAGE_MISSING, "", said) });
    }
    let largest = page::pages(&trial.evidence.events, &contract.job).map(|page| page.bytes).max().unwrap_or(0);
    if largest > limits.size {
        let said = format!("{} bytes, {} are allowed", text::thousands(largest), text::thousands(limits.size));
        found.push(Finding::new(rule::PAGE_LARGE, "", said));
    }
    found
}

/// What the promise about scrapes comes to.
pub(super) fn ruling(trial: &Trial<'_>, contract: &Contract, view: &View<'_>, own: &[&Finding]) -> Ruling {
    let limits = &contract.scrape;
    let all = counted(trial, contract);
    let broken: Vec<&&Finding> = own.iter().filter(|finding| view.breaks(finding)).collect();
    let slowest = slowest(trial, contract);
    let (verdict, why) = match (broken.first(), slowest) {
        (Some(first), _) => {
            // A breach stands if one of the scrapes behind it was nobody's doing but the target's.
            let bad = all.iter().copied().filter(|s| s.b.since(s.a) >= limits.within || s.failed.is_some());
            let bad: Vec<&Scrape> = bad.collect();
            let timed =
                broken.iter().all(|finding| finding.rule.gravity == Gravity::Error && finding.rule != rule::PAGE_LARGE);
            let ours = timed && !bad.is_empty() && bad.iter().all(|s| is_spoilt(trial, s));
            match ours {
                true => (
                    Verdict::Invalid,
                    format!("{}, but all of them in seconds that we spoilt", said(first, broken.len())),
                ),
                false => (Verdict::Fail, said(first, broken.len())),
            }
        }
        (None, _) if view.missed as f64 > MOST_MISSED * view.planned as f64 => {
            let (missed, planned) = (text::thousands(view.missed), text::count(view.planned, "scrape"));
            (Verdict::Invalid, format!("we missed {missed} of {planned} ourselves"))
        }
        (None, None) => (Verdict::Inconclusive, format!("no scrape of `{}` under load", contract.job)),
        (None, Some((took, scrape))) => {
            let warned = own.first().map_or_else(String::new, |first| format!("; {}", first.why));
            let why = format!("the slowest took {} at {}{warned}", units::measured(took), instant(scrape.a));
            unfinished(trial, Verdict::Pass, why)
        }
    };
    Ruling {
        part: "scrape",
        promise: String::new(),
        window: place(trial, Window::Measured, vec![trial.timeline.measured(None)]),
        verdict,
        observed: slowest.map(|(took, _)| Quantity::time(took)),
        compare: "<",
        bound: Quantity::time(limits.within),
        samples: all.len() as u64,
        why,
    }
}
