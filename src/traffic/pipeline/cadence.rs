//! When to ask next. Each poll shall be about as likely as any other to find the work over, so that it is asked for often
//! where such work tends to end and seldom where it does not.

use std::time::Duration;

use crate::scenario::Polling;

/// Lengths are told apart by an eighth: from a millisecond on, 128 cells reach to an hour.
const CELLS: usize = 128;
const WIDTH: f64 = 1.125;
/// So many must have come to an end before what they took says anything.
const ENOUGH: f64 = 20.0;
/// Of those that took as long, so many must have been seen.
const FEW: f64 = 5.0;
/// A poll shall find this share over of what it asks for.
const SHARE: f64 = 0.1;
/// After so many, what was seen counts half: what it is like now says more than what it was like once.
const MEMORY: f64 = 2_000.0;

/// How long work has taken so far, and when to ask next of some that has not ended.
#[derive(Debug, Clone)]
pub struct Cadence {
    polling: Polling,
    cells: [f64; CELLS], // how much ended at which age
    seen: f64,
}

impl Cadence {
    /// Nothing is known.
    pub fn new(polling: Polling) -> Cadence {
        Cadence { polling, cells: [0.0; CELLS], seen: 0.0 }
    }

    /// Some work was found over at an age.
    pub fn over(&mut self, age: Duration) {
        self.cells[cell(age)] += 1.0;
        self.seen += 1.0;
        if self.seen >= MEMORY {
            self.cells.iter_mut().for_each(|count| *count /= 2.0);
            self.seen /= 2.0;
        }
    }

    /// How long to wait before work of an age is asked for again, which was asked for last after `last`.
    pub fn next(&self, age: Duration, last: Duration) -> Duration {
        let grown = self.polling.grown(last);
        let first = cell(age);
        let rest: f64 = self.cells[first..].iter().sum();
        // Older than almost all that was seen: who knows when.
        if self.seen < ENOUGH || rest < FEW {
            return grown;
        }
        let mut wanted = rest * SHARE;
        for (i, count) in self.cells.iter().enumerate().skip(first) {
            if wanted <= *count {
                let from = start(i).max(age.as_secs_f64());
                let at = from + (start(i + 1) - from).max(0.0) * wanted / count;
                let wait = Duration::from_secs_f64((at - age.as_secs_f64()).max(0.0));
                return wait.clamp(self.polling.from, self.polling.to);
            }
            wanted -= count;
        }
        grown
    }
}

/// The cell of a length.
fn cell(length: Duration) -> usize {
    let ms = length.as_secs_f64() * 1e3;
    ((ms.max(1.0).ln() / WIDTH.ln()) as usize).min(CELLS - 1)
}

/// Where a cell begins, in seconds.
fn start(cell: usize) -> f64 {
    WIDTH.powi(cell as i32) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Rate;

    fn cadence(from: u64, to: u64) -> Cadence {
        let ms = Duration::from_millis;
        Cadence::new(Polling { from: ms(from), to: ms(to), budget: Rate(1), state: 1 })
    }

    /// Polls work that takes `length`: how many polls, and how long the last interval was.
    fn follow(cadence: &Cadence, length: Duration) -> (u32, Duration) {
        let (mut age, mut last, mut polls) = (Duration::ZERO, Duration::ZERO, 0);
        loop {
            last = cadence.next(age, last);
            age += last;
            polls += 1;
            if age >= length {
                return (polls, last);
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_asked_for_more_and_more_seldom() {
        let cadence = cadence(100, 2_000);
        let (mut last, mut all) = (Duration::ZERO, Vec::new());
        for _ in 0..9 {
            last = cadence.next(Duration::from_secs(1), last);
            all.push(last.as_millis());
        }
        assert_eq!(all, [100, 150, 225, 337, 506, 759, 1_139, 1_708, 2_000]);
    }

    #[test]
    fn work_that_always_takes_as_long_is_asked_for_when_it_ends() {
        let mut cadence = cadence(50, 2_000);
        let before = follow(&cadence, Duration::from_secs(10));
        (0..100).for_each(|_| cadence.over(Duration::from_secs(10)));
        let after = follow(&cadence, Duration::from_secs(10));
        assert!(before.1 > Duration::from_millis(1_500), "{before:?}");
        assert!(after.1 <= Duration::from_millis(150), "known within a cell's tenth: {after:?}");
        assert!(after.0 < 20, "and not asked for in vain: {after:?}");
    }

    /// Work without a memory is as likely to end now as at any other time: there is nothing to adapt to.
    #[test]
    fn work_without_a_memory_is_asked_for_evenly() {
        let mut cadence = cadence(1, 60_000);
        (1..1_000).for_each(|n| cadence.over(Duration::from_secs_f64(-10.0 * (f64::from(n) / 1_000.0).ln())));
        for age in [1, 5, 10, 20] {
            let wait = cadence.next(Duration::from_secs(age), Duration::ZERO).as_secs_f64();
            assert!((0.8..1.4).contains(&wait), "a tenth of the mean at {age} s: {wait}");
        }
    }

    #[test]
    fn what_takes_longer_than_anything_is_asked_for_more_and_more_seldom_again() {
        let mut cadence = cadence(100, 2_000);
        (0..100).for_each(|_| cadence.over(Duration::from_secs(1)));
        let ms = Duration::from_millis;
        assert_eq!(cadence.next(Duration::from_secs(30), ms(200)), ms(300));
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let mut cadence = cadence(10, 5_000);
        (0..10_000).for_each(|_| cadence.over(Duration::from_secs(60)));
        (0..10_000).for_each(|_| cadence.over(Duration::from_secs(1)));
        let (polls, last) = follow(&cadence, Duration::from_secs(1));
        assert!(last < Duration::from_millis(40) && polls < 40, "{polls} {last:?}");
    }
}
