//! The tables: every probe, what is lost under faults, what was promised, and the models.

use maud::{Markup, html};

use super::Page;
use crate::base::{text, units};
use crate::judge::capacity::{Probe, Role, Search};
use crate::report::capacity::words::{length, rate};
use crate::report::html::class;

/// What was promised of the knee.
pub(super) fn claims(page: &Page<'_>) -> Markup {
    html! {
        div class="wide" { table class="cards" {
            thead { tr { th {} th { "promise" } th { "why" } } }
            tbody { @for claimed in &page.study.claims { tr {
                td { span class={ "mark " (class(claimed.verdict)) } { (claimed.verdict.word()) } }
                td { code { (claimed.promise) } @if claimed.severity != "critical" { " " small { (claimed.severity) } } }
                td { (claimed.why) }
            } } }
        } }
    }
}

/// What is left under each fault.
pub(super) fn faults(page: &Page<'_>) -> Option<Markup> {
    let study = page.study;
    if study.searches.len() < 2 {
        return None;
    }
    let row = |search: &Search| {
        let knee = &search.knee;
        let loss = study.loss(search).filter(|_| search.fault.is_some());
        let known = |of: Option<f64>| of.map_or("–".to_owned(), rate);
        html! { tr {
            th { (search.fault.as_deref().unwrap_or("nothing")) }
            td class="n" data-sort=[knee.rate] { (known(knee.rate)) }
            td class="n" { (rate(knee.low)) " – " (known(knee.high)) }
            td class="n" data-sort=[loss] { (loss.map_or("–".into(), |loss| units::percent(loss.max(0.0)))) }
            td { @if let Some(first) = knee.breaks.first() { code { (first.promise) } " at " (rate(first.rate)) } @else { "–" } }
            td { @if knee.metastable.is_some() { "does not come back" } }
        } }
    };
    Some(html! {
        div class="wide" { table class="sortable" {
            thead { tr { th { "broken" } th class="n" { "knee" } th class="n" { "between" } th class="n" { "lost" } th { "gives way first" } th {} } }
            tbody { @for search in &study.searches { (row(search)) } }
        } }
    })
}

/// Every probe, from the lowest rate.
pub(super) fn probes(page: &Page<'_>) -> Option<Markup> {
    if page.study.searches.iter().all(|search| search.probes.is_empty()) {
        return None;
    }
    Some(html! { @for search in &page.study.searches { (of_search(search)) } })
}

fn of_search(search: &Search) -> Markup {
    let mut probes: Vec<&Probe> = search.probes.iter().collect();
    probes.sort_by(|a, b| a.offered.total_cmp(&b.offered).then(a.number.cmp(&b.number)));
    let number = |n: Option<f64>| n.map_or("–".to_owned(), |n| format!("{n:.1}"));
    html! {
        @if let Some(fault) = &search.fault { h3 { "Under " (fault) } }
        div class="wide" { table class="sortable" {
            thead { tr {
                th {} th class="n" { "offered" } th class="n" { "achieved" } th class="n" { "shots" } th class="n" { "p50" } th class="n" { "p95" } th class="n" { "p99" }
                th class="n" { "errors" } th class="n" { "under way" } th class="n" { "rate × time" } th { "gives way" } th { "evidence" }
            } }
            tbody { @for probe in probes { tr {
                td { span class={ "mark " (class(probe.verdict)) } { (probe.verdict.word()) } }
                td class="n" data-sort=(probe.offered) { (rate(probe.offered)) }
                td class="n" data-sort=(probe.achieved) { (rate(probe.achieved)) }
                td class="n" data-sort=(probe.shots) { (text::thousands(probe.shots)) }
                @for of in [probe.response.p50, probe.response.p95, probe.response.p99] { td class="n" data-sort=[of] { (length(of)) } }
                td class="n" data-sort=(probe.errors) { (units::percent(probe.errors)) }
                td class="n" { (number(probe.in_flight)) }
                td class="n" { (number(probe.little)) @if crate::judge::capacity::model::holds(probe) == Some(false) { " ≠" } }
                td { (gives_way(probe)) }
                td { @if probe.report.is_empty() { "–" } @else { a href={ (probe.report) "/report.html" } { (probe.report) } } }
            } } }
        } }
    }
}

fn gives_way(probe: &Probe) -> Markup {
    let role = match probe.role {
        Role::Warm => "to warm up",
        Role::Return => "to see whether it comes back",
        Role::Search if !probe.counts && probe.decided().is_some() => "before it was warm",
        Role::Search => "",
    };
    html! {
        @if let Some(promise) = &probe.first_broken { code { (promise) } }
        @if !role.is_empty() { @if probe.first_broken.is_some() { "; " } (role) }
        @if probe.decided().is_none() { @if let Some(why) = probe.why.first() { (why) } }
    }
}

/// The laws that were fitted.
pub(super) fn models(page: &Page<'_>) -> Option<Markup> {
    let models = page.models;
    if models.queue.is_none() && models.concurrency.is_none() {
        return None;
    }
    let between = |(low, high): (f64, f64), show: &dyn Fn(f64) -> String| format!("{} – {}", show(low), show(high));
    let time = |seconds: f64| length(Some(seconds));
    let share = |n: f64| format!("{n:.4}");
    let small = |n: f64| format!("{n:.3e}");
    let rows: Vec<(&str, &str, String, String)> = models
        .queue
        .iter()
        .flat_map(|q| {
            let (least, most) = q.servers_between;
            [
                ("queue (M/M/c)", "servers c", q.servers.to_string(), format!("{least} – {most}")),
                ("", "busy with a shot, s", time(q.service), between(q.service_between, &time)),
                ("", "besides, D", time(q.besides), String::new()),
                ("", "at the very most, c / s", rate(q.most), between(q.most_between, &rate)),
                ("", "points off the curve by", units::percent(q.off), String::new()),
            ]
        })
        .chain(models.concurrency.iter().flat_map(|c| {
            let peak = c.peak.map_or("none".into(), |(n, at)| format!("{} at {n:.0} under way", rate(at)));
            [
                (
                    "Universal Scalability Law over shots under way",
                    "λ",
                    rate(c.at.lambda),
                    between(c.between[0], &rate),
                ),
                ("", "σ, contention", share(c.at.sigma), between(c.between[1], &share)),
                ("", "κ, coherency", small(c.at.kappa), between(c.between[2], &small)),
                ("", "peak", peak, String::new()),
            ]
        }))
        .collect();
    Some(html! {
        div class="wide" { table {
            thead { tr { th { "law" } th { "parameter" } th class="n" { "value" } th class="n" { "between" } } }
            tbody { @for (law, parameter, value, between) in rows { tr {
                td { (law) } td { (parameter) } td class="n" { (value) } td class="n" { (between) }
            } } }
        } }
    })
}
