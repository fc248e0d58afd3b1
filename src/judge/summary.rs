//! What reports show beside the findings: what was sent and what came back, what was broken, what was scraped.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::recovery::Found;
use super::shots::{Stretch, Subject};
use super::trial::Trial;
use super::verdict::{by_name, span};
use super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Tally, cell};

/// What one traffic sent and what came back, over its measured phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficSummary {
    /// Shots of the whole plan, warm-up included.
    pub planned: u64,
    /// Shots taken up, warm-up included.
    pub taken_up: u64,
    /// Shots whose first byte was written, warm-up included.
    pub sent: u64,
    /// The measured phase.
    #[serde(serialize_with = "span")]
    pub measured: Span,
    /// Shots due in the measured phase that came to an end.
    pub shots: u64,
    /// Ok shots per second of the measured phase.
    pub rate: f64,
    /// How many came to each outcome, in the order of reports; without those that none came to.
    #[serde(serialize_with = "by_name")]
    pub outcomes: Vec<(String, u64)>,
    /// Lengths by clock. `response` and `service` count a failure at least at the timeout, as promises do; the other
    /// clocks are as they were.
    #[serde(serialize_with = "by_name")]
    pub clocks: Vec<(String, Percentiles)>,
    /// Shots of each class that were ok, on the response clock.
    #[serde(serialize_with = "by_name")]
    pub classes: Vec<(String, Percentiles)>,
}

/// Quantiles of lengths of time, in seconds; nothing where there is no length.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// How many lengths.
    pub count: u64,
    /// The mean.
    pub mean: Option<f64>,
    /// Half are not longer.
    pub p50: Option<f64>,
    /// Nine in ten.
    pub p90: Option<f64>,
    /// 95 in 100.
    pub p95: Option<f64>,
    /// 99 in 100.
    pub p99: Option<f64>,
    /// 999 in 1000.
    #[serde(rename = "p99.9")]
    pub p999: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

impl Percentiles {
    /// Of a tally.
    pub fn of(tally: &Tally) -> Percentiles {
        let seconds = |length: Duration| length.as_nanos() as f64 / 1e9;
        let at = |q| tally.quantile(q).map(seconds);
        Percentiles {
            count: tally.count(),
            mean: tally.mean().map(seconds),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: tally.max().map(seconds),
        }
    }
}

/// What was broken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultSummary {
    /// What windows call it.
    pub name: String,
    /// What it does.
    pub kind: &'static str,
    /// The share of requests that it should strike.
    pub share: f64,
    /// When it should have been.
    #[serde(serialize_with = "span")]
    pub planned: Span,
    /// From here on requests could be struck.
    pub applied: Option<Offset>,
    /// It struck its first request.
    pub touched: Option<Offset>,
    /// From here on no request was struck.
    pub cleared: Option<Offset>,
    /// First touch to end as windows have it, rounded outward to 100 ms.
    #[serde(serialize_with = "maybe_span")]
    pub effective: Option<Span>,
    /// Requests that it could have struck.
    pub eligible: u64,
    /// Requests that it struck.
    pub injected: u64,
    /// Why it was not what the scenario describes, if so.
    pub trouble: Option<String>,
    /// How each traffic recovered.
    #[serde(serialize_with = "by_name")]
    pub recovery: Vec<(String, RecoverySummary)>,
}

/// How a traffic recovered from a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoverySummary {
    /// `recovered`, `never`, `undecided`, or `none` where there was nothing to recover from.
    pub found: &'static str,
    /// The recovery instant lies after the first and not after the second, in nanoseconds since the plan's zero.
    pub between: Option<[Offset; 2]>,
}

/// What was scraped of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ScrapeSummary {
    /// Scrapes that were planned.
    pub planned: u64,
    /// Scrapes that brought samples.
    pub good: u64,
    /// Scrapes that the target did not answer, or not with a page of metrics.
    pub failed: u64,
    /// Scrapes that we were too late for.
    pub missed: u64,
}

fn maybe_span<S: Serializer>(maybe: &Option<Span>, s: S) -> Result<S::Ok, S::Error> {
    match maybe {
        Some(known) => span(known, s),
        None => s.serialize_none(),
    }
}

