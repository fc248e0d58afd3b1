//! How often `compare` is wrong: pairs of made-up runs of one law, and pairs whose candidate is 10 % slower; of a server that
//! has time to spare and of one that is busy, whose waiting makes long lengths rarer to see independently.
//!
//! `cargo bench --bench compare`

#[path = "../tests/compare/model.rs"]
mod model;

use model::{Made, Run, compared};
use proofload::judge::{Change, Compared};

const MADE: Made = Made { seed: 0, rate: 1_000, seconds: 60, busy: 0.3, slower: 1.0, fails: 0.002 };

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |seed, busy, slower| Made { seed, busy, slower, ..MADE }.make(folder.path());
    println!("Runs of 60 s at 1 000/s, one server; what matters is 5 %.\n");
    println!("| pairs | busy | what | any figure worse | any better | p99 worse | p99's interval holds the truth |");
    println!("|---|---|---|---|---|---|---|");
    let kinds = [(200u64, 1.0, "the same law twice"), (50, 1.1, "the candidate 10 % slower")];
    for (busy, (pairs, slower, what)) in [0.3, 0.7].into_iter().flat_map(|busy| kinds.map(|kind| (busy, kind))) {
        let mut counts = [0u64; 4];
        for pair in 0..pairs {
            let (base, candidate): (Run, Run) =
                (make(1_000 + 2 * pair, busy, 1.0), make(1_001 + 2 * pair, busy, slower));
            let changes = compared(&base, &candidate).changes;
            let any = |outcome| changes.iter().any(|change: &Change| change.outcome == outcome);
            let p99 = changes.iter().find(|change| change.measure == "p99");
            counts[0] += u64::from(any(Compared::Worse));
            counts[1] += u64::from(any(Compared::Better));
            counts[2] += u64::from(p99.is_some_and(|change| change.outcome == Compared::Worse));
            let holds = |[low, high]: [f64; 2]| low <= slower - 1.0 && slower - 1.0 <= high;
            counts[3] += u64::from(p99.and_then(|change| change.between).is_some_and(holds));
        }
        let [worse, better, p99, holds] = counts;
        println!("| {pairs} | {:.0} % | {what} | {worse} | {better} | {p99} | {holds} |", busy * 100.0);
    }
}
