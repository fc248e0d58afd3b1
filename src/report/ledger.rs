//! What became of struck requests, in lines that more than one report shows.

use super::words;
use crate::base::text;
use crate::base::units;
use crate::judge::{CalledSummary, ExampleSummary, FaultSummary, LedgerSummary, ObedienceSummary, RetrySummary};
use std::time::Duration;

/// The lines below a fault: what became of what it struck, whether it struck its share, how the service took it.
pub fn lines(fault: &FaultSummary) -> Vec<String> {
    let Some(ledger) = fault.ledger.as_ref().filter(|ledger| ledger.chosen.eligible > 0) else { return Vec::new() };
    let mut lines = vec![accounts(ledger)];
    if ledger.traffic.len() > 1 || ledger.traffic.iter().any(|(_, of)| of.classes.len() > 1) {
        lines.extend(ledger.traffic.iter().map(|(name, of)| {
            let class = |(name, of): &(String, crate::judge::ClassLedger)| {
                format!("; {name} {} absorbed, {} surfaced", text::thousands(of.absorbed), text::thousands(of.surfaced))
            };
            let classes: String = of.classes.iter().map(class).collect();
            format!(
                "{name}: {} absorbed, {} surfaced, {} unexplained{classes}",
                text::thousands(of.absorbed),
                text::thousands(of.surfaced),
                text::thousands(of.unexplained)
            )
        }));
    }
    lines.push(share(fault, ledger));
    if let Some(calls) = ledger.retries.calls_per_shot {
        lines.push(format!(
            "{} for {}: {calls:.2} for each, at most {}",
            text::count(ledger.retries.calls, "call"),
            text::count(ledger.retries.shots, "shot"),
            text::thousands(ledger.retries.most)
        ));
    }
    lines.extend(amplified(&ledger.retries));
    lines.extend(ledger.retry_after.iter().flat_map(waits));
    lines
}

/// `of 100 struck: 90 absorbed, 8 surfaced (5 failed, 3 late), 2 unexplained, 0 background`
fn accounts(ledger: &LedgerSummary) -> String {
    let struck = ledger.absorbed + ledger.surfaced + ledger.unexplained + ledger.background;
    if !ledger.attributable && struck > 0 {
        return format!("not attributable: none of {} said whose it was", text::count(struck, "struck request"));
    }
    let seen = match ledger.surfaced {
        0 => String::new(),
        all => format!(
            " ({} failed, {} late)",
            text::thousands(all - ledger.surfaced_late),
            text::thousands(ledger.surfaced_late)
        ),
    };
    format!(
        "of {} struck: {} absorbed, {} surfaced{seen}, {} unexplained, {} background",
        text::thousands(struck),
        text::thousands(ledger.absorbed),
        text::thousands(ledger.surfaced),
        text::thousands(ledger.unexplained),
        text::thousands(ledger.background)
    )
}

/// `chose 100 of 200 requests, 50 % declared: 77 to 123 expected`
fn share(fault: &FaultSummary, ledger: &LedgerSummary) -> String {
    let [low, high] = ledger.chosen.between;
    format!(
        "chose {} of {}, {} declared: {} to {} expected",
        text::thousands(ledger.chosen.chosen),
        text::count(ledger.chosen.eligible, fault.unit),
        units::percent(ledger.chosen.expected.unwrap_or(fault.share)),
        text::thousands(low),
        text::thousands(high)
    )
}

/// `retries: 1.02 calls for each shot before, 2.94 during (2.9×), 1.01 after`
fn amplified(of: &RetrySummary) -> Option<String> {
    let each = |called: Option<CalledSummary>| called.and_then(|called| called.calls_per_shot);
    let (before, during) = (each(of.before)?, each(of.during)?);
    let times = of.amplification.map_or_else(String::new, |times| format!(" ({times:.1}×)"));
    let after = each(of.after).map_or_else(String::new, |after| format!(", {after:.2} after"));
    Some(format!("retries: {before:.2} calls for each shot before, {during:.2} during{times}{after}"))
}

/// How the service took being told to wait.
fn waits(of: &ObedienceSummary) -> Vec<String> {
    let mut lines = vec![format!(
        "told to wait {}: {} of {} later came too early; {} of {} for a shot that had been refused did",
        text::count(of.told, "time"),
        text::thousands(of.early),
        text::count(of.knowing, "request"),
        text::thousands(of.again_early),
        text::count(of.again, "call"),
    )];
    if of.herd.herds > 0 {
        let at = of.herd.at.map_or_else(String::new, |at| format!(" at {}", words::seconds(at.secs())));
        lines.push(format!(
            "{} of {} that ended a wait brought a herd: {} in 100 ms{at}, {:.1} are usual",
            text::thousands(of.herd.herds),
            text::count(of.herd.releases, "instant"),
            text::count(of.herd.most, "request"),
            of.herd.usual
        ));
    }
    lines
}

/// A struck request: `surfaced: 4bf9… at 21.3 s, call 1 of jupiter: timed_out_head after 2.00 s`
pub fn example(of: &ExampleSummary) -> String {
    let seen = match (of.outcome, of.response) {
        (Some(outcome), Some(response)) => {
            format!(": {outcome} after {}", units::measured(Duration::from_nanos(response)))
        }
        _ => String::new(),
    };
    let trace = of.trace.as_deref().unwrap_or("without a trace");
    format!(
        "{}: {trace} at {}, call {} of {}{seen}",
        of.account,
        words::seconds(of.at.secs()),
        u64::from(of.attempt) + 1,
        of.upstream
    )
}
