//! What was broken, what it struck, what became of that, and how soon all was well again.

use maud::{Markup, html};

use super::{Page, coded};
use crate::base::text;
use crate::judge::{FaultSummary, LedgerSummary};
use crate::report::{ledger, words};

/// Every fault; nothing where none was planned.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let judgement = page.run.judgement;
    if judgement.faults.is_empty() {
        return None;
    }
    let gate = judgement.gate.as_ref().map(words::gate);
    Some(html! {
        @if let Some(gate) = gate { p { "Steady: " (coded(&gate)) "." } }
        @for fault in &judgement.faults { (one(fault)) }
    })
}

fn one(fault: &FaultSummary) -> Markup {
    html! {
        h3 { (fault.name) }
        p { (words::fault(fault)) }
        @if let Some(of) = fault.ledger.as_ref().filter(|of| of.chosen.eligible > 0) { (accounts(of)) }
        ul {
            @for line in ledger::lines(fault) { li { (coded(&line)) } }
            @for line in words::control(fault).into_iter().chain(words::damage(fault)) { li { (coded(&line)) } }
        }
        @if let Some(of) = fault.ledger.as_ref().filter(|of| !of.examples.is_empty()) {
            details {
                summary { "Some of the struck requests" }
                ul class="traces" { @for example in &of.examples { li { (ledger::example(example)) } } }
            }
        }
    }
}

/// What became of struck requests, as a bar whose parts add up to the whole.
fn accounts(of: &LedgerSummary) -> Markup {
    let parts = [
        ("absorbed", of.absorbed, 2),
        ("surfaced", of.surfaced, 3),
        ("unexplained", of.unexplained, 4),
        ("background", of.background, 5),
    ];
    let all: u64 = parts.iter().map(|(_, n, _)| n).sum();
    if !of.attributable || all == 0 {
        return html! {};
    }
    let said: Vec<String> = parts.iter().map(|(name, n, _)| format!("{name} {}", text::thousands(*n))).collect();
    html! {
        div class="bar" role="img" aria-label=(said.join(", ")) {
            @for (name, n, colour) in parts.iter().filter(|(_, n, _)| *n > 0) {
                span class={ "part c" (colour) } style={ "flex-grow:" (n) } title={ (name) " " (text::thousands(*n)) } {}
            }
        }
        p class="keys" { @for (name, n, colour) in parts {
            span class="key" { span class={ "swatch c" (colour) } {} (name) " " (text::thousands(n)) } " "
        } }
    }
}
