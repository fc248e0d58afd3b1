//! How close a search comes to knees that are known: every law twenty times under a virtual clock, and with `--real` three times
//! each against `sim:queue`.
//!
//! `cargo bench --bench capacity -- [--real]`

#[path = "../tests/capacity/known.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod known;
#[path = "../tests/capacity/laws.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod laws;
#[path = "../tests/capacity/model.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod model;
#[path = "../tests/capacity/oracle.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod oracle;

use std::process::Command;

use proofload::judge::capacity::{FILE, Study};

/// As promised.
const MOST: f64 = 0.05;
const SEEDS: std::ops::RangeInclusive<u64> = 101..=120;

fn main() {
    if std::env::args().any(|arg| arg == "--real") { real() } else { virtually() }
}

fn virtually() {
    println!(
        "| law | knee by the books | within 5 % | error, median | greatest | range holds the knee | probes, median |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut by_seed = format!(
        "\n| error in % at seed | {} |\n|---{}|\n",
        SEEDS.map(|s| s.to_string()).collect::<Vec<_>>().join(" | "),
        "|---".repeat(SEEDS.count())
    );
    for known in known::all() {
        let mut errors = Vec::new();
        let mut probes = Vec::new();
        let mut held = 0;
        for seed in SEEDS {
            let found = known.search(seed);
            errors.push(known.error(&found).unwrap_or(f64::INFINITY));
            held += u32::from(found.knee.low <= known.knee && found.knee.high.is_none_or(|high| known.knee <= high));
            probes.push(found.probes.len());
        }
        let row: Vec<String> = errors.iter().map(|error| format!("{:+.1}", error * 100.0)).collect();
        by_seed += &format!("| {} | {} |\n", known.name, row.join(" | "));
        errors.iter_mut().for_each(|error| *error = error.abs());
        errors.sort_by(f64::total_cmp);
        probes.sort_unstable();
        let within = errors.iter().filter(|error| **error <= MOST).count();
        println!(
            "| {} | {:.2}/s | {within} of {} | {:.2} % | {:.2} % | {held} | {} |",
            known.name,
            known.knee,
            errors.len(),
            errors[errors.len() / 2] * 100.0,
            errors[errors.len() - 1] * 100.0,
            probes[probes.len() / 2]
        );
    }
    print!("{by_seed}");
    closely();
}

/// What it costs to come closer than by default.
fn closely() {
    println!("\n| 2 % asked for | error in % at seeds 101 to 105 | range, median | probes, median | with 5 % |");
    println!("|---|---|---|---|---|");
    for known in known::all() {
        let (mut errors, mut ranges, mut probes, mut fewer) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for seed in 101..=105 {
            let found = known.search_with(seed, ", resolution: 2%");
            errors.push(format!("{:+.1}", known.error(&found).unwrap_or(f64::INFINITY) * 100.0));
            let high = found.knee.high.unwrap_or(f64::INFINITY);
            ranges.push((high - found.knee.low) / known.knee * 100.0);
            probes.push(found.probes.len());
            fewer.push(known.search(seed).probes.len());
        }
        ranges.sort_by(f64::total_cmp);
        probes.sort_unstable();
        fewer.sort_unstable();
        let (errors, name) = (errors.join(" "), known.name);
        println!("| {name} | {errors} | {:.1} % | {} | {} |", ranges[2], probes[2], fewer[2]);
    }
}

/// A name, settings of `sim:queue`, a promise, how long a probe is in seconds, and the knee by the books.
type Law = (&'static str, &'static str, &'static str, u32, f64);

fn laws() -> Vec<Law> {
    vec![
        // Near its knee it takes 6 s to forget a backlog.
        ("M/M/4", "servers: 4, service: 40ms", "p95(x) < 250ms", 40, oracle::mmc(4, 0.04, 0.25)),
        ("M/D/1", "service: 8ms, spread: fixed", "p95(x) < 40ms", 20, oracle::md1(0.008, 0.04)),
        (
            "concurrency limit",
            "servers: 20, service: 100ms, room: 0",
            "errors(x) < 1%",
            20,
            oracle::limit(20, 0.1, 0.01),
        ),
        (
            "token bucket",
            "service: 0s, bucket: 100/s, burst: 20",
            "errors(x) < 1%",
            20,
            oracle::bucket(100.0, 20, 0.01),
        ),
        (
            "GC pauses",
            "service: 2ms, spread: fixed, pause: 200ms, every: 2s",
            "p95(x) < 150ms",
            40,
            oracle::pauses(0.002, 0.2, 2.0, 0.15),
        ),
    ]
}

/// One search of each law beside those of the others: they are light, and one after the other they would take hours.
fn real() {
    println!("| law | seed | knee by the books | found | range | error | probes | took | ended |");
    println!("|---|---|---|---|---|---|---|---|---|");
    std::thread::scope(|scope| {
        let laws: Vec<_> = laws().into_iter().map(|law| scope.spawn(move || thrice(law))).collect();
        for lines in laws {
            print!("{}", lines.join().unwrap_or_default());
        }
    });
}

fn thrice((name, with, promise, probe, knee): Law) -> String {
    let line = |seed| {
        let found = one(with, promise, probe, seed, knee).unwrap_or_else(|why| format!("– | – | – | – | – | {why}"));
        format!("| {name} | {seed} | {knee:.2}/s | {found} |\n")
    };
    (1..=3).map(line).collect()
}

fn one(with: &str, promise: &str, probe: u32, seed: u64, knee: f64) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
    let file = folder.path().join("knee.yaml");
    let scenario = format!(
        "proofload: 1\nseed: {seed}\ntarget: {{ sim: queue, with: {{ {with}, seed: {seed} }}, timeout: 2s }}\ntraffic:\n  x:\n    \
         flow: {{ steps: [ {{ get: / }} ] }}\n    load: [ {{ hold: {{ at: 20/s, for: 10s }} }} ]\nslo: [ {{ expect: {promise} }} ]\n\
         capacity: {{ probe: {probe}s }}\nfitness: {{ lag: 10ms }}\n"
    );
    std::fs::write(&file, scenario).map_err(|why| why.to_string())?;
    let begun = std::time::Instant::now();
    let ran = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .args(["capacity", "--quiet", "--no-color", "--out"])
        .arg(folder.path().join("out"))
        .arg(&file)
        .output()
        .map_err(|why| why.to_string())?;
    let found = glob::glob(&format!("{}/out/*/*/*/{FILE}", folder.path().display())).map_err(|why| why.to_string())?;
    let path = found.flatten().next().ok_or_else(|| String::from_utf8_lossy(&ran.stderr).replace(['\n', '|'], " "))?;
    let study =
        Study::read(&std::fs::read_to_string(path).map_err(|why| why.to_string())?).map_err(|why| why.to_string())?;
    let search = study.whole().ok_or("nothing was searched")?;
    let (rate, high) = (search.knee.rate.ok_or("no knee")?, search.knee.high.unwrap_or(f64::INFINITY));
    Ok(format!(
        "{rate:.2}/s | {:.2}–{high:.2} | {:+.2} % | {} | {:.0} s | {:?}",
        search.knee.low,
        (rate / knee - 1.0) * 100.0,
        search.probes.len(),
        begun.elapsed().as_secs_f64(),
        search.ended
    ))
}
