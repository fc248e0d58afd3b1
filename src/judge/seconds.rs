//! Shares, second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shots::second;
use crate::base::time::Offset;

/// How many things of each second there were, and how many of them are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seconds(BTreeMap<i64, [u64; 2]>);

impl Seconds {
    /// Adds some of a second: how many are meant, and how many there were.
    pub fn add(&mut self, second: i64, part: u64, whole: u64) {
        let [sum, all] = self.0.entry(second).or_default();
        *sum += part;
        *all += whole;
    }

    /// The first second that had any.
    pub fn first(&self) -> Option<i64> {
        self.0.iter().find(|(_, [_, whole])| *whole > 0).map(|(second, _)| *second)
    }

    /// Whether a second had any.
    pub fn has(&self, second: i64) -> bool {
        self.0.get(&second).is_some_and(|[_, whole]| *whole > 0)
    }

    /// How many of a stretch that ends at a second are meant, and how many there were, if for the share of each second that had
    /// any, `holds` does. Nothing when the stretch begins before the run.
    pub fn over(&self, end: i64, length: Duration, holds: impl Fn(f64) -> bool) -> Option<[u64; 2]> {
        let start = end - second(Offset::ZERO + length);
        let mut sum = [0; 2];
        for [part, whole] in self.0.range(start..end).map(|(_, of)| of).filter(|of| of[1] > 0) {
            if !holds((*part).min(*whole) as f64 / *whole as f64) {
                return None;
            }
            sum = [sum[0] + part.min(whole), sum[1] + whole];
        }
        (start >= 0 && sum[1] > 0).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_that_had_any_must_meet_it() {
        let mut seconds = Seconds::default();
        [(0, 9, 10), (1, 6, 10), (2, 0, 0), (3, 8, 10), (4, 1, 10)]
            .into_iter()
            .for_each(|(second, part, whole)| seconds.add(second, part, whole));
        let over = |end, length| seconds.over(end, Duration::from_secs(length), |share| share > 0.5);
        assert_eq!(over(4, 4), Some([23, 30]));
        assert_eq!(over(4, 2), Some([8, 10]));
        assert_eq!(over(5, 2), None, "the last does not");
        assert_eq!(over(4, 5), None, "there were no five seconds yet");
        assert_eq!(over(3, 1), None, "there was nothing");
        assert_eq!((seconds.first(), seconds.has(1), seconds.has(2), seconds.has(9)), (Some(0), true, false, false));
        let mut forgotten = Seconds::default();
        forgotten.add(3, 4, 0);
        forgotten.add(5, 1, 2);
        assert_eq!(forgotten.first(), Some(5), "of how many there were in the third nobody knows any more");
    }
}
