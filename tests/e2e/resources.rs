//! What the target takes of the machine, in real runs: whose processes are watched, and what is told of them.

use std::fs;

use serde_json::Value;

use crate::scene::{Scene, hold, scenario};
use crate::server::{Server, quote};
use crate::things::Idle;

fn taken<'v>(verdict: &'v Value, name: &str) -> &'v Value {
    let all = verdict["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|of| of["name"] == name).unwrap_or_else(|| panic!("no `{name}`: {verdict}"))
}

#[test]
fn a_practice_target_and_its_replicas_are_watched_and_too_few_looks_are_no_trend() {
    let target = "{ sim: quote-service, with: { replicas: 3, no_delay: on } }";
    let slo = "  - expect: errors(q) < 5%\n  - expect: leak(target) < 1MB/h";
    let scene = Scene::new(&scenario(target, &hold("60/s", "3s"), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let verdict = scene.verdict();
    let of = taken(&verdict, "target");
    assert_eq!((of["source"].as_str(), of["restarts"].as_u64()), (Some("proc"), Some(0)), "{of}");
    for (key, least) in [("cpu", 0.0), ("memory", 1e6), ("files", 3.0), ("threads", 1.0), ("switches", 0.0)] {
        assert!(of[key].as_f64().is_some_and(|n| n >= least), "{key}: {of}");
    }
    let leak = &verdict["findings"][1];
    assert!(leak["verdict"] == "INCONCLUSIVE" && leak["why"].as_str().is_some_and(|w| w.contains("looks")), "{leak}");
    // Each of the three answers somewhere else, and each had its share.
    let manifest = fs::read_to_string(scene.evidence().join("manifest.json")).expect("readable");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["services"].as_array().map(Vec::len), Some(3), "{manifest}");
    assert!(ran.out.contains("took     target: "), "{}", ran.out);
}

#[test]
fn a_process_is_watched_by_its_id_and_a_practice_target_needs_none() {
    let (server, idle) = (Server::new(|_| quote()), Idle::start());
    let target = format!("{{ url: {}, pid: {} }}", server.url(), idle.pid());
    let slo = "  - expect: errors(q) < 5%\n  - { expect: leak(target) < 1GB/h, severity: info }";
    let scene = Scene::new(&scenario(&target, &hold("40/s", "2s"), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(taken(&scene.verdict(), "target")["source"], "proc");

    let refused = |target: &str, slo: &str| {
        let scene = Scene::new(&scenario(target, &hold("40/s", "2s"), slo));
        let checked = scene.ask(&["check", scene.file().to_str().expect("text")]);
        assert_eq!(checked.code, Some(2), "{checked:?}");
        checked.err
    };
    let both = refused(
        "{ sim: quote-service, pid: 7, with: { replicas: 2 } }",
        "  - { expect: leak(target) < 1MB/h, each: 5s }\nobserve: { jobs: { quotes: { metrics: /metrics } } }",
    );
    for part in ["leave `pid` out", "leave out `each`", "a page of 2 replicas"] {
        assert!(both.contains(part), "{part}: {both}");
    }
    let unknown = refused(&server.url(), "  - expect: leak(target) < 1MB/h\n  - expect: leak(db) < 1MB/h");
    assert!(
        unknown.contains("nothing tells of the target's memory") && unknown.contains("`db` is neither"),
        "{unknown}"
    );
}
