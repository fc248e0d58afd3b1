//! What lies within the shots of a traffic: how long each of their parts took over time, and what became of signals, with
//! how many of them were outstanding.

use maud::{Markup, html};

use super::chart::{Across, Line, Plot, Unit, lines};
use super::track::{QUANTILES, Track};
use super::{Hover, Page, figure, keys};
use crate::evidence::event::Event;
use crate::report::effects;

/// The quantile of which a part has a line.
const SHOWN: usize = 1;

/// Parts and effects of one traffic; nothing where it has neither.
pub(super) fn of_traffic(page: &Page<'_>, n: usize) -> Markup {
    let (_, summary) = &page.run.judgement.traffic[n];
    html! {
        (parts(page, n))
        @for line in summary.effects.iter().flat_map(|of| effects::lines(of, usize::MAX)) { p { (line) } }
        (outstanding(page, n))
    }
}

fn parts(page: &Page<'_>, n: usize) -> Markup {
    let (name, summary) = &page.run.judgement.traffic[n];
    let (word, _) = QUANTILES[SHOWN];
    let line = |(i, (part, _)): (usize, &(String, _))| {
        let track = Track::read(&format!("{name}.{part}"), None, page.run.evidence, &page.axis);
        let values = track.bins.iter().map(|bin| bin.quantiles[SHOWN]).collect();
        Line { name: part.clone(), colour: Some(i), values }
    };
    let all: Vec<Line> = summary.parts.iter().enumerate().map(line).collect();
    if all.iter().all(|line| line.values.iter().all(Option::is_none)) {
        return html! {};
    }
    let (at, title) = (page.middles(), format!("Parts of {name}"));
    let plot = Plot {
        across: Across::Time,
        title: &title,
        text: &format!("the {word} of each part over time, on a logarithmic axis"),
        unit: Unit::Time,
        at: &at,
        range: page.axis.range(),
        lines: &all,
        stacked: false,
        log: true,
        bounds: &[],
        bands: &page.bands,
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Time, lines: &all };
    let caption = format!("Parts: how long each took, {word}");
    figure(&format!("parts-{n}"), &caption, lines(&plot), &keys(&all), Some(&hover))
}

/// How many signals were outstanding: the most of each moment.
fn outstanding(page: &Page<'_>, n: usize) -> Markup {
    let (name, _) = &page.run.judgement.traffic[n];
    let told = page.run.evidence.events.iter().filter_map(|event| match event {
        Event::Effects(told) if told.traffic == *name => Some(&told.backlog),
        _ => None,
    });
    let mut bins = vec![None::<f64>; page.axis.bins];
    for (at, count) in told.flatten() {
        if let Some(bin) = page.axis.bin(*at) {
            bins[bin] = Some(bins[bin].unwrap_or_default().max(*count as f64));
        }
    }
    if bins.iter().all(Option::is_none) {
        return html! {};
    }
    let all = [Line { name: "outstanding".into(), colour: Some(0), values: bins }];
    let (at, title) = (page.middles(), format!("Signals of {name} that were outstanding"));
    let plot = Plot {
        across: Across::Time,
        title: &title,
        text: "without an effect so far, the most of each moment",
        unit: Unit::Count,
        at: &at,
        range: page.axis.range(),
        lines: &all,
        stacked: false,
        log: false,
        bounds: &[],
        bands: &page.bands,
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Count, lines: &all };
    figure(&format!("outstanding-{n}"), "Outstanding, the most of each moment", lines(&plot), &keys(&all), Some(&hover))
}
