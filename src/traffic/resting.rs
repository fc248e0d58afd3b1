//! Shots that rest between two steps of a flow.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use tokio::sync::Notify;

use super::errand::Errand;
use crate::base::time::Offset;

/// Shots that rest. Whoever takes one out goes on with it, so that each goes on or is given up, and never both.
#[derive(Default)]
pub struct Resting {
    all: RefCell<All>,
    earlier: Notify,
}

#[derive(Default)]
struct All {
    count: u64,
    until: BinaryHeap<Reverse<(Offset, u64)>>,
    errands: HashMap<u64, Errand>,
}

impl Resting {
    /// Puts one in until an instant.
    pub fn put(&self, errand: Errand, until: Offset) {
        let mut all = self.all.borrow_mut();
        all.count += 1;
        let place = all.count;
        let is_first = all.until.peek().is_none_or(|Reverse((first, _))| until < *first);
        all.until.push(Reverse((until, place)));
        all.errands.insert(place, errand);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// When the first has rested; nothing while none rests.
    pub fn first(&self) -> Option<Offset> {
        self.all.borrow().until.peek().map(|Reverse((until, _))| *until)
    }

    /// Returns when one has come that goes on earlier than all others.
    pub async fn earlier(&self) {
        self.earlier.notified().await;
    }

    /// Takes out the first that has rested by now.
    pub fn take(&self, now: Offset) -> Option<Errand> {
        let mut all = self.all.borrow_mut();
        let Reverse((_, place)) = *all.until.peek().filter(|Reverse((until, _))| *until <= now)?;
        all.until.pop();
        all.errands.remove(&place)
    }

    /// Takes out those that rest for longer than until an instant, in the order in which they came.
    pub fn take_beyond(&self, at: Offset) -> Vec<Errand> {
        let mut all = self.all.borrow_mut();
        let All { until, errands, .. } = &mut *all;
        let mut beyond: Vec<u64> = until.iter().filter(|Reverse((rests, _))| *rests > at).map(|e| e.0.1).collect();
        until.retain(|Reverse((rests, _))| *rests <= at);
        beyond.sort_unstable();
        beyond.into_iter().filter_map(|place| errands.remove(&place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Shot;

    #[test]
    fn each_goes_on_once_and_none_early() {
        let resting = Resting::default();
        let at = Offset::from_millis;
        for (seq, until) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            let shot = Shot { seq, due: Offset::ZERO, quote: None };
            resting.put(Errand::new(0, shot, Offset::ZERO), at(until));
        }
        assert_eq!(resting.first(), Some(at(10)));
        let gone = |now| std::iter::from_fn(|| resting.take(at(now))).map(|e| e.shot.seq).collect::<Vec<_>>();
        assert_eq!((gone(9), gone(15), gone(20)), (vec![], vec![2, 4], vec![3]));
        let shot = Shot { seq: 5, due: Offset::ZERO, quote: None };
        resting.put(Errand::new(0, shot, Offset::ZERO), at(90));
        assert_eq!(resting.take_beyond(at(30)).iter().map(|e| e.shot.seq).collect::<Vec<_>>(), [5]);
        assert_eq!(resting.take_beyond(Offset::ZERO).iter().map(|e| e.shot.seq).collect::<Vec<_>>(), [1]);
        assert_eq!((resting.first(), gone(100)), (None, vec![]));
    }
}
