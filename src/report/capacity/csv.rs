//! `probes.csv`: a row for each probe, for spreadsheets and scripts. Lengths are in seconds, rates per second.

use std::collections::BTreeSet;

use crate::judge::capacity::{Probe, Search, Study};

/// Renders the probes of a study.
pub fn csv(study: &Study) -> String {
    let probes = || study.searches.iter().flat_map(|search| search.probes.iter().map(move |probe| (search, probe)));
    let upstreams: BTreeSet<&String> = probes().flat_map(|(_, probe)| probe.upstreams.keys()).collect();
    let resources: BTreeSet<&String> = probes().flat_map(|(_, probe)| probe.resources.keys()).collect();
    let mut head: Vec<String> = HEAD.map(str::to_owned).to_vec();
    head.extend(upstreams.iter().map(|name| format!("calls_{name}")));
    head.extend(resources.iter().map(|name| (*name).clone()));
    let mut out = head.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
    for (search, probe) in probes() {
        let mut row = row(search, probe);
        row.extend(upstreams.iter().map(|name| number(probe.upstreams.get(*name).map(|of| of.calls))));
        row.extend(resources.iter().map(|name| number(probe.resources.get(*name).copied())));
        out.push_str(&(row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n"));
    }
    out
}

const HEAD: [&str; 21] = [
    "fault",
    "probe",
    "verdict",
    "counts",
    "offered",
    "achieved",
    "length",
    "shots",
    "errors",
    "p50",
    "p95",
    "p95_low",
    "p95_high",
    "p99",
    "mean",
    "in_flight",
    "little",
    "generator_cpu",
    "unfit_seconds",
    "first_broken",
    "report",
];

fn row(search: &Search, probe: &Probe) -> Vec<String> {
    vec![
        search.fault.clone().unwrap_or_default(),
        probe.number.to_string(),
        probe.verdict.word().to_owned(),
        probe.counts.to_string(),
        number(Some(probe.offered)),
        number(Some(probe.achieved)),
        number(Some(probe.length)),
        probe.shots.to_string(),
        number(Some(probe.errors)),
        number(probe.response.p50),
        number(probe.response.p95),
        number(probe.p95_between.map(|between| between.0)),
        number(probe.p95_between.map(|between| between.1)),
        number(probe.response.p99),
        number(probe.response.mean),
        number(probe.in_flight),
        number(probe.little),
        number(probe.generator_cpu),
        probe.unfit_seconds.to_string(),
        probe.first_broken.clone().unwrap_or_default(),
        probe.report.clone(),
    ]
}

/// To six digits, without idle zeros; nothing where there is no number.
fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => String::new(),
    }
}

/// A spreadsheet takes what begins with one of these for a formula: that is text here.
fn quoted(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '@', '\t']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
