//! What the stubs pay: prices that hang together. Each mint has a value, and a rate is the ratio of two of them, so that
//! no chain of quotes makes money out of nothing and an inverse pair has the inverse rate.

use crate::base::seed::{Seed, unit};
use crate::base::time::Offset;

/// Values lie within this factor of each other.
const RANGE: f64 = 1000.0;
/// How far a value strays from one second to the next.
const DRIFT: f64 = 0.005;
/// How much worse than the best a quoter may be.
const SPREAD: f64 = 0.002;

/// How many raw units of `to` one raw unit of `from` buys at `quoter`, in the second of `at`. Always above 0.
pub fn rate(seed: Seed, quoter: &str, from: &str, to: &str, at: Offset) -> f64 {
    let spread = SPREAD * unit(seed.decide(&[b"spread", quoter.as_bytes(), &second(at)]));
    value(seed, from, at) / value(seed, to, at) * (1.0 - spread)
}

fn value(seed: Seed, mint: &str, at: Offset) -> f64 {
    let base = libm::exp(libm::log(RANGE) * unit(seed.decide(&[b"value", mint.as_bytes()])));
    base * (1.0 + DRIFT * (unit(seed.decide(&[b"drift", mint.as_bytes(), &second(at)])) - 0.5))
}

fn second(at: Offset) -> [u8; 8] {
    at.nanos().div_euclid(1_000_000_000).to_le_bytes()
}

/// `amount × rate` in raw units: at least 1, at most what fits.
pub fn convert(amount: u64, rate: f64) -> u64 {
    // `as` saturates, and a rate is never NaN.
    ((amount as f64 * rate) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Offset = Offset::from_millis(1500);

    #[test]
    fn any_amount_buys_something() {
        for (from, to) in [("SOL", "USDC"), ("USDC", "SOL"), ("a", "b"), ("a", "a"), ("", "x")] {
            let rate = rate(Seed(1), "jupiter", from, to, NOW);
            for amount in [1, 2, 1_000_000, u64::MAX] {
                assert!(convert(amount, rate) > 0, "{from} {to} {amount}");
            }
        }
    }

    #[test]
    fn prices_hang_together() {
        let rate = |from, to| rate(Seed(1), "jupiter", from, to, NOW);
        assert!(rate("a", "b") * rate("b", "a") <= 1.0);
        assert!(rate("a", "b") * rate("b", "c") * rate("c", "a") <= 1.0);
        assert!(rate("a", "b") * rate("b", "a") > 0.99);
    }

    #[test]
    fn a_price_holds_for_a_second_and_differs_between_quoters() {
        let rate = |quoter, ms| rate(Seed(1), quoter, "a", "b", Offset::from_millis(ms));
        assert_eq!(rate("jupiter", 1000), rate("jupiter", 1999));
        assert_ne!(rate("jupiter", 1999), rate("jupiter", 2000));
        assert_ne!(rate("jupiter", 1000), rate("dflow", 1000));
        assert!((rate("jupiter", 1000) / rate("jupiter", 2000) - 1.0).abs() < 0.02);
    }
}
