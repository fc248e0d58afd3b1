//! Whether two runs are different, really: quantiles, failures and rates of a candidate beside those of a base, each with an
//! interval that respects how lengths of time hang together over time.
//!
//! A run is cut into blocks that are long against its memory, and blocks are drawn anew, many times (the block bootstrap: Künsch,
//! Annals of Statistics 17, 1989). What a figure spreads over the draws is its standard error; as many blocks as there are, so
//! many degrees of freedom has it. Where several figures are compared, each has to be surer (Holm, Scandinavian Journal
//! of Statistics 6, 1979). The Mann-Whitney test on the medians of blocks is a second opinion, and decides nothing.

pub(super) mod blocks;
pub(super) mod bootstrap;
mod fair;
mod pairs;
mod ranks;

pub use fair::{apart, no_base, unfair};
pub use pairs::compare_pairs;

use serde::Serialize;

use super::stat;
use crate::base::seed::Seed;
use crate::base::time::Span;
use crate::evidence::reader::Evidence;
use crate::evidence::tally::Tally;
use blocks::Blocks;
use bootstrap::Spread;

/// How sure an interval is, before there are several.
pub(super) const CONFIDENCE: f64 = 0.95;
/// From fewer blocks nothing is told.
pub(super) const BLOCKS: usize = 12;
/// The quantiles that are compared.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'r> {
    /// What it left on disk.
    pub evidence: &'r Evidence,
    /// The traffic.
    pub traffic: &'r str,
    /// Its measured phase.
    pub measured: Span,
}

/// A figure of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The traffic.
    pub traffic: String,
    /// `p50` … `p99`, `errors`, or `rate`.
    pub measure: &'static str,
    /// In seconds, as a share, or ok shots a second.
    pub base: f64,
    /// The same of the candidate.
    pub candidate: f64,
    /// Of lengths and rates, by what part of the base the candidate is more: 0.1 is 10 % more. Of errors, by how much of all.
    pub change: f64,
    /// Where the change lies, surely enough for all figures together.
    pub between: Option<[f64; 2]>,
    /// How likely a change as large is where there is none, by the same reckoning; corrected for the number of figures.
    pub p: Option<f64>,
    /// What is to be said of it.
    pub outcome: Outcome,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What is to be said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Changed for the better, surely, and by more than matters.
    Better,
    /// If it changed for the worse at all, by less than matters.
    Same,
    /// It may have changed by more than matters, and may not.
    Undecided,
    /// Changed for the worse, surely, and by more than matters.
    Worse,
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Better => "better",
            Outcome::Same => "same",
            Outcome::Undecided => "undecided",
            Outcome::Worse => "worse",
        }
    }
}

/// What comes of a comparison of one traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Each figure.
    pub changes: Vec<Change>,
    /// How long a block is, in seconds, and how many each side has.
    pub blocks: (f64, [usize; 2]),
    /// The second opinion: how likely medians of blocks that lie so are where nothing changed.
    pub mann_whitney: Option<f64>,
    /// How long the shots of each side took, as promises count them: for the page.
    #[serde(skip)]
    pub lengths: [Tally; 2],
}

/// A figure before it is judged: its change on a scale on which it is normal, and the standard error of that.
struct Figure {
    measure: &'static str,
    base: f64,
    candidate: f64,
    scale: Scale,
    step: f64,
    error: f64,
}

/// On which scale a figure is judged, and which way is worse.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    /// By the logarithm of a ratio; more is worse.
    Length,
    /// By the logarithm of a ratio; less is worse.
    Rate,
    /// By the difference; more is worse.
    Share,
}

impl Scale {
    /// A step on the scale as readers have it.
    fn change(self, step: f64) -> f64 {
        if self == Scale::Share { step } else { step.exp_m1() }
    }

    /// What matters, on the scale: a part of the base, or so much of all.
    fn matters(self, threshold: f64) -> f64 {
        if self == Scale::Share { threshold / 10.0 } else { threshold.ln_1p() }
    }
}

/// Compares a traffic of two runs. What is less than `threshold`, a part of the base, does not matter; of errors, a tenth of
/// it. `figures` is how many figures are compared in all, over every traffic.
pub fn compare(base: Side<'_>, candidate: Side<'_>, threshold: f64, figures: usize, seed: Seed) -> Comparison {
    compare_pairs(&[[base, candidate]], threshold, figures, seed)
}

/// What two runs came to, before it is judged.
struct Measured {
    figures: Vec<Figure>,
    blocks: (f64, [usize; 2]),
    mann_whitney: Option<f64>,
    lengths: [Tally; 2],
}

