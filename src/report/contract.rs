//! What contracts came to, in lines that more than one report shows.

use std::time::Duration;

use crate::base::text;
use crate::base::units;
use crate::judge::{ContractSummary, Violation};

/// What a page was: `text/plain; version=0.0.4, 42 metrics, 812 series, up to 64 000 bytes, slowest scrape 12 ms`.
pub fn page(contract: &ContractSummary) -> String {
    let mut said = vec![contract.media.clone().unwrap_or_else(|| "no Content-Type".into())];
    said.push(text::count(contract.metrics, "metric"));
    said.push(format!("{} series", text::thousands(contract.series)));
    said.extend(contract.bytes.map(|bytes| format!("up to {} bytes", text::thousands(bytes))));
    let length = |seconds: f64| units::measured(Duration::from_secs_f64(seconds.max(0.0)));
    said.extend(contract.slowest.map(|seconds| format!("slowest scrape {}", length(seconds))));
    said.join(", ")
}

/// A violation: `error label-grows quote_orders_total: …`.
pub fn violation(violation: &Violation) -> String {
    let metric = if violation.metric.is_empty() { String::new() } else { format!(" {}", violation.metric) };
    let line = violation.line.map_or_else(String::new, |line| format!(" (line {line})"));
    let example = violation.examples.first().map_or_else(String::new, |example| format!(", such as {example}"));
    format!("{} {}{metric}{line}: {}{example}", violation.gravity.word(), violation.id, violation.why)
}

/// What each probe answered: `/ready: 200 ×38, 503 ×20, no answer ×2, slowest 4 ms`.
pub fn probes(contract: &ContractSummary) -> Vec<String> {
    let of = |probe: &crate::judge::ProbeSummary| {
        let mut said: Vec<String> =
            probe.answers.iter().map(|(status, n)| format!("{status} ×{}", text::thousands(*n))).collect();
        if probe.unanswered > 0 {
            said.push(format!("no answer ×{}", text::thousands(probe.unanswered)));
        }
        if probe.missed > 0 {
            said.push(format!("not asked in time ×{}", text::thousands(probe.missed)));
        }
        let slowest = probe.slowest.map(|s| units::measured(Duration::from_secs_f64(s.max(0.0))));
        said.extend(slowest.map(|slowest| format!("slowest {slowest}")));
        format!("{}: {}", probe.path, if said.is_empty() { "never asked".into() } else { said.join(", ") })
    };
    contract.probes.iter().map(of).collect()
}
