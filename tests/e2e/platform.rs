//! The defect table: what is planted in `sim:trading-platform`, held against what the ledger of signals and the account of
//! executions find. The target's own log is the truth, and both must say the same, to the last one.

use std::fs;
use std::path::Path;

use proofload::sim::trading_platform::Totals;
use serde_json::Value;

use crate::scene::{Ended, Scene, finding};

const TICKERS: [&str; 20] = [
    "AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "META", "TSLA", "JPM", "V", "UNH", "XOM", "JNJ", "WMT", "MA", "PG", "HD",
    "CVX", "MRK", "KO", "PEP",
];

const CLUSTER: &str = "kafka:
  trading: { cluster: { brokers: 3, topics: { trading-signals: { partitions: 6 }, executions: { partitions: 6 } } } }
";

/// Signals, and what comes of them.
fn signals(load: &str, deadline: &str) -> String {
    format!(
        "  signals:
    signal:
      kafka: {{ on: trading, topic: trading-signals, key: '{{{{kinds.ticker}}}}' }}
      data: {{ kinds: {{ file: signals.csv, pick: random }} }}
      json:
        signal_id: '{{{{uuid}}}}'
        signal_type: '{{{{kinds.type}}}}'
        source: proofload
        tickers: [ {{ ticker: '{{{{kinds.ticker}}}}', signal: BULLISH, confidence: 87.0 }} ]
      id: '{{{{uuid}}}}'
      effects:
        kafka: {{ on: trading, topic: executions, id: $.signal_id, pipeline: $.pipeline_id, state: $.status, sequence: $.seq }}
        states: {{ ok: COMPLETED, failed: [FAILED, CANCELLED, COMMUNICATION_ERROR, NEEDS_RECONCILIATION] }}
      unmatched:
        - sum(signals_unmatched_total)
        - sum(signals_skipped_running_total)
      deadline: {deadline}
    arrivals: even
    load: [ {{ hold: {load} }} ]
"
    )
}

/// A run of a platform with settings, and its truth.
struct Ran {
    ended: Ended,
    verdict: Value,
    truth: Totals,
}

fn run(settings: &str, middle: &str, end: &str) -> Ran {
    let scene = Scene::new("");
    let rows =
        TICKERS.iter().flat_map(|ticker| ["golden_cross", "death_cross", "rumour"].map(|k| format!("{ticker},{k}\n")));
    fs::write(scene.path("scenes/signals.csv"), format!("ticker,type\n{}", rows.collect::<String>())).expect("written");
    let truth = scene.path("truth.jsonl");
    let yaml = format!(
        "proofload: 1
name: a platform with defects
target:
  sim: trading-platform
  with: {{ truth: '{}', service_p50: 5ms, service_p95: 15ms, batch_wait: 50ms, {settings} }}
{middle}
fitness: {{ lag: 10s, cpu: 100% }}
{end}",
        truth.display()
    );
    fs::write(scene.file(), yaml).expect("written");
    let ended = scene.run(&[]);
    let verdict = scene.verdict();
    let truth = totals(&truth, &ended);
    Ran { ended, verdict, truth }
}

/// The last line of a truth log, which is there once the target has stopped.
fn totals(path: &Path, ended: &Ended) -> Totals {
    let text = fs::read_to_string(path).unwrap_or_default();
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
    assert_eq!(last["what"], "totals", "{}: {ended:?}", path.display());
    serde_json::from_value(last["totals"].clone()).expect("totals")
}

fn found(ran: &Ran, what: &str) -> u64 {
    let effects = &ran.verdict["traffic"]["signals"]["effects"];
    effects[what].as_u64().unwrap_or_else(|| panic!("no {what} in {effects}: {:?}", ran.ended))
}

#[test]
fn lost_duplicated_reordered_and_skipped_signals_are_found_to_the_last_one() {
    let settings = "lose_every: 25, lose_on_rebalance: 7, rebalance_every: 3s, duplicate_every: 20, reorder_every: 15";
    let middle = format!(
        "{CLUSTER}traffic:\n{}observe:\n  jobs: {{ dispatcher: {{ to: trigger-dispatcher, metrics: /metrics, every: 500ms }} }}",
        signals("{ at: 100/s, for: 6s }", "15s")
    );
    let slo = "slo:
  - expect: lost(signals) == 0
  - expect: duplicated(signals) == 0
  - expect: reordered(signals) == 0
";
    let ran = run(settings, &middle, slo);
    let truth = ran.truth;
    assert!(truth.lost > truth.lost_on_rebalance && truth.lost_on_rebalance >= 7, "{truth:?}");
    assert!(truth.duplicated > 5 && truth.reordered > 5 && truth.swallowed > 0 && truth.unmatched > 50, "{truth:?}");
    assert_eq!(found(&ran, "acked"), truth.consumed - truth.redelivered, "{truth:?}");
    // The deadline is far beyond what a starved machine takes for a rebalance.
    assert_eq!((found(&ran, "late"), found(&ran, "foreign")), (0, 0), "{truth:?}");
    for (what, planted) in [("lost", truth.lost), ("duplicated", truth.duplicated), ("reordered", truth.reordered)] {
        assert_eq!(found(&ran, what), planted, "{what}: {truth:?}");
        let promise = format!("{what}(signals) == 0");
        assert_eq!(finding(&ran.verdict, &promise)["verdict"], "FAIL", "{:?}", ran.ended);
    }
    assert_eq!(found(&ran, "missing"), truth.lost + truth.unmatched + truth.swallowed, "{truth:?}");
    assert_eq!(ran.ended.code, Some(1));
}

