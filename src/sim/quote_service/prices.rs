//! What tokens are worth: a fixed table for the well-known ones, a draw for all others, and a walk over time. All of
//! it is a pure function of the seed, the mints and the slot, so that two runs see the same market.

use crate::base::seed::{Seed, unit};

/// Solana's slots, which prices move by, are this long, in milliseconds.
pub const SLOT_MS: u64 = 400;

/// The slot in which a service's time begins; only its order of magnitude is real.
pub const FIRST_SLOT: u64 = 380_000_000;

/// Mint, decimals, US dollars.
const KNOWN: &[(&str, u8, f64)] = &[
    ("So11111111111111111111111111111111111111112", 9, 140.0), // SOL
    ("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, 1.0),  // USDC
    ("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, 1.0),  // USDT
    ("J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn", 9, 172.0), // JitoSOL
    ("mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9, 184.0), // mSOL
    ("bSo13r4TkiE4KumL71LsHTPpL2euBYLFx6h9HP3piy1", 9, 168.0), // bSOL
    ("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSjbKedZNsDvCN", 6, 0.3),   // JUP
    ("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, 0.00001), // BONK
    ("4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6, 1.2),  // RAY
    ("EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", 6, 0.4),  // WIF
];

/// A token, as far as a price needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// Base units are 10^-decimals of a token.
    pub decimals: u8,
    /// The price of a whole token, in US dollars, that the walk goes around.
    pub dollars: f64,
}

impl Token {
    /// The token of a mint; one that is not in the table gets 6 or 9 decimals and a price between 1 cent and $100.
    pub fn of(seed: Seed, mint: &str) -> Token {
        match KNOWN.iter().find(|known| known.0 == mint) {
            Some((_, decimals, dollars)) => Token { decimals: *decimals, dollars: *dollars },
            None => {
                let draw = seed.decide(&[b"token", mint.as_bytes()]);
                let dollars = libm::pow(10.0, 4.0 * unit(draw) - 2.0);
                Token { decimals: if draw & 1 == 0 { 6 } else { 9 }, dollars }
            }
        }
    }
}

/// How many base units of `output` one base unit of `input` is worth before any walk.
pub fn base_ratio(input: Token, output: Token) -> f64 {
    input.dollars / output.dollars * libm::pow(10.0, f64::from(output.decimals) - f64::from(input.decimals))
}

/// By which factor the price of a pair has moved at `slot`: a random walk in Lévy's construction, by which a walk is
/// a sum of bends, each half as long and 1/√2 as high as the one before. Unlike a sum of steps it has a value at any
/// slot without a past, and bounds: within ± 6 % here, moving about 0.05 % a slot.
pub fn walk(seed: Seed, pair: u64, slot: u64) -> f64 {
    const LONGEST: u32 = 12; // 2^12 slots are 27 minutes
    const HEIGHT: f64 = 0.018; // of the longest bend
    let knot = |level: u32, at: u64| {
        2.0 * unit(seed.decide(&[b"walk", &pair.to_le_bytes(), &level.to_le_bytes(), &at.to_le_bytes()])) - 1.0
    };
    let mut log = 0.0;
    for level in 0..=LONGEST {
        let (at, within) = (slot >> level, slot & ((1 << level) - 1));
        let along = within as f64 / f64::from(1u32 << level);
        let value = knot(level, at) * (1.0 - along) + knot(level, at + 1) * along;
        log += HEIGHT * libm::pow(0.5, 0.5 * f64::from(LONGEST - level)) * value;
    }
    libm::exp(log)
}

/// `amount` at `ratio`, in whole base units; at least one, for a quote of nothing is no quote. A ratio of nothing, which
/// only a service that checks nothing keeps, stays nothing.
pub fn scaled(amount: u64, ratio: f64) -> u64 {
    if ratio == 0.0 {
        return 0;
    }
    libm::round(amount as f64 * ratio).max(1.0) as u64 // the cast saturates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sol_is_worth_its_dollars() {
        let of = |i: usize| Token::of(Seed(1), KNOWN[i].0);
        let (sol, usdc) = (of(0), of(1));
        assert_eq!(scaled(1_000_000_000, base_ratio(sol, usdc)), 140_000_000);
        assert_eq!(scaled(140_000_000, base_ratio(usdc, sol)), 1_000_000_000);
        assert_eq!(scaled(1, 1e-9), 1);
        assert_eq!(scaled(1, 0.0), 0);
        assert_eq!(scaled(u64::MAX, 1e9), u64::MAX);
    }

    #[test]
    fn a_stranger_always_has_the_same_price() {
        let a = Token::of(Seed(1), "Stranger111");
        assert_eq!(a, Token::of(Seed(1), "Stranger111"));
        assert!((0.01..=100.0).contains(&a.dollars) && [6, 9].contains(&a.decimals));
    }

    #[test]
    fn the_walk_moves_a_little_at_a_time_and_stays_near() {
        let path: Vec<f64> = (0..5_000).map(|slot| walk(Seed(1), 7, slot)).collect();
        assert!(path.iter().all(|p| (0.94..1.07).contains(p)));
        assert!(path.windows(2).all(|w| w[0] != w[1] && (w[0] / w[1] - 1.0).abs() < 0.01));
        let (low, high) = path.iter().fold((f64::MAX, 0f64), |(l, h), p| (l.min(*p), h.max(*p)));
        assert!(high / low > 1.01, "it goes somewhere: {low} to {high}");
        assert_ne!(walk(Seed(1), 8, 100), walk(Seed(1), 7, 100));
    }
}
