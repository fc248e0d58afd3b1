//! Counted lengths of time: a sparse histogram whose cells are those of HdrHistogram. An empty one has no quantile.

use std::collections::BTreeMap;
use std::time::Duration;

/// Shortest length that is told apart from zero.
pub const LOWEST: u64 = 100; // ns
/// Longer lengths are counted here.
pub const HIGHEST: u64 = 3_600_000_000_000; // ns
/// Significant decimal digits: a length is off by at most one part in a thousand.
pub const DIGITS: u8 = 3;

/// How often each length occurred.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    cells: BTreeMap<u64, u64>, // the greatest length of the cell in ns → how often
    total: u64,
}

impl Tally {
    /// Counts a length, rounded up to the end of its cell.
    pub fn record(&mut self, length: Duration) {
        self.add(cell(length.as_nanos().min(u128::from(HIGHEST)) as u64), 1);
    }

    /// Counts `count` lengths of exactly `nanos`, which is taken as it is.
    pub fn add(&mut self, nanos: u64, count: u64) {
        if count > 0 {
            *self.cells.entry(nanos).or_default() += count;
            self.total += count;
        }
    }

    /// Takes `count` lengths out again; what is not there stays not there.
    pub fn remove(&mut self, nanos: u64, count: u64) {
        if let Some(cell) = self.cells.get_mut(&nanos) {
            let taken = count.min(*cell);
            *cell -= taken;
            self.total -= taken;
            if *cell == 0 {
                self.cells.remove(&nanos);
            }
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Tally) {
        for (nanos, count) in other.cells() {
            self.add(nanos, count);
        }
    }

    /// The same lengths, each at least `floor`.
    pub fn at_least(&self, floor: Duration) -> Tally {
        let floor = cell(floor.as_nanos() as u64);
        let mut raised = Tally::default();
        for (nanos, count) in self.cells() {
            raised.add(nanos.max(floor), count);
        }
        raised
    }

    /// The same lengths without the shortest `count`.
    pub fn without_shortest(&self, count: u64) -> Tally {
        let mut rest = count;
        let keep = |(nanos, count): (u64, u64)| {
            let gone = rest.min(count);
            rest -= gone;
            (nanos, count - gone)
        };
        self.cells().map(keep).collect()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Each cell's greatest length in nanoseconds, and how often, in order.
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.cells.iter().map(|(n, c)| (*n, *c))
    }

    /// The length at the given rank, from 1; `None` beyond the last.
    pub fn at_rank(&self, rank: u64) -> Option<Duration> {
        let mut seen = 0;
        self.cells().find_map(|(nanos, count)| {
            seen += count;
            (seen >= rank.max(1)).then_some(Duration::from_nanos(nanos))
        })
    }

    /// The smallest length that at least the fraction `q` (0 to 1) does not exceed; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        // The rank is rounded down to the nearest whole where floating point has lifted it above one.
        let rank = q * self.total as f64;
        let whole = rank.round();
        let rank = if (rank - whole).abs() < 1e-9 * whole.max(1.0) { whole } else { rank.ceil() };
        self.at_rank(rank as u64)
    }

    /// The longest; `None` when empty.
    pub fn max(&self) -> Option<Duration> {
        self.cells().next_back().map(|(nanos, _)| Duration::from_nanos(nanos))
    }

    /// The mean; `None` when empty.
    pub fn mean(&self) -> Option<Duration> {
        let sum: u128 = self.cells().map(|(nanos, count)| u128::from(nanos) * u128::from(count)).sum();
        (self.total > 0).then(|| Duration::from_nanos((sum / u128::from(self.total)) as u64))
    }

    /// The standard deviation of the law that they were drawn from, estimated from n − 1; `None` for fewer than two.
    pub fn deviation(&self) -> Option<Duration> {
        let mean = self.mean()?.as_nanos() as f64;
        let square = |(nanos, count): (u64, u64)| (nanos as f64 - mean).powi(2) * count as f64;
        let squares: f64 = self.cells().map(square).sum();
        (self.total > 1).then(|| Duration::from_nanos((squares / (self.total - 1) as f64).sqrt() as u64))
    }

