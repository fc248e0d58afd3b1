//! How old a quoter's price is, told by the slots in its replies: a chain's slots follow each other at a known pace, so
//! a reply whose slot lies behind where that quoter's slots must be by now has an old price. Each quoter is held against
//! itself alone: another's wrong slot says nothing about it. It reads no clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::time::Offset;

use super::prices::SLOT_MS;

/// Slots further apart than this, an hour, are of two chains, or one of them was garbled: they say nothing of age.
const APART: u64 = 9000;
/// A quoter's slots may run ahead of their pace by this much at once; more is not believed to be its newest.
const AHEAD: u64 = 10;

/// The newest slot that a quoter has shown, and when.
#[derive(Default)]
pub struct Freshness(Mutex<Option<(Offset, u64)>>);

impl Freshness {
    /// How old a price of `slot` is that came in at `now`. The first one is taken to be new.
    pub fn age(&self, slot: u64, now: Offset) -> Duration {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = |at| now.since(at).as_millis() as u64 / SLOT_MS;
        let due = newest.map_or(slot, |(at, newest)| newest.saturating_add(passed(at)));
        let (behind, ahead) = (due.saturating_sub(slot), slot.saturating_sub(due));
        if behind > APART || ahead > APART || (behind == 0 && ahead <= AHEAD) {
            *newest = Some((now, slot));
        }
        if behind > APART { Duration::ZERO } else { Duration::from_millis(behind * SLOT_MS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_as_old_as_its_slot_lags() {
        let freshness = Freshness::default();
        let at = |seconds: i64| Offset::from_millis(seconds * 1000);
        let age = |slot, seconds| freshness.age(slot, at(seconds)).as_millis();
        assert_eq!(age(1000, 0), 0, "the first");
        assert_eq!(age(1025, 10), 0, "25 slots in 10 s");
        assert_eq!(age(1025, 12), 2000, "no newer than 2 s ago");
        assert_eq!(age(880, 14), 62_000, "and 60 s older than that");
        assert_eq!(age(1035, 14), 0, "the old ones have moved nothing");
        assert_eq!(age(1500, 14), 0, "ahead of its time is not old");
        assert_eq!(age(1035, 14), 0, "nor does it make the others old");
        assert_eq!(age(900_000_000, 15), 0, "another chain, or nonsense");
        assert_eq!(age(1037, 15), 0, "which does not last");
        assert_eq!(age(1027, 15), 4000);
    }
}
