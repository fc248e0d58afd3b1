//! What reports show beside the findings: what was sent and what came back, and what was scraped.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::closed::Divided;
use super::effects::EffectsSummary;
use super::followed::{self, FollowedSummary, LoginSummary};
use super::shots::{Population, Stretch, Subject};
use super::trial::Trial;
use super::verdict::{by_name, span};
use super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::latency::Tag;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Tally, cell};
use crate::scenario::{Part, Whose};

/// What one traffic sent and what came back, over its measured phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficSummary {
    /// Shots of the whole plan, warm-up included. Those of closed loops are not planned.
    pub planned: u64,
    /// Planned shots taken up, warm-up included.
    pub taken_up: u64,
    /// Planned shots whose first byte was written, warm-up included.
    pub sent: u64,
    /// The measured phase.
    #[serde(serialize_with = "span")]
    pub measured: Span,
    /// Shots due in the measured phase that came to an end, closed loops included.
    pub shots: u64,
    /// Ok shots per second of the measured phase.
    pub rate: f64,
    /// How many came to each outcome, in the order of reports; without those that none came to.
    #[serde(serialize_with = "by_name")]
    pub outcomes: Vec<(String, u64)>,
    /// Lengths of planned shots by clock. `response` and `service` count a failure at least at the timeout, as promises
    /// do; the other clocks are as they were.
    #[serde(serialize_with = "by_name")]
    pub clocks: Vec<(String, Percentiles)>,
    /// Planned shots of each class that were ok, on the response clock.
    #[serde(serialize_with = "by_name")]
    pub classes: Vec<(String, Percentiles)>,
    /// The parts of its shots that are measured by themselves, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_name")]
    pub parts: Vec<(String, PartSummary)>,
    /// How its shots were followed to their end, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followed: Option<FollowedSummary>,
    /// The tokens that were asked for while the load went on, where any were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logins: Option<LoginSummary>,
    /// What a closed-loop tool would have claimed of the planned shots, where that is far from what users waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_loop_claim: Option<Claimed>,
    /// The closed loops, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed_loops: Vec<LoopSummary>,
    /// What became of signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectsSummary>,
}

/// What became of a part of a traffic's shots, over its measured phase. It has as many shots as came to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartSummary {
    /// Shots due in the measured phase that came to it, closed loops included.
    pub shots: u64,
    /// Ok per second of the measured phase.
    pub rate: f64,
    /// How many came to each outcome, in the order of reports; without those that none came to.
    #[serde(serialize_with = "by_name")]
    pub outcomes: Vec<(String, u64)>,
    /// Lengths by clock, of planned shots; as those of the whole. A part that is no exchange with a service has a
    /// `response` alone.
    #[serde(serialize_with = "by_name")]
    pub clocks: Vec<(String, Percentiles)>,
}

/// What became of a closed loop. Its latencies leave out what would have queued, and are no others' equals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopSummary {
    /// How many connections sent as soon as they had their replies.
    pub connections: u32,
    /// When.
    #[serde(serialize_with = "span")]
    pub span: Span,
    /// Shots that came to an end.
    pub shots: u64,
    /// Of those, shots that failed.
    pub failed: u64,
    /// Ok shots per second.
    pub rate: f64,
    /// From sent to done; a failure counts at least at the timeout.
    pub latency: Percentiles,
}

/// A quantile as a tool would have it that starts its clock when it sends, and what users waited.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Claimed {
    /// `p99`.
    pub quantile: &'static str,
    /// On the service clock, in seconds.
    pub claimed: f64,
    /// On the response clock, in seconds.
    pub waited: f64,
}

impl Claimed {
    /// Two clocks are far apart from this factor on.
    const FACTOR: f64 = 2.0;
    /// Less than this is nobody's wait, in seconds.
    const LEAST: f64 = 0.001;

