//! `.hgrm`: a percentile distribution as HdrHistogram's own tools print it, for everything that plots it.

use std::fmt::Write as _;

use crate::evidence::tally::{BUCKETS, SUB_BUCKETS, Tally, middle};

/// Steps in each half of the distance that is left to 100 %, HdrHistogram's default.
const TICKS: u32 = 5;

/// Renders lengths in milliseconds: value, percentile from 0 to 1, how many are not longer, 1/(1 − percentile). Nothing
/// for an empty tally, which has no percentile.
pub fn hgrm(lengths: &Tally) -> String {
    let Some(max) = lengths.max() else { return String::new() };
    let mut out = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let total = lengths.count();
    let (mut step, mut seen) = (Step::default(), 0);
    for (nanos, count) in lengths.cells() {
        seen += count;
        // A cell that reaches several steps has a line for each, but the last cell only for its first: 100 % follows.
        while step.is_reached(seen, total) {
            let (percentile, inverse) = (step.percentile(), 1.0 / (1.0 - step.percentile()));
            let _ = writeln!(out, "{:>12.3} {percentile:.12} {seen:>10} {inverse:>14.2}", ms(nanos as f64));
            step.advance();
            if seen == total {
                break;
            }
        }
    }
    let _ = writeln!(out, "{:>12.3} {:.12} {total:>10}", ms(max.as_nanos() as f64), 1.0);
    let (mean, deviation) = spread(lengths);
    let _ = writeln!(out, "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]", ms(mean), ms(deviation));
    let _ = writeln!(out, "#[Max     = {:>12.3}, Total count    = {total:>12}]", ms(max.as_nanos() as f64));
    let _ = writeln!(out, "#[Buckets = {BUCKETS:>12}, SubBuckets     = {SUB_BUCKETS:>12}]");
    out
}

/// A percentile on the way to 100 %: after `halvings` halves of the way, `tick` fifths of the next half. In whole
/// numbers, so that a step that is exactly reached is not missed by a rounding.
#[derive(Default)]
struct Step {
    halvings: u32,
    tick: u32,
}

impl Step {
    fn is_reached(&self, seen: u64, total: u64) -> bool {
        // What is left above is at most (2·TICKS − tick) / (2·TICKS · 2^halvings) of all. No overflow: the step before was
        // reached, so that this left side is at most about twice the right one.
        let left = u128::from(total - seen) * u128::from(2 * TICKS);
        left << self.halvings <= u128::from(total) * u128::from(2 * TICKS - self.tick)
    }

    fn percentile(&self) -> f64 {
        // What is left, in per cent, is exact in binary: the only rounding is the last division, as in HdrHistogram.
        let left = f64::from(100 * (2 * TICKS - self.tick) / (2 * TICKS)) / f64::from(self.halvings).exp2();
        (100.0 - left) / 100.0
    }

    fn advance(&mut self) {
        self.tick += 1;
        if self.tick == TICKS {
            *self = Step { halvings: self.halvings + 1, tick: 0 };
        }
    }
}

/// The mean and the standard deviation in nanoseconds, each length taken to be in the middle of its cell.
fn spread(lengths: &Tally) -> (f64, f64) {
    let total = lengths.count() as f64;
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        lengths.cells().map(|(nanos, count)| of(middle(nanos) as f64) * count as f64).sum()
    };
    let mean = sum(&|nanos| nanos) / total;
    (mean, (sum(&|nanos| (nanos - mean).powi(2)) / total).sqrt())
}

fn ms(nanos: f64) -> f64 {
    nanos / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_distribution_of_nothing_is_nothing() {
        assert_eq!(hgrm(&Tally::default()), "");
    }

    fn words(line: &str) -> Vec<f64> {
        line.split_whitespace().map(|word| word.parse().expect("a number")).collect()
    }

    proptest! {
        /// Line by line what the hdrhistogram crate says at each of its steps. Its steps are sums of fractions that are
        /// not exact, so that it misses some that are exactly reached: from there on nothing is compared.
        #[test]
        fn lines_are_those_of_hdrhistogram(values in prop::collection::vec((0..5_000_000_000u64, 1..2_000u64), 1..120)) {
            use crate::evidence::tally::{DIGITS, HIGHEST, LOWEST, cell};
            let mut hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("valid bounds");
            let mut tally = Tally::default();
            for (nanos, count) in values {
                hdr.record_n(nanos, count).expect("within bounds");
                tally.add(cell(nanos), count);
            }
            let text = hgrm(&tally);
            let mut lines = text.lines().skip(2);
            let mut seen = 0;
            for at in hdr.iter_quantiles(TICKS) {
                seen += at.count_since_last_iteration();
                let q = at.quantile_iterated_to();
                let left = (1.0 - q) * hdr.len() as f64;
                let line: Vec<f64> = words(lines.next().unwrap_or_default());
                let want = [at.value_iterated_to() as f64 / 1e6, q, seen as f64];
                let is_same = line.len() >= want.len()
                    && line.iter().zip(want).zip([6e-4, 2e-12, 0.0]).all(|((is, want), off)| (is - want).abs() <= off);
                if !is_same {
                    let is_exact = left > 0.5 && (left - left.round()).abs() < 1e-6;
                    prop_assert!(is_exact, "{:?} for {:?}", line, want);
                    break;
                }
            }
            let footer = format!("#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]", hdr.mean() / 1e6, hdr.stdev() / 1e6);
            prop_assert!(text.contains(&footer), "{} in {}", footer, text);
        }
    }
}
