//! `timeline.csv`: second by second, what was sent and what came back.

use std::time::Duration;

use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::Tag;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::Tally;
use crate::judge::Judgement;
use crate::plan::Plan;

/// Renders the run second by second; shots count in the second in which they were due, and so do their parts, which have rows of
/// their own: `TRAFFIC.PART`, with nothing planned. `closed_loop` holds the
/// connections of the closed loops that ran in it: how long their shots took is what such a loop sees. `faults` are those
/// that were planned, `effective` those that struck.
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
        "closed_loop",
        "effective",
    ];
    let mut written = csv.write_record(head);
    let seconds = plan.timeline.end.nanos().div_euclid(1_000_000_000) + 1;
    for second in 0..seconds {
        let start = Offset::from_millis(second * 1000);
        let span = Span { start, end: start + Duration::from_secs(1) };
        let under_way =
            judgement.faults.iter().filter(|f| f.occurrences.iter().any(|o| o.planned.overlap(span).is_some()));
        let faults: Vec<&str> = under_way.map(|f| f.name.as_str()).collect();
        let striking = judgement.faults.iter().filter(|f| f.effective.is_some_and(|e| e.overlap(span).is_some()));
        let effective: Vec<&str> = striking.map(|f| f.name.as_str()).collect();
        for (i, ((name, _), planned)) in judgement.traffic.iter().zip(&plan.traffic).enumerate() {
            let within = |span: Span, timing: Timing, wanted: &dyn Fn(Outcome) -> bool| {
                evidence.latency.tally(span, |t| t.traffic == *name && t.timing == timing && wanted(t.outcome))
            };
            let of = |timing, wanted: &dyn Fn(Outcome) -> bool| within(span, timing, wanted);
            let closed: Vec<(Span, u32)> =
                plan.timeline.closed_loops(i).filter(|(closed, _)| closed.overlap(span).is_some()).collect();
            let all = of(Timing::Response, &|_| true);
            if all.count() == 0
                && closed.is_empty()
                && planned.profile.expected_by(span.end) <= planned.profile.expected_by(span.start)
            {
                continue;
            }
            let ok = of(Timing::Response, &|o| o == Outcome::Ok).count();
            let failed = of(Timing::Response, &Outcome::is_failure).count();
            // Shots of closed loops have no lag.
            let open = closed.iter().fold(vec![span], |open: Vec<Span>, (closed, _)| {
                open.into_iter().flat_map(|part| part.without(*closed)).collect()
            });
            let mut lag = Tally::default();
            open.iter().for_each(|part| lag.merge(&within(*part, Timing::Lag, &|_| true)));
            let connections: Vec<String> = closed.iter().map(|(_, connections)| connections.to_string()).collect();
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
                    connections.join(" "),
                    effective.join(" "),
                ])
            });
            for (part, _) in &judgement.traffic[i].1.parts {
                let part = format!("{name}.{part}");
                let of = |wanted: &dyn Fn(Outcome) -> bool| {
                    let is = |t: &Tag| t.traffic == part && t.timing == Timing::Response && wanted(t.outcome);
                    evidence.latency.tally(span, is)
                };
                let all = of(&|_| true);
                if all.count() == 0 {
                    continue;
                }
                let (ok, failed) = (of(&|o| o == Outcome::Ok).count(), of(&Outcome::is_failure).count());
                written = written.and_then(|()| {
                    csv.write_record([
                        second.to_string(),
                        part,
                        String::new(),
                        all.count().to_string(),
                        ok.to_string(),
                        failed.to_string(),
                        ms(&all, 0.5),
                        ms(&all, 0.95),
                        ms(&all, 0.99),
                        ms(&all, 1.0),
                        String::new(),
                        faults.join(" "),
                        String::new(),
                        effective.join(" "),
                    ])
                });
            }
        }
    }
    // Cannot fail: it is written to memory.
    let bytes = written.ok().and_then(|()| csv.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ms(tally: &Tally, q: f64) -> String {
    tally.quantile(q).map_or_else(String::new, |length| format!("{:.3}", length.as_secs_f64() * 1e3))
}
