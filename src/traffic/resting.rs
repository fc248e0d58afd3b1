//! Shots that rest between two steps of a flow.

use std::cell::RefCell;
use std::collections::HashMap;

use super::errand::Errand;

/// Shots that rest. Whoever takes one out goes on with it, so that each goes on or is given up, and never both.
#[derive(Default)]
pub struct Resting {
    all: RefCell<(u64, HashMap<u64, Errand>)>,
}

impl Resting {
    /// Puts one in: where it is found again.
    pub fn put(&self, errand: Errand) -> u64 {
        let (count, all) = &mut *self.all.borrow_mut();
        *count += 1;
        all.insert(*count, errand);
        *count
    }

    /// Takes one out, unless somebody has.
    pub fn take(&self, place: u64) -> Option<Errand> {
        self.all.borrow_mut().1.remove(&place)
    }

    /// Takes all of them out, in the order in which they came.
    pub fn take_all(&self) -> Vec<Errand> {
        let mut all: Vec<(u64, Errand)> = self.all.borrow_mut().1.drain().collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, errand)| errand).collect()
    }
}