    /// How many are longer than `bound`.
    pub fn above(&self, bound: Duration) -> u64 {
        let bound = bound.as_nanos() as u64;
        self.cells.range(bound + 1..).map(|(_, c)| c).sum()
    }
}

impl FromIterator<(u64, u64)> for Tally {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(cells: I) -> Tally {
        let mut tally = Tally::default();
        for (nanos, count) in cells {
            tally.add(nanos, count);
        }
        tally
    }
}

const UNIT: u32 = LOWEST.ilog2(); // cells are at least 64 ns wide
const HALF: u32 = 10; // 2^11 cells hold 2 * 10^3 values apart; a bucket has half of them

/// Cells of a bucket, as HdrHistogram's footers give it.
pub const SUB_BUCKETS: u32 = 1 << (HALF + 1);
/// Buckets from [`LOWEST`] to [`HIGHEST`], each twice as wide as the one before, as HdrHistogram's footers give it.
pub const BUCKETS: u32 = HIGHEST.ilog2() - HALF - UNIT + 1;

/// The binary logarithm of the width of the cell that holds a length.
const fn magnitude(nanos: u64) -> u32 {
    (nanos | ((1 << (UNIT + HALF + 1)) - 1)).ilog2() - HALF
}

/// The greatest length in nanoseconds that HdrHistogram, with [`LOWEST`] and [`DIGITS`], counts in the same cell.
pub fn cell(nanos: u64) -> u64 {
    let nanos = nanos.min(HIGHEST);
    nanos | ((1 << magnitude(nanos)) - 1)
}

/// The middle of the cell of a length in nanoseconds, where HdrHistogram takes all of the cell's lengths to be when it
/// computes a mean.
pub fn middle(nanos: u64) -> u64 {
    let half = 1 << (magnitude(nanos.min(HIGHEST)) - 1);
    cell(nanos) + 1 - half
}

/// How many cells there are.
pub const PLACES: usize = place(HIGHEST) as usize + 1;

/// The position of the cell that holds a length: those of the finest width first, then half a bucket of each next width.
/// It is the index that HdrHistogram counts it under.
pub const fn place(nanos: u64) -> u16 {
    let nanos = if nanos < HIGHEST { nanos } else { HIGHEST };
    let magnitude = magnitude(nanos);
    ((((magnitude - UNIT) as u64) << HALF) + (nanos >> magnitude)) as u16
}

/// The greatest length in nanoseconds of the cell at a position.
pub fn top(place: usize) -> u64 {
    let place = place as u64;
    let steps = (place >> HALF).saturating_sub(1);
    let magnitude = u64::from(UNIT) + steps;
    ((place - (steps << HALF)) << magnitude) | ((1 << magnitude) - 1)
}

/// Counts by cell, one place each: adding up many intervals costs one addition per cell, whatever they hold. Empties
/// into a [`Tally`].
#[derive(Debug, Clone, Default)]
pub struct Bins {
    counts: Vec<u64>, // by the position of the cell; grows to the longest length
}

impl Bins {
    /// Counts `count` lengths in the cell of `nanos`.
    pub fn add(&mut self, nanos: u64, count: u64) {
        let place = usize::from(place(nanos));
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += count;
    }

    /// Takes `count` lengths out of the cell of `nanos`; what is not there stays not there.
    pub fn remove(&mut self, nanos: u64, count: u64) {
        if let Some(cell) = self.counts.get_mut(usize::from(place(nanos))) {
            *cell -= count.min(*cell);
        }
    }

