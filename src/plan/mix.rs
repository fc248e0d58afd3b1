//! Which request each shot is.

use crate::base::seed::{Digester, Stream};
use crate::scenario::{Amount, Popularity, Quote};

/// What a quote asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuoteRequest {
    /// The position of the pair in the file.
    pub pair: u32,
    /// In base units.
    pub amount: u64,
    /// Whether it goes to the hybrid path.
    pub hybrid: bool,
}

impl QuoteRequest {
    /// Adds it to a digest.
    pub(super) fn digest(&self, all: &mut Digester) {
        all.add(&self.pair.to_le_bytes());
        all.add(&self.amount.to_le_bytes());
        all.add(&[u8::from(self.hybrid)]);
    }
}

/// Draws one request after the other. Every request takes the same number of draws, so the n-th can be found without
/// the ones before it.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Rising, the last 1: the share of requests for this pair or one before it.
    cumulative: std::sync::Arc<[f64]>,
    amount: Amount,
    hybrid: f64,
    stream: Stream,
}

impl Mix {
    /// The mix of a quote traffic.
    pub fn new(quote: &Quote, stream: Stream) -> Mix {
        let weight = |(i, pair): (usize, &crate::scenario::Pair)| match quote.popularity {
            Popularity::Uniform => 1.0,
            Popularity::Weighted => pair.weight,
            Popularity::Zipf(s) => libm::pow(i as f64 + 1.0, -s),
        };
        let weights: Vec<f64> = quote.pairs.iter().enumerate().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|w| {
                sum += w;
                sum / total
            })
            .collect();
        let hybrid = quote.hybrid.as_ref().map_or(0.0, |(share, _)| share.fraction());
        Mix { cumulative, amount: quote.amount, hybrid, stream }
    }

    /// The next request.
    pub fn next_request(&mut self) -> QuoteRequest {
        let (pair, amount, hybrid) = (self.stream.unit(), self.stream.unit(), self.stream.unit());
        QuoteRequest {
            pair: self.cumulative.partition_point(|c| *c <= pair).min(self.cumulative.len() - 1) as u32,
            amount: draw(self.amount, amount),
            hybrid: hybrid < self.hybrid,
        }
    }

    /// Leaves out the next `n` requests.
    pub fn pass(&mut self, n: u64) {
        self.stream.pass(3 * n);
    }

    /// The same mix, drawn from another stream.
    pub fn drawn_from(&self, stream: Stream) -> Mix {
        Mix { stream, ..self.clone() }
    }

    /// The share of requests for each pair.
    pub fn shares(&self) -> Vec<f64> {
        let before = std::iter::once(0.0).chain(self.cumulative.iter().copied());
        self.cumulative.iter().zip(before).map(|(c, b)| c - b).collect()
    }
}

fn draw(amount: Amount, u: f64) -> u64 {
    match amount {
        Amount::Fixed(n) => n,
        Amount::Uniform(low, high) => low + (u * ((high - low) as f64 + 1.0)) as u64,
        Amount::LogUniform(low, high) => {
            let (from, to) = (libm::log(low as f64), libm::log(high as f64));
            (libm::exp(from + u * (to - from)) as u64).clamp(low, high)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn mix(popularity: Popularity, weights: &[f64], amount: Amount) -> Mix {
        let pairs = weights
            .iter()
            .map(|w| crate::scenario::Pair { input: "A".into(), output: "B".into(), weight: *w })
            .collect();
        let path = || serde_json_path::JsonPath::parse("$.x").expect("valid");
        let quote = Quote {
            pairs,
            popularity,
            amount,
            path: "/quote".into(),
            query: ["i".into(), "o".into(), "a".into()],
            out_amount: path(),
            echo: [(path(), false), (path(), false)],
            timestamp: (path(), false),
            hybrid: Some((crate::base::units::Share(250_000_000), "/h".into())),
            max_age: None,
            max_body: crate::base::units::Size(1),
            headers: Vec::new(),
        };
        Mix::new(&quote, Seed(2).stream("mix"))
    }

    #[test]
    fn pairs_come_as_often_as_they_should() {
        for (popularity, shares) in [
            (Popularity::Uniform, [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]),
            (Popularity::Weighted, [0.1, 0.2, 0.7]),
            (Popularity::Zipf(1.0), [6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0]),
        ] {
            let mut mix = mix(popularity, &[1.0, 2.0, 7.0], Amount::Fixed(5));
            let mut counts = [0; 3];
            let mut hybrid = 0;
            for _ in 0..30_000 {
                let request = mix.next_request();
                counts[request.pair as usize] += 1;
                hybrid += usize::from(request.hybrid);
            }
            for ((count, share), stated) in counts.iter().zip(shares).zip(mix.shares()) {
                assert!((f64::from(*count) / 30_000.0 - share).abs() < 0.012, "{popularity:?} {counts:?}");
                assert!((stated - share).abs() < 1e-12);
            }
            assert!((hybrid as f64 / 30_000.0 - 0.25).abs() < 0.01);
        }
    }

    #[test]
    fn amounts_stay_in_range_and_reach_both_ends() {
        let mut uniform = mix(Popularity::Uniform, &[1.0], Amount::Uniform(3, 5));
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| uniform.next_request().amount).collect();
        assert_eq!(seen, [3, 4, 5].into());
        let mut log = mix(Popularity::Uniform, &[1.0], Amount::LogUniform(1_000, 1_000_000));
        let below = (0..10_000).filter(|_| log.next_request().amount < 31_623).count();
        assert!((4_800..5_200).contains(&below), "half lies below the geometric mean: {below}");
    }
}
