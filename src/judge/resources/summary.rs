//! What reports show of who takes what of the machine.

use serde::Serialize;

use super::leak::{CONFIDENCE, grown, within};
use super::{Source, Taker, Usage};
use crate::base::time::Span;
use crate::judge::trial::Trial;

/// What somebody took over the measured phase; nothing where it was not told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceSummary {
    /// `target`, the name of a process, or that of a job.
    pub name: String,
    /// `proc`, or `metrics`: what the job's page says.
    pub source: &'static str,
    /// Processor time in cores, on average.
    pub cpu: Option<f64>,
    /// The same in the busiest second, or between two scrapes.
    pub cpu_most: Option<f64>,
    /// Processor time for 1 000 shots that came to an end, in seconds; of all traffic together.
    pub cpu_per_1000: Option<f64>,
    /// Resident memory at the most, in bytes.
    pub memory: Option<f64>,
    /// How fast it grows; of several processes the one that does most.
    pub growth: Option<Growth>,
    /// Descriptors that were open, at the most.
    pub files: Option<f64>,
    /// Threads, at the most.
    pub threads: Option<f64>,
    /// Changes of context a second, on average.
    pub switches: Option<f64>,
    /// How often it was started again.
    pub restarts: u32,
}

/// How fast memory grows, in bytes an hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Growth {
    /// The slope.
    pub slope: f64,
    /// It is not less, with 95 %.
    pub low: f64,
    /// It is not more, with 95 %.
    pub high: f64,
}

/// Over a span.
pub fn of(trial: &Trial<'_>, taker: &Taker, span: Span) -> ResourceSummary {
    let usage: Vec<&Usage> = taker.usage.iter().filter(|usage| span.contains(usage.at)).collect();
    let most = |of: fn(&Usage) -> Option<f64>| usage.iter().filter_map(|u| of(u)).reduce(f64::max);
    let mean = |of: fn(&Usage) -> Option<f64>| {
        let told = usage.iter().filter_map(|u| Some((of(u)? * u.over, u.over)));
        let (sum, over) = told.fold((0.0, 0.0), |(sum, over), (a, b)| (sum + a, over + b));
        (over > 0.0).then(|| sum / over)
    };
    let grown = taker.members.iter().filter_map(|member| {
        let looks = within(member, &[span]);
        grown(trial, &taker.name, &looks, &[span], CONFIDENCE)
    });
    let grown: Vec<_> = grown.collect();
    let growth = grown.iter().max_by(|a, b| a.slope.total_cmp(&b.slope));
    let cpu = mean(|u| u.cpu);
    let length = span.length().as_secs_f64();
    let shots: u64 = (0..trial.scenario.traffic.len()).map(|traffic| finished(trial, traffic, span)).sum();
    ResourceSummary {
        name: taker.name.clone(),
        source: match taker.source {
            Source::Proc => "proc",
            Source::Page => "metrics",
        },
        cpu,
        cpu_most: most(|u| u.cpu),
        cpu_per_1000: cpu.filter(|_| shots > 0).map(|cpu| cpu * length / shots as f64 * 1_000.0),
        memory: most(|u| u.bytes),
        growth: growth.map(|g| Growth { slope: g.slope, low: g.low, high: g.high }),
        files: most(|u| u.files),
        threads: most(|u| u.threads),
        switches: mean(|u| u.switches),
        restarts: grown.iter().map(|g| g.restarts).max().unwrap_or(0),
    }
}

/// Shots that were due in a span and came to an end.
fn finished(trial: &Trial<'_>, traffic: usize, span: Span) -> u64 {
    let mut sum = 0;
    for event in &trial.evidence.events {
        let crate::evidence::event::Event::Tick(tick) = event else { continue };
        for row in tick.traffic.get(traffic).into_iter().flatten() {
            let second = crate::base::time::Offset::from_millis(row.second * 1_000);
            if span.contains(second) {
                sum += row.finished;
            }
        }
    }
    sum
}
