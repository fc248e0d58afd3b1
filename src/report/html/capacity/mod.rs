//! The capacity page: how much a target takes, how sure that is, what is left of it with something broken, and what it costs.
//! Whoever decides reads the first section; whoever doubts it finds every probe below.

mod curves;
mod plan;
mod tables;

pub use plan::plan;

use maud::{Markup, html};

use super::class;
use super::shell::shell;
use crate::judge::capacity::Study;
use crate::judge::capacity::model::Models;
use crate::report::capacity::words;

/// A study laid out for drawing.
struct Page<'s> {
    study: &'s Study,
    models: &'s Models,
}

/// Renders a study.
pub fn study(study: &Study, models: &Models) -> String {
    let page = Page { study, models };
    let title = format!("{}: capacity of {}", study.verdict.word(), study.scenario);
    let banner = html! {
        p class="verdict" { (study.verdict.word()) }
        h1 { "Capacity of " (study.traffic) ": " (study.scenario) }
        p class="headline" { (words::headline(study)) }
    };
    let sections = vec![
        ("recommendation", "Recommendation", Some(recommendation(&page))),
        ("curves", "Latency against load", curves::latency(&page)),
        ("achieved", "What came back", curves::achieved(&page)),
        ("faults", "With something broken", tables::faults(&page)),
        ("upstreams", "Upstream budgets", curves::upstreams(&page)),
        ("resources", "What it takes of the machine", curves::resources(&page)),
        ("probes", "Probes", tables::probes(&page)),
        ("models", "Models", tables::models(&page)),
        ("rests", "What this rests on", Some(rests(&page))),
    ];
    let foot = format!("proofload {}, {}", env!("CARGO_PKG_VERSION"), study.file);
    shell(&title, class(study.verdict), banner, sections, &foot)
}

fn recommendation(page: &Page<'_>) -> Markup {
    let mut lines = words::recommendation(page.study, page.models).into_iter();
    html! {
        @if let Some(first) = lines.next() { p { strong { (first) } } }
        @for line in lines { p { (line) } }
        @if !page.study.claims.is_empty() { (tables::claims(page)) }
        @if page.study.why.len() > 1 { ul { @for why in &page.study.why { li { (why) } } } }
    }
}

fn rests(page: &Page<'_>) -> Markup {
    let study = page.study;
    html! {
        ul { @for line in words::assumptions(study, page.models) { li { (line) } } }
        dl {
            dt { "Scenario" } dd { (study.file) }
            dt { "Target" } dd { (study.target) @if study.replicas > 1 { ", " (study.replicas) " addresses" } }
            dt { "Seed" } dd { (study.seed) }
            dt { "Resolution" } dd { (crate::base::units::percent(study.resolution)) }
            dt { "Promises" } dd { @for (i, promise) in study.promises.iter().enumerate() { @if i > 0 { br; } code { (promise) } } }
        }
    }
}
