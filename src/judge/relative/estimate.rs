//! A figure of a run with its standard error: what a baseline keeps, and what a run is held by.

use std::collections::BTreeSet;

use super::super::compare::blocks::{self, Blocks, Step};
use super::super::compare::bootstrap::Spread;
use super::super::measure;
use super::super::shots::{Stretch, Subject};
use super::super::trial::{Reading, Trial};
use super::super::verdict::Kind;
use super::super::window::{self as windows, Cut};
use crate::base::seed::Seed;
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::evidence::baseline::Figure;
use crate::evidence::latency::grid;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::plan::Plan;
use crate::scenario::{Claim, Compare, Filter, Margin, Measure, Promise, Quantile, Relative, Scenario, Whose, Window};

/// A figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// In seconds, as a fraction of 1, or per second; nothing where there was nothing to measure.
    pub value: Option<f64>,
    /// Its standard error: of lengths and rates that of their logarithm, of shares their own.
    pub error: f64,
    /// From how many blocks that is known.
    pub blocks: usize,
    /// How long one is, in seconds.
    pub block: f64,
    /// Shots that it was measured by.
    pub samples: u64,
}

impl From<&Figure> for Estimate {
    fn from(of: &Figure) -> Estimate {
        Estimate { value: Some(of.value), error: of.error, blocks: of.blocks, block: of.block, samples: of.samples }
    }
}

/// What kind of number a claim is about.
pub fn kind(claim: &Relative) -> Kind {
    match claim.measure {
        Measure::Errors | Measure::Timeouts | Measure::Rejected => Kind::Share,
        Measure::Rate => Kind::Rate,
        _ => Kind::Time,
    }
}

/// The measure as sentences call it: `p95`, `p95 service`.
pub fn label(claim: &Relative) -> String {
    match claim.clock {
        clock if clock != Timing::Response && claim.measure.is_timed() => format!("{} {}", claim.measure, clock.word()),
        _ => claim.measure.to_string(),
    }
}

/// Whose shots it is about.
pub fn subject(claim: &Relative) -> Subject {
    let clock = if claim.measure.is_timed() { claim.clock } else { Timing::Response };
    Subject { traffic: claim.whose.traffic, part: claim.whose.part, class: claim.class, clock }
}

/// What a figure is called, whoever promised it: `p95(orders.submit, service, ok)`.
pub fn name(scenario: &Scenario, claim: &Relative) -> String {
    let traffic = &scenario.traffic[claim.whose.traffic];
    let clock = Some(claim.clock.word()).filter(|_| claim.clock != Timing::Response);
    let filter = match claim.filter {
        Filter::All => None,
        Filter::Ok => Some("ok"),
        Filter::Failed => Some("failed"),
    };
    let class = claim.class.map(|class| traffic.classes[class].name.as_str());
    let arguments: Vec<&str> = clock.into_iter().chain(filter).chain(class).collect();
    let mut all = traffic.called(claim.whose.part).to_string();
    arguments.iter().for_each(|argument| all.push_str(&format!(", {argument}")));
    format!("{}({all})", claim.measure)
}

/// What a window is called.
pub fn window(scenario: &Scenario, window: Window) -> String {
    windows::name(window, None, scenario)
}

/// What a run came to, as far as promises of another may want to know: those of `promises`, and of each traffic what is
/// commonly promised over the measured phase. Traffic, classes and faults go by their names.
pub fn figures(scenario: &Scenario, plan: &Plan, evidence: &Evidence, promises: &Scenario) -> Vec<Figure> {
    let trial = Trial::new(scenario, plan, evidence);
    let mut all: Vec<Figure> = Vec::new();
    let promised = promises.promises.iter().filter_map(|promise| translated(promise, promises, scenario));
    for (claim, at) in promised.chain(common(scenario)) {
        let (of, place) = (name(scenario, &claim), window(scenario, at));
        if all.iter().any(|known| known.of == of && known.window == place) {
            continue;
        }
        let found = estimate(&trial, &claim, &trial.windows.cut(at, Some(claim.whose.traffic)), Reading::AsItWas);
        let Some(value) = found.value else { continue };
        let Estimate { error, blocks, block, samples, .. } = found;
        all.push(Figure { of, window: place, value, error, blocks, block, samples });
    }
    all
}

/// What is commonly promised of each traffic.
fn common(scenario: &Scenario) -> impl Iterator<Item = (Relative, Window)> {
    let quantile = |millionths| Measure::Quantile(Quantile(millionths));
    let measures = [quantile(500_000), quantile(950_000), quantile(990_000), Measure::Errors, Measure::Rate];
    (0..scenario.traffic.len()).flat_map(move |traffic| {
        let (clock, filter, compare) = (Timing::Response, Filter::All, Compare::AtMost);
        measures.into_iter().map(move |measure| {
            let whose = Whose::whole(traffic);
            (Relative { measure, whose, clock, filter, class: None, compare, margin: Margin(0) }, Window::Measured)
        })
    })
}

