//! `timeline.csv`: second by second, what was sent and what came back.

use std::time::Duration;

use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::Tally;
use crate::judge::Judgement;
use crate::plan::Plan;

/// Renders the run second by second; shots count in the second in which they were due.
pub fn timeline(plan: &Plan, evidence: &Evidence, judgement: &Judgement) -> String {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let head = [
        "second",
        "traffic",
        "planned",
        "shots",
        "ok",
        "failed",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "max_ms",
        "lag_p99_ms",
        "faults",
    ];
    let mut written = csv.write_record(head);
    let seconds = plan.timeline.end.nanos().div_euclid(1_000_000_000) + 1;
    for second in 0..seconds {
        let start = Offset::from_millis(second * 1000);
        let span = Span { start, end: start + Duration::from_secs(1) };
        let under_way = judgement.faults.iter().filter(|f| f.planned.overlap(span).is_some());
        let faults: Vec<&str> = under_way.map(|f| f.name.as_str()).collect();
        for ((name, _), planned) in judgement.traffic.iter().zip(&plan.traffic) {
            let of = |timing: Timing, wanted: &dyn Fn(Outcome) -> bool| {
                evidence.latency.tally(span, |t| t.traffic == *name && t.timing == timing && wanted(t.outcome))
            };
            let all = of(Timing::Response, &|_| true);
            if all.count() == 0 && planned.profile.expected_by(span.end) <= planned.profile.expected_by(span.start) {
                continue;
            }
            let ok = of(Timing::Response, &|o| o == Outcome::Ok).count();
            let failed = of(Timing::Response, &Outcome::is_failure).count();
            let lag = of(Timing::Lag, &|_| true);
            let expected = planned.profile.expected_by(span.end) - planned.profile.expected_by(span.start);
            written = written.and_then(|()| {
                csv.write_record([
                    second.to_string(),
                    name.clone(),
                    format!("{expected:.1}"),
                    all.count().to_string(),
                    ok.to_string(),
                    failed.to_string(),
                    ms(&all, 0.5),
                    ms(&all, 0.95),
                    ms(&all, 0.99),
                    ms(&all, 1.0),
                    ms(&lag, 0.99),
                    faults.join(" "),
                ])
            });
        }
    }
    // Cannot fail: it is written to memory.
    let bytes = written.ok().and_then(|()| csv.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ms(tally: &Tally, q: f64) -> String {
    tally.quantile(q).map_or_else(String::new, |length| format!("{:.3}", length.as_secs_f64() * 1e3))
}
