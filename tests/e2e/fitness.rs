//! A generator that did not do as planned proves nothing. Those starved here are so on purpose, under the limits that
//! users have.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::Value;

use crate::scene::{Ended, Going, PROGRAM, Scene, Turn, finding, hold, outcome, scenario};
use crate::server::{Answer, QUOTE, Server, quote};

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

/// A scenario with the limits that users have.
fn strict(target: &str, load: &str, slo: &str) -> Scene {
    Scene::new(&scenario(target, load, slo).replace("fitness: { lag: 10s, cpu: 100% }\n", ""))
}

/// Whether one of the causes that a verdict names is `word`.
fn names(verdict: &Value, word: &str) -> bool {
    verdict["fitness"]["causes"].as_array().is_some_and(|causes| causes.iter().any(|cause| cause["cause"] == word))
}

/// Waits for the first request of a load.
fn wait_for_shots(server: &Server) {
    for _ in 0..3_000 {
        if server.count("GET /quote") > 0 {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.count("GET /quote"), 1, "the load never began");
}

/// A core that a run may be kept on; `None` where that cannot be.
fn a_core() -> Option<String> {
    let mine = sched_getaffinity(None).ok()?;
    let core = (0..CpuSet::MAX_CPU).rev().find(|core| mine.is_set(*core))?.to_string();
    let kept = Command::new("taskset").args(["-c", &core, "true"]).stderr(Stdio::null()).status();
    kept.is_ok_and(|status| status.success()).then_some(core)
}

/// Processes that keep a core busy, ahead of others where they may; gone when dropped, and after 5 s of work at the latest.
struct Busy(Vec<Child>);

impl Busy {
    fn on(core: &str) -> Busy {
        let one = || {
            let mut command = Command::new("taskset");
            command.args(["-c", core, "nice", "-n", "-20", "sh", "-c", "ulimit -t 5; while :; do :; done"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
        };
        Busy((0..12).map(|_| one()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a scenario on one core, which others keep busy for a while once its load has begun.
fn starved(scene: &Scene, server: &Server, core: &str) -> Ended {
    let mut command = Command::new("taskset");
    command.args(["-c", core, PROGRAM, "run"]).arg(scene.file()).arg("--out").arg(scene.out());
    let going = Going::start(command, &scene.path(""));
    wait_for_shots(server);
    let busy = Busy::on(core);
    thread::sleep(Duration::from_millis(1_500));
    drop(busy);
    going.wait()
}

#[test]
fn a_generator_on_a_busy_core_neither_passes_nor_blames_the_target() {
    let Some(core) = a_core() else { return eprintln!("skipped: there is no taskset here") };
    let _turn = Turn::alone();
    let server = Server::new(|_| quote());
    let slo = "  - expect: p95(q) < 50ms\n  - expect: errors(q) < 5%\n";
    let scene = strict(&format!("{{ url: {}, connections: 32 }}", server.url()), &hold("3000/s", "4s"), slo);
    let ran = starved(&scene, &server, &core);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(names(&verdict, "run_queue"), "{}", verdict["fitness"]);
    assert!(ran.out.contains("other processes share the core"), "{}", ran.out);
}

#[test]
fn a_generator_with_a_fraction_of_the_time_that_it_needs_does_not_pass() {
    let Some(core) = a_core() else { return eprintln!("skipped: there is no taskset here") };
    let _turn = Turn::alone();
    let server = Server::new(|_| quote());
    let slo = "  - expect: p95(q) < 100ms\n  - expect: errors(q) < 5%\n";
    let target = format!("{{ url: {}, timeout: 500ms, connections: 32 }}", server.url());
    let scene = strict(&target, &hold("20000/s", "2s"), slo);
    let ran = starved(&scene, &server, &core);
    let verdict = scene.verdict();
    assert!(matches!(ran.code, Some(1 | 4)), "never PASS: {ran:?}");
    assert_eq!(verdict["traffic"]["q"]["taken_up"], 40_000, "every shot is accounted for: {verdict}");
    let (unfit, all) = (&verdict["fitness"]["unfit_seconds"], &verdict["fitness"]["seconds"]);
    assert!(unfit.as_u64() > Some(0), "{}", verdict["fitness"]);
    assert!(ran.code == Some(4) || unfit.as_u64() < all.as_u64(), "a FAIL needs a fit second: {}", verdict["fitness"]);
}

#[test]
fn a_generator_that_was_stopped_for_a_while_says_so() {
    let _turn = Turn::alone();
    let server = Server::new(|_| quote());
    let slo = "  - expect: p95(q) < 100ms\n  - expect: errors(q) < 5%\n";
    let scene = strict(&server.url(), &hold("200/s", "3s"), slo);
    let going = scene.start(&[]);
    wait_for_shots(&server);
    going.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(1_200));
    going.signal(Signal::CONT);
    let ran = going.wait();
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(names(&verdict, "hiccup"), "{}", verdict["fitness"]);
}

/// A run of a scenario that may open so many files.
fn with_files(scene: &Scene, files: u32) -> Ended {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh", PROGRAM, "run"]);
    command.arg(scene.file()).arg("--out").arg(scene.out());
    Going::start(command, &scene.path("")).wait()
}

#[test]
fn a_generator_without_descriptors_does_not_start() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let scene = strict(&format!("{{ url: {}, connections: 16 }}", server.url()), &hold("100/s", "1s"), SLO);
    let ran = with_files(&scene, 64);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("`ulimit -n` allows 64 open files"), "{ran:?}");
    assert_eq!(server.count("GET /quote"), 0);
}

#[test]
fn a_generator_with_too_few_descriptors_does_not_blame_the_target() {
    let _turn = Turn::alone();
    // 200/s at 300 ms want 60 connections; 32 can be opened.
    let server = Server::new(|_| Answer::Late(Duration::from_millis(300), QUOTE.to_vec()));
    let slo = "  - expect: p95(q) < 600ms\n  - expect: errors(q) < 5%\n";
    let scene = strict(&format!("{{ url: {}, timeout: 1s }}", server.url()), &hold("200/s", "3s"), slo);
    let ran = with_files(&scene, 96);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(names(&verdict, "files"), "{}", verdict["fitness"]);
    assert!(ran.out.contains("raise `ulimit -n`"), "{}", ran.out);
}

#[test]
fn a_target_that_freezes_before_a_healthy_generator_fails() {
    let _turn = Turn::alone();
    let server = Server::new(|r| if r.nth < 100 { quote() } else { Answer::Hang });
    let slo = "  - expect: p95(q) < 1s\n  - expect: errors(q) < 5%\n";
    let target = format!("{{ url: {}, timeout: 1500ms, connections: 16 }}", server.url());
    let scene = strict(&target, &hold("100/s", "4s"), slo);
    let ran = scene.start(&[]).wait();
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(finding(&verdict, "p95(q) < 1s")["verdict"], "FAIL", "{verdict}");
    assert_eq!(finding(&verdict, "errors(q) < 5%")["verdict"], "FAIL", "{verdict}");
    assert!(outcome(&verdict, "not_sent_backlog") > 0, "shots piled up: {verdict}");
    assert_eq!(verdict["fitness"]["dropped"], 0, "a full pool is the target's doing");
}
