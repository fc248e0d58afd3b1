//! Where a series of runs changed: Pettitt's test (Applied Statistics 28, 1979), which asks of every place how much the
//! ranks before it differ from those after it, and takes the place where they differ most.
//!
//! With R the ranks of n values, those that are equal sharing their mean, U(t) = 2 · Σ R(1…t) − t · (n + 1), which is the sum of
//! the signs of all differences across t; K is the largest |U|. How likely as large a K is where nothing changed is found
//! by putting the values in other orders, many times, from the seed. What is found is cut there, and each side looked at again
//! (binary segmentation). A change has to be surer the more figures are looked at.

use serde::Serialize;

use super::Terms;
use crate::base::seed::Stream;

/// How likely it may be that any figure of a history that never changed is said to have changed.
pub const CHANCE: f64 = 0.05;
/// So many other orders are tried.
const ORDERS: usize = 4_999;
/// A side of a change has so many runs at least: one is an accident.
const SIDE: usize = 3;

/// A change of a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The first run after it, counted from 0.
    pub at: usize,
    /// The median of the runs before it, back to the change before.
    pub before: f64,
    /// The median of the runs from it on, up to the next change.
    pub after: f64,
    /// By what part of what was before it is more; of errors, by how much of all shots.
    pub change: f64,
    /// How likely one as large is where there is none.
    pub p: f64,
    /// Whether it is for the worse.
    pub worse: bool,
}

/// How many runs there must be before a change of one of so many figures can be named at all: of fewer every order is too likely.
pub fn least_runs(series: usize) -> usize {
    (2 * SIDE..200).find(|n| 2.0 / orders(*n) <= CHANCE / series.max(1) as f64).unwrap_or(200)
}

/// In how many ways half of n runs can be chosen.
fn orders(n: usize) -> f64 {
    let half = n / 2;
    (0..half).map(|i| (n - i) as f64 / (half - i) as f64).product()
}

/// Where a series changed; runs without a value are passed over.
pub(super) fn changes(values: &[Option<f64>], terms: &Terms<'_>, mut chance: Stream) -> Vec<Change> {
    let known: Vec<(usize, f64)> = values.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v))).collect();
    let plain: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
    let mut found: Vec<(usize, f64)> = Vec::new();
    cut(&plain, 0, CHANCE / terms.series.max(1) as f64, &mut chance, &mut found);
    found.sort_by_key(|(at, _)| *at);
    let edges: Vec<usize> = [0].into_iter().chain(found.iter().map(|(at, _)| *at)).chain([plain.len()]).collect();
    let change = |(n, (at, p)): (usize, &(usize, f64))| {
        let (before, after) = (median(&plain[edges[n]..*at]), median(&plain[*at..edges[n + 2]]));
        let is_share = terms.measure == "errors";
        let change = if is_share { after - before } else { after / before - 1.0 };
        let matters = if is_share { terms.threshold / 10.0 } else { terms.threshold };
        let worse = if terms.measure == "rate" { change < 0.0 } else { change > 0.0 };
        (change.abs() > matters).then_some(Change { at: known[*at].0, before, after, change, p: *p, worse })
    };
    found.iter().enumerate().filter_map(change).collect()
}

/// Finds the changes of a stretch that begins at `from`.
fn cut(values: &[f64], from: usize, allowed: f64, chance: &mut Stream, found: &mut Vec<(usize, f64)>) {
    if values.len() < 2 * SIDE {
        return;
    }
    let mut ranks = ranks(values);
    let (at, largest) = pettitt(&ranks);
    let mut as_large = 0;
    for _ in 0..ORDERS {
        shuffle(&mut ranks, chance);
        as_large += usize::from(pettitt(&ranks).1 >= largest - 1e-9);
    }
    let p = (as_large + 1) as f64 / (ORDERS + 1) as f64;
    if p > allowed {
        return;
    }
    found.push((from + at, p));
    cut(&values[..at], from, allowed, chance, found);
    cut(&values[at..], from + at, allowed, chance, found);
}

/// The rank of each value, from 1; those that are equal share their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for same in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (same.len() as f64 + 1.0) / 2.0;
        same.iter().for_each(|i| ranks[*i] = rank);
        first += same.len();
    }
    ranks
}

/// The first place after the change, and K there; the first of equals.
fn pettitt(ranks: &[f64]) -> (usize, f64) {
    let n = ranks.len();
    let mut sum = 0.0;
    let mut best = (SIDE, -1.0);
    for (i, rank) in ranks.iter().enumerate().take(n - SIDE) {
        sum += rank;
        let at = i + 1;
        let k = (2.0 * sum - at as f64 * (n as f64 + 1.0)).abs();
        if at >= SIDE && k > best.1 + 1e-9 {
            best = (at, k);
        }
    }
    best
}

