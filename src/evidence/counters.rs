//! Cumulative counts that whoever sends keeps and whoever watches reads: how many shots were sent and finished by now,
//! per traffic and status.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts of one run, shared between its parts.
#[derive(Debug, Default)]
pub struct Counters {
    traffic: Vec<Counts>,
}

#[derive(Debug)]
struct Counts {
    sent: AtomicU64,
    finished: AtomicU64,
    statuses: Vec<AtomicU64>, // by status, 0 to 599; 0 for none
}

/// The counts of one traffic at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// Shots whose first byte was written.
    pub sent: u64,
    /// Shots that are over.
    pub finished: u64,
    /// Finished shots by the status that was answered; 0 for none. Pairs, in order.
    pub statuses: Vec<(u16, u64)>,
}

impl Counters {
    /// Counters for so many kinds of traffic.
    pub fn new(traffic: usize) -> Counters {
        let counts = || Counts {
            sent: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            statuses: (0..600).map(|_| AtomicU64::new(0)).collect(),
        };
        Counters { traffic: (0..traffic).map(|_| counts()).collect() }
    }

    /// A shot's first byte was written.
    pub fn sent(&self, traffic: usize) {
        self.traffic[traffic].sent.fetch_add(1, Ordering::Relaxed);
    }

    /// A shot is over.
    pub fn finished(&self, traffic: usize, status: Option<u16>) {
        let counts = &self.traffic[traffic];
        counts.statuses[usize::from(status.unwrap_or(0)).min(599)].fetch_add(1, Ordering::Relaxed);
        counts.finished.fetch_add(1, Ordering::Release);
    }

    /// The counts now.
    pub fn read(&self) -> Vec<Count> {
        let read = |c: &Counts| {
            let finished = c.finished.load(Ordering::Acquire);
            let statuses = c.statuses.iter().enumerate().map(|(s, n)| (s as u16, n.load(Ordering::Relaxed)));
            Count {
                sent: c.sent.load(Ordering::Relaxed),
                finished,
                statuses: statuses.filter(|(_, n)| *n > 0).collect(),
            }
        };
        self.traffic.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_by_traffic_and_status() {
        let counters = Counters::new(2);
        counters.sent(1);
        counters.finished(1, Some(200));
        counters.finished(1, None);
        let read = counters.read();
        assert_eq!(read[0], Count::default());
        assert_eq!(read[1], Count { sent: 1, finished: 2, statuses: vec![(0, 1), (200, 1)] });
    }
}
