//! The search itself: ddmin (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) over
//! faults, then shorter and rarer ones. Pure: what a try came to is told from outside, and the same answers lead to the
//! same end.

use std::collections::BTreeMap;

/// A fault takes part at most so often halved, in length and in share.
const CUTS: u32 = 3;

/// A fault that takes part in a try, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Which, by position in the scenario.
    pub fault: usize,
    /// How often its length was halved.
    pub halved: u32,
    /// How often its share was halved.
    pub thinned: u32,
}

impl Part {
    /// All of it.
    pub fn whole(fault: usize) -> Part {
        Part { fault, halved: 0, thinned: 0 }
    }
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The same promise is broken.
    Fails,
    /// It is kept.
    Holds,
    /// It could not be decided.
    Unclear,
    /// It could not even be tried, and so cost nothing.
    Senseless,
}

/// Where the search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// The least that was seen to fail.
    pub parts: Vec<Part>,
    /// Whether no fault of it can be left out: without any one of them the failure was not seen. `false` when the tries
    /// were used up before that was known.
    pub minimal: bool,
    /// How many tries it took.
    pub tries: u32,
}

/// Finds the least of `faults` faults that still fails, all of them being known to fail. Those of `needed` always take
/// part. `test` is asked at most `most` times, never twice for the same; a try that is [`Seen::Senseless`] is not counted.
pub fn shrink(faults: usize, needed: &[usize], most: u32, test: impl FnMut(&[Part]) -> Seen) -> Shrunk {
    let mut search = Search { test, needed, left: most, known: BTreeMap::new() };
    let mut parts: Vec<Part> = (0..faults).map(Part::whole).collect();
    let minimal = search.fewer(&mut parts).is_some();
    if minimal {
        let _ = search.less(&mut parts); // what it found before the tries were used up is kept
    }
    Shrunk { parts, minimal, tries: most - search.left }
}

struct Search<'n, F> {
    test: F,
    needed: &'n [usize],
    left: u32,
    known: BTreeMap<Vec<Part>, Seen>,
}

