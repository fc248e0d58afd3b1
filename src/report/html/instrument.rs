//! Is the instrument to be trusted: what it could not do in time, and why.

use maud::{Markup, html};

use super::chart::{Across, Line, Plot, Unit, lines};
use super::{Hover, Page, coded, figure, keys};
use crate::base::text;
use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::tally::Tally;
use crate::report::words;

/// What the harness can be trusted with.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let judgement = page.run.judgement;
    let fitness = &judgement.fitness;
    let unfit: Vec<_> = fitness.unfit.iter().take(20).collect();
    html! {
        p { strong { (words::fitness(judgement)) } "." }
        ul { @for cause in words::causes(judgement) { li { (coded(&cause)) } } }
        @if !unfit.is_empty() {
            details {
                summary { (text::count(fitness.unfit.len() as u64, "unfit second")) }
                ul { @for of in &unfit { li { (of.second) " s, " (of.traffic) ": " (of.why) } } }
                @if fitness.unfit.len() > unfit.len() { p { "The others are in verdict.json." } }
            }
        }
        (lag(page))
        dl {
            @if let Some(stage) = words::injector(judgement) { dt { "Stage" } dd { (stage) } }
            @if let Some(canary) = words::canary(&judgement.canary) { dt { "Canary" } dd { (canary) } }
            @for (job, of) in &judgement.scrapes {
                dt { "Scrapes of " (job) }
                dd {
                    (text::thousands(of.good)) " good of " (text::thousands(of.planned))
                    @if of.missed > 0 { ", " (text::thousands(of.missed)) " missed by us" }
                    @if of.failed > 0 { ", " (text::thousands(of.failed)) " not answered" }
                }
            }
            @if let Some(target) = words::target(judgement) { dt { "Target" } dd { (target) } }
        }
        @if !page.run.evidence.gaps.is_empty() {
            p { strong { "Missing or torn" } }
            ul { @for gap in &page.run.evidence.gaps { li { (coded(gap)) } } }
        }
    }
}

/// How late the sender was, and how busy.
fn lag(page: &Page<'_>) -> Markup {
    let axis = &page.axis;
    let mut lags = vec![Tally::default(); axis.bins];
    for interval in &page.run.evidence.latency.intervals {
        let is_lag = page.run.evidence.latency.tags[interval.tag].timing == Timing::Lag;
        if let Some(bin) = axis.bin(interval.span.start).filter(|_| is_lag) {
            interval.cells.iter().for_each(|(nanos, count)| lags[bin].add(*nanos, *count));
        }
    }
    let of = |q: f64| lags.iter().map(|lag| lag.quantile(q).map(|length| length.as_secs_f64())).collect();
    let late = [
        Line { name: "lag p50".into(), colour: Some(0), values: of(0.5) },
        Line { name: "lag p99".into(), colour: Some(1), values: of(0.99) },
    ];
    let limit = page.run.evidence.manifest.lag_limit as f64 / 1e9;
    let plot = Plot {
        title: "How late shots were taken up",
        text: &format!("lag over time; shots later than {} count against the harness", Unit::Time.show(limit)),
        unit: Unit::Time,
        across: Across::Time,
        at: &page.middles(),
        range: axis.range(),
        lines: &late,
        stacked: false,
        log: true,
        bounds: &[limit],
        bands: &page.bands,
    };
    let hover = Hover { axis, unit: Unit::Time, lines: &late };
    let busy = busy(page);
    html! {
        (figure("lag", "Lag: how late shots were taken up, the limit dashed", lines(&plot), &keys(&late), Some(&hover)))
        @if busy.iter().any(|line| line.values.iter().any(Option::is_some)) {
            @let plot = Plot {
                title: "Processor time of the busiest sender", text: "share of a core over time", unit: Unit::Share,
                lines: &busy, log: false, bounds: &[page.run.judgement.fitness.cpu_limit], ..plot
            };
            @let hover = Hover { axis, unit: Unit::Share, lines: &busy };
            (figure("cpu", "Processor time, of a core, the limit dashed", lines(&plot), &keys(&busy), Some(&hover)))
        }
    }
}

/// What the busiest sender and the whole machine used, at the most of each bin.
fn busy(page: &Page<'_>) -> Vec<Line> {
    let mut sender = vec![None::<f64>; page.axis.bins];
    let mut machine = sender.clone();
    let mut stolen = sender.clone();
    let most = |of: &mut Vec<Option<f64>>, at: Offset, value: f64| {
        if let Some(bin) = page.axis.bin(at) {
            of[bin] = Some(of[bin].map_or(value, |before: f64| before.max(value)));
        }
    };
    for event in &page.run.evidence.events {
        match event {
            Event::Tick(tick) => {
                tick.health.iter().for_each(|worker| most(&mut sender, worker.at, worker.cpu));
                tick.cpu.iter().for_each(|(second, cpu)| most(&mut sender, Offset::from_millis(second * 1000), *cpu));
            }
            Event::Host(host) => {
                host.busy.iter().for_each(|busy| most(&mut machine, host.at, *busy));
                host.steal.iter().for_each(|steal| most(&mut stolen, host.at, *steal));
            }
            _ => {}
        }
    }
    vec![
        Line { name: "busiest sender".into(), colour: Some(0), values: sender },
        Line { name: "all cores of this machine".into(), colour: Some(1), values: machine },
        Line { name: "taken by the hypervisor".into(), colour: Some(3), values: stolen },
    ]
}
