//! Did it pass, and why: the banner and the promises, broken ones first.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{Page, class, coded};
use crate::base::text;
use crate::judge::{Finding, Judgement, Severity, Verdict};
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
        @for stuck in &judgement.stuck {
            p class="stuck" {
                "Fault " strong { (stuck.fault) } " could not be undone: " (stuck.why) ". Type: " code { (stuck.remedy) }
            }
        }
    }
}

/// Every promise.
pub(super) fn promises(page: &Page<'_>) -> Markup {
    let judgement = page.run.judgement;
    let mut findings: Vec<&Finding> = judgement.findings.iter().collect();
    findings.sort_by_key(|f| (Reverse(f.verdict), f.severity));
    html! {
        @if findings.is_empty() { p { "Nothing was promised." } } @else {
            div class="wide" {
                table class="sortable cards" {
                    thead { tr {
                        th {} th { "promise" } th class="n" { "observed" } th { "bound" } th class="n" { "samples" } th { "where" } th { "why" }
                    } }
                    tbody { @for finding in findings { (row(judgement, finding)) } }
                }
            }
        }
    }
}

fn row(judgement: &Judgement, finding: &Finding) -> Markup {
    let counts = finding.severity == Severity::Critical;
    let mark =
        if counts || finding.verdict == Verdict::Pass { finding.verdict.word() } else { finding.severity.word() };
    html! {
        tr class=(class(finding.verdict)) {
            td { span class={ "mark " (if counts { class(finding.verdict) } else { "aside" }) } { (mark) } }
            td {
                @match chart(judgement, finding) {
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

/// The chart that shows what a promise is about: that of the traffic which it names.
fn chart(judgement: &Judgement, finding: &Finding) -> Option<String> {
    if finding.promql.is_some() {
        return None;
    }
    let subject = finding.promise.split_once('(')?.1;
    let subject = subject.split([',', ')']).next()?.trim();
    let position = judgement.traffic.iter().position(|(name, _)| name == subject)?;
    let measure = finding.promise.split('(').next()?;
    let kind = match measure {
        "errors" | "timeouts" | "rejected" | "recovery" | "detection" => "outcomes",
        "rate" => "rate",
        _ => "latency",
    };
    Some(format!("{kind}-{position}"))
}
