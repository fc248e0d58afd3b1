//! The local calculation: asks the pools of three protocols one after the other and takes the best price.

use crate::base::seed::{Seed, digest, unit};
use crate::base::units::Share;

use super::pairs::Pair;
use super::prices;
use super::work::{Pace, Part, Work};

/// A protocol whose pools are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Lists every pair.
    Raydium,
    /// Cheap, shallow, lists three pairs of four.
    Meteora,
    /// Deep, dear, lists three pairs of four.
    Orca,
}

impl Protocol {
    /// In the order in which they are asked.
    pub const ALL: [Protocol; 3] = [Protocol::Raydium, Protocol::Meteora, Protocol::Orca];

    /// As in labels and replies.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Raydium => "raydium",
            Protocol::Meteora => "meteora",
            Protocol::Orca => "orca",
        }
    }

    fn part(self) -> Part {
        match self {
            Protocol::Raydium => Part::Raydium,
            Protocol::Meteora => Part::Meteora,
            Protocol::Orca => Part::Orca,
        }
    }

    /// What a swap costs, as a share of it.
    fn fee(self) -> f64 {
        match self {
            Protocol::Raydium => 0.0025,
            Protocol::Meteora => 0.0020,
            Protocol::Orca => 0.0030,
        }
    }

    /// The size of swap, in US dollars, that halves the price.
    fn depth(self) -> f64 {
        match self {
            Protocol::Raydium => 4e6,
            Protocol::Meteora => 2e6,
            Protocol::Orca => 8e6,
        }
    }

    fn lists(self, seed: Seed, pair: u64) -> bool {
        let draw = seed.decide(&[b"lists", self.name().as_bytes(), &pair.to_le_bytes()]);
        self == Protocol::Raydium || unit(draw) < 0.75
    }
}

/// The best price found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Where.
    pub protocol: Protocol,
    /// Base units of output per base unit of input, fees and the size's own effect included.
    pub ratio: f64,
}

/// What came of asking all pools.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calculation {
    /// `None` when no pool answered.
    pub best: Option<Offer>,
    /// Queries that failed, by protocol in the order of [`Protocol::ALL`].
    pub failed: [bool; 3],
}

/// Asks all pools for the price of `amount` at `slot`. `ordinal` counts the calculations of this pair; `failures` is
/// the share of queries that fail.
pub async fn calculate(
    work: &Work,
    pace: &mut Pace,
    pair: &Pair,
    ordinal: u64,
    amount: u64,
    slot: u64,
    failures: Share,
) -> Calculation {
    let mut failed = [false; 3];
    let mut best: Option<Offer> = None;
    for (protocol, failed) in Protocol::ALL.into_iter().zip(&mut failed) {
        work.query(pace, protocol.part(), pair.id, ordinal).await;
        *failed = fails(pair, ordinal, protocol, failures);
        if *failed || !protocol.lists(pair.seed, pair.id) {
            continue;
        }
        let ratio = ratio(pair, protocol, amount, slot);
        if best.is_none_or(|b| ratio > b.ratio) {
            best = Some(Offer { protocol, ratio });
        }
    }
    work.spend(pace, Part::SelectBest, pair.id, ordinal).await;
    work.spend(pace, Part::ComputeOutput, pair.id, ordinal).await;
    Calculation { best, failed }
}

fn fails(pair: &Pair, ordinal: u64, protocol: Protocol, failures: Share) -> bool {
    if failures == Share::NONE {
        return false;
    }
    let parts: [&[u8]; 4] = [b"fails", protocol.name().as_bytes(), &pair.id.to_le_bytes(), &ordinal.to_le_bytes()];
    unit(pair.seed.decide(&parts)) < failures.fraction()
}

/// The price of one protocol's pool: the market's, off by up to 0.1 % that changes every 64 slots, less the fee, less
/// what the size itself moves.
fn ratio(pair: &Pair, protocol: Protocol, amount: u64, slot: u64) -> f64 {
    let parts: [&[u8]; 4] = [b"edge", protocol.name().as_bytes(), &pair.id.to_le_bytes(), &(slot / 64).to_le_bytes()];
    let edge = 0.002 * unit(pair.seed.decide(&parts)) - 0.001;
    let dollars = amount as f64 * libm::pow(10.0, -f64::from(pair.input_token.decimals)) * pair.input_token.dollars;
    let market = pair.base_ratio() * prices::walk(pair.seed, pair.id, slot);
    market * (1.0 + edge) * (1.0 - protocol.fee()) / (1.0 + dollars / protocol.depth())
}

/// The address of a protocol's pool for a pair: 32 bytes in hexadecimal, always the same.
pub fn address(seed: Seed, pair: u64, protocol: Protocol) -> String {
    digest(format!("pool {} {pair} {}", seed.0, protocol.name()).as_bytes())[..44].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SOL: &str = "So11111111111111111111111111111111111111112";
    const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    async fn best(pair: &Pair, amount: u64, slot: u64) -> Offer {
        let work = Work::new(Seed(1), 0.0).expect("no timer needed");
        calculate(&work, &mut Pace::now(), pair, 0, amount, slot, Share::NONE).await.best.expect("some pool lists it")
    }

    #[tokio::test]
    async fn the_best_pool_is_near_the_market_and_depends_on_size_and_time() {
        let pair = Pair::new(Seed(1), SOL, USDC);
        let small = best(&pair, 1_000_000_000, 5).await;
        let price = small.ratio * 1e9 / 1e6;
        assert!((130.0..150.0).contains(&price), "{price} USDC for a SOL");
        assert!(best(&pair, 10_000_000_000_000, 5).await.ratio < small.ratio, "a large swap moves the price");
        assert_ne!(best(&pair, 1_000_000_000, 6).await.ratio, small.ratio, "the market moves");
        assert_eq!(best(&pair, 1_000_000_000, 5).await, small, "and is the same when seen again");
        let mut winners = BTreeSet::new();
        for n in 0..40 {
            let pair = Pair::new(Seed(1), SOL, &format!("Token{n}"));
            winners.insert(best(&pair, 1_000_000_000, 5).await.protocol);
        }
        assert!(winners.len() > 1, "not always the same protocol: {winners:?}");
    }

    #[tokio::test]
    async fn a_seed_is_a_market() {
        let of = |seed| Pair::new(Seed(seed), SOL, USDC);
        assert_eq!(best(&of(1), 5_000_000, 77).await, best(&of(1), 5_000_000, 77).await);
        assert_ne!(best(&of(1), 5_000_000, 77).await.ratio, best(&of(2), 5_000_000, 77).await.ratio);
    }

    #[tokio::test]
    async fn pools_fail_as_often_as_told() {
        let work = Work::new(Seed(1), 0.0).expect("no timer needed");
        let pair = Pair::new(Seed(1), SOL, USDC);
        let all = calculate(&work, &mut Pace::now(), &pair, 0, 1, 1, Share::ALL).await;
        assert_eq!((all.best, all.failed), (None, [true; 3]));
        let mut failed = 0;
        for ordinal in 0..2_000 {
            let some = calculate(&work, &mut Pace::now(), &pair, ordinal, 1, 1, Share(100_000_000)).await;
            failed += some.failed.iter().filter(|f| **f).count();
        }
        assert!((500..700).contains(&failed), "{failed} of 6000 at 10%");
    }
}