/// Each traffic, in the order of the scenario.
pub fn traffic(trial: &Trial<'_>) -> Vec<(String, TrafficSummary)> {
    let of = |(i, traffic): (usize, &crate::scenario::Traffic)| (traffic.name.clone(), one_traffic(trial, i));
    trial.scenario.traffic.iter().enumerate().map(of).collect()
}

fn one_traffic(trial: &Trial<'_>, traffic: usize) -> TrafficSummary {
    let measured = trial.timeline.measured(Some(traffic));
    let cut = Cut { parts: vec![measured], ..Cut::default() };
    let stretches = [Stretch::whole(measured)];
    let population = |class, clock| {
        trial.shots.population(Subject { traffic, class, clock }, &cut, &stretches, &BTreeSet::new(), true)
    };
    let mut clocks = Vec::new();
    for clock in Timing::ALL {
        let shots = population(None, clock);
        let as_promised = matches!(clock, Timing::Response | Timing::Service);
        let mut tally = if as_promised { shots.failed.at_least(trial.timeout) } else { shots.failed.clone() };
        if as_promised {
            let without = shots.count(Outcome::is_failure).saturating_sub(shots.failed.count());
            tally.add(cell(trial.timeout.as_nanos() as u64), without);
        }
        tally.merge(&shots.ok);
        clocks.push((clock.word().to_owned(), Percentiles::of(&tally)));
    }
    let all = population(None, Timing::Response);
    let classes = trial.scenario.traffic[traffic].classes.iter().enumerate();
    let rows = trial.fitness.seconds[traffic].values();
    let length = measured.end.min(trial.windows.seen).since(measured.start);
    TrafficSummary {
        planned: trial.plan.traffic[traffic].count(),
        taken_up: rows.clone().map(|row| row.due).sum(),
        sent: rows.map(|row| row.sent).sum(),
        measured,
        shots: all.due(),
        rate: if length.is_zero() { 0.0 } else { all.of(Outcome::Ok) as f64 / length.as_secs_f64() },
        outcomes: Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.word().to_owned(), all.of(outcome)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        clocks,
        classes: classes
            .map(|(i, class)| (class.name.clone(), Percentiles::of(&population(Some(i), Timing::Response).ok)))
            .collect(),
    }
}

/// Each fault, in the order of the scenario.
pub fn faults(trial: &Trial<'_>) -> Vec<FaultSummary> {
    let of = |(i, times): (usize, &super::window::FaultTimes)| {
        let fault = &trial.scenario.faults[i];
        let recovery = |(traffic, recovery): (usize, &super::recovery::Recovery)| {
            let summary = match recovery.found {
                Found::Recovered { from, at } => RecoverySummary { found: "recovered", between: Some([from, at]) },
                Found::Never { .. } => RecoverySummary { found: "never", between: None },
                Found::Undecided { .. } => RecoverySummary { found: "undecided", between: None },
                Found::NoFault => RecoverySummary { found: "none", between: None },
            };
            (trial.scenario.traffic[traffic].name.clone(), summary)
        };
        FaultSummary {
            name: fault.name.clone(),
            kind: fault.inject.word(),
            share: fault.share.fraction(),
            planned: times.planned,
            applied: times.applied,
            touched: times.touched,
            cleared: times.cleared,
            effective: times.effective,
            eligible: times.eligible,
            injected: times.injected,
            trouble: times.trouble.clone(),
            recovery: trial.windows.recoveries[i].iter().enumerate().map(recovery).collect(),
        }
    };
    trial.windows.faults.iter().enumerate().map(of).collect()
}

/// Each job, in the order of the scenario.
pub fn scrapes(trial: &Trial<'_>) -> Vec<(String, ScrapeSummary)> {
    let of = |job: &crate::scenario::Job| {
        let mut summary = ScrapeSummary::default();
        for event in &trial.evidence.events {
            let Event::Scrape(scrape) = event else { continue };
            if scrape.job == job.name {
                summary.planned += 1;
                match (scrape.missed, &scrape.failed) {
                    (true, _) => summary.missed += 1,
                    (false, Some(_)) => summary.failed += 1,
                    (false, None) => summary.good += 1,
                }
            }
        }
        (job.name.clone(), summary)
    };
    trial.scenario.jobs.iter().map(of).collect()
}
