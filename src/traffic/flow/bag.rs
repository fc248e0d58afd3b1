//! What is kept for each shot of a flow while it is under way.

use std::cell::RefCell;

use crate::base::time::Offset;
use crate::evidence::reply::Opening;
use crate::plan::{Drawn, Values};
use crate::scenario::Datum;

/// What is kept for a shot.
#[derive(Debug, Clone, Default)]
pub struct Bag {
    /// What was drawn for it.
    pub drawn: Drawn,
    /// What was captured so far, by position among the flow's captures.
    pub captured: Vec<Option<Datum>>,
    /// Its steps as they are measured.
    pub steps: Steps,
}

/// Where a shot is whose steps are measured by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// When its present step is due; nothing in the first, which is due when the shot is.
    pub due: Option<Offset>,
    /// What the whole had to tell when its first step was over.
    pub first: Option<First>,
    /// The status that was answered last in a step that is over.
    pub status: Option<u16>,
}

/// What a first step tells of its shot.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// When the first byte was written.
    pub sent: Option<Offset>,
    /// When the first byte came back.
    pub first_byte: Option<Offset>,
    /// How long opening its connection took.
    pub opening: Opening,
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
        let drawn = self.values.borrow_mut().of(seq);
        let bag = Bag { drawn, captured: vec![None; self.captures], steps: Steps::default() };
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

    /// Where a shot is.
    pub fn steps(&self, place: u32) -> Steps {
        self.all.borrow()[place as usize].steps
    }

    /// Notes where a shot is.
    pub fn set_steps(&self, place: u32, steps: Steps) {
        self.all.borrow_mut()[place as usize].steps = steps;
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
