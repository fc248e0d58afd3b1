//! A few of the shots that failed, and of the slowest, with the trace ids by which they are found elsewhere.

use maud::{Markup, html};

use super::{Page, axis};
use crate::base::units;
use crate::evidence::event::{Event, Exemplar};
use std::time::Duration;

/// So many are shown.
const SHOWN: usize = 60;

/// Exemplars; nothing where there is none.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let exemplars = page.run.evidence.events.iter().filter_map(|e| if let Event::Exemplar(e) = e { Some(e) } else { None });
    let mut all: Vec<&Exemplar> = exemplars.collect();
    if all.is_empty() {
        return None;
    }
    all.sort_by_key(|e| std::cmp::Reverse(e.response));
    let more = all.len().saturating_sub(SHOWN);
    let whole = page.axis.range()[1];
    Some(html! {
        p { "A few of each kind: never a line per request." }
        div class="wide" { table class="sortable" {
            thead { tr { th class="n" { "over at" } th { "traffic" } th { "outcome" } th class="n" { "status" } th class="n" { "response" } th { "why" } th { "trace id" } } }
            tbody { @for of in all.iter().take(SHOWN) { tr {
                td class="n" data-sort=(of.at.secs()) { (axis::clock(of.at.secs(), whole)) }
                td { (of.traffic) }
                td { (of.outcome.replace('_', " ")) }
                td class="n" { @if let Some(status) = of.status { (status) } @else { "–" } }
                td class="n" data-sort=(of.response) { (units::measured(Duration::from_nanos(of.response))) }
                td { (of.why) }
                td { code class="trace" { (of.trace) } }
            } } }
        } }
        @if more > 0 { p { "And " (more) " more, in events.jsonl." } }
    })
}
