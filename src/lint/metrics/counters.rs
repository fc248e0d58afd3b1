//! Counters only rise.

use super::exposed::{Exposed, Member, Metric};
use super::finding::{At, Book};
use crate::base::metrics::rule;
use crate::base::series::{Sample, is_stale};
use crate::observe::exposition::Kind;

/// When the process began anew: by `process_start_time_seconds`, the scrapes between which it changed, in milliseconds.
pub fn restarts(exposed: &Exposed<'_>) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for series in exposed.named("process_start_time_seconds") {
        let mut last: Option<Sample> = None;
        for sample in series.samples.iter().filter(|s| !is_stale(s.value)) {
            if let Some(before) = last.filter(|before| before.value != sample.value) {
                all.push((before.at, sample.at));
            }
            last = Some(*sample);
        }
    }
    all.sort_unstable();
    all
}

/// Whether a member only rises.
fn rises(metric: &Metric<'_>, member: &Member<'_>) -> bool {
    match metric.kind {
        Kind::Counter => member.part != "_created",
        Kind::Histogram | Kind::Summary => matches!(member.part, "_bucket" | "_count"),
        _ => false,
    }
}

/// Everything that is wrong with counters. Across `excused` spans they may begin anew.
pub(super) fn counters(exposed: &Exposed<'_>, excused: &[(i64, i64)], book: &mut Book) {
    let restarts = restarts(exposed);
    for metric in &exposed.metrics {
        for member in metric.series.iter().filter(|member| rises(metric, member)) {
            let example = || Some(member.series.labels.to_string());
            let at = At::metric(&metric.name);
            let samples: Vec<Sample> = member.series.samples.iter().filter(|s| !is_stale(s.value)).copied().collect();
            if let Some(bad) = samples.iter().find(|s| !s.value.is_finite()) {
                book.note(rule::COUNTER_NOT_FINITE, at, || format!("it is {}", bad.value), example);
            }
            if let Some(bad) = samples.iter().find(|s| s.value < 0.0) {
                book.note(rule::COUNTER_NEGATIVE, at, || format!("it is {}", bad.value), example);
            }
            for pair in samples.windows(2) {
                let [before, after] = pair else { continue };
                // Explained where it began anew in between: a span reaches from one scrape to another.
                let explained = |(from, to): &(i64, i64)| *from < after.at && *to > before.at;
                if after.value < before.value && !restarts.iter().chain(excused).any(explained) {
                    let why = || format!("it fell from {} to {}", before.value, after.value);
                    book.note(rule::COUNTER_FELL, at, why, || {
                        Some(format!("{}: {} then {}", member.series.labels, before.value, after.value))
                    });
                }
            }
        }
    }
}
