//! Did it pass, and why: the banner and the promises, broken ones first.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{Page, class, coded};
use crate::base::text;
use crate::judge::{Finding, Severity, Verdict};
use crate::report::words;

/// The top of the page.
pub(super) fn banner(page: &Page<'_>) -> Markup {
    let judgement = page.run.judgement;
    html! {
        p class="verdict" { (judgement.verdict.word()) }
        h1 { (judgement.scenario) }
        p class="headline" { (words::headline(judgement)) " (exit " (judgement.exit.code()) ")" }
        p class="when" { (words::occasion(&page.run.evidence.manifest, page.run.plan.timeline.end)) }
        @if judgement.time_scale > 1 {
            p { strong { "Scaled 1:" (judgement.time_scale) } ": the load was shorter than written, and is no baseline." }
        }
        @if !judgement.reasons.is_empty() {
            ul { @for reason in &judgement.reasons { li { strong { (reason.verdict.word()) } ": " (coded(&reason.why)) } } }
        }
        @if let Some(baseline) = &judgement.baseline { p { "Held against " (words::baseline(baseline)) "." } }
    }
}

/// Of more promises than this, the parts of contracts that were kept are folded away: each page of metrics has a dozen.
const LEGIBLE: usize = 24;

/// Every promise.
pub(super) fn promises(page: &Page<'_>) -> Markup {
    let mut findings: Vec<&Finding> = page.run.judgement.findings.iter().collect();
    findings.sort_by_key(|f| (Reverse(f.verdict), f.severity));
    let many = findings.len() > LEGIBLE;
    let is_folded = |f: &&Finding| many && f.verdict == Verdict::Pass && f.promise.starts_with("contract(");
    let (folded, shown): (Vec<&Finding>, Vec<&Finding>) = findings.into_iter().partition(is_folded);
    html! {
        @if shown.is_empty() && folded.is_empty() { p { "Nothing was promised." } }
        @if !shown.is_empty() { (table(page, &shown)) }
        @if !folded.is_empty() {
            details {
                summary { "And " (text::count(folded.len() as u64, "part")) " of contracts, all kept" }
                (table(page, &folded))
            }
        }
    }
}

fn table(page: &Page<'_>, findings: &[&Finding]) -> Markup {
    html! {
        div class="wide" {
            table class="sortable cards" {
                thead { tr {
                    th {} th { "promise" } th class="n" { "observed" } th { "bound" } th class="n" { "samples" } th { "where" } th { "why" }
                } }
                tbody { @for finding in findings { (row(page, finding)) } }
            }
        }
    }
}

fn row(page: &Page<'_>, finding: &Finding) -> Markup {
    let counts = finding.severity == Severity::Critical;
    let mark =
        if counts || finding.verdict == Verdict::Pass { finding.verdict.word() } else { finding.severity.word() };
    html! {
        tr class=(class(finding.verdict)) {
            td { span class={ "mark " (if counts { class(finding.verdict) } else { "aside" }) } { (mark) } }
            td {
                @match shown(page, finding) {
                    Some(anchor) => { a href={ "#" (anchor) } { code { (finding.promise) } } },
                    None => { code { (finding.promise) } },
                }
                @if let Some(expr) = &finding.promql { br; code class="expr" { (expr) } }
                @if !counts { " " small { (finding.severity.word()) } }
            }
            td class="n" data-sort=[finding.observed.map(|q| q.value)] { (words::observed(finding)) }
            td class="bound" { (finding.compare) " " (finding.bound) }
            td class="n samples" data-sort=(finding.samples) {
                (text::thousands(finding.samples))
                @if finding.samples < finding.needed { " of " (text::thousands(finding.needed)) " needed" }
            }
            td class="place" { (finding.window.name) }
            td {
                (coded(&finding.why))
                @if let Some(anatomy) = words::anatomy(finding) { br; small { (anatomy) } }
            }
        }
    }
}

/// Where a promise leads; a broken one to what happened over time at least.
fn shown(page: &Page<'_>, finding: &Finding) -> Option<String> {
    anchor(page, finding).or_else(|| (finding.verdict == Verdict::Fail).then(|| "course".to_owned()))
}

/// Where the page shows what a promise is about: its chart, or the table or text where there is none.
fn anchor(page: &Page<'_>, finding: &Finding) -> Option<String> {
    let judgement = page.run.judgement;
    if finding.course.is_some() {
        let position = judgement.findings.iter().position(|other| std::ptr::eq(other, finding))?;
        return Some(format!("value-{position}"));
    }
    if finding.promql.is_some() {
        return None;
    }
    let Some((measure, rest)) = finding.promise.split_once('(') else { return alert(page, finding) };
    let subject = rest.split([',', ')']).next()?.trim();
    match measure {
        "contract" => {
            let position = judgement.contracts.iter().position(|(job, _)| job == subject)?;
            return Some(format!("contract-{position}"));
        }
        "absorbed" => return Some("faults".into()),
        "leak" => return Some("resources".into()).filter(|_| !judgement.resources.is_empty()),
        "recovery" | "detection" => return Some("windows".into()).filter(|_| !page.bands.is_empty()),
        _ => {}
    }
    let is_about = |name: &str| name == subject || subject.strip_prefix(name).is_some_and(|part| part.starts_with('.'));
    let position = judgement.traffic.iter().position(|(name, _)| is_about(name))?;
    let track = page.tracks.get(position).filter(|track| !track.is_empty());
    let kind = match measure {
        _ if track.is_none() => "traffic",
        "lost" | "duplicated" | "reordered" | "drain" | "consumer_lag" => "traffic",
        "errors" | "timeouts" | "rejected" => "outcomes",
        "rate" => "rate",
        _ if judgement.traffic[position].0 != subject => "traffic", // of a part
        _ => "latency",
    };
    Some(format!("{kind}-{position}"))
}

/// Where the page shows the alert that a promise names first: replayed, or as an Alertmanager told of it.
fn alert(page: &Page<'_>, finding: &Finding) -> Option<String> {
    let judgement = page.run.judgement;
    let name = finding.promise.split([' ', '{']).next()?;
    let mut replayed = judgement.alerts.iter().flat_map(|replayed| &replayed.alerts);
    match replayed.find(|alert| alert.alert == name) {
        Some(of) if of.instances.iter().any(|instance| !instance.stints.is_empty()) => Some("alerts".into()),
        Some(_) => Some("replayed".into()),
        None => judgement.alertmanager.as_ref().map(|_| "alertmanager".to_owned()),
    }
}
