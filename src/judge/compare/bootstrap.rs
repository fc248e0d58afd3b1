//! How far a run's figures spread when its blocks are drawn anew.

use super::blocks::Blocks;
use crate::base::seed::{Seed, Stream};

/// So many times blocks are drawn: enough for a standard error to three per cent.
const DRAWS: usize = 600;

/// The standard errors of a run's figures.
pub struct Spread {
    /// Of the logarithm of each quantile.
    pub quantiles: Vec<f64>,
    /// Of the logarithm of the mean.
    pub mean: f64,
    /// Of the share of failures.
    pub errors: f64,
    /// Of the logarithm of the rate.
    pub rate: f64,
}

/// A sum of values and of their squares.
#[derive(Clone, Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.n += 1.0;
            self.sum += value;
            self.squares += value * value;
        }
    }

    fn deviation(&self) -> f64 {
        if self.n < 2.0 {
            return 0.0;
        }
        let mean = self.sum / self.n;
        ((self.squares / self.n - mean * mean).max(0.0) * self.n / (self.n - 1.0)).sqrt()
    }
}

impl Spread {
    /// Draws the blocks of a run anew, as many as there are, again and again.
    pub fn of(blocks: &Blocks, quantiles: &[f64], seed: Seed, side: &str) -> Spread {
        let n = blocks.count();
        let mut chance = seed.stream(&format!("bootstrap {side}"));
        let mut lengths = vec![Moments::default(); quantiles.len()];
        let [mut mean, mut errors, mut rate] = std::array::from_fn(|_| Moments::default());
        let mut counts = vec![0u64; blocks.lengths.len()];
        for _ in 0..if n == 0 { 0 } else { DRAWS } {
            counts.fill(0);
            let (mut due, mut failed) = (0, 0);
            for _ in 0..n {
                let block = drawn(&mut chance, n);
                blocks.counts[block].iter().for_each(|(i, n)| counts[*i as usize] += n);
                due += blocks.due[block].0;
                failed += blocks.due[block].1;
            }
            for (moments, value) in lengths.iter_mut().zip(values(blocks, &counts, quantiles)) {
                moments.add(value.ln());
            }
            mean.add(mean_of(blocks, &counts).ln());
            if due > 0 {
                errors.add(failed as f64 / due as f64);
            }
            rate.add(((due - failed) as f64).ln());
        }
        // Blocks drawn from n spread as if there were n - 1 of them.
        let wider = if n > 1 { (n as f64 / (n - 1) as f64).sqrt() } else { 1.0 };
        Spread {
            quantiles: lengths.iter().map(|moments| moments.deviation() * wider).collect(),
            mean: mean.deviation() * wider,
            errors: errors.deviation() * wider,
            rate: rate.deviation() * wider,
        }
    }
}

/// A number below `n`, each as likely as any other.
fn drawn(chance: &mut Stream, n: usize) -> usize {
    ((chance.unit() * n as f64) as usize).min(n - 1)
}

/// The mean of counted lengths, in seconds.
fn mean_of(blocks: &Blocks, counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().zip(&blocks.lengths).map(|(n, nanos)| *n as f64 * *nanos as f64).sum();
    sum / 1e9 / counts.iter().sum::<u64>() as f64
}

/// Quantiles of counted lengths, in seconds, in the order in which they are asked for, which rises.
fn values(blocks: &Blocks, counts: &[u64], quantiles: &[f64]) -> Vec<f64> {
    let total: u64 = counts.iter().sum();
    let mut seen = 0;
    let mut at = 0;
    let mut value = |q: &f64| {
        let rank = ((q * total as f64).ceil() as u64).max(1);
        while at < counts.len() && seen + counts[at] < rank {
            seen += counts[at];
            at += 1;
        }
        blocks.lengths.get(at).map_or(f64::NAN, |nanos| (*nanos).max(1) as f64 / 1e9)
    };
    quantiles.iter().map(&mut value).collect()
}
