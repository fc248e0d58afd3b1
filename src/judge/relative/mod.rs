//! Promises relative to another run: a run's figure beside that of its baseline, by the reckoning that compares runs.
//!
//! Both are known from blocks of their run that are drawn anew (see [`compare`](super::compare)): the standard error of a
//! change is that of both together. A promise is kept when the change surely is within its margin, broken when it is beyond it and
//! surely a change for the worse; in between it is not decided. Where several promises are relative, each has to be surer.

mod estimate;
mod held;

pub use estimate::figures;

use serde::Serialize;

use super::closed::Divided;
use super::compare::{BLOCKS, CONFIDENCE, apart};
use super::evaluate::{blank, why_empty};
use super::shots::Stretch;
use super::stat;
use super::trial::{Reading, Trial};
use super::verdict::{Finding, Kind, Quantity, Verdict, instant};
use crate::base::text;
use crate::evidence::baseline::{Baseline, Figure};
use crate::scenario::{Claim, Promise, Relative};
use estimate::{Estimate, estimate, kind, name, window};
use held::{Held, Terms};

/// The run that another was held against.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineSummary {
    /// What it is called.
    pub run: String,
    /// Where its evidence was.
    pub folder: String,
    /// How it was judged.
    pub verdict: String,
    /// Why it is no fair one, where it was taken all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfair: Vec<String>,
}

/// What reports say of the baseline.
pub fn summary(trial: &Trial<'_>) -> Option<BaselineSummary> {
    let Baseline { run, folder, verdict, unfair, .. } = trial.evidence.baseline.clone()?;
    Some(BaselineSummary { run, folder, verdict, unfair })
}

/// What a promise relative to a baseline comes to.
pub fn finding(trial: &Trial<'_>, promise: &Promise, claim: &Relative) -> Finding {
    let cut = trial.windows.cut(promise.window, Some(claim.whose.traffic));
    let open = Quantity { value: claim.margin.fraction(), kind: Kind::Relative };
    let mut finding = blank(trial, promise, cut.parts.clone(), open, claim.compare.word());
    finding.needed = claim.minimum();
    if cut.parts.is_empty() {
        return Finding { why: why_empty(trial, promise.window), ..finding };
    }
    let ours = estimate(trial, claim, &cut, Reading::AsItWas);
    finding.samples = ours.samples;
    finding.observed = ours.value.map(|value| Quantity { value, kind: kind(claim) });
    let base = match known(trial, promise, claim) {
        Ok(figure) => figure,
        Err(why) => return Finding { why, ..finding },
    };
    let bound = match kind(claim) {
        Kind::Share => base.value + claim.margin.fraction(),
        _ => base.value * (1.0 + claim.margin.fraction()),
    };
    finding.bound = Quantity { value: bound, kind: kind(claim) };
    let several = trial.scenario.promises.iter().filter(|p| matches!(p.claim, Claim::Relative(_))).count();
    let terms = Terms {
        claim,
        base,
        several,
        confidence: promise.confidence.map_or(CONFIDENCE, |confidence| confidence.fraction()),
    };
    let held = terms.hold(&ours);
    let stretches: Vec<Stretch> = cut.parts.iter().map(|part| Stretch::whole(*part)).collect();
    let subject = estimate::subject(claim);
    let unfit = trial.unfit(subject, &cut, &stretches);
    let again = |reading| terms.hold(&estimate(trial, claim, &cut, reading)).verdict;
    let blame = || trial.fitness.blame(claim.whose.traffic, &unfit);
    let failing_hurts = claim.compare.is_ceiling() != (kind(claim) == Kind::Rate);
    let worst = if failing_hurts { Reading::Worst } else { Reading::WithoutUnfit };
    let Held { verdict, why } = held;
    (finding.verdict, finding.why) = match verdict {
        _ if unfit.is_empty() => (verdict, why),
        Verdict::Fail if again(Reading::WithoutUnfit) != Verdict::Fail => {
            (Verdict::Invalid, format!("{why}, but not without our own doing: {}", blame()))
        }
        Verdict::Pass if again(worst) != Verdict::Pass => {
            (Verdict::Invalid, format!("{why}, but our own doing may hide worse: {}", blame()))
        }
        verdict => (verdict, why),
    };
    let end = cut.parts.iter().map(|part| part.end).max().filter(|end| *end > trial.windows.seen);
    if let (Verdict::Pass, Some(end)) = (finding.verdict, end) {
        finding.verdict = Verdict::Inconclusive;
        let (seen, end) = (instant(trial.windows.seen), instant(end));
        finding.why.push_str(&format!(" so far, but the run ended at {seen} of {end}"));
    }
    if let Some(label) = Divided::new(trial.timeline, claim.whose.traffic, &stretches).label() {
        finding.window.name.push_str(&format!(", {label}"));
    }
    finding
}

/// The baseline's figure, or why there is none.
fn known<'t>(trial: &'t Trial<'_>, promise: &Promise, claim: &Relative) -> Result<&'t Figure, String> {
    let Some(baseline) = &trial.evidence.baseline else {
        return Err("there is no baseline: name a run with `run --baseline DIR`".into());
    };
    let differs = apart(&baseline.identity, &trial.evidence.manifest.identity());
    let untold: Vec<String> = differs.into_iter().filter(|what| !baseline.unfair.contains(what)).collect();
    if !untold.is_empty() {
        return Err(format!("the baseline {} is no fair one: {}", baseline.run, untold.join("; ")));
    }
    let (of, at) = (name(trial.scenario, claim), window(trial.scenario, promise.window));
    let figure = baseline.figure(&of, &at);
    figure.ok_or_else(|| format!("of the baseline {} {of} is not known over {at}: run again with it", baseline.run))
}

impl Estimate {
    /// Why it decides nothing, if so.
    fn lacks(&self, side: &str, minimum: u64) -> Option<String> {
        match self {
            Estimate { value: None, .. } => Some(format!("{side} has nothing to measure")),
            Estimate { samples, .. } if *samples < minimum => {
                let shots = text::count(*samples, "shot");
                Some(format!("{side} has {shots}, {} are needed", text::thousands(minimum)))
            }
            Estimate { blocks, block, .. } if *blocks < BLOCKS => {
                Some(format!("{side} has {blocks} blocks of {block} s, {BLOCKS} are needed: run longer"))
            }
            _ => None,
        }
    }
}

/// So many standard errors of a change between two runs a bound is from it, where `several` are held at once.
fn errors(freedom: usize, several: usize, confidence: f64) -> f64 {
    stat::errors_of_mean(freedom as u64 + 1, 1.0 - (1.0 - confidence) / (2.0 * several.max(1) as f64))
}