    /// What was counted, at the greatest length of each cell; nothing is left.
    pub fn take(&mut self) -> Tally {
        let tally = self.counts.iter().enumerate().map(|(place, count)| (top(place), *count)).collect();
        self.counts.clear();
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn an_empty_tally_knows_nothing() {
        let tally = Tally::default();
        assert_eq!((tally.quantile(0.5), tally.max(), tally.mean(), tally.count()), (None, None, None, 0));
    }

    #[test]
    fn failing_fast_never_looks_fast() {
        let mut tally = Tally::default();
        tally.record(ms(1));
        tally.record(ms(3_000));
        let raised = tally.at_least(ms(2_000));
        assert!(raised.quantile(0.0).is_some_and(|d| d >= ms(2_000)));
        assert_eq!(raised.max(), tally.max());
    }

    #[test]
    fn the_deviation_is_that_of_the_sample() {
        // (2, 4, 4, 4, 5, 5, 7, 9): mean 5, squares 32, of 7.
        let tally: Tally = [(2_000, 1), (4_000, 3), (5_000, 2), (7_000, 1), (9_000, 1)].into_iter().collect();
        assert_eq!(tally.deviation(), Some(Duration::from_nanos(2_138)));
        assert_eq!([(5, 1)].into_iter().collect::<Tally>().deviation(), None);
        assert_eq!([(5, 2)].into_iter().collect::<Tally>().deviation(), Some(Duration::ZERO));
    }

    #[test]
    fn the_shortest_go_first() {
        let tally: Tally = [(1, 2), (5, 3), (9, 1)].into_iter().collect();
        assert_eq!(tally.without_shortest(3).cells().collect::<Vec<_>>(), [(5, 2), (9, 1)]);
        assert_eq!(tally.without_shortest(99), Tally::default());
    }

    #[test]
    fn removing_is_the_inverse_of_adding() {
        let mut tally = Tally::default();
        tally.add(5, 2);
        tally.remove(5, 1);
        tally.remove(6, 1);
        assert_eq!(tally.cells().collect::<Vec<_>>(), [(5, 1)]);
        tally.remove(5, 9);
        assert_eq!(tally, Tally::default());
    }

    proptest! {
        /// Cells are those of the hdrhistogram crate.
        #[test]
        fn cells_are_those_of_hdrhistogram(nanos in prop_oneof![0..200_000u64, 0..HIGHEST]) {
            let hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("valid bounds");
            prop_assert_eq!(cell(nanos), hdr.highest_equivalent(nanos));
            prop_assert_eq!(middle(nanos), hdr.median_equivalent(nanos));
        }

        /// Runs may be merged in any order and grouping, and no length is lost or moved.
        #[test]
        fn merging_is_lossless_associative_and_commutative(
            runs in prop::collection::vec(prop::collection::vec((0..HIGHEST, 1..4u64), 0..40), 3..4)
        ) {
            let tally = |values: &[(u64, u64)]| -> Tally { values.iter().map(|(n, count)| (cell(*n), *count)).collect() };
            let merged = |a: &Tally, b: &Tally| { let mut sum = a.clone(); sum.merge(b); sum };
            let [a, b, c] = [tally(&runs[0]), tally(&runs[1]), tally(&runs[2])];
            let all = merged(&merged(&a, &b), &c);
            prop_assert_eq!(&all, &merged(&a, &merged(&b, &c)));
            prop_assert_eq!(&all, &merged(&merged(&c, &b), &a));
            prop_assert_eq!(&all, &tally(&runs.concat()));
            prop_assert_eq!(all.count(), all.cells().map(|(_, count)| count).sum::<u64>());
        }

        /// Adding by place is adding by cell.
        #[test]
        fn bins_hold_what_a_tally_holds(values in prop::collection::vec((prop_oneof![0..300_000u64, 0..HIGHEST * 2], 1..4u64), 0..60)) {
            let mut bins = Bins::default();
            values.iter().for_each(|(nanos, count)| bins.add(*nanos, *count));
            let tally: Tally = values.iter().map(|(nanos, count)| (cell(*nanos), *count)).collect();
            if let Some((nanos, _)) = values.first() {
                bins.add(*nanos, 2);
                bins.remove(*nanos, 2);
            }
            prop_assert_eq!(bins.take(), tally);
            prop_assert_eq!(bins.take(), Tally::default());
        }

        /// Quantiles against a sorted list.
        #[test]
        fn quantiles_are_those_of_the_sorted_list(mut values in prop::collection::vec(0..5_000_000u64, 1..200), q in 0.0..1.0f64) {
            let tally: Tally = values.iter().map(|v| (*v, 1)).collect();
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            prop_assert_eq!(tally.quantile(q), Some(Duration::from_nanos(values[rank - 1])));
            let bound = values[values.len() / 2];
            prop_assert_eq!(tally.above(Duration::from_nanos(bound)), values.iter().filter(|v| **v > bound).count() as u64);
        }
    }
}
