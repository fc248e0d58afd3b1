//! What the target took of the machine: over time where the machine told, and in figures.

use maud::{Markup, html};

use super::chart::{Across, Line, Plot, Unit, lines};
use super::{Hover, Page, figure, keys};
use crate::evidence::event::Event;
use crate::report::resources;

/// Everything that was told; nothing where nobody did.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let judgement = page.run.judgement;
    if judgement.resources.is_empty() {
        return None;
    }
    let cpu = course(page, |of| of.cpu);
    let memory = course(page, |of| of.rss as f64);
    let draw = |id: &str, caption: &str, of: &[Line]| {
        let at = page.middles();
        let plot = Plot {
            across: Across::Time,
            title: caption,
            text: "over time",
            unit: Unit::Count,
            at: &at,
            range: page.axis.range(),
            lines: of,
            stacked: false,
            log: false,
            bounds: &[],
            bands: &page.bands,
        };
        let hover = Hover { axis: &page.axis, unit: Unit::Count, lines: of };
        figure(id, caption, lines(&plot), &keys(of), Some(&hover))
    };
    let megabytes: Vec<Line> = memory
        .into_iter()
        .map(|line| Line { values: line.values.iter().map(|v| v.map(|v| v / 1e6)).collect(), ..line })
        .collect();
    Some(html! {
        @if !cpu.is_empty() {
            (draw("cores", "Cores", &cpu))
            (draw("memory", "Resident memory, MB", &megabytes))
        }
        dl { @for (name, line) in resources::lines(judgement) { dt { (name) } dd { (line) } } }
    })
}

/// A figure of each process, on average over each bin.
fn course(page: &Page<'_>, figure: impl Fn(&crate::evidence::resources::ProcessUse) -> f64) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    let mut sums: Vec<Vec<(f64, f64)>> = Vec::new();
    for event in &page.run.evidence.events {
        let Event::Resources(told) = event else { continue };
        let Some(bin) = page.axis.bin(told.at) else { continue };
        for of in &told.of {
            let known = names.iter().position(|name| *name == of.name).unwrap_or_else(|| {
                names.push(&of.name);
                sums.push(vec![(0.0, 0.0); page.axis.bins]);
                names.len() - 1
            });
            let (sum, n) = &mut sums[known][bin];
            (*sum, *n) = (*sum + figure(of), *n + 1.0);
        }
    }
    let mean = |(sum, n): &(f64, f64)| (*n > 0.0).then(|| sum / n);
    let lines = names.iter().zip(&sums).enumerate().map(|(i, (name, sums))| Line {
        name: (*name).to_owned(),
        colour: Some(i),
        values: sums.iter().map(mean).collect(),
    });
    lines.collect()
}
