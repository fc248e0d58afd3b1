//! The defect table: what is planted in `sim:trading-platform`, held against what a run finds. The target's own log is the
//! truth, and both must say the same, to the last one.

use std::fs;
use std::path::Path;

use proofload::sim::trading_platform::Totals;
use serde_json::Value;

use crate::scene::{Ended, Scene};

/// A run of a platform with settings, and its truth.
struct Ran {
    ended: Ended,
    verdict: Value,
    truth: Totals,
}

fn run(settings: &str, middle: &str, end: &str) -> Ran {
    let scene = Scene::new("");
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