    /// From the quantiles of the service and the response clock. A p99 of fewer than a hundred is a maximum.
    fn read(service: &Percentiles, response: &Percentiles) -> Option<Claimed> {
        let (claimed, waited) = (service.p99?, response.p99?);
        let far = waited > claimed * Claimed::FACTOR && waited - claimed >= Claimed::LEAST;
        (far && response.count >= 100).then_some(Claimed { quantile: "p99", claimed, waited })
    }
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

/// Each traffic, in the order of the scenario.
pub fn traffic(trial: &Trial<'_>) -> Vec<(String, TrafficSummary)> {
    let of = |(i, traffic): (usize, &crate::scenario::Traffic)| (traffic.name.clone(), one_traffic(trial, i));
    trial.scenario.traffic.iter().enumerate().map(of).collect()
}

fn one_traffic(trial: &Trial<'_>, traffic: usize) -> TrafficSummary {
    let measured = trial.timeline.measured(Some(traffic));
    let whole = [Stretch::whole(measured)];
    let divided = Divided::new(trial.timeline, traffic, &whole);
    let population = |part, class, clock, stretches: &[Stretch]| {
        let cut = Cut { parts: vec![measured], ..Cut::default() };
        trial.shots.population(Subject { traffic, part, class, clock }, &cut, stretches, &BTreeSet::new(), true)
    };
    let lengths = |part, clock, stretches: &[Stretch]| {
        let floor = trial.floor(Whose { traffic, part });
        let shots = population(part, None, clock, stretches);
        let as_promised = matches!(clock, Timing::Response | Timing::Service);
        let mut tally = if as_promised { shots.failed.at_least(floor) } else { shots.failed.clone() };
        if as_promised {
            let without = shots.count(Outcome::is_failure).saturating_sub(shots.failed.count());
            tally.add(cell(floor.as_nanos() as u64), without);
        }
        tally.merge(&shots.ok);
        Percentiles::of(&tally)
    };
    let rate = |ok: u64, span: Span| {
        let length = span.end.min(trial.windows.seen).since(span.start);
        if length.is_zero() { 0.0 } else { ok as f64 / length.as_secs_f64() }
    };
    let closed = |(span, connections)| {
        let stretches = [Stretch { span, part: measured }];
        let shots = population(None, None, Timing::Response, &stretches);
        LoopSummary {
            connections,
            span,
            shots: shots.due(),
            failed: shots.count(Outcome::is_failure),
            rate: rate(shots.of(Outcome::Ok), span),
            latency: lengths(None, Timing::Response, &stretches),
        }
    };
    let all = population(None, None, Timing::Response, &whole);
    let classes = trial.scenario.traffic[traffic].classes.iter().enumerate();
    let of_class = |class| population(None, Some(class), Timing::Response, &divided.planned).ok;
    let planned = |clock| lengths(None, clock, &divided.planned);
    let (response, service) = (planned(Timing::Response), planned(Timing::Service));
    let part = |(position, part): (usize, Part)| {
        let all = population(Some(position), None, Timing::Response, &whole);
        let clocks =
            if part.is_exchange { &Timing::ALL[..] } else { &[Timing::Response, Timing::Earliest, Timing::Gap] };
        let lengths = |clock: &Timing| (clock.word().to_owned(), lengths(Some(position), *clock, &divided.planned));
        let summary = PartSummary {
            shots: all.due(),
            rate: rate(all.of(Outcome::Ok), measured),
            outcomes: outcomes(&all),
            clocks: clocks.iter().map(lengths).filter(is_told).collect(),
        };
        (part.name, summary)
    };
    let (taken_up, sent) = went(trial, traffic);
    TrafficSummary {
        planned: trial.plan.traffic[traffic].count(),
        taken_up,
        sent,
        measured,
        shots: all.due(),
        rate: rate(all.of(Outcome::Ok), measured),
        outcomes: outcomes(&all),
        clocks: Timing::ALL
            .map(|clock| (clock.word().to_owned(), planned(clock)))
            .into_iter()
            .filter(is_told)
            .collect(),
        classes: classes.map(|(i, class)| (class.name.clone(), Percentiles::of(&of_class(i)))).collect(),
        parts: trial.scenario.traffic[traffic].parts().into_iter().enumerate().map(part).collect(),
        followed: followed::followed(trial.evidence, &trial.scenario.traffic[traffic].name),
        logins: followed::logins(trial.evidence, &trial.scenario.traffic[traffic].name),
        closed_loop_claim: Claimed::read(&service, &response),
        closed_loops: trial.timeline.closed_loops(traffic).map(closed).collect(),
        effects: None,
    }
}

/// Whether there is anything to tell of a clock: those of doubt are only where there is some.
fn is_told((clock, lengths): &(String, Percentiles)) -> bool {
    lengths.count > 0 || !Timing::from_word(clock).is_some_and(Timing::is_doubt)
}

/// How many shots came to each outcome, without those that none came to.
fn outcomes(population: &Population) -> Vec<(String, u64)> {
    let all = Outcome::ALL.into_iter().map(|outcome| (outcome.word().to_owned(), population.of(outcome)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// How many planned shots of a traffic were taken up, and how many of them were sent. Counts are kept by the second: a
/// lost shot in the second of a closed loop is taken for one of the loop's, so that a planned one which is missing is
/// never made up for.
fn went(trial: &Trial<'_>, traffic: usize) -> (u64, u64) {
    let loops: Vec<Span> = trial.timeline.closed_loops(traffic).map(|(span, _)| span).collect();
    let rows = trial.fitness.seconds[traffic].iter();
    let (mut taken_up, mut sent) =
        rows.clone().fold((0, 0), |(taken_up, sent), (_, row)| (taken_up + row.due, sent + row.sent));
    if !loops.is_empty() {
        let ticks = trial.evidence.events.iter().filter_map(|e| if let Event::Tick(t) = e { Some(t) } else { None });
        let closed: u64 = ticks.filter_map(|t| t.traffic.get(traffic)).flatten().map(|row| row.closed).sum();
        let in_loop = |second: i64| {
            let start = Offset::from_millis(second * 1000);
            let second = Span { start, end: start + Duration::from_secs(1) };
            loops.iter().any(|span| span.overlap(second).is_some())
        };
        let lost: u64 = rows.filter(|(second, _)| in_loop(**second)).map(|(_, row)| row.lost).sum();
        taken_up = taken_up.saturating_sub(closed + lost);
        // Every shot that was sent is on the service clock.
        let sent_in = |span: &Span| {
            let tag = |t: &Tag| t.traffic == trial.scenario.traffic[traffic].name && t.timing == Timing::Service;
            trial.evidence.latency.tally(*span, tag).count()
        };
        // One that left its loop a little late is due behind it, and still none of the planned.
        sent = sent.saturating_sub(loops.iter().map(sent_in).sum()).min(taken_up);
    }
    (taken_up, sent)
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
