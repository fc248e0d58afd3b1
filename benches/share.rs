//! How close the share that a fault strikes is to the one that is declared: the decision by itself over a hundred seeds, and
//! a few real runs. Run with `cargo bench --bench share`.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use proofload::base::seed::Seed;
use proofload::base::trace::Shot;
use proofload::base::units::Share;
use proofload::stage::decide::{Key, strikes};
use serde_json::Value;

/// Seeds, and calls that are decided about with each.
const SEEDS: u64 = 100;
const CALLS: u64 = 20_000;
/// Billionths.
const SHARES: [u32; 8] =
    [1_000_000, 10_000_000, 50_000_000, 200_000_000, 333_333_333, 500_000_000, 800_000_000, 990_000_000];
/// Of real runs, in percent.
const REAL: [u32; 4] = [5, 20, 50, 90];

fn main() {
    println!("The decision by itself, {SEEDS} seeds, {CALLS} calls with each:\n");
    println!("| declared | observed, all seeds | least of a seed | greatest | seeds outside 99.9 % | outside 95 % |");
    println!("|---|---|---|---|---|---|");
    for share in SHARES {
        let counts: Vec<u64> = (0..SEEDS).map(|seed| struck(Seed(seed), Share(share))).collect();
        let fraction = f64::from(share) / 1e9;
        let outside = |level: f64| {
            let (low, high) = between(CALLS, fraction, level);
            counts.iter().filter(|n| !(low..=high).contains(*n)).count()
        };
        let percent = |n: u64, of: u64| format!("{:.3} %", n as f64 / of as f64 * 100.0);
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            format_args!("{:.4} %", fraction * 100.0),
            percent(counts.iter().sum(), SEEDS * CALLS),
            percent(counts.iter().copied().min().unwrap_or(0), CALLS),
            percent(counts.iter().copied().max().unwrap_or(0), CALLS),
            outside(0.999),
            outside(0.95)
        );
    }
    println!("\nBy chance 0.1 seeds lie outside the first interval, and 5 outside the second.\n");
    println!("Real runs, four stubs with a fault each, 60 requests/s at each for five seconds:\n");
    println!("| seed | declared | could be struck | chosen | observed | 99.9 % of runs | verdict |");
    println!("|---|---|---|---|---|---|---|");
    for seed in 1..=3 {
        real(seed)
            .unwrap_or_else(|| vec![format!("| {seed} | – | – | – | – | – | no verdict |")])
            .iter()
            .for_each(|line| println!("{line}"));
    }
}

/// How many of the calls of shots a fault strikes.
fn struck(seed: Seed, share: Share) -> u64 {
    let strikes = |seq: &u64| {
        let key = Key::Call { shot: Shot { traffic: 0, seq: *seq }, attempt: 0 };
        strikes(seed, "fault", share, "upstream", key)
    };
    (0..CALLS).filter(strikes).count() as u64
}

/// The least interval, cut equally at both ends, that a binomial count lies in with this probability; by summing its law.
fn between(n: u64, p: f64, level: f64) -> (u64, u64) {
    let tail = (1.0 - level) / 2.0;
    let ln = |k: u64| {
        let (n, k) = (n as f64, k as f64);
        libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
            + k * p.ln()
            + (n - k) * (1.0 - p).ln()
    };
    let (mut low, mut below) = (0, 0.0);
    while below + ln(low).exp() <= tail {
        below += ln(low).exp();
        low += 1;
    }
    let (mut high, mut above) = (n, 0.0);
    while above + ln(high).exp() <= tail {
        above += ln(high).exp();
        high -= 1;
    }
    (low, high)
}

/// A real run: a line for each fault. When a request leaves says nothing of whether it is struck: so the rates are low and
/// the limits wide, and a busy machine does not make the run INVALID.
fn real(seed: u64) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().ok()?;
    let ports: Vec<TcpListener> = REAL.iter().filter_map(|_| TcpListener::bind("127.0.0.1:0").ok()).collect();
    let places: Vec<String> = ports.iter().filter_map(|l| Some(l.local_addr().ok()?.to_string())).collect();
    drop(ports);
    let each = |line: &dyn Fn(u32, &str) -> String| -> String {
        REAL.iter().zip(&places).map(|(share, place)| line(*share, place)).collect()
    };
    let scenario = format!(
        "proofload: 1\nseed: {seed}\ntarget: {{ timeout: 2s, services: {{ {} }} }}\nupstreams:\n{}traffic:\n{}faults:\n{}slo: [ {{ expect: errors(t5) < 100% }} ]\nfitness: {{ lag: 10s, cpu: 100% }}\n",
        each(&|share, place| format!("s{share}: 'http://{place}', ")).trim_end_matches(", "),
        each(&|share, place| format!("  u{share}: {{ like: jupiter, listen: '{place}', success: 100% }}\n")),
        each(&|share, _| format!(
            "  t{share}: {{ flow: {{ steps: [ {{ get: '/v6/quote?inputMint=A&outputMint=B&amount=1' }} ] }}, to: s{share}, arrivals: even, load: [ {{ hold: {{ at: 60/s, for: 6s }} }} ] }}\n"
        )),
        each(&|share, _| format!(
            "  f{share}: {{ on: upstream/u{share}, inject: {{ status: {{ code: 503 }} }}, share: {share}%, at: 500ms, for: 5s }}\n"
        ))
    );
    let file = folder.path().join("share.yaml");
    std::fs::write(&file, scenario).ok()?;
    let out = folder.path().join("out");
    let run = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .args(["run", "--quiet", "--no-color", "--out"])
        .arg(&out)
        .arg(&file)
        .output()
        .ok()?;
    let Some(verdict) = find(&out) else {
        eprintln!("{}", String::from_utf8_lossy(&run.stderr));
        return None;
    };
    let name = judged(&verdict);
    let line = |fault: &Value| {
        let of = &fault["ledger"]["chosen"];
        let (eligible, chosen) = (of["eligible"].as_u64()?, of["chosen"].as_u64()?);
        let observed = chosen as f64 / eligible.max(1) as f64 * 100.0;
        let declared = fault["share"].as_f64()? * 100.0;
        let (low, high) = (of["between"][0].as_u64()?, of["between"][1].as_u64()?);
        Some(format!(
            "| {seed} | {declared:.0} % | {eligible} | {chosen} | {observed:.1} % | {low} to {high} | {name} |"
        ))
    };
    verdict["faults"].as_array()?.iter().map(line).collect()
}

/// The verdict, with the reason where it is no PASS.
fn judged(verdict: &Value) -> String {
    let name = verdict["verdict"].as_str().unwrap_or("none");
    let why = verdict["reasons"][0]["why"].as_str().filter(|_| name != "PASS");
    why.map_or_else(|| name.to_owned(), |why| format!("{name}: {}", why.replace('|', "/")))
}

/// The verdict of the one run below a folder.
fn find(folder: &Path) -> Option<Value> {
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
