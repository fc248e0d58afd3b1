//! What is kept for each shot of a flow while it is under way.

use std::cell::RefCell;

use crate::plan::{Drawn, Values};
use crate::scenario::Datum;

/// What is kept for a shot.
#[derive(Debug, Clone, Default)]
pub struct Bag {
    /// What was drawn for it.
    pub drawn: Drawn,
    /// What was captured so far, by position among the flow's captures.
    pub captured: Vec<Option<Datum>>,
}

/// The bags of all shots under way. Places are used again, so that memory follows what is under way at once.
pub struct Bags {
    values: RefCell<Values>,
    captures: usize,
    all: RefCell<Vec<Bag>>,
    free: RefCell<Vec<u32>>,
}

impl Bags {
    /// For flows that capture so many things.
    pub fn new(values: Values, captures: usize) -> Bags {
        Bags { values: values.into(), captures, all: RefCell::default(), free: RefCell::default() }
    }

    /// Draws what the templates of a shot say: where it is kept.
    pub fn take(&self, seq: u64) -> u32 {
        let bag = Bag { drawn: self.values.borrow_mut().of(seq), captured: vec![None; self.captures] };
        let mut all = self.all.borrow_mut();
        if let Some(place) = self.free.borrow_mut().pop() {
            all[place as usize] = bag;
            return place;
        }
        all.push(bag);
        all.len() as u32 - 1
    }

    /// Looks into a bag.
    pub fn with<T>(&self, place: u32, look: impl FnOnce(&Bag) -> T) -> T {
        look(&self.all.borrow()[place as usize])
    }

    /// Puts in what was captured.
    pub fn capture(&self, place: u32, name: usize, datum: Datum) {
        self.all.borrow_mut()[place as usize].captured[name] = Some(datum);
    }

    /// The shot is over.
    pub fn give_back(&self, place: u32) {
        self.all.borrow_mut()[place as usize] = Bag::default();
        self.free.borrow_mut().push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::scenario::Flow;

    #[test]
    fn places_are_used_again_and_nothing_of_the_last_shot_is_left_in_them() {
        let bags = Bags::new(Values::new(&Flow::default(), "t", Seed(1)), 2);
        let (a, b) = (bags.take(0), bags.take(1));
        assert_ne!(a, b);
        bags.capture(a, 1, Datum::Text("x".into()));
        assert_eq!(bags.with(a, |bag| bag.captured.clone()), [None, Some(Datum::Text("x".into()))]);
        bags.give_back(a);
        assert_eq!(bags.take(2), a);
        assert_eq!(bags.with(a, |bag| bag.captured.clone()), [None, None]);
    }
}
