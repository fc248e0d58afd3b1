//! A few of the shots that failed, and of the slowest, with the trace ids by which they are found elsewhere.

use std::cmp::Reverse;
use std::time::Duration;

use maud::{Markup, html};

use super::{Page, axis};
use crate::base::units;
use crate::evidence::event::{Event, Exemplar};

/// So many failures are shown.
const SHOWN: usize = 60;
/// So many of the slowest of each traffic.
const SLOWEST: usize = 10;

/// Exemplars; nothing where there is none.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let (mut slow, mut failed) = (Vec::new(), Vec::new());
    for event in &page.run.evidence.events {
        match event {
            Event::Slow(of) => slow.push(of),
            Event::Exemplar(of) => failed.push(of),
            _ => {}
        }
    }
    if slow.is_empty() && failed.is_empty() {
        return None;
    }
    // Many were the slowest for a while; those that still are at the end are shown.
    slow.sort_by_key(|of| Reverse(of.response));
    let names = page.run.judgement.traffic.iter().map(|(name, _)| name);
    let slow: Vec<&Exemplar> =
        names.flat_map(|name| slow.iter().copied().filter(move |of| of.traffic == *name).take(SLOWEST)).collect();
    failed.sort_by_key(|of| Reverse(of.response));
    Some(html! {
        @if !failed.is_empty() { h3 { "Failed" } p { "A few of each kind: never a line per request." } (table(page, &failed)) }
        @if !slow.is_empty() { h3 { "Ok, but slowest" } (table(page, &slow)) }
    })
}

fn table(page: &Page<'_>, all: &[&Exemplar]) -> Markup {
    let more = all.len().saturating_sub(SHOWN);
    let whole = page.axis.range()[1];
    let explained = all.iter().any(|of| !of.why.is_empty());
    html! {
        div class="wide" { table class="sortable shots" {
            thead { tr {
                th class="n" { "over at" } th { "traffic" } th { "outcome" } th class="n" { "status" }
                th class="n" { "response" } @if explained { th { "why" } } th { "trace id" }
            } }
            tbody { @for of in all.iter().take(SHOWN) { tr {
                td class="n" data-sort=(of.at.secs()) { (axis::clock(of.at.secs(), whole)) }
                td { (of.traffic) }
                td { (of.outcome.replace('_', " ")) }
                td class="n" { @if let Some(status) = of.status { (status) } @else { "–" } }
                td class="n" data-sort=(of.response) { (units::measured(Duration::from_nanos(of.response))) }
                @if explained { td { (of.why) } }
                td { (trace(page, &of.trace)) }
            } } }
        } }
        @if more > 0 { p { "And " (more) " more, in events.jsonl." } }
    }
}

/// A trace id, as a link where it is said where traces are.
fn trace(page: &Page<'_>, id: &str) -> Markup {
    html! {
        @match page.run.traces {
            Some(template) => { a class="trace" href=(template.replace("{trace}", id)) rel="noreferrer" { code { (id) } } },
            None => { code class="trace" { (id) } },
        }
    }
}
