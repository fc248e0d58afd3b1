//! How late shots leave, at three rates and with each precision, beside a loop that only spins until each due time; and
//! what a shot costs. Prints the ratio of the 99.9th percentiles.
//!
//! `cargo bench --bench lag`

use proofload::scenario::Precision;
use proofload::selftest::Bench;
use proofload::selftest::punctuality::measure;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let bench = Bench::new(env!("CARGO_BIN_EXE_proofload").into()).expect("a folder");
    println!(
        "| rate | precision | lag p50 µs | p99 | p99.9 | spin p99 | p99.9 | ratio of p99.9 | CPU µs/shot | shots |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for rate in [1_000, 10_000, 50_000] {
        for precision in [Precision::Eco, Precision::Balanced, Precision::Exact] {
            let found = runtime.block_on(measure(&bench, rate, precision)).expect("a run");
            let us = |t: &proofload::evidence::tally::Tally, q| t.quantile(q).unwrap_or_default().as_secs_f64() * 1e6;
            println!(
                "| {rate} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {} of {} |",
                precision.word(),
                us(&found.lag, 0.5),
                us(&found.lag, 0.99),
                us(&found.lag, 0.999),
                us(&found.bare, 0.99),
                us(&found.bare, 0.999),
                us(&found.lag, 0.999) / us(&found.bare, 0.999),
                found.cost().unwrap_or(f64::NAN),
                found.shots.1,
                found.shots.0
            );
        }
    }
}
