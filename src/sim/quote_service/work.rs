//! How long each part of answering takes. A request's latency is the sum of its parts, which are chosen so that the
//! sums land where the design note measured them: hits at 8/15/25 ms, misses at 145/320/580 ms (P50/P95/P99).

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::law::Law;
use crate::base::seed::{Seed, unit};
use crate::base::sleep::Sleeper;
use crate::base::time::monotonic;

/// A part of answering a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Looking into the cache: under 2 ms at P99.
    CacheCheck,
    /// What every request costs: decoding, scaling the price, encoding, sending.
    Serve,
    /// Asking the pools of one protocol; stretched by how busy the chain's node is.
    Raydium,
    /// See [`Part::Raydium`].
    Meteora,
    /// See [`Part::Raydium`].
    Orca,
    /// Choosing the best pool.
    SelectBest,
    /// Computing the output amount.
    ComputeOutput,
}

/// Spends the time that work would take.
pub struct Work {
    seed: Seed,
    scale: f64,
    sleeper: Option<Sleeper>, // none when nothing is to be spent
    laws: Laws,
}

/// Where work stands, in nanoseconds on the kernel's monotonic clock: the instant at which what was done so far is over
/// by the laws. What follows begins there and not when the machine got round to waking us, so that its lateness delays an
/// answer but never adds to the work: how much a service takes is what its laws say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace(pub u64);

impl Pace {
    /// Work that begins now.
    pub fn now() -> Pace {
        Pace(monotonic())
    }

    /// Somebody else was waited for: it goes on from now.
    pub fn catch_up(&mut self) {
        self.0 = self.0.max(monotonic());
    }
}

struct Laws {
    cache_check: Law,
    serve: Law,
    raydium: Law,
    meteora: Law,
    orca: Law,
    select_best: Law,
    compute_output: Law,
    congestion: Law, // seconds stand for factors
}

impl Work {
    /// Work that takes `scale` times as long as it would in the note; with 0 it takes none.
    pub fn new(seed: Seed, scale: f64) -> io::Result<Work> {
        let sleeper = if scale > 0.0 { Some(Sleeper::new()?) } else { None };
        Ok(Work { seed, scale, sleeper, laws: Laws::default() })
    }

    /// Spends one part of the `ordinal`-th work for a pair.
    pub async fn spend(&self, pace: &mut Pace, part: Part, pair: u64, ordinal: u64) {
        if self.sleeper.is_some() {
            self.sleep(pace, self.length(part, pair, ordinal)).await;
        }
    }

    /// Spends the query of one protocol's pools. All queries of one calculation go through one node, so they share
    /// its congestion: that is where the long tail of misses comes from.
    pub async fn query(&self, pace: &mut Pace, part: Part, pair: u64, ordinal: u64) {
        if self.sleeper.is_some() {
            let congestion = self.congestion(pair, ordinal);
            self.sleep(pace, self.length(part, pair, ordinal).mul_f64(congestion)).await;
        }
    }

    /// Waits, whatever the scale.
    pub async fn wait(&self, length: Duration) {
        match &self.sleeper {
            Some(sleeper) => sleeper.sleep(length).await,
            None if length.is_zero() => {}
            None => tokio::time::sleep(length).await,
        }
    }

    /// Waits for what is done one after the other: from when it is free, or from where this work stands if that is later.
    pub async fn in_turn(&self, pace: &mut Pace, free: &Mutex<u64>, length: Duration) {
        let Some(sleeper) = &self.sleeper else { return };
        {
            let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
            pace.0 = pace.0.max(*free) + length.mul_f64(self.scale).as_nanos() as u64;
            *free = pace.0;
        }
        let _ = sleeper.book(pace.0).await; // an error means that it is stopping
    }

    async fn sleep(&self, pace: &mut Pace, length: Duration) {
        if let Some(sleeper) = &self.sleeper {
            pace.0 += length.mul_f64(self.scale).as_nanos() as u64;
            let _ = sleeper.book(pace.0).await; // an error means that it is stopping
        }
    }

    fn length(&self, part: Part, pair: u64, ordinal: u64) -> Duration {
        self.laws.of(part).at(self.draw(&[part as u8], pair, ordinal))
    }

    fn congestion(&self, pair: u64, ordinal: u64) -> f64 {
        self.laws.congestion.at(self.draw(b"congestion", pair, ordinal)).as_secs_f64()
    }

    fn draw(&self, name: &[u8], pair: u64, ordinal: u64) -> f64 {
        unit(self.seed.decide(&[b"work", name, &pair.to_le_bytes(), &ordinal.to_le_bytes()]))
    }
}

