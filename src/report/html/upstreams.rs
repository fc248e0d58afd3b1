//! The outside world that the service called: how often, over time.

use maud::{Markup, html};

use super::chart::{Across, Line, Plot, Unit, lines};
use super::{Hover, Page, figure, keys};
use crate::evidence::event::Event;

/// Calls of each upstream; nothing where there was none.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let all = calls(page);
    if all.is_empty() {
        return None;
    }
    let at = page.middles();
    let plot = Plot {
        title: "Calls of upstreams",
        text: "a second, over time",
        unit: Unit::Rate,
        across: Across::Time,
        at: &at,
        range: page.axis.range(),
        lines: &all,
        stacked: false,
        log: false,
        bounds: &[],
        bands: &page.bands,
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Rate, lines: &all };
    Some(html! { (figure("calls", "Calls a second", lines(&plot), &keys(&all), Some(&hover))) })
}

/// Counts are told once a second, each of all before it: what lies between two of them is spread evenly.
fn calls(page: &Page<'_>) -> Vec<Line> {
    let told: Vec<_> = (page.run.evidence.events.iter())
        .filter_map(|event| if let Event::Calls { at, upstreams } = event { Some((*at, upstreams)) } else { None })
        .collect();
    let line = |(i, name): (usize, &String)| {
        let mut bins = vec![0.0; page.axis.bins];
        let mut seen = vec![false; page.axis.bins];
        for pair in told.windows(2) {
            let [(from, before), (to, after)] = pair else { continue };
            let (Some(before), Some(after)) = (before.get(i), after.get(i)) else { continue };
            let (length, rose) = (to.since(*from).as_secs_f64(), after.calls.saturating_sub(before.calls) as f64);
            let span = crate::base::time::Span { start: *from, end: *to };
            let bin_of = |at| page.axis.bin(at);
            let first = bin_of(*from).unwrap_or(0);
            let last = bin_of(*to).unwrap_or(page.axis.bins - 1);
            for bin in first..=last {
                if let Some(part) = page.axis.span(bin).overlap(span).filter(|_| length > 0.0) {
                    bins[bin] += rose * part.length().as_secs_f64() / length;
                    seen[bin] = true;
                }
            }
        }
        let rate = |(bin, calls): (usize, &f64)| {
            let seconds = page.axis.span(bin).length().as_secs_f64();
            (seen[bin] && seconds > 0.0).then(|| calls / seconds)
        };
        Line { name: name.clone(), colour: Some(i), values: bins.iter().enumerate().map(rate).collect() }
    };
    let all: Vec<Line> = page.run.upstreams.iter().enumerate().map(line).collect();
    if all.iter().all(|line| line.values.iter().all(Option::is_none)) { Vec::new() } else { all }
}
