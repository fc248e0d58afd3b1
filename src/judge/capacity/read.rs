//! From the evidence of a run to a probe.

use std::collections::{BTreeMap, BTreeSet};

use super::estimate::CONFIDENCE;
use super::probe::{Approach, Borne, Held, Lengths, Probe, Role, UpstreamUse};
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::health::Called;
use crate::evidence::manifest::How;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::judge::measure;
use crate::judge::shots::{Stretch, Subject};
use crate::judge::stat;
use crate::judge::trial::Trial;
use crate::judge::window::Cut;
use crate::judge::{Exit, Finding, Judgement, Percentiles, Verdict};
use crate::plan::Plan;
use crate::scenario::{Filter, Scenario, Severity, TARGET};

/// A probe is parted into so many parts at the most, to see how its p95 differs among them.
const PARTS: u64 = 10;
/// With fewer it is not.
const LEAST_PARTS: u32 = 4;
/// A part has at least so many shots: as many as make a p95.
const LEAST_OF_PART: u64 = 59;

/// What a search knows of a probe that its evidence does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Its number within the search, from 1.
    pub number: u32,
    /// What it was for.
    pub role: Role,
    /// What the target had borne before.
    pub from: Approach,
    /// The overload that it began with.
    pub borne: Option<Borne>,
    /// The rate that was asked for, per second.
    pub offered: f64,
    /// The folder of its evidence, within that of the study.
    pub report: String,
}

impl Made {
    /// What was known of a probe.
    pub fn of(probe: &Probe) -> Made {
        let Probe { number, role, from, borne, offered, ref report, .. } = *probe;
        Made { number, role, from, borne, offered, report: report.clone() }
    }
}

impl Probe {
    /// A probe, by its evidence and what was judged of it. `traffic` is the position of the one whose rate is searched.
    pub fn read(
        (scenario, plan): (&Scenario, &Plan),
        evidence: &Evidence,
        judgement: &Judgement,
        traffic: usize,
        made: Made,
    ) -> Probe {
        let name = scenario.traffic.get(traffic).map(|t| t.name.as_str()).unwrap_or_default();
        let summary = judgement.traffic.iter().find(|(of, _)| of == name).map(|(_, summary)| summary);
        let measured = plan.timeline.measured(Some(traffic));
        let lengths = |clock: Timing| {
            let of = summary.and_then(|s| s.clocks.iter().find(|(word, _)| word == clock.word()));
            of.map(|(_, percentiles)| Lengths::from(*percentiles)).unwrap_or_default()
        };
        let outcomes: BTreeMap<String, u64> = summary.iter().flat_map(|s| s.outcomes.iter().cloned()).collect();
        let good = [Outcome::Ok.word(), Outcome::Skipped.word()];
        let all: u64 = outcomes.values().sum();
        let bad: u64 = outcomes.iter().filter(|(word, _)| !good.contains(&word.as_str())).map(|(_, n)| n).sum();
        let critical: Vec<&Finding> = judgement.critical().collect();
        let trial = Trial::new(scenario, plan, evidence);
        let length = measured.length().as_secs_f64();
        Probe {
            number: made.number,
            role: made.role,
            from: made.from,
            borne: made.borne,
            offered: made.offered,
            achieved: summary.map_or(0.0, |s| s.rate),
            start: evidence.manifest.wall_zero,
            length,
            warm_up: measured.start.since(Offset::ZERO).as_secs_f64(),
            shots: summary.map_or(0, |s| s.shots),
            needed: critical.iter().map(|f| f.needed).max().unwrap_or(0),
            verdict: judgement.verdict,
            counts: false,
            why: why(judgement),
            first_broken: first_broken(judgement),
            promises: critical.iter().map(|finding| Held::from(*finding)).collect(),
            response: lengths(Timing::Response),
            p95_between: p95_between(&trial, traffic, measured),
            service: lengths(Timing::Service),
            errors: if all == 0 { 0.0 } else { bad as f64 / all as f64 },
            outcomes,
            in_flight: in_flight(evidence, traffic, measured),
            little: little(&trial, traffic, measured),
            upstreams: upstreams(scenario, evidence, measured),
            resources: resources(evidence, judgement),
            unfit_seconds: judgement.fitness.unfit_seconds,
            generator_cpu: judgement.fitness.cpu,
            report: made.report,
        }
    }
}

