//! What a connection costs in memory, at rest and with a request in flight: the resident memory of a run that holds ten
//! thousand of them, less that of one that holds a hundred. Prints the ratio to what is allowed.
//!
//! `cargo bench --bench memory`; needs `ulimit -n` of 12 000.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that are held.
const MANY: u64 = 10_000;
/// And those of the run that it is compared with.
const FEW: u64 = 100;
/// Bytes that a connection at rest may take, and one with a request in flight.
const ALLOWED: (u64, u64) = (8 * 1024, 20 * 1024);

fn main() {
    let (few, many) = (held(FEW), held(MANY));
    let each = |many: u64, few: u64| many.saturating_sub(few) / (MANY - FEW);
    for (what, bytes, allowed) in
        [("at rest", each(many.0, few.0), ALLOWED.0), ("with a request in flight", each(many.1, few.1), ALLOWED.1)]
    {
        println!("a connection {what}: {bytes} bytes, {:.2} of what is allowed", bytes as f64 / allowed as f64);
    }
}

/// Resident memory of a run that holds so many connections: at rest, and with a request in flight on each. The server
/// freezes for the second.
fn held(connections: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("held.yaml");
    let yaml = format!(
        "proofload: 1\ntarget: {{ sim: calibrator, with: {{ from: 3s, freeze: 4s }}, timeout: 20s, connections: {connections} }}\n\
         traffic:\n  x:\n    flow: {{ steps: [ {{ get: / }} ] }}\n    load:\n      - saturate: {{ connections: {connections}, for: 1s }}\n      \
         - hold: {{ at: 1/s, for: 1s }}\n      - saturate: {{ connections: {connections}, for: 4s }}\n"
    );
    std::fs::write(&file, yaml).expect("writes");
    let mut run = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .args(["run", "--quiet", "--out"])
        .arg(folder.path())
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let began = Instant::now();
    let mut seen = Vec::new();
    while run.try_wait().expect("waits").is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
        seen.extend(memory(run.id()).map(|bytes| (began.elapsed(), bytes)));
        thread::sleep(Duration::from_millis(50));
    }
    // The load begins a little after the start: at two seconds and a half the first loops are over, at five and a half all
    // requests hang.
    let at = |seconds: f64| seen.iter().find(|(at, _)| at.as_secs_f64() >= seconds).map_or(0, |(_, bytes)| *bytes);
    (at(2.6), at(5.5))
}

/// Resident memory of a process, in bytes.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
