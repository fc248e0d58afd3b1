//! Both sides: what clients counted and what the service did, and how long each says it took.

use std::time::Duration;

use maud::{Markup, html};

use super::{Page, class, coded};
use crate::base::text;
use crate::base::units;
use crate::judge::{LatencyRecord, Reconciliation};
use crate::report::{reconcile, servers};

/// Reconciliation, servers that watched, contracts and alerts; nothing where nobody looked.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let judgement = page.run.judgement;
    let rows = reconcile::rows(judgement);
    let watching = [
        ("Prometheus", judgement.prometheus.as_ref().map(servers::prometheus)),
        ("Alertmanager", judgement.alertmanager.as_ref().map(servers::alertmanager)),
    ];
    let nothing = rows.is_empty()
        && judgement.contracts.is_empty()
        && judgement.alerts.is_none()
        && watching.iter().all(|(_, lines)| lines.is_none());
    if nothing {
        return None;
    }
    Some(html! {
        @if !rows.is_empty() {
            h3 { "Our books against the target's" }
            div class="wide" { table {
                thead { tr { @for (n, head) in reconcile::HEAD.iter().enumerate() { th class=(if n > 2 { "n" } else { "" }) { (head) } } } }
                tbody { @for row in &rows { tr { @for (n, cell) in row.iter().enumerate() { td class=(if n > 2 { "n" } else { "" }) { (cell) } } } } }
            } }
            @for check in &judgement.reconcile { (said(check)) }
        }
        @for check in &judgement.reconcile { @for record in &check.records {
            @if let Some(latency) = &record.latency { (buckets(check, &record.group, latency)) }
        } }
        (alerts(page))
        (contracts(page))
        @for (name, lines) in watching { @if let Some(lines) = lines { h3 id=(name.to_lowercase()) { (name) } ul { @for line in lines { li { (line) } } } } }
    })
}

fn said(check: &Reconciliation) -> Markup {
    let lines = reconcile::lines(check);
    html! { @if !lines.is_empty() {
        p class=(class(check.counts_as)) { code { (check.check) } }
        ul { @for line in lines { li { (coded(&line)) } } }
    } }
}

/// A histogram of the server's beside what clients counted at the same bounds.
fn buckets(check: &Reconciliation, group: &str, latency: &LatencyRecord) -> Markup {
    let seconds = |s: f64| units::measured(Duration::from_secs_f64(s.clamp(0.0, 1e9)));
    html! {
        details open[latency.bounds.len() <= 12] {
            summary { code { (check.check) } " " (group) ", bucket by bucket" }
            div class="wide" { table {
                thead { tr { th class="n" { "within" } th class="n" { "client" } th class="n" { "server" } th class="n" { "pushed over it outside" } } }
                tbody { @for bound in &latency.bounds { (bucket(bound, seconds)) } }
            } }
        }
    }
}

fn bucket(bound: &crate::judge::BoundRecord, seconds: fn(f64) -> String) -> Markup {
    html! { tr {
        td class="n" { (seconds(bound.bound)) }
        td class="n" { (text::thousands(bound.client)) }
        td class="n" { (text::thousands(bound.server)) }
        td class="n" { (units::percent(bound.gap)) }
    } }
}

fn alerts(page: &Page<'_>) -> Markup {
    use crate::report::alerts;
    let Some(replayed) = &page.run.judgement.alerts else { return html! {} };
    let names: Vec<&str> =
        replayed.alerts.first().map(|a| a.windows.iter().map(|w| w.name.as_str()).collect()).unwrap_or_default();
    html! {
        h3 id="replayed" { "Alert rules, replayed" }
        p { (alerts::headline(replayed)) "." }
        div class="wide" { table {
            thead { tr { th { "alert" } @for name in &names { th { (name) } } th { "evaluated" } } }
            tbody { @for alert in &replayed.alerts { tr {
                td { (alert.alert) }
                @for window in &alert.windows { td class={ "state-" (window.state.word()) } { (alerts::state(window, replayed.phases)) } }
                td { code class="expr" { (alerts::evaluated(alert)) } }
            } } }
        } }
        ul { @for line in replayed.alerts.iter().flat_map(|alert| alerts::lines(alert, true)).chain(replayed.mistakes.iter().cloned()) { li { (line) } } }
    }
}

fn contracts(page: &Page<'_>) -> Markup {
    use crate::report::contract;
    html! { @for (n, (job, of)) in page.run.judgement.contracts.iter().enumerate() {
        h3 id={ "contract-" (n) } { "Contract of " (job) }
        p { (contract::page(of)) }
        ul { @for line in contract::probes(of) { li { (line) } } }
        @if !of.violations.is_empty() { div class="wide" { table {
            thead { tr { th {} th { "finding" } th { "metric" } th { "why" } th { "what to do" } } }
            tbody { @for violation in &of.violations { tr {
                td { (violation.gravity.word()) } td { (violation.id) } td { code { (violation.metric) } } td { (violation.why) } td { (violation.remedy) }
            } } }
        } } }
    } }
}
