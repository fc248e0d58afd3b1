//! What is known of a run while it goes on: what the recorder counts anyway, taken once a second. It decides nothing, and
//! nothing is judged by it.

use std::collections::VecDeque;
use std::time::Duration;

use super::reply::Outcome;
use super::tally::Tally;
use crate::base::time::Offset;

/// Upper bounds of the buckets in which response times are counted, in seconds; one more holds what is above the last.
pub const BOUNDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// So many remarks are remembered: whoever looks less often than that missed some.
const REMARKS: usize = 64;

/// How a run does, once a second.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Which run: the name of its folder.
    pub run: String,
    /// Now.
    pub at: Offset,
    /// The same in nanoseconds since the Unix epoch.
    pub wall: i64,
    /// Where the load ends.
    pub end: Offset,
    /// Each traffic, in the order of the scenario.
    pub traffic: Vec<Lane>,
    /// What was over in the last second, whatever its traffic.
    pub recent: Recent,
    /// Faults that are effective.
    pub faults: Vec<String>,
    /// The share of a core that the busiest sender used in the last second, 1 being all of it; nothing where it did not tell.
    pub cpu: Option<f64>,
    /// What happened to the run as a whole, each with its number, the oldest first.
    pub remarks: VecDeque<(u64, String)>,
}

/// How a traffic does.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// What is going on: the word of its load segment, or `closed loop of 64`.
    pub phase: String,
    /// Shots taken up so far.
    pub taken: u64,
    /// Shots that are over.
    pub finished: u64,
    /// The same by what became of them, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Shots taken up late so far: our doing.
    pub late: u64,
    /// Response times so far by bucket: see [`BOUNDS`]. Not cumulative.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all response times, in seconds.
    pub seconds: f64,
}

/// A second of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent {
    /// Shots that were over.
    pub finished: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Their median response.
    pub p50: Option<Duration>,
    /// Its 99th percentile.
    pub p99: Option<Duration>,
}

impl Board {
    /// Of a run whose traffic has these names, before it began.
    pub fn new(run: String, traffic: impl IntoIterator<Item = String>, end: Offset) -> Board {
        let traffic = traffic.into_iter().map(|name| Lane { name, ..Lane::default() }).collect();
        Board { run, traffic, end, ..Board::default() }
    }

    /// Notes what happened to the run as a whole.
    pub fn remark(&mut self, text: String) {
        let next = self.remarks.back().map_or(0, |(number, _)| number + 1);
        if self.remarks.len() == REMARKS {
            self.remarks.pop_front();
        }
        self.remarks.push_back((next, text));
    }

    /// Shots under way.
    pub fn in_flight(&self) -> u64 {
        self.traffic.iter().map(Lane::in_flight).sum()
    }

    /// Shots taken up late so far.
    pub fn late(&self) -> u64 {
        self.traffic.iter().map(|lane| lane.late).sum()
    }
}

impl Lane {
    /// Shots taken up that are not over.
    pub fn in_flight(&self) -> u64 {
        self.taken.saturating_sub(self.finished)
    }

    /// Counts response times.
    pub fn count(&mut self, lengths: &Tally) {
        for (nanos, count) in lengths.cells() {
            let seconds = nanos as f64 / 1e9;
            self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += count;
            self.seconds += seconds * count as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_counted_in_the_bucket_that_holds_it() {
        let mut lane = Lane::default();
        lane.count(&[(500_000u64, 2u64), (500_001, 1), (60_000_000_000, 1), (61_000_000_000, 4)].into_iter().collect());
        assert_eq!((lane.buckets[0], lane.buckets[1], lane.buckets[15], lane.buckets[16]), (2, 1, 1, 4));
        assert!((lane.seconds - (0.001 + 0.000500001 + 60.0 + 244.0)).abs() < 1e-9);
    }

    #[test]
    fn remarks_keep_their_numbers_when_old_ones_go() {
        let mut board = Board::default();
        (0..REMARKS + 3).for_each(|n| board.remark(n.to_string()));
        assert_eq!(board.remarks.len(), REMARKS);
        assert_eq!(board.remarks.front(), Some(&(3, "3".to_owned())));
        assert_eq!(board.remarks.back().map(|(n, _)| *n), Some(REMARKS as u64 + 2));
    }
}
