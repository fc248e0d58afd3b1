//! How well recovery is measured: three hundred targets that recover in a step, under a virtual clock, and a few real runs
//! against a practice target that limps for a known time after its upstream was mended.
//!
//! `cargo bench --bench recovery`

#[path = "../tests/recovery/model.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod model;

use std::process::Command;
use std::time::Duration;

use model::{Found, Manner, cases};
use serde_json::Value;

fn main() {
    println!("| failing | targets | error, median ms | greatest ms | interval holds the truth |");
    println!("|---|---|---|---|---|");
    let folder = tempfile::tempdir().expect("a folder");
    let all: Vec<(Manner, Found)> =
        cases(300, Duration::from_secs(30)).iter().map(|case| (case.manner, case.play(folder.path()))).collect();
    for (manner, words) in
        [(Manner::Errs, "all shots err"), (Manner::Slow, "all shots are late"), (Manner::Partly, "seven in ten err")]
    {
        let of: Vec<&Found> = all.iter().filter(|(m, _)| *m == manner).map(|(_, found)| found).collect();
        let mut errors: Vec<f64> = of.iter().filter_map(|f| f.error()).map(|e| e.as_secs_f64() * 1e3).collect();
        errors.sort_by(f64::total_cmp);
        let held = of.iter().filter(|f| f.outside() == Some(Duration::ZERO)).count();
        let (median, most) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        println!("| {words} | {} of {} found | {median:.1} | {most:.1} | {held} |", errors.len(), of.len());
    }
    println!(
        "\nReal runs, 1 000/s; the upstream hangs for a second, and the target answers 503 until so long after:\n"
    );
    println!("| recovers after s | reported s | from s | error ms | verdict |");
    println!("|---|---|---|---|---|");
    for millis in [500, 1_370, 4_000, 9_730, 30_000] {
        let line =
            real(millis).unwrap_or_else(|| format!("| {:.2} | – | – | – | nothing found |", millis as f64 / 1e3));
        println!("{line}");
    }
}

/// One real run. Shots that leave late make a recovery seem earlier than it is, by as much: up to half of the error that is
/// allowed nobody minds.
fn real(limp: u64) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recovery.yaml");
    let scenario = format!(
        "proofload: 1
target: {{ sim: calibrator, with: {{ limp: {limp}ms }}, timeout: 1s, connections: 64 }}
upstreams: {{ dep: {{ replies: [ {{ path: /, media: text/plain, body: ok }} ] }} }}
traffic:
  x: {{ flow: {{ steps: [ {{ get: / }} ] }}, arrivals: even, load: [ {{ hold: {{ at: 1000/s, for: {}ms }} }} ] }}
faults: {{ outage: {{ on: upstream/dep, inject: {{ timeout: {{}} }}, at: 2s, for: 1s }} }}
slo:
  - {{ expect: errors(x) < 1%, outside: faults, steady: true }}
  - {{ expect: recovery(x) < {}ms, after: outage, stable: 1s }}
fitness: {{ lag: 50ms, cpu: 100% }}
",
        limp + 5_500,
        limp + 1_000
    );
    std::fs::write(&file, scenario).expect("written");
    let out = folder.path().join("out");
    let ran = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .args(["run", "--quiet", "--no-color", "--out"])
        .arg(&out)
        .arg(&file)
        .output()
        .expect("runs");
    let verdict = find(&out)?;
    let fault = &verdict["faults"][0];
    let cleared = fault["cleared"].as_i64()?;
    let between = &fault["recovery"]["x"]["between"];
    let (from, at) = (between[0].as_i64()?, between[1].as_i64()?);
    let since = |at: i64| (at - cleared) as f64 / 1e9;
    let error = since(at) * 1e3 - limp as f64;
    let name = verdict["verdict"].as_str().unwrap_or("none");
    let why = verdict["reasons"][0]["why"].as_str().unwrap_or("no reason given").replace('|', "/");
    let said = if ran.status.success() { name.to_owned() } else { format!("{name}: {why}") };
    Some(format!("| {:.2} | {:.3} | {:.3} | {error:.1} | {said} |", limp as f64 / 1e3, since(at), since(from)))
}

/// The verdict of the one run below a folder.
fn find(folder: &std::path::Path) -> Option<Value> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let found = match path.file_name().is_some_and(|name| name == "verdict.json") {
            true => serde_json::from_slice(&std::fs::read(&path).ok()?).ok(),
            false if path.is_dir() => find(&path),
            false => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