/// Whether somebody ended a run early: by SIGINT, or by SIGTERM.
pub fn ended_by(judgement: &Judgement, evidence: &Evidence) -> Option<Exit> {
    match (judgement.exit, evidence.manifest.end.as_ref().map(|end| &end.how)) {
        (_, Some(How::Interrupted)) | (Exit::Interrupted, _) => Some(Exit::Interrupted),
        (_, Some(How::Terminated)) | (Exit::Terminated, _) => Some(Exit::Terminated),
        _ => None,
    }
}

impl From<Percentiles> for Lengths {
    fn from(of: Percentiles) -> Lengths {
        Lengths { mean: of.mean, p50: of.p50, p95: of.p95, p99: of.p99 }
    }
}

impl From<&Finding> for Held {
    fn from(finding: &Finding) -> Held {
        Held {
            promise: finding.promise.clone(),
            verdict: finding.verdict,
            observed: finding.observed.map(|o| o.value).filter(|value| value.is_finite()),
            bound: finding.bound.value,
            unit: finding.bound.kind.unit().to_owned(),
        }
    }
}

/// What decided, where no promise did.
fn why(judgement: &Judgement) -> Vec<String> {
    let reasons = judgement.reasons.iter().map(|reason| format!("{}: {}", reason.verdict.word(), reason.why));
    let undecided = |f: &&Finding| matches!(f.verdict, Verdict::Inconclusive | Verdict::Invalid);
    let findings =
        judgement.critical().filter(undecided).map(|f| format!("{}: {}: {}", f.verdict.word(), f.promise, f.why));
    let checks = judgement.reconciled().filter(|check| check.counts_as != Verdict::Pass);
    let checks = checks.map(|check| format!("{}: {}: {}", check.counts_as.word(), check.check, check.why));
    reasons.chain(findings).chain(checks).collect()
}

/// The broken promise that is farthest beyond its bound; without one, the check that disagrees.
fn first_broken(judgement: &Judgement) -> Option<String> {
    let beyond = |finding: &Finding| {
        let (observed, bound) = (finding.observed.map_or(f64::INFINITY, |o| o.value), finding.bound.value);
        let ratio = if finding.compare.starts_with('>') { bound / observed } else { observed / bound };
        if ratio.is_nan() { f64::INFINITY } else { ratio }
    };
    let broken = judgement.critical().filter(|finding| finding.verdict == Verdict::Fail);
    let worst = broken.max_by(|a, b| beyond(a).total_cmp(&beyond(b)));
    let check = || judgement.reconciled().find(|check| check.counts_as == Verdict::Fail);
    worst.map(|finding| finding.promise.clone()).or_else(|| check().map(|check| check.check.clone()))
}

/// Shots under way on average: those taken up and not over, whenever the generator counted both.
fn in_flight(evidence: &Evidence, traffic: usize, measured: Span) -> Option<f64> {
    let (mut taken, mut over) = (0u64, 0u64);
    let mut counted: Vec<f64> = Vec::new();
    for event in &evidence.events {
        let Event::Tick(tick) = event else { continue };
        for row in tick.traffic.get(traffic).into_iter().flatten() {
            taken += row.due;
            over += row.finished;
        }
        if measured.contains(tick.at) {
            counted.push(taken.saturating_sub(over) as f64);
        }
    }
    (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / counted.len() as f64)
}

