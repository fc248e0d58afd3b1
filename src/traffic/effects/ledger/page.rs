//! A queue whose items are found by number. It grows and shrinks by pages: nothing is moved, and what is forgotten is
//! given back.

use std::collections::VecDeque;

/// Items on a page.
const PAGE: u64 = 4096;

/// A queue whose items are found by number, from 0.
pub struct Pages<T> {
    pages: VecDeque<Vec<T>>,
    begin: u64,
    end: u64,
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { pages: VecDeque::new(), begin: 0, end: 0 }
    }
}

impl<T> Pages<T> {
    /// The number of the first that is there still.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The number that the next one will have.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many are there.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Adds one: its number.
    pub fn push(&mut self, item: T) -> u64 {
        if self.end.is_multiple_of(PAGE) || self.pages.is_empty() {
            self.pages.push_back(Vec::with_capacity(PAGE as usize));
        }
        if let Some(page) = self.pages.back_mut() {
            page.push(item);
        }
        self.end += 1;
        self.end - 1
    }

    /// The one with a number.
    pub fn get(&self, number: u64) -> Option<&T> {
        self.place(number).and_then(|(page, at)| self.pages.get(page)?.get(at))
    }

    /// The one with a number.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (page, at) = self.place(number)?;
        self.pages.get_mut(page)?.get_mut(at)
    }

    /// The first.
    pub fn first(&self) -> Option<&T> {
        self.get(self.begin)
    }

    /// Forgets the first. Its page is given back with the last item on it.
    pub fn pop(&mut self) {
        if self.begin < self.end {
            self.begin += 1;
            if self.begin.is_multiple_of(PAGE) {
                self.pages.pop_front();
            }
        }
    }

    fn place(&self, number: u64) -> Option<(usize, usize)> {
        let there = (self.begin..self.end).contains(&number);
        there.then(|| ((number / PAGE - self.begin / PAGE) as usize, (number % PAGE) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_by_number_until_they_are_forgotten() {
        let mut pages = Pages::default();
        let many = 3 * PAGE + 7;
        (0..many).for_each(|n| assert_eq!(pages.push(n), n));
        assert_eq!(pages.pages.len(), 4);
        (0..PAGE + 1).for_each(|_| pages.pop());
        assert_eq!((pages.begin(), pages.end(), pages.len(), pages.pages.len()), (PAGE + 1, many, 2 * PAGE + 6, 3));
        assert_eq!(
            (pages.get(PAGE), pages.get(PAGE + 1), pages.get(many - 1)),
            (None, Some(&(PAGE + 1)), Some(&(many - 1)))
        );
        assert_eq!((pages.first(), pages.get(many)), (Some(&(PAGE + 1)), None));
        *pages.get_mut(2 * PAGE).expect("there") = 0;
        assert_eq!(pages.get(2 * PAGE), Some(&0));
        (0..many).for_each(|_| pages.pop());
        assert_eq!((pages.len(), pages.first()), (0, None));
        assert_eq!(pages.push(5), many);
        assert_eq!(pages.first(), Some(&5));
    }

    #[test]
    fn a_page_that_ends_with_the_last_item_is_given_back() {
        let mut pages = Pages::default();
        (0..PAGE).for_each(|n| _ = pages.push(n));
        (0..PAGE).for_each(|_| pages.pop());
        assert_eq!((pages.pages.len(), pages.first()), (0, None));
        assert_eq!(pages.push(1), PAGE);
        assert_eq!(pages.get(PAGE), Some(&1));
    }
}
