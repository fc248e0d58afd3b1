//! `--verify-with`: a second program is asked what the promises over metrics come to, and what the rules of promised alerts
//! read. Where there is no real one, and for what a real one would not do, a shell script stands in for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::scene::{Ended, Going, Scene, hold, scenario};
use crate::server::{Answer, Server, quote};

const PROGRAM: &str = env!("CARGO_BIN_EXE_proofload");
const PROMISES: &str =
    "  - promql: stock\n    expect: value > 2\n  - promql: rate(done_total[$window])\n    expect: value >= 0
  - { alert: SoldOut, stays_silent: true }\n";
/// How many of the promises are about values.
const VALUES: u64 = 2;
const RULES: &str = "groups: [{ name: g, interval: 200ms, rules: [{ alert: SoldOut, expr: stock < 1, labels: { severity: info } }] }]\n";

fn watched() -> Scene {
    let server = Server::new(|r| match r.head.starts_with("GET /metrics ") {
        true => {
            let page = "# TYPE stock gauge\nstock 3\n# TYPE done_total counter\ndone_total 5\n";
            Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", page.into())
        }
        false => quote(),
    });
    let observe =
        "observe: { jobs: { stocks: { metrics: /metrics, every: 200ms } } }\nalerts: { rules: [rules.yml] }\n";
    let scene = Scene::new(&(scenario(&server.url(), &hold("50/s", "1s"), PROMISES) + observe));
    fs::write(scene.path("scenes/rules.yml"), RULES).expect("written");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    scene
}

/// `proofload judge` with nothing on its path but this folder.
fn judged(scene: &Scene, program: &str, path: &str) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.arg("judge").arg(scene.evidence()).args(["--verify-with", program]).env("PATH", path);
    Going::start(command, &scene.path("")).wait()
}

/// A promtool that gives the same answer to everything.
fn liar(folder: &Path, answer: &str) {
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'promtool, version 2.42.0 (a script)'; exit; fi\n\
         /bin/grep -c 'eval_time' \"$3\" | while read -r n; do\n\
         while [ \"$n\" -gt 0 ]; do n=$((n - 1)); printf '\\n    expr: \"x\", time: 1ms,\\n        got: {answer}\\n'; done\n\
         done\nexit 1\n"
    );
    let file = folder.join("promtool");
    fs::write(&file, script).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// On how many expressions of how many it said that it agrees.
fn agreed(ended: &Ended) -> (u64, u64) {
    let (_, rest) = ended.err.split_once(" agrees on ").unwrap_or_else(|| panic!("{ended:?}"));
    let mut numbers = rest.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().expect("agreed"), numbers.next().expect("asked"))
}

#[test]
fn what_a_second_program_does_not_share_is_not_decided() {
    let scene = watched();
    let bin = scene.path("bin");
    fs::create_dir(&bin).expect("made");
    liar(&bin, "stock{instance=\"x\"} 4E+00");
    let ended = judged(&scene, "promtool", &bin.display().to_string());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let (agree, of) = agreed(&ended);
    assert!(agree == 0 && of > VALUES, "also about the alert, at each of some evaluations: {ended:?}");
    assert!(ended.err.contains("`stock < 1` at "), "{ended:?}");
    assert!(ended.err.contains("`rate(done_total[1s])` at "), "{ended:?}");
    let verdict = scene.verdict();
    let findings = verdict["findings"].as_array().expect("findings");
    assert!(findings.len() > VALUES as usize, "{verdict}");
    for finding in findings {
        let why = finding["why"].as_str().unwrap_or_default();
        assert_eq!(finding["verdict"], "INCONCLUSIVE", "{finding}");
        assert!(why.contains("promtool 2.42 says stock{instance=\"x\"} 4, we say "), "both values: {why}");
    }
    // Without a second opinion the run is what it was.
    assert_eq!(scene.ask(&["judge", &scene.evidence().display().to_string()]).code, Some(0));

    let absent = judged(&scene, "prometheus", &bin.display().to_string());
    assert_eq!(absent.code, Some(2), "{absent:?}");
    assert!(absent.err.contains("--verify-with prometheus: prometheus is not to be had here"), "{absent:?}");
}

#[test]
fn a_real_prometheus_shares_what_we_say_and_leaves_nothing_running() {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    if !there("prometheus") || !there("promtool") {
        let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|tool| tool == "prometheus"), "prometheus is required");
        eprintln!("skipped: prometheus is not installed (apt-get install prometheus)");
        return;
    }
    let scene = watched();
    let folder = scene.evidence().display().to_string();
    let temporary = scene.path("tmp");
    fs::create_dir(&temporary).expect("made");
    for program in ["prometheus", "promtool"] {
        let mut command = Command::new(PROGRAM);
        command.args(["judge", &folder, "--verify-with", program]).env("TMPDIR", &temporary);
        let ended = Going::start(command, &scene.path("")).wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let (agree, of) = agreed(&ended);
        assert!(agree == of && of > VALUES, "{ended:?}");
        let left: Vec<_> = fs::read_dir(&temporary).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let asked = scene.ask(&["query", &folder, "sum(stock) + 1", "--verify-with", "prometheus"]);
    assert!(asked.code == Some(0) && asked.out.contains('4') && asked.err.contains("says the same"), "{asked:?}");
}
