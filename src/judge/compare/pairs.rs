//! Several pairs of runs that were run in alternation: one change of each figure, from all of them.
//!
//! The change is the mean of the changes of the pairs. How sure it is the blocks of the runs say, and how far the pairs lie
//! apart says it too: whichever is less sure counts, since a machine may be another one an hour later, which no block of one run
//! can know.

use super::{Comparison, Figure, Scale, Side, measured};
use crate::base::seed::Seed;
use crate::evidence::tally::Tally;

/// Compares a traffic over several pairs of base and candidate; as [`compare`](super::compare) with one.
pub fn compare_pairs(pairs: &[[Side<'_>; 2]], threshold: f64, figures: usize, seed: Seed) -> Comparison {
    let all: Vec<_> = pairs.iter().map(|sides| measured(*sides, seed)).collect();
    let Some(first) = all.first() else {
        return Comparison {
            changes: Vec::new(),
            blocks: (0.0, [0, 0]),
            mann_whitney: None,
            lengths: Default::default(),
        };
    };
    let traffic = pairs[0][0].traffic;
    // The pair with the fewest blocks says how much is known.
    let fewest = all.iter().map(|one| one.blocks).min_by_key(|(_, counts)| counts.iter().min().copied());
    let (length, counts) = fewest.unwrap_or(first.blocks);
    let few = counts.iter().any(|count| *count < super::BLOCKS);
    let within = counts.into_iter().min().unwrap_or(0).saturating_sub(1).max(1) as u64;
    let mut changes = Vec::new();
    for figure in &first.figures {
        let of: Vec<&Figure> =
            all.iter().filter_map(|one| one.figures.iter().find(|f| f.measure == figure.measure)).collect();
        if of.len() < pairs.len() {
            continue; // it was not measured everywhere
        }
        let Pooled { figure, freedom } = pooled(&of, within);
        let surely = (figure.error > 0.0 && !few).then_some(figure.error);
        changes.push(figure.judge(traffic, surely, threshold, (figures, freedom), few.then_some((length, counts))));
    }
    let mann_whitney = if pairs.len() == 1 { first.mann_whitney } else { None };
    let mut lengths = [Tally::default(), Tally::default()];
    for one in &all {
        lengths.iter_mut().zip(&one.lengths).for_each(|(all, of)| all.merge(of));
    }
    Comparison { changes, blocks: (length, counts), mann_whitney, lengths }
}

struct Pooled {
    figure: Figure,
    freedom: u64,
}

fn pooled(of: &[&Figure], within: u64) -> Pooled {
    let n = of.len() as f64;
    let mean = |value: &dyn Fn(&Figure) -> f64| of.iter().map(|f| value(f)).sum::<f64>() / n;
    let (scale, measure) = (of[0].scale, of[0].measure);
    let middle = |value: &dyn Fn(&Figure) -> f64| match scale {
        Scale::Share => mean(value),
        _ => mean(&|f| value(f).ln()).exp(),
    };
    let step = mean(&|f| f.step);
    let of_blocks = (of.iter().map(|f| f.error.powi(2)).sum::<f64>()).sqrt() / n;
    let of_pairs = match of.len() {
        0 | 1 => 0.0,
        _ => (of.iter().map(|f| (f.step - step).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt(),
    };
    let (error, freedom) = if of_pairs > of_blocks { (of_pairs, of.len() as u64 - 1) } else { (of_blocks, within) };
    let figure = Figure { measure, base: middle(&|f| f.base), candidate: middle(&|f| f.candidate), scale, step, error };
    Pooled { figure, freedom }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(step: f64, error: f64) -> Figure {
        Figure { measure: "p99", base: 0.1, candidate: 0.1 * step.exp(), scale: Scale::Length, step, error }
    }

    #[test]
    fn pairs_that_agree_are_surer_than_one() {
        let [a, b, c, d] = [0.10, 0.101, 0.099, 0.10].map(|step| figure(step, 0.04));
        let Pooled { figure, freedom } = pooled(&[&a, &b, &c, &d], 59);
        assert!((figure.step - 0.10).abs() < 1e-12 && (figure.error - 0.02).abs() < 1e-12, "{}", figure.error);
        assert_eq!(freedom, 59);
        assert!((figure.candidate / figure.base - 0.1f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn pairs_that_lie_apart_say_how_sure_they_are() {
        // Deviation of 0, 0.2, 0, 0.2: 0.1155; of their mean 0.0577.
        let [a, b, c, d] = [0.0, 0.2, 0.0, 0.2].map(|step| figure(step, 0.01));
        let Pooled { figure, freedom } = pooled(&[&a, &b, &c, &d], 59);
        assert!((figure.error - 0.057_735).abs() < 1e-6, "{}", figure.error);
        assert_eq!(freedom, 3);
    }
}