impl Laws {
    fn of(&self, part: Part) -> &Law {
        match part {
            Part::CacheCheck => &self.cache_check,
            Part::Serve => &self.serve,
            Part::Raydium => &self.raydium,
            Part::Meteora => &self.meteora,
            Part::Orca => &self.orca,
            Part::SelectBest => &self.select_best,
            Part::ComputeOutput => &self.compute_output,
        }
    }
}

impl Default for Laws {
    fn default() -> Laws {
        let us = Duration::from_micros;
        let quantiles = |p50, p95, p99| Law::Quantiles(vec![(0.5, us(p50)), (0.95, us(p95)), (0.99, us(p99))]);
        let around = |median, sigma| Law::Lognormal { median: us(median), sigma };
        Laws {
            cache_check: quantiles(200, 500, 900),
            serve: quantiles(7_750, 14_700, 24_700),
            // The note's trace has them at 40, 38 and 42 ms one after the other.
            raydium: around(37_700, 0.15),
            meteora: around(35_800, 0.15),
            orca: around(39_500, 0.15),
            select_best: around(5_000, 0.2),
            compute_output: around(16_000, 0.3),
            congestion: quantiles(1_000_000, 2_460_000, 4_770_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P50, P95 and P99 in milliseconds, by sorting.
    fn quantiles(mut lengths: Vec<f64>) -> [f64; 3] {
        lengths.sort_by(f64::total_cmp);
        [0.5, 0.95, 0.99].map(|q| 1e3 * lengths[(q * lengths.len() as f64) as usize])
    }

    fn near(found: [f64; 3], note: [f64; 3]) {
        for (found, note) in found.iter().zip(note) {
            assert!((found / note - 1.0).abs() < 0.06, "{found:.1} ms where the note has {note} ms");
        }
    }

    #[tokio::test]
    async fn the_parts_add_up_to_the_figures_of_the_design_note() {
        let work = Work::new(Seed(1), 1.0).expect("a timer");
        let secs = |part, n| work.length(part, 9, n).as_secs_f64();
        let hit = |n| secs(Part::CacheCheck, n) + secs(Part::Serve, n);
        let queries = |n| [Part::Raydium, Part::Meteora, Part::Orca].map(|p| secs(p, n)).iter().sum::<f64>();
        let miss =
            |n| hit(n) + work.congestion(9, n) * queries(n) + secs(Part::SelectBest, n) + secs(Part::ComputeOutput, n);
        near(quantiles((0..20_000).map(hit).collect()), [8.0, 15.0, 25.0]);
        near(quantiles((0..20_000).map(miss).collect()), [145.0, 320.0, 580.0]);
        let [_, _, check] = quantiles((0..20_000).map(|n| secs(Part::CacheCheck, n)).collect());
        assert!(check < 2.0, "{check} ms");
    }

    #[tokio::test]
    async fn a_draw_is_the_same_whenever_it_is_asked_for() {
        let (a, b) = (Work::new(Seed(1), 0.0).expect("none"), Work::new(Seed(1), 0.0).expect("none"));
        assert_eq!(a.length(Part::Serve, 1, 2), b.length(Part::Serve, 1, 2));
        assert_ne!(a.length(Part::Serve, 1, 2), a.length(Part::Serve, 1, 3));
        let mut pace = Pace::now();
        let begun = pace;
        a.spend(&mut pace, Part::Serve, 1, 2).await;
        assert_eq!(pace, begun, "at scale 0 nothing is spent");
    }

    #[tokio::test]
    async fn however_late_we_are_woken_parts_take_what_the_laws_say() {
        let work = Work::new(Seed(1), 0.1).expect("a timer");
        let mut pace = Pace::now();
        let begun = pace.0;
        let mut lengths = 0;
        for n in 0..20 {
            work.spend(&mut pace, Part::CacheCheck, 9, n).await;
            lengths += work.length(Part::CacheCheck, 9, n).mul_f64(0.1).as_nanos() as u64;
        }
        assert_eq!(pace.0 - begun, lengths);
        assert!(monotonic() >= pace.0, "nothing is over before its time");
    }

    #[tokio::test]
    async fn what_is_done_in_turn_follows_one_upon_the_other() {
        let work = Work::new(Seed(1), 1.0).expect("a timer");
        let free = Mutex::new(0);
        let first = Pace::now();
        let (mut a, mut b, mut c) = (first, Pace(first.0 + 300_000), Pace(first.0 + 5_000_000));
        let millisecond = Duration::from_millis(1);
        tokio::join!(
            work.in_turn(&mut a, &free, millisecond),
            work.in_turn(&mut b, &free, millisecond),
            work.in_turn(&mut c, &free, millisecond)
        );
        assert_eq!([a, b, c].map(|pace| pace.0 - first.0), [1_000_000, 2_000_000, 6_000_000]);
    }
}