impl<F: FnMut(&[Part]) -> Seen> Search<'_, F> {
    /// Whether these faults fail; `None` when that is not known and the tries are used up.
    fn fails(&mut self, parts: &[Part]) -> Option<bool> {
        if let Some(seen) = self.known.get(parts) {
            return Some(*seen == Seen::Fails);
        }
        if self.left == 0 {
            return None;
        }
        let seen = (self.test)(parts);
        self.left -= u32::from(seen != Seen::Senseless);
        self.known.insert(parts.to_vec(), seen);
        Some(seen == Seen::Fails)
    }

    /// Leaves out faults while it still fails, until none can be left out. `None` when the tries were used up before.
    fn fewer(&mut self, parts: &mut Vec<Part>) -> Option<()> {
        let with = |free: &[Part], needed: &[Part]| {
            let mut all = [needed, free].concat();
            all.sort_unstable();
            all
        };
        let (needed, mut free): (Vec<Part>, Vec<Part>) =
            parts.iter().partition(|part| self.needed.contains(&part.fault));
        // Nothing but what must be: often the faults have nothing to do with it.
        if !free.is_empty() && self.fails(&needed)? {
            *parts = needed;
            return Some(());
        }
        let mut pieces = 2;
        while free.len() > 1 {
            let size = free.len().div_ceil(pieces);
            let mut smaller = None;
            let chunks: Vec<Vec<Part>> = free.chunks(size).map(<[Part]>::to_vec).collect();
            for chunk in &chunks {
                if self.fails(&with(chunk, &needed))? {
                    smaller = Some((chunk.clone(), 2));
                    break;
                }
            }
            // With two pieces each is the other's complement.
            if smaller.is_none() && chunks.len() > 2 {
                for (i, _) in chunks.iter().enumerate() {
                    let others = chunks.iter().enumerate().filter(|(j, _)| *j != i);
                    let rest: Vec<Part> = others.flat_map(|(_, chunk)| chunk.iter().copied()).collect();
                    if self.fails(&with(&rest, &needed))? {
                        smaller = Some((rest, (pieces - 1).max(2)));
                        break;
                    }
                }
            }
            match smaller {
                Some((rest, next)) => {
                    (free, pieces) = (rest, next);
                    *parts = with(&free, &needed);
                }
                None if size == 1 => break,
                None => pieces = (pieces * 2).min(free.len()),
            }
        }
        Some(())
    }

    /// Halves lengths and shares while it still fails. `None` when the tries were used up.
    fn less(&mut self, parts: &mut [Part]) -> Option<()> {
        for i in 0..parts.len() {
            for cut in [|part: &mut Part| part.halved += 1, |part: &mut Part| part.thinned += 1] {
                for _ in 0..CUTS {
                    let mut tried = parts.to_vec();
                    cut(&mut tried[i]);
                    if !self.fails(&tried)? {
                        break;
                    }
                    parts.copy_from_slice(&tried);
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::{Seed, unit};

    const ENOUGH: u32 = 10_000;

    fn faults(parts: &[Part]) -> Vec<usize> {
        parts.iter().map(|p| p.fault).collect()
    }

    /// Fails exactly when all of `planted` take part, however short and rare.
    fn planted(planted: &[usize]) -> impl FnMut(&[Part]) -> Seen {
        move |parts| {
            let there = faults(parts);
            if planted.iter().all(|p| there.contains(p)) { Seen::Fails } else { Seen::Holds }
        }
    }

    /// The subsets of `n`.
    fn subsets(n: usize) -> impl Iterator<Item = Vec<usize>> {
        (0..1u32 << n).map(move |bits| (0..n).filter(|i| bits >> i & 1 == 1).collect())
    }

    #[test]
    fn what_was_planted_is_found_exactly() {
        for n in 1..=7 {
            for wanted in subsets(n) {
                let shrunk = shrink(n, &[], ENOUGH, planted(&wanted));
                assert_eq!((faults(&shrunk.parts), shrunk.minimal), (wanted.clone(), true), "{n}: {wanted:?}");
                let bound = (n * n + 4 * n) as u32 + wanted.len() as u32 * 2 * CUTS + 1;
                assert!(shrunk.tries <= bound, "{n}: {wanted:?} took {} of {bound}", shrunk.tries);
            }
        }
    }

    /// Whatever the answers: what comes out fails, and leaving out any one fault of it does not. The oracles here are
    /// drawn, know no order, and are unclear or senseless a third of the time.
    #[test]
    fn no_fault_of_what_comes_out_can_be_left_out() {
        for seed in 0..2_000u64 {
            let n = 1 + (seed % 8) as usize;
            let oracle = |parts: &[Part]| {
                let there = faults(parts);
                if there.len() == n && parts.iter().all(|p| *p == Part::whole(p.fault)) {
                    return Seen::Fails;
                }
                let bytes: Vec<u8> =
                    parts.iter().flat_map(|p| [p.fault as u8, p.halved as u8, p.thinned as u8]).collect();
                match unit(Seed(seed).decide(&[b"oracle", &bytes])) {
                    u if u < 0.3 => Seen::Fails,
                    u if u < 0.6 => Seen::Holds,
                    u if u < 0.8 => Seen::Unclear,
                    _ => Seen::Senseless,
                }
            };
            let mut asked = Vec::new();
            let shrunk = shrink(n, &[], ENOUGH, |parts| {
                asked.push(parts.to_vec());
                oracle(parts)
            });
            assert_eq!(oracle(&shrunk.parts), Seen::Fails, "seed {seed}");
            assert!(shrunk.minimal);
            let whole: Vec<Part> = shrunk.parts.iter().map(|p| Part::whole(p.fault)).collect();
            for i in 0..whole.len() {
                let mut without = whole.clone();
                without.remove(i);
                assert_ne!(oracle(&without), Seen::Fails, "seed {seed}: {whole:?} without its {i}th");
            }
            let mut unique = asked.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), asked.len(), "seed {seed}: nothing is tried twice");
        }
    }

    #[test]
    fn the_same_answers_lead_to_the_same_end() {
        let twice = [0, 1].map(|_| {
            let mut asked = Vec::new();
            let shrunk = shrink(6, &[], ENOUGH, |parts| {
                asked.push(parts.to_vec());
                planted(&[1, 4])(parts)
            });
            (asked, shrunk)
        });
        assert_eq!(twice[0], twice[1]);
    }

    #[test]
    fn tries_are_bounded_and_what_was_found_is_kept() {
        for most in 0..20 {
            let mut count = 0;
            let shrunk = shrink(8, &[], most, |parts| {
                count += 1;
                planted(&[2, 5])(parts)
            });
            assert_eq!((shrunk.tries, count), (shrunk.tries.min(most), shrunk.tries), "of {most}");
            let left = faults(&shrunk.parts);
            assert!([2, 5].iter().all(|p| left.contains(p)), "{left:?} still fails");
            assert_eq!(shrunk.minimal, left == [2, 5] && shrunk.minimal, "{most}: {shrunk:?}");
        }
        assert!(!shrink(8, &[], 3, planted(&[2, 5])).minimal);
        // What cannot be tried costs nothing.
        assert_eq!(shrink(3, &[], 1, |_| Seen::Senseless).tries, 0);
    }

    #[test]
    fn what_must_take_part_does() {
        let mut without = 0;
        let shrunk = shrink(5, &[3], ENOUGH, |parts| {
            without += u32::from(!faults(parts).contains(&3));
            planted(&[0])(parts)
        });
        assert_eq!((faults(&shrunk.parts), without), (vec![0, 3], 0));
        assert_eq!(faults(&shrink(5, &[3], ENOUGH, planted(&[])).parts), [3], "and alone if the others do nothing");
        assert_eq!(faults(&shrink(1, &[0], ENOUGH, planted(&[])).parts), [0]);
    }

    #[test]
    fn lengths_and_shares_are_halved_while_it_fails() {
        // Needs fault 1 at a quarter of its length at least, at any share, and fault 2 whole.
        let shrunk = shrink(4, &[], ENOUGH, |parts| {
            let part = |fault| parts.iter().find(|p| p.fault == fault);
            match (part(1), part(2)) {
                (Some(one), Some(two)) if one.halved <= 2 && two.halved + two.thinned == 0 => Seen::Fails,
                _ => Seen::Holds,
            }
        });
        let want = [Part { fault: 1, halved: 2, thinned: CUTS }, Part::whole(2)];
        assert_eq!(shrunk.parts, want);
    }
}
