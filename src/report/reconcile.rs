//! Our books against the target's: a row for each comparison, and what there is to say of it.

use std::time::Duration;

use crate::base::text;
use crate::base::units;
use crate::judge::{Accord, Judgement, Reconciliation, Record, Severity, Verdict};

/// What the columns of [`rows`] are.
pub const HEAD: [&str; 8] = ["", "reconciled", "of", "sent", "received", "failed", "server", "bound"];

/// A row for each comparison that reports have room for: of many groups that agree only all together.
pub fn rows(judgement: &Judgement) -> Vec<[String; 8]> {
    let of_check = |check: &Reconciliation| {
        let shown = check
            .records
            .iter()
            .enumerate()
            .filter(|(n, r)| *n == 0 || r.verdict != Accord::Ok || check.records.len() <= 6);
        shown.map(|(n, record)| row(check, record, n == 0)).collect::<Vec<_>>()
    };
    judgement.reconcile.iter().flat_map(of_check).collect()
}

fn row(check: &Reconciliation, record: &Record, first: bool) -> [String; 8] {
    let client = &record.client;
    let number = |value: f64| match check.kind {
        "ratio" => units::percent(value),
        _ => count(value),
    };
    let bound = match record.bound {
        [low, high] if record.value.is_none() && low == 0.0 && high == 0.0 => "–".into(),
        [low, high] if low == high => number(low),
        [low, high] => format!("{} to {}", number(low), number(high)),
    };
    [
        record.verdict.word().into(),
        if first { check.check.clone() } else { String::new() },
        record.group.clone(),
        text::thousands(client.sent),
        text::thousands(client.received),
        text::thousands(client.failed),
        record.value.map_or_else(|| "–".into(), number),
        bound,
    ]
}

/// A count as people read it.
fn count(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        text::thousands(value as u64)
    } else {
        format!("{value:.1}")
    }
}

/// What there is to say of a check: why it is as it is where it does not agree, what stands in one book only, and how its
/// histogram would decide our promises.
pub fn lines(check: &Reconciliation) -> Vec<String> {
    let mut lines = Vec::new();
    if check.verdict != Accord::Ok || check.kind == "summary" {
        lines.push(check.why.clone());
    }
    for record in &check.records {
        let group = if record.group == "all" { String::new() } else { format!("{}: ", record.group) };
        for residue in record.residue.iter().filter(|residue| !check.why.contains(&residue.cause)) {
            let count = if residue.count > 0 { format!("{} ", text::thousands(residue.count)) } else { String::new() };
            lines.push(format!("{group}{count}{}", residue.cause));
        }
        let Some(latency) = &record.latency else { continue };
        if check.kind == "histogram" {
            let seconds = |s: f64| units::measured(Duration::from_secs_f64(s.max(0.0)));
            let quantiles = latency.quantiles.iter().map(|q| {
                let high = q.high.map_or_else(|| "∞".into(), seconds);
                let ours = q.client.map_or_else(|| "–".into(), seconds);
                format!("p{} {}–{high} there, {ours} here", (q.quantile * 1e6).round() / 1e4, seconds(q.low))
            });
            lines.push(format!("{group}{}", quantiles.collect::<Vec<_>>().join("; ")));
        }
        for promise in &latency.promises {
            lines.push(format!("{group}`{}` {} by the histogram: {}", promise.promise, promise.verdict, promise.why));
        }
    }
    lines
}

/// The verdict of a check; of one that does not count, what it is.
pub fn mark(check: &Reconciliation) -> String {
    match check.severity {
        Severity::Critical => check.counts_as.word().into(),
        _ if check.counts_as == Verdict::Pass => "pass".into(),
        severity => severity.word().into(),
    }
}

/// A check in a sentence: what was held against what, and what came of it.
pub fn sentence(check: &Reconciliation) -> String {
    format!("{}: {}", check.verdict.word(), check.why)
}