/// Between what the p95 of the responses lies. Shots of a queue hang together, and what independent ones would say is far too
/// sure of itself: so the measured phase is parted, and its parts, long against what they remember, are compared (batch
/// means, over the logarithms of their p95).
fn p95_between(trial: &Trial<'_>, traffic: usize, measured: Span) -> Option<(f64, f64)> {
    let subject = Subject { traffic, part: None, class: None, clock: Timing::Response };
    let p95 = |span: Span| {
        let cut = Cut { parts: vec![span], ..Cut::default() };
        let shots = trial.shots.population(subject, &cut, &[Stretch::whole(span)], &BTreeSet::new(), true);
        let lengths = measure::lengths(Filter::All, &shots, trial.scenario.target.timeout);
        Some((lengths.count(), lengths.quantile(0.95)?.as_secs_f64().max(1e-9).ln()))
    };
    let seen = Span { start: measured.start, end: measured.end.min(trial.windows.seen) };
    let (shots, whole) = p95(seen).filter(|_| seen.start < seen.end)?;
    let parts = (shots / LEAST_OF_PART).min(PARTS) as u32;
    if parts < LEAST_PARTS {
        return None;
    }
    let length = seen.length() / parts;
    let spans = (0..parts).map(|n| Span { start: seen.start + length * n, end: seen.start + length * (n + 1) });
    let all: Vec<f64> = spans.filter_map(p95).map(|(_, p95)| p95).collect();
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let variance = all.iter().map(|of| (of - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let off = stat::errors_of_mean(all.len() as u64, (1.0 + CONFIDENCE) / 2.0) * (variance / n).sqrt();
    Some(((whole - off).exp(), (whole + off).exp()))
}

/// Shots under way by Little's law, L = λW: shots a second times how long each really took.
fn little(trial: &Trial<'_>, traffic: usize, measured: Span) -> Option<f64> {
    let subject = Subject { traffic, part: None, class: None, clock: Timing::Response };
    let cut = Cut { parts: vec![measured], ..Cut::default() };
    let shots = trial.shots.population(subject, &cut, &[Stretch::whole(measured)], &BTreeSet::new(), true);
    let seconds: f64 = shots.ok.cells().chain(shots.failed.cells()).map(|(ns, n)| ns as f64 / 1e9 * n as f64).sum();
    let length = measured.end.min(trial.windows.seen).since(measured.start).as_secs_f64();
    (length > 0.0).then_some(seconds / length)
}

/// How often each upstream was called over about the measured phase: between the first and the last count within it.
fn upstreams(scenario: &Scenario, evidence: &Evidence, measured: Span) -> BTreeMap<String, UpstreamUse> {
    let counts: Vec<(Offset, &Vec<Called>)> = evidence
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Calls { at, upstreams } if measured.contains(*at) => Some((*at, upstreams)),
            _ => None,
        })
        .collect();
    let (Some((from, first)), Some((to, last))) = (counts.first(), counts.last()) else { return BTreeMap::new() };
    let seconds = to.since(*from).as_secs_f64();
    if seconds <= 0.0 {
        return BTreeMap::new();
    }
    let of = |(upstream, (first, last)): (&crate::scenario::Upstream, (&Called, &Called))| {
        let calls = last.calls.saturating_sub(first.calls) as f64;
        let shots = last.shots.saturating_sub(first.shots) as f64;
        let per_shot = if shots > 0.0 { calls / shots } else { 0.0 };
        let limit = upstream.rate_limit.map(|limit| limit.rate.hertz());
        (upstream.name.clone(), UpstreamUse { calls: calls / seconds, per_shot, limit })
    };
    scenario.upstreams.iter().zip(first.iter().zip(last.iter())).map(of).collect()
}

/// What the target took of the machine: its own process where that is known, else what a page says of itself.
fn resources(evidence: &Evidence, judgement: &Judgement) -> BTreeMap<String, f64> {
    let all = &judgement.resources;
    let Some(of) = all.iter().find(|of| of.name == TARGET).or(all.first()) else { return BTreeMap::new() };
    let here = of.source == "proc";
    let known = [
        ("cpu_cores", of.cpu),
        ("rss_bytes", of.memory),
        ("files", of.files),
        ("threads", of.threads),
        ("switches", of.switches),
        // Of a machine elsewhere nobody knows how many it has.
        ("cores", here.then_some(f64::from(evidence.manifest.host.cores))),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// How many shots a promise of a scenario needs at the most, as far as it has shots of its own.
pub fn needed(scenario: &Scenario) -> u64 {
    let critical = scenario.promises.iter().filter(|p| p.severity == Severity::Critical);
    critical
        .filter_map(|p| match &p.claim {
            crate::scenario::Claim::Client(e) if !e.measure.is_of_fault() => Some(e.minimum()),
            crate::scenario::Claim::Effects(e) => Some(e.minimum()),
            _ => None,
        })
        .max()
        .unwrap_or(1)
}