/// Fisher and Yates's shuffle.
fn shuffle(values: &mut [f64], chance: &mut Stream) {
    for i in (1..values.len()).rev() {
        let j = ((chance.unit() * (i + 1) as f64) as usize).min(i);
        values.swap(i, j);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    const TERMS: Terms<'static> = Terms { measure: "p99", threshold: 0.05, series: 1 };

    /// A noise of so many parts in a hundred around 1, the same for the same seed.
    fn noise(seed: u64, n: usize, spread: f64) -> Vec<f64> {
        let mut stream = Seed(seed).stream("noise");
        let of = |_| 1.0 + spread * ((0..12).map(|_| stream.unit()).sum::<f64>() - 6.0);
        (0..n).map(of).collect()
    }

    fn found(values: &[f64], seed: u64) -> Vec<Change> {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        changes(&values, &TERMS, Seed(seed).stream("orders"))
    }

    #[test]
    fn ranks_make_the_sum_of_signs() {
        // U(t) by its definition: the signs of all differences across t.
        for seed in 0..20 {
            let mut values = noise(seed, 15, 0.1);
            values.iter_mut().for_each(|v| *v = (*v * 20.0).round()); // with ties
            let sign = |a: f64, b: f64| f64::from(i8::from(a > b) - i8::from(a < b));
            let u = |t: usize| -> f64 {
                values[..t].iter().flat_map(|a| values[t..].iter().map(move |b| sign(*a, *b))).sum()
            };
            let ranks = ranks(&values);
            let mut sum = 0.0;
            for t in 1..values.len() {
                sum += ranks[t - 1];
                assert!((2.0 * sum - t as f64 * 16.0 - u(t)).abs() < 1e-9, "{values:?} at {t}");
            }
            let best = (SIDE..=values.len() - SIDE).map(|t| u(t).abs()).fold(0.0, f64::max);
            assert_eq!(pettitt(&ranks).1, best);
        }
    }

    #[test]
    fn how_likely_it_is_agrees_with_every_order_there_is() {
        // All 5 040 orders of seven values, counted out.
        let values = [3.0, 1.0, 2.0, 5.0, 7.0, 6.0, 4.0];
        let largest = pettitt(&ranks(&values)).1;
        let (mut all, mut as_large) = (0u32, 0u32);
        let mut order = values.to_vec();
        permute(&mut order, 0, &mut |order| {
            all += 1;
            as_large += u32::from(pettitt(&ranks(order)).1 >= largest);
        });
        assert_eq!(all, 5_040);
        let exact = f64::from(as_large) / f64::from(all);
        let mut cuts = Vec::new();
        cut(&values, 0, 1.0, &mut Seed(1).stream("orders"), &mut cuts);
        assert!((cuts[0].1 - exact).abs() < 0.02, "{} and {exact}", cuts[0].1);
    }

    fn permute(values: &mut Vec<f64>, from: usize, see: &mut impl FnMut(&[f64])) {
        if from == values.len() {
            return see(values);
        }
        for i in from..values.len() {
            values.swap(from, i);
            permute(values, from + 1, see);
            values.swap(from, i);
        }
    }

    #[test]
    fn a_history_that_never_changed_is_seldom_said_to_have() {
        // 5 % of 200 is 10; more than 17 is a chance of one in a hundred.
        let alarms = (0..200u64).filter(|seed| {
            let series = noise(*seed, 24, 0.1);
            let mut cuts = Vec::new();
            cut(&series, 0, CHANCE, &mut Seed(*seed).stream("orders"), &mut cuts);
            !cuts.is_empty()
        });
        let alarms = alarms.count();
        assert!(alarms <= 17, "{alarms} of 200");
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let mut near = 0;
        for seed in 0..40 {
            let mut series = noise(seed, 30, 0.02);
            series[18..].iter_mut().for_each(|v| *v *= 1.10);
            let changes = found(&series, seed);
            let [one] = changes.as_slice() else { continue };
            assert!(one.worse && (one.change - 0.10).abs() < 0.05, "{one:?}");
            near += usize::from(one.at.abs_diff(18) <= 1);
        }
        assert!(near >= 36, "{near} of 40");
    }

    #[test]
    fn two_steps_are_two_changes_and_a_small_one_is_none() {
        let mut series = noise(1, 45, 0.01);
        series[15..30].iter_mut().for_each(|v| *v *= 1.3);
        let changes = found(&series, 1);
        assert_eq!(changes.iter().map(|c| (c.at, c.worse)).collect::<Vec<_>>(), [(15, true), (30, false)]);
        let mut small = noise(2, 40, 0.002);
        small[20..].iter_mut().for_each(|v| *v *= 1.03);
        assert!(found(&small, 2).is_empty(), "surely a change, but less than matters");
    }

    #[test]
    fn too_few_runs_name_nothing() {
        assert!(found(&[1.0, 1.0, 1.0, 2.0, 2.0], 1).is_empty());
        assert!(found(&[1.0, 1.1, 1.2, 2.0, 2.1, 2.2], 1).is_empty(), "one order in ten is as large");
        assert_eq!(least_runs(1), 8);
        let least = least_runs(1);
        let step: Vec<f64> = (0..least).map(|i| if i < least / 2 { 1.0 } else { 2.0 } + i as f64 / 1e3).collect();
        assert_eq!(found(&step, 1).len(), 1);
    }

    #[test]
    fn a_run_without_a_value_shifts_nothing() {
        let mut values: Vec<Option<f64>> = noise(3, 30, 0.01).into_iter().map(Some).collect();
        values[15..].iter_mut().for_each(|v| *v = v.map(|v| v * 1.2));
        values[3] = None;
        values[20] = None;
        let changes = changes(&values, &TERMS, Seed(3).stream("orders"));
        assert_eq!(changes.iter().map(|c| c.at).collect::<Vec<_>>(), [15]);
    }
}
