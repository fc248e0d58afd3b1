//! `proofload chaos shrink`: from faults that together break a promise to the one that does.

use std::fs;

use crate::scene::{Scene, Turn, hold, scenario};
use crate::server::{Server, quote};

/// A service that waits for ever, and three faults of which only the first can hurt it.
fn three_faults() -> String {
    scenario(
        "{ sim: quote-service, timeout: 500ms, with: { timeout: none, ttl: 50ms, rate.jupiter: none, rate.dflow: none } }",
        &hold("60/s", "6s"),
        "  - expect: errors(q) < 5%\n  - { expect: p95(q) < 10ms, during: tight, severity: warning }\n",
    ) + "upstreams: { jupiter: { like: jupiter, latency: 2ms }, dflow: { like: dflow, latency: 2ms } }
faults:
  hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 1s, for: 2s }
  tight: { on: upstream/dflow, inject: { rate_limit: { rate: 1/s, burst: 1 } }, at: 1500ms, for: 1s }
  tighter: { on: upstream/dflow, inject: { rate_limit: { rate: 1/s, burst: 1 } }, at: 4s, for: 1s }
"
}

#[test]
fn the_guilty_fault_is_found_and_written_down() {
    let _turn = Turn::take();
    let scene = Scene::new(&three_faults());
    let (file, out) = (scene.file(), scene.out());
    let args = ["chaos", "shrink", file.to_str().expect("text"), "--quiet", "--no-color", "--runs", "5", "--out"];
    let ended = scene.ask(&[&args[..], &[out.to_str().expect("text")]].concat());
    assert_eq!(ended.code, Some(1), "what is left is broken: {ended:?}");
    for said in [
        "errors(q) < 5%",
        "run 1 of at most 5: hangs, tight, tighter: FAIL",
        "run 2 of at most 5: no fault: kept",
        "the smallest set that still breaks it is hangs",
    ] {
        assert!(ended.out.contains(said), "{said}: {ended:?}");
    }
    let shrunk = fs::read_to_string(scene.path("scenes/scene.shrunk.yaml")).expect("written beside the scenario");
    assert!(shrunk.contains("# Must break: errors(q) < 5%"), "{shrunk}");
    assert!(shrunk.contains("hangs:") && !shrunk.contains("tight"), "with the promise about it gone too: {shrunk}");
    assert_eq!(scene.runs().len(), 5, "each try is a run with evidence of its own");
    let shrunk = scene.path("scenes/scene.shrunk.yaml");
    let again = scene.ask(&["run", "--quiet", shrunk.to_str().expect("text"), "--out", out.to_str().expect("text")]);
    assert_eq!(again.code, Some(1), "it fails as it says: {again:?}");
}

#[test]
fn what_is_not_broken_is_not_shrunk() {
    let _turn = Turn::take();
    let scene = Scene::new(&three_faults().replace("timeout: none, ", "").replace("timeout: 500ms", "timeout: 5s"));
    let (file, out) = (scene.file(), scene.out());
    let args = ["chaos", "shrink", file.to_str().expect("text"), "--quiet", "--out", out.to_str().expect("text")];
    let ended = scene.ask(&args);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("nothing to shrink"), "{ended:?}");
    assert_eq!(scene.runs().len(), 1);
    assert!(!scene.path("scenes/scene.shrunk.yaml").exists());
}

#[test]
fn without_faults_nothing_is_run() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), "  - expect: errors(q) < 5%\n"));
    let ended = scene.ask(&["chaos", "shrink", scene.file().to_str().expect("text")]);
    assert_eq!((ended.code, server.connections()), (Some(2), 0), "{ended:?}");
    assert!(ended.err.contains("no faults"), "{ended:?}");
}
