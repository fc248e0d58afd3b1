//! A run cut into blocks of one length: what is drawn anew when a figure's spread is to be known.

use std::time::Duration;

use super::Side;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::Tally;

/// The response clock's grid: what memory is read from.
const GRID: Duration = Duration::from_millis(100);
/// Blocks are so many times longer than a run remembers.
const LONGER: f64 = 4.0;
/// The longest that a block may be: a part of its run.
const PART: f64 = 1.0 / 15.0;

/// A run cut into blocks.
pub struct Blocks {
    /// The lengths that occur, in nanoseconds, in order.
    pub lengths: Vec<u64>,
    /// Block by block: how often each length, by position, occurred.
    pub counts: Vec<Vec<(u32, u64)>>,
    /// Block by block: shots that were due and counted, and those of them that failed.
    pub due: Vec<(u64, u64)>,
    /// How long a block is, in seconds.
    pub length: f64,
    whole: Tally,
}

/// What a shot of this outcome counts as: its length at least at the timeout where it failed; nothing where it does not count.
fn floor(outcome: Outcome, timeout: u64) -> Option<u64> {
    match outcome {
        Outcome::Ok => Some(0),
        outcome if outcome.is_failure() => Some(timeout),
        _ => None,
    }
}

/// What a step of time holds: how long what counts took, how many shots those are, and how many of them failed.
pub type Step = (Tally, u64, u64);

/// How long blocks should be for a side, in seconds.
pub fn memory_of(side: &Side<'_>) -> f64 {
    memory(&slow(&tallies(side, GRID)), GRID, side.measured.length())
}

/// The share of shots beyond the p95 of all, step by step.
pub fn slow(steps: &[Step]) -> Vec<f64> {
    let mut whole = Tally::default();
    steps.iter().for_each(|(tally, ..)| whole.merge(tally));
    let Some(bound) = whole.quantile(0.95) else { return Vec::new() };
    let share = |(tally, ..): &Step| match tally.count() {
        0 => None,
        n => Some(tally.above(bound) as f64 / n as f64),
    };
    steps.iter().filter_map(share).collect()
}

/// The share of shots that failed, step by step.
pub fn failed(steps: &[Step]) -> Vec<f64> {
    steps.iter().filter(|(_, due, _)| *due > 0).map(|(_, due, failed)| *failed as f64 / *due as f64).collect()
}

/// How long blocks should be, in seconds: long against the memory of what is seen step by step, short enough in what is
/// `measured` that there are enough of them.
///
/// Memory is the integrated autocorrelation time, cut off where it is no longer positive (Geyer, Statistical Science 7, 1992,
/// in its simplest form).
pub fn memory(shares: &[f64], step: Duration, measured: Duration) -> f64 {
    let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let off: Vec<f64> = shares.iter().map(|share| share - mean).collect();
    let at = |lag: usize| -> f64 { off.iter().zip(&off[lag..]).map(|(a, b)| a * b).sum() };
    let variance = at(0);
    let mut memory = 1.0;
    for lag in 1..off.len() / 4 {
        let correlation = at(lag) / variance;
        if correlation.is_nan() || correlation <= 0.05 {
            break;
        }
        memory += 2.0 * correlation;
    }
    let longest = (measured.as_secs_f64() * PART).max(1.0);
    (memory * step.as_secs_f64() * LONGER).ceil().clamp(1.0, longest.floor().max(1.0))
}

impl Blocks {
    /// Cuts a side into blocks of so many seconds; what is left over at its end belongs to none.
    pub fn read(side: &Side<'_>, length: f64) -> Blocks {
        Blocks::of(&tallies(side, Duration::from_secs_f64(length)), length)
    }

    /// Blocks of so many seconds.
    pub fn of(tallies: &[Step], length: f64) -> Blocks {
        let mut whole = Tally::default();
        tallies.iter().for_each(|(tally, ..)| whole.merge(tally));
        let lengths: Vec<u64> = whole.cells().map(|(nanos, _)| nanos).collect();
        let sparse = |tally: &Tally| {
            let position = |(nanos, n)| lengths.binary_search(&nanos).ok().map(|i| (i as u32, n));
            tally.cells().filter_map(position).collect()
        };
        let counts = tallies.iter().map(|(tally, ..)| sparse(tally)).collect();
        let due = tallies.iter().map(|(_, due, failed)| (*due, *failed)).collect();
        Blocks { lengths, counts, due, length, whole }
    }

    /// All lengths.
    pub fn into_lengths(self) -> Tally {
        self.whole
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.counts.len()
    }

    /// A quantile of all, in seconds.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.whole.quantile(q).map(|length| length.as_secs_f64().max(1e-9))
    }

    /// The mean of all, in seconds.
    pub fn mean(&self) -> Option<f64> {
        self.whole.mean().map(|length| length.as_secs_f64().max(1e-9))
    }

    /// The share that failed.
    pub fn errors(&self) -> Option<f64> {
        let (due, failed) = self.due.iter().fold((0, 0), |(due, failed), (d, f)| (due + d, failed + f));
        (due > 0).then(|| failed as f64 / due as f64)
    }

    /// Ok shots a second.
    pub fn rate(&self) -> Option<f64> {
        let ok: u64 = self.due.iter().map(|(due, failed)| due - failed).sum();
        (self.count() > 0).then(|| ok as f64 / (self.length * self.count() as f64))
    }

    /// The median of each block that has one, in seconds.
    pub fn medians(&self) -> Vec<f64> {
        let median = |counts: &Vec<(u32, u64)>| {
            let tally: Tally = counts.iter().map(|(i, n)| (self.lengths[*i as usize], *n)).collect();
            tally.quantile(0.5).map(|length| length.as_secs_f64())
        };
        self.counts.iter().filter_map(median).collect()
    }
}

/// Lengths, shots that count and failures, by steps of the measured phase.
fn tallies(side: &Side<'_>, step: Duration) -> Vec<Step> {
    let nanos = step.as_nanos().max(1) as u64;
    let measured = side.measured;
    let steps = (measured.length().as_nanos() as u64 / nanos) as usize;
    let mut all = vec![(Tally::default(), 0, 0); steps];
    let timeout = side.evidence.manifest.timeout;
    for interval in side.evidence.latency.within(Span { start: measured.start, end: measured.end.max(Offset::ZERO) }) {
        let tag = &side.evidence.latency.tags[interval.tag];
        if tag.traffic != side.traffic || tag.timing != Timing::Response {
            continue;
        }
        let step = (interval.span.start.nanos_since(measured.start) / nanos) as usize;
        let (Some(floor), Some((tally, due, failed))) = (floor(tag.outcome, timeout), all.get_mut(step)) else {
            continue;
        };
        for (length, n) in &interval.cells {
            tally.add((*length).max(floor), *n);
            *due += n;
            *failed += if floor > 0 { *n } else { 0 };
        }
    }
    all
}
