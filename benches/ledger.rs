//! How much memory it takes to account for twelve million decisions: a small real run is made, its touches are replaced by as
//! many as are asked for, and the most memory that `proofload judge` held over them is read from the system. Run with
//! `cargo bench --bench ledger`; `-- N` for another number of millions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::time::{Clock, Offset};
use proofload::base::trace::{Shot, TraceId, Tracer};
use proofload::evidence::reply::Outcome;
use proofload::evidence::touches::{Decision, Effect, ShotTouch, Writer};
use serde_json::Value;

/// Decisions for each shot: a call that is tried twice more.
const CALLS: u64 = 3;

fn main() {
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse::<u64>().ok());
    let most = asked.unwrap_or(12);
    let folder = tempfile::tempdir().expect("a folder");
    let run = run(folder.path());
    println!("| decisions | shots | touches on disk | most memory of `judge` | judged in |");
    println!("|---|---|---|---|---|");
    for decisions in [0, 1_000_000, 4_000_000, most * 1_000_000] {
        let bytes = touches(&run, decisions);
        let (peak, took) = judge(&run, decisions);
        println!(
            "| {decisions} | {} | {} MB | {:.1} MB | {:.1} s |",
            decisions / CALLS,
            bytes / 1_000_000,
            peak as f64 / 1e3,
            took.as_secs_f64()
        );
    }
}

/// A run with a fault; its folder.
fn run(folder: &Path) -> PathBuf {
    let file = folder.join("ledger.yaml");
    let scenario = "proofload: 1
target: { sim: calibrator, timeout: 1s }
upstreams: { dep: { replies: [ { path: /, media: text/plain, body: ok } ] } }
traffic:
  x: { flow: { steps: [ { get: / } ] }, arrivals: even, load: [ { hold: { at: 100/s, for: 3s } } ] }
faults: { outage: { on: upstream/dep, inject: { timeout: {} }, share: 50%, at: 500ms, for: 2s } }
slo: [ { expect: errors(x) < 100% } ]
fitness: { lag: 1s, cpu: 100% }
";
    std::fs::write(&file, scenario).expect("written");
    let out = folder.join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
    command.args(["run", "--quiet", "--no-color", "--out"]).arg(&out).arg(&file);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("runs");
    find(&out).expect("the folder of a run")
}

/// The folder below this one that holds a manifest.
fn find(folder: &Path) -> Option<PathBuf> {
    if folder.join("manifest.json").exists() {
        return Some(folder.to_owned());
    }
    std::fs::read_dir(folder).ok()?.flatten().filter(|e| e.path().is_dir()).find_map(|e| find(&e.path()))
}

/// Puts so many decisions and their shots in the place of the run's own; how many bytes that is.
fn touches(run: &Path, decisions: u64) -> u64 {
    let (stage, own) = (run.join("touches.stage.log"), run.join("touches.log"));
    let tracer = Tracer::new(Seed(1), run.file_name().and_then(|n| n.to_str()).expect("a name"));
    // A record is never written over another.
    [&stage, &own].into_iter().for_each(|path| _ = std::fs::remove_file(path));
    let mut of_stage = Writer::create(&stage).expect("creates");
    let mut of_run = Writer::create(&own).expect("creates");
    let shots = decisions / CALLS;
    for seq in 0..shots {
        // One in a hundred calls carries no trace of ours.
        let trace = if seq % 100 == 99 { TraceId::NONE } else { tracer.id(Shot { traffic: 0, seq }) };
        // All within the two seconds of the fault.
        let due = Offset::from_millis(500) + Duration::from_nanos(seq * 1_990_000_000 / shots);
        for attempt in 0..CALLS as u32 {
            let at = due + Duration::from_micros(u64::from(attempt) + 1);
            let effect = if (seq + u64::from(attempt)) % 2 == 0 { Effect::Injected } else { Effect::Spared };
            of_stage.write(&Decision { trace, at, fault: 0, attempt, effect, retry_after: 0 }).expect("writes");
        }
        let (response, outcome) = (9_000_000, Outcome::Ok);
        let touch = ShotTouch { trace, due, response, service: Some(response), traffic: 0, class: None, outcome };
        of_run.write(&touch).expect("writes");
    }
    of_stage.flush().expect("flushes");
    of_run.flush().expect("flushes");
    [stage, own].iter().map(|path| std::fs::metadata(path).map_or(0, |of| of.len())).sum()
}

/// Judges the run: the most memory that took, in kilobytes, and how long. The books must hold what was written.
fn judge(run: &Path, decisions: u64) -> (u64, Duration) {
    let clock = Clock::starting_in(Duration::ZERO);
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
    let mut child = command.arg("judge").arg(run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let mut peak = 0;
    while child.try_wait().expect("waits").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = clock.now().since(Offset::ZERO);
    let text = std::fs::read(run.join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_slice(&text).expect("JSON");
    let book = &verdict["faults"][0]["ledger"];
    let sum: u64 = ["absorbed", "surfaced", "unexplained", "background"].iter().filter_map(|w| book[*w].as_u64()).sum();
    assert!(sum * 2 == decisions || sum.abs_diff(decisions / 2) <= 2, "{sum} of {decisions} are accounted for");
    (peak, took)
}
