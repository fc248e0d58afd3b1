//! A generator that did not do as planned proves nothing.

use crate::scene::{Scene, Turn, hold, scenario};
use crate::server::{Server, quote};

const SLO: &str = "  - expect: errors(q) < 5%\n";

#[test]
fn a_generator_that_is_late_does_not_pass() {
    let server = Server::new(|_| quote());
    let yaml = scenario(&server.url(), &hold("200/s", "2s"), SLO);
    let scene = Scene::new(&yaml.replace("lag: 10s", "lag: 1ns"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(verdict["verdict"], "INVALID");
    assert!(verdict["fitness"]["late"].as_u64().is_some_and(|late| late > 100), "{verdict}");
    assert_eq!(verdict["fitness"]["unfit_seconds"], 2, "{verdict}");
}

#[test]
fn a_breach_that_is_the_targets_stands_beside_a_late_generator_only_without_it() {
    let server = Server::new(|_| crate::server::status(500));
    let yaml = scenario(&server.url(), &hold("200/s", "2s"), SLO);
    let scene = Scene::new(&yaml.replace("lag: 10s", "lag: 1ns"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(4), "no second was fit, so nothing is known: {ran:?}");
}

#[test]
fn a_generator_that_is_asked_for_too_much_does_not_pass() {
    let _turn = Turn::alone();
    let server = Server::new(|_| quote());
    let target = format!("{{ url: {}, timeout: 500ms, connections: 32 }}", server.url());
    let yaml = scenario(&target, &hold("60000/s", "1s"), "  - expect: p95(q) < 100ms\n  - expect: errors(q) < 5%\n");
    let scene = Scene::new(&yaml.replace("fitness: { lag: 10s, cpu: 100% }\n", ""));
    let ran = scene.start(&[]).wait();
    assert!(matches!(ran.code, Some(1 | 4)), "never PASS: {ran:?}");
    let verdict = scene.verdict();
    assert_eq!(verdict["traffic"]["q"]["planned"], 60_000);
    assert_eq!(verdict["traffic"]["q"]["taken_up"], 60_000, "every shot is accounted for: {verdict}");
}
