//! What is traded, and prices that wander. Pure.

use crate::base::law::probit;
use crate::base::seed::{Seed, Stream};

/// What is traded.
pub const SYMBOLS: [&str; 3] = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
/// What a symbol costs at the start, in dollars.
const PRICES: [f64; SYMBOLS.len()] = [64_000.0, 3_200.0, 150.0];
/// How far a price goes in one beat: a standard deviation of a thousandth of a percent.
const STEP: f64 = 0.000_01;

/// The prices.
#[derive(Debug)]
pub struct Prices {
    mid: [f64; SYMBOLS.len()],
    stream: Stream,
}

impl Prices {
    /// Those of the start.
    pub fn new(seed: u64) -> Prices {
        Prices { mid: PRICES, stream: Seed(seed).stream("prices") }
    }

    /// A step further.
    pub fn step(&mut self) {
        for price in &mut self.mid {
            *price *= 1.0 + STEP * probit(self.stream.unit().max(1e-9));
        }
    }

    /// In dollars, by symbol.
    pub fn mid(&self) -> [f64; SYMBOLS.len()] {
        self.mid
    }
}

/// Which symbol this is.
pub fn symbol(name: &str) -> Option<usize> {
    SYMBOLS.iter().position(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_wander_and_do_not_run_away() {
        let (mut prices, mut again) = (Prices::new(1), Prices::new(1));
        (0..10_000).for_each(|_| prices.step());
        (0..10_000).for_each(|_| again.step());
        assert_eq!(prices.mid(), again.mid(), "the seed decides");
        for (now, then) in prices.mid().iter().zip(PRICES) {
            assert!(*now != then && (now / then - 1.0).abs() < 0.01, "{now} from {then}");
        }
    }
}
