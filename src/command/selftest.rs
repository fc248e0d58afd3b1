//! `proofload selftest`: what this host can be trusted with.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::base::{text, units};
use crate::cli::print;
use crate::exit::Exit;
use crate::selftest::{self, Findings, Trust};

/// Tests this host and prints what was found.
pub fn selftest() -> Exit {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(why) => {
            print::err(&format!("cannot find our own program: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            print::err(&format!("no runtime: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let found = runtime.block_on(selftest::run(program, print::err));
    runtime.shutdown_background();
    match found {
        Ok(findings) => {
            print::line(&words(&findings));
            let kept = findings.trust().map(|trust| trust.keep());
            if let Some(Err(why)) = kept {
                print::err(&format!("what was found could not be kept for later runs: {why}"));
            }
            if findings.holds() { Exit::PASS } else { Exit::Judged(crate::judge::Exit::Invalid) }
        }
        Err(why) => {
            print::err(&why);
            Exit::NOT_STARTED
        }
    }
}

fn words(findings: &Findings) -> String {
    let mut out = vec!["punctuality: how late shots leave, beside a loop that only spins".to_owned()];
    let mut table = sheet(&["rate", "lag p50", "p99", "p99.9", "spin p99.9", "core", "shots", ""]);
    for p in &findings.punctuality {
        let lag = |q| length(p.lag.quantile(q));
        table.add_row([
            format!("{}/s", text::thousands(u64::from(p.rate))),
            lag(0.5),
            lag(0.99),
            lag(0.999),
            length(p.bare.quantile(0.999)),
            p.cpu.map_or_else(|| "–".into(), units::percent),
            format!("{} of {}", text::thousands(p.shots.1), text::thousands(p.shots.0)),
            if p.kept() { "kept" } else { "not kept" }.into(),
        ]);
    }
    out.push(table.to_string());
    let capacity = &findings.capacity;
    let cost = capacity.cost.map_or_else(String::new, |cost| format!(", {cost:.1} µs of processor time each"));
    out.push(format!(
        "\ncapacity: one worker, closed loop, 64 connections: {} requests/s{cost}",
        text::thousands(capacity.rate as u64)
    ));
    out.push("\ntruth: a server that freezes, by its own log and by our report".into());
    let mut table = sheet(&["load", "freeze", "", "truth", "reported", "a closed loop says", ""]);
    for stall in &findings.stalls {
        let every = if stall.case.every == 0 { "once".into() } else { format!("each {} s", stall.case.every / 1_000) };
        for (i, truth) in stall.truths.iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            table.add_row([
                first(format!("{}/s", text::thousands(u64::from(stall.case.rate)))),
                first(format!("{} ms {every}", stall.case.freeze)),
                if truth.quantile == 1.0 { "max".into() } else { format!("p{}", (truth.quantile * 1e5).round() / 1e3) },
                units::measured(truth.truth),
                units::measured(truth.reported),
                units::measured(truth.closed),
                if truth.holds() { "true" } else { "NOT TRUE" }.into(),
            ]);
        }
        if stall.shots.0 != stall.shots.1 {
            out.push(format!("of {} shots the server's log has {}", stall.shots.0, stall.shots.1));
        }
    }
    out.push(table.to_string());
    let accuracy = &findings.accuracy;
    out.push(format!(
        "\nfaults: {} of {} requests struck where one in five was asked for, {} seen to hang; a stub of {} answered in {}: {}",
        text::thousands(accuracy.struck.1),
        text::thousands(accuracy.struck.0),
        text::thousands(accuracy.hung),
        units::duration(accuracy.latency.0),
        length(accuracy.latency.1),
        if accuracy.holds() { "as declared" } else { "NOT AS DECLARED" }
    ));
    out.push("\nfaults, one of each kind: what a client sees, and that it is over in the end".into());
    let mut table = sheet(&["fault", "seen", ""]);
    for broken in &findings.broken {
        let (seen, word) = match &broken.seen {
            Ok(seen) => (seen, "as declared"),
            Err(seen) => (seen, "NOT AS DECLARED"),
        };
        table.add_row([broken.kind.as_str(), seen, word]);
    }
    out.push(table.to_string());
    out.push(match findings.trust() {
        Some(Trust { rate, .. }) => format!(
            "\nthis host can be trusted with up to {}/s of open load beside a target on the same machine",
            text::thousands(u64::from(rate))
        ),
        None => "\nthis host cannot be trusted with any rate that was tried: give it a core of its own".into(),
    });
    out.join("\n")
}

fn length(length: Option<Duration>) -> String {
    length.map_or_else(|| "–".into(), units::measured)
}

fn sheet(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