#[test]
fn stuck_and_failed_executions_are_found_to_the_last_one() {
    let settings =
        "auth: off, concurrency: 16, stuck_worker: 3, stuck_after: 5, task_failures: 20%, retries: 0, cancelled: 5%";
    let ids: Vec<String> =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/trading-platform/pipelines.csv"))
            .expect("shipped")
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next().map(str::to_owned))
            .collect();
    let middle = format!(
        "traffic:
  executions:
    to: backend
    pipeline:
      values: {{ pipeline: {{ choice: [{}] }} }}
      start: {{ post: /api/v1/executions/, json: {{ pipeline_id: '{{{{pipeline}}}}' }}, expect: {{ status: 202 }}, id: $.id }}
      follow: {{ poll: {{ get: '/api/v1/executions/{{{{id}}}}', state: $.status }} }}
      states: {{ queued: PENDING, running: RUNNING, ok: COMPLETED, failed: [FAILED, CANCELLED] }}
      deadline: 3s
    arrivals: even
    load: [ {{ hold: {{ at: 50/s, for: 4s }} }} ]",
        ids.join(", ")
    );
    let ran = run(settings, &middle, "slo:\n  - expect: errors(executions) < 1%\n");
    let truth = ran.truth;
    let outcomes = &ran.verdict["traffic"]["executions"]["outcomes"];
    let outcome = |word: &str| outcomes[word].as_u64().unwrap_or(0);
    assert_eq!((truth.started, truth.stuck), (200, 3), "{truth:?}");
    assert!(truth.failed > 20 && truth.ended_otherwise > 1, "{truth:?}");
    assert_eq!(outcome("unfinished"), truth.stuck, "{outcomes} {truth:?}");
    assert_eq!(outcome("failed"), truth.failed + truth.ended_otherwise, "{outcomes} {truth:?}");
    assert_eq!(outcome("ok"), truth.completed, "{outcomes} {truth:?}");
    assert_eq!(ran.ended.code, Some(1));
}

/// What piled up is taken up no faster than the platform was told to, and that is found too. What rightly starts nothing
/// is waited for by nobody: not in the drain, not in latencies, not in errors.
#[test]
fn a_broker_outage_is_drained_as_slowly_as_was_planted_and_loses_nothing() {
    let middle = format!(
        "{CLUSTER}traffic:\n{}observe:\n  jobs: {{ dispatcher: {{ to: trigger-dispatcher, metrics: /metrics, every: 500ms }} }}\n\
         faults:\n  away: {{ on: kafka/trading, inject: {{ broker_down: {{}} }}, at: 3s, for: 2s }}",
        signals("{ at: 40/s, for: 10s }", "8s")
    );
    let slo = "slo:
  - expect: lost(signals) == 0
  - expect: errors(signals) == 0
  - expect: p95(signals) < 8s
  - { expect: drain(signals) < 15s, after: away }
  - { expect: drain(signals) < 1s, after: away, severity: warning }
";
    let ran = run("concurrency: 32, slow_drain: 60/s", &middle, slo);
    let truth = ran.truth;
    assert_eq!(truth.lost + truth.unpublished + truth.duplicated, 0, "{truth:?}");
    let promises = ["lost(signals) == 0", "errors(signals) == 0", "p95(signals) < 8s", "drain(signals) < 15s"];
    for promise in promises {
        assert_eq!(finding(&ran.verdict, promise)["verdict"], "PASS", "{promise}: {:?}", ran.ended);
    }
    assert_eq!(finding(&ran.verdict, "drain(signals) < 1s")["verdict"], "FAIL", "{:?}", ran.ended);
    // Effects whose acknowledgement the outage broke off: the embedded cluster does not know them again.
    assert!(found(&ran, "duplicated") <= 3, "{:?}", ran.ended);
    let nothing = truth.unmatched + truth.swallowed;
    assert!(truth.unmatched > 50, "{truth:?}");
    assert_eq!(found(&ran, "missing"), nothing, "{truth:?}");
    assert_eq!(ran.verdict["traffic"]["signals"]["outcomes"]["skipped"], nothing, "{truth:?}");
}
