//! Probes answer as they should, window by window.
//!
//! When a window begins, a probe has some time to follow; what it answers until then counts for neither side. A probe that
//! we did not ask in time says nothing of the target, and too many of those nothing at all.

use std::time::Duration;

use super::{MOST_MISSED, Ruling, place, plain, unfinished};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::event::{Event, Probe as Asked};
use crate::judge::evaluate;
use crate::judge::trial::Trial;
use crate::judge::verdict::{Verdict, instant};
use crate::scenario::{Contract, Probe, Window};

use super::summary::ProbeSummary;

/// A promise for each probe and window, and what reports show of each probe.
pub(super) fn probes(trial: &Trial<'_>, contract: &Contract) -> (Vec<Ruling>, Vec<ProbeSummary>) {
    let mut rulings = Vec::new();
    let mut summaries = Vec::new();
    for probe in &contract.probes {
        let asked: Vec<&Asked> = trial
            .evidence
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Probe(asked) if asked.job == contract.job && asked.path == probe.path => Some(asked),
                _ => None,
            })
            .collect();
        rulings.extend(probe.expected.iter().map(|(window, status)| ruling(trial, probe, *window, *status, &asked)));
        summaries.push(ProbeSummary::of(&probe.path, &asked));
    }
    (rulings, summaries)
}

fn ruling(trial: &Trial<'_>, probe: &Probe, window: Window, status: u16, asked: &[&Asked]) -> Ruling {
    let parts = trial.windows.cut(window, None).parts;
    let measured = trial.timeline.measured(None);
    // A part that begins with the measured phase begins with nothing: there is nothing to follow.
    let settled: Vec<Span> = parts
        .iter()
        .map(|part| match part.start == measured.start {
            true => *part,
            false => Span { start: part.start + probe.within, end: part.end },
        })
        .filter(|part| part.start < part.end)
        .collect();
    // It was answered at some time between request and reply: both must lie within.
    let within = |asked: &&Asked| {
        let end = asked.at + Duration::from_nanos(asked.took);
        settled.iter().any(|part| part.contains(asked.at) && end <= part.end)
    };
    let own: Vec<&Asked> = asked.iter().copied().filter(within).collect();
    let heard: Vec<&Asked> = own.iter().copied().filter(|asked| !asked.missed).collect();
    let wrong: Vec<&Asked> = heard.iter().copied().filter(|asked| asked.status != Some(status)).collect();
    let missed = own.len() - heard.len();
    let (verdict, why) = match wrong.first() {
        Some(first) => (Verdict::Fail, said(first, status, wrong.len(), heard.len())),
        None if missed as f64 > MOST_MISSED * own.len() as f64 => {
            let all = text::count(own.len() as u64, "probe");
            (Verdict::Invalid, format!("we missed {} of {all} ourselves", text::thousands(missed as u64)))
        }
        None if parts.is_empty() => (Verdict::Inconclusive, evaluate::why_empty(trial, window)),
        None if heard.is_empty() => (
            Verdict::Inconclusive,
            format!("it was not asked once, {} after the window began", units::duration(probe.within)),
        ),
        None => {
            let why = format!("{status} in all of {}", text::count(heard.len() as u64, "answer"));
            // One fault that is over is over, however the run ended.
            let ends = settled.iter().map(|part| part.end).max().unwrap_or(Offset::ZERO);
            if ends <= trial.windows.seen { (Verdict::Pass, why) } else { unfinished(trial, Verdict::Pass, why) }
        }
    };
    Ruling {
        part: "probes",
        promise: format!("{} is {status}", probe.path),
        window: place(trial, window, parts),
        verdict,
        observed: (!heard.is_empty()).then(|| plain(wrong.len() as f64)),
        compare: "==",
        bound: plain(0.0),
        samples: heard.len() as u64,
        why,
    }
}

/// What was answered instead.
fn said(first: &Asked, status: u16, wrong: usize, all: usize) -> String {
    let answered = match (first.status, &first.why) {
        (Some(other), _) => format!("{other} instead of {status}"),
        (None, Some(why)) => format!("no answer: {why}"),
        (None, None) => "no answer".into(),
    };
    let all = text::count(all as u64, "answer");
    format!("{} of {all} wrong; first at {}: {answered}", text::thousands(wrong as u64), instant(first.at))
}
