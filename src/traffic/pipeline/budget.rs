//! How many polls the target can bear: they keep a distance, and whoever comes too soon waits.

use std::time::Duration;

use crate::base::time::Offset;

/// So much may be made up for that our own timers were late.
const SLACK: Duration = Duration::from_millis(5);

/// Spreads polls (the generic cell rate algorithm).
#[derive(Debug, Clone)]
pub struct Budget {
    distance: Duration,
    next: Offset, // when the next one would be due at an even pace
}

impl Budget {
    /// For so many a second.
    pub fn new(hertz: f64) -> Budget {
        Budget { distance: Duration::from_secs_f64(1.0 / hertz.max(1e-9)), next: Offset::ZERO }
    }

    /// When the next one may go.
    pub fn opens(&self) -> Offset {
        self.next - SLACK
    }

    /// One goes.
    pub fn take(&mut self, now: Offset) {
        self.next = self.next.max(now) + self.distance;
    }

    /// How long so many need.
    pub fn needed(&self, polls: usize) -> Duration {
        self.distance.saturating_mul(u32::try_from(polls).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_go_than_are_allowed_and_none_is_lost() {
        let mut budget = Budget::new(500.0);
        let mut gone = 0;
        // Someone looks every 3 ms, late as timers are.
        for ms in (0..=3_000).step_by(3) {
            let now = Offset::from_millis(ms);
            while budget.opens() <= now {
                budget.take(now);
                gone += 1;
            }
            assert!(gone <= 500 * ms as u64 / 1_000 + 4, "{gone} by {ms} ms");
        }
        assert!(gone >= 1_498, "{gone} in 3 s");
    }

    #[test]
    fn who_was_silent_may_not_burst() {
        let mut budget = Budget::new(100.0);
        let now = Offset::from_millis(60_000);
        let mut gone = 0;
        while budget.opens() <= now {
            budget.take(now);
            gone += 1;
        }
        assert_eq!(gone, 1);
        assert_eq!(budget.needed(5_000), Duration::from_secs(50));
    }
}
