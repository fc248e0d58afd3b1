//! What is reported of servers that freeze, beside the truth by their own log and what a closed-loop tool would claim: three
//! ways to freeze at three rates, on 64 connections.
//!
//! `cargo bench --bench stall`

use proofload::selftest::Bench;
use proofload::selftest::stall::{Case, measure};

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let bench = Bench::new(env!("CARGO_BIN_EXE_proofload").into()).expect("a folder");
    println!("| rate | freeze | | truth ms | reported ms | ratio | a closed loop says ms | |");
    println!("|---|---|---|---|---|---|---|---|");
    for (freeze, every, load, how) in
        [(100, 1_000, 10, "100 ms each second"), (2_000, 10_000, 21, "2 s each 10 s"), (5_000, 0, 12, "5 s once")]
    {
        for rate in [500, 2_000, 10_000] {
            let case = Case { rate, freeze, every, load };
            let found = runtime.block_on(measure(&bench, case)).expect("a run");
            assert_eq!(found.shots.0, found.shots.1, "every shot is in the server's log");
            for truth in &found.truths {
                let ms = |length: std::time::Duration| length.as_secs_f64() * 1e3;
                let name = if truth.quantile == 1.0 {
                    "max".into()
                } else {
                    format!("p{}", (truth.quantile * 1e5).round() / 1e3)
                };
                println!(
                    "| {rate} | {how} | {name} | {:.2} | {:.2} | {:.3} | {:.2} | {} |",
                    ms(truth.truth),
                    ms(truth.reported),
                    ms(truth.reported) / ms(truth.truth),
                    ms(truth.closed),
                    if truth.holds() { "true" } else { "not true" }
                );
            }
        }
    }
}