fn measured(sides: [Side<'_>; 2], seed: Seed) -> Measured {
    let length = sides.map(|side| blocks::memory_of(&side)).into_iter().fold(1.0, f64::max);
    let blocks = sides.map(|side| Blocks::read(&side, length));
    let spread =
        |n: usize| Spread::of(&blocks[n], &QUANTILES.map(|(_, q)| q), seed, if n == 0 { "base" } else { "candidate" });
    let spreads = [spread(0), spread(1)];
    Measured {
        figures: read(&blocks, &spreads),
        blocks: (length, [blocks[0].count(), blocks[1].count()]),
        mann_whitney: ranks::mann_whitney(&blocks[0].medians(), &blocks[1].medians()),
        lengths: blocks.map(Blocks::into_lengths),
    }
}

/// How many figures a traffic has.
pub const FIGURES: usize = QUANTILES.len() + 2;

fn read(blocks: &[Blocks; 2], spreads: &[Spread; 2]) -> Vec<Figure> {
    let mut all = Vec::new();
    let both = |of: &dyn Fn(usize) -> Option<f64>| Some([of(0)?, of(1)?]);
    for (n, (measure, q)) in QUANTILES.iter().enumerate() {
        let Some([base, candidate]) = both(&|side| blocks[side].quantile(*q)) else { continue };
        let error = spreads.iter().map(|spread| spread.quantiles[n].powi(2)).sum::<f64>().sqrt();
        all.push(Figure { measure, base, candidate, scale: Scale::Length, step: (candidate / base).ln(), error });
    }
    if let Some([base, candidate]) = both(&|side| blocks[side].errors()) {
        let error = spreads.iter().map(|spread| spread.errors.powi(2)).sum::<f64>().sqrt();
        all.push(Figure { measure: "errors", base, candidate, scale: Scale::Share, step: candidate - base, error });
    }
    if let Some([base, candidate]) =
        both(&|side| blocks[side].rate()).filter(|rates| rates.iter().all(|rate| *rate > 0.0))
    {
        let error = spreads.iter().map(|spread| spread.rate.powi(2)).sum::<f64>().sqrt();
        all.push(Figure { measure: "rate", base, candidate, scale: Scale::Rate, step: (candidate / base).ln(), error });
    }
    all
}

impl Figure {
    fn judge(
        self,
        traffic: &str,
        error: Option<f64>,
        threshold: f64,
        (figures, freedom): (usize, u64),
        few: Option<(f64, [usize; 2])>,
    ) -> Change {
        let matters = self.scale.matters(threshold);
        // For the worse.
        let worse = if self.scale == Scale::Rate { -self.step } else { self.step };
        let change = Change {
            traffic: traffic.to_owned(),
            measure: self.measure,
            base: self.base,
            candidate: self.candidate,
            change: self.scale.change(self.step),
            between: None,
            p: None,
            outcome: Outcome::Undecided,
            why: None,
        };
        let Some(error) = error else {
            // Where no block differs from another, as of errors that there were none of, a figure is what it is.
            return match few {
                Some((length, [base, candidate])) => Change {
                    why: Some(format!(
                        "{base} and {candidate} blocks of {length} s: {BLOCKS} are needed on each side; run longer"
                    )),
                    ..change
                },
                None => Change { outcome: settled(worse, matters), between: Some([change.change; 2]), ..change },
            };
        };
        let sides = 2.0 * figures.max(1) as f64;
        let errors = stat::errors_of_mean(freedom + 1, 1.0 - (1.0 - CONFIDENCE) / sides);
        let (low, high) = (worse - errors * error, worse + errors * error);
        let outcome = if low > 0.0 && worse > matters {
            Outcome::Worse
        } else if high < 0.0 && -worse > matters {
            Outcome::Better
        } else if high <= matters {
            Outcome::Same // or better, but not surely
        } else {
            Outcome::Undecided
        };
        let between = [self.step - errors * error, self.step + errors * error].map(|step| self.scale.change(step));
        let p = (stat::tail_of_mean(freedom + 1, worse.abs() / error) * sides).min(1.0);
        Change { between: Some(between), p: Some(p), outcome, ..change }
    }
}

/// A change without any doubt about it.
fn settled(worse: f64, matters: f64) -> Outcome {
    match worse {
        _ if worse > matters => Outcome::Worse,
        _ if -worse > matters => Outcome::Better,
        _ => Outcome::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(scale: Scale, step: f64, error: f64) -> Change {
        Figure { measure: "p99", base: 1.0, candidate: 1.0, scale, step, error }.judge(
            "q",
            Some(error),
            0.05,
            (1, 59),
            None,
        )
    }

    #[test]
    fn what_is_surely_more_than_matters_is_worse() {
        assert_eq!(figure(Scale::Length, 0.10, 0.02).outcome, Outcome::Worse);
        assert_eq!(figure(Scale::Length, 0.10, 0.06).outcome, Outcome::Undecided);
        assert_eq!(figure(Scale::Length, 0.01, 0.01).outcome, Outcome::Same);
        assert_eq!(figure(Scale::Length, 0.03, 0.01).outcome, Outcome::Undecided, "it may be 5 %");
        assert_eq!(figure(Scale::Length, -0.10, 0.02).outcome, Outcome::Better);
    }

    #[test]
    fn of_rates_less_is_worse() {
        assert_eq!(figure(Scale::Rate, -0.10, 0.02).outcome, Outcome::Worse);
        assert_eq!(figure(Scale::Rate, 0.10, 0.02).outcome, Outcome::Better);
    }

    #[test]
    fn an_interval_holds_its_point_and_is_wider_for_more_figures() {
        let one = figure(Scale::Length, 0.10, 0.02);
        let of_many =
            Figure { measure: "p99", base: 1.0, candidate: 1.0, scale: Scale::Length, step: 0.10, error: 0.02 };
        let many = of_many.judge("q", Some(0.02), 0.05, (12, 59), None);
        let (Some([a, b]), Some([c, d])) = (one.between, many.between) else { panic!("intervals") };
        assert!(a < one.change && one.change < b && c < a && b < d, "{one:?} {many:?}");
        assert!(one.p < many.p);
    }
}