/// A promise of one scenario in the terms of another; nothing where that has no such traffic, part, class or fault.
fn translated(promise: &Promise, from: &Scenario, to: &Scenario) -> Option<(Relative, Window)> {
    let Claim::Relative(claim) = &promise.claim else { return None };
    let ours = &from.traffic[claim.whose.traffic];
    let traffic = to.traffic.iter().position(|theirs| theirs.name == ours.name)?;
    let theirs = &to.traffic[traffic];
    let part = match claim.whose.part {
        None => None,
        Some(part) => Some(theirs.parts().iter().position(|p| p.name == ours.parts()[part].name)?),
    };
    let class = match claim.class {
        None => None,
        Some(class) => Some(theirs.classes.iter().position(|c| c.name == ours.classes[class].name)?),
    };
    let fault = |fault: usize| to.faults.iter().position(|f| f.name == from.faults[fault].name);
    let window = match promise.window {
        Window::Measured => Window::Measured,
        Window::Outside => Window::Outside,
        Window::Before(f) => Window::Before(fault(f)?),
        Window::During(f) => Window::During(fault(f)?),
        Window::Recovery(f) => Window::Recovery(fault(f)?),
        Window::After(f) => Window::After(fault(f)?),
    };
    Some((Relative { whose: Whose { traffic, part }, class, ..*claim }, window))
}

/// A run's figure in a window.
pub fn estimate(trial: &Trial<'_>, claim: &Relative, cut: &Cut, reading: Reading) -> Estimate {
    let subject = subject(claim);
    let steps = cutting(trial, claim, cut, grid(subject.clock), reading);
    let steps: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
    let remembers = if claim.measure.is_timed() { blocks::slow(&steps) } else { blocks::failed(&steps) };
    let measured = cut.parts.iter().map(|part| part.length()).sum();
    let block = blocks::memory(&remembers, grid(subject.clock), measured);
    let (steps, lengths): (Vec<Step>, Vec<f64>) =
        cutting(trial, claim, cut, std::time::Duration::from_secs_f64(block), reading).into_iter().unzip();
    let blocks = Blocks::of(&steps, block);
    let seed = Seed(trial.evidence.manifest.seed);
    let spread = |quantiles: &[f64]| Spread::of(&blocks, quantiles, seed, "figure");
    let due: u64 = steps.iter().map(|(_, due, _)| due).sum();
    let lengths_known: u64 = steps.iter().map(|(tally, ..)| tally.count()).sum();
    let (value, error, samples) = match claim.measure {
        Measure::Quantile(q) => {
            (blocks.quantile(q.fraction()), spread(&[q.fraction()]).quantiles.first().copied(), lengths_known)
        }
        Measure::Mean => (blocks.mean(), Some(spread(&[]).mean), lengths_known),
        Measure::Errors | Measure::Timeouts | Measure::Rejected => (blocks.errors(), Some(spread(&[]).errors), due),
        _ => {
            let ok: u64 = steps.iter().map(|(_, due, bad)| due - bad).sum();
            let length: f64 = lengths.iter().sum();
            // Without a shot that was due, a rate of 0 is the plan's and not the target's.
            ((due > 0 && length > 0.0).then(|| ok as f64 / length), Some(spread(&[]).rate), due)
        }
    };
    Estimate { value, error: error.unwrap_or_default(), blocks: blocks.count(), block, samples }
}

/// A window in slices, each with its length in seconds. What was spoilt by us is left out slice by slice where it is not to be
/// read.
fn cutting(
    trial: &Trial<'_>,
    claim: &Relative,
    cut: &Cut,
    each: std::time::Duration,
    reading: Reading,
) -> Vec<(Step, f64)> {
    let subject = subject(claim);
    let timed = claim.measure.is_timed();
    let floor = trial.floor(claim.whose);
    let slices =
        cut.parts.iter().flat_map(|part| part.slices(each).into_iter().map(|span| Stretch { span, part: *part }));
    let whole: Vec<Stretch> = cut.parts.iter().map(|part| Stretch::whole(*part)).collect();
    let unfit = match reading {
        Reading::WithoutUnfit => trial.unfit(subject, cut, &whole),
        Reading::AsItWas | Reading::Worst => BTreeSet::new(),
    };
    let is_unfit = |span: Span| {
        let first = super::super::shots::second(span.start);
        unfit.range(first..).next().is_some_and(|second| *second * 1_000_000_000 < span.end.nanos())
    };
    let step = |stretch: Stretch| {
        let population = trial.population(subject, cut, &[stretch], reading, timed);
        let due = population.due();
        let bad = match claim.measure {
            Measure::Rate => due - population.of(Outcome::Ok).saturating_sub(population.spoilt).min(due),
            measure => population.count(|o| measure::counts(measure, o)) + population.spoilt + population.lost,
        };
        let lengths = if timed { measure::lengths(claim.filter, &population, floor) } else { Default::default() };
        ((lengths, due, bad.min(due)), stretch.span.length().as_secs_f64())
    };
    slices.filter(|stretch| !is_unfit(stretch.span)).map(step).collect()
}
