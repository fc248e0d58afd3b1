//! Lengths of time until they are written: two bytes each, in blocks that go from hand to hand, so that memory follows
//! the busiest flush period and nothing else.

use super::super::tally;
use crate::base::time::{Offset, Span};

/// Lengths in a block of 256 bytes.
const BLOCK: usize = 126;
const NONE: u32 = u32::MAX;

/// Lengths on one clock of the shots due in one interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    block: u32, // the last one; it knows the one before
    filled: u32,
}

impl Chain {
    /// Whether it holds nothing.
    pub(super) fn is_empty(self) -> bool {
        self.block == NONE
    }
}

impl Default for Chain {
    fn default() -> Chain {
        Chain { block: NONE, filled: BLOCK as u32 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Block {
    before: u32,
    places: [u16; BLOCK],
}

/// Where all chains keep what they hold.
#[derive(Debug)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    free: u32,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks { blocks: Vec::new(), free: NONE }
    }

    /// Appends a length in nanoseconds.
    pub(super) fn push(&mut self, chain: &mut Chain, nanos: u64) {
        if chain.filled as usize == BLOCK {
            let block = self.take();
            self.blocks[block as usize].before = chain.block;
            *chain = Chain { block, filled: 0 };
        }
        self.blocks[chain.block as usize].places[chain.filled as usize] = tally::place(nanos);
        chain.filled += 1;
    }

    /// A block that nobody uses.
    fn take(&mut self) -> u32 {
        if self.free == NONE {
            self.blocks.push(Block { before: NONE, places: [0; BLOCK] });
            return (self.blocks.len() - 1) as u32;
        }
        let block = self.free;
        self.free = self.blocks[block as usize].before;
        block
    }

    /// Hands out the cell of each length of a chain, whose blocks are free from here on.
    pub(super) fn empty(&mut self, chain: Chain, mut each: impl FnMut(u16)) {
        let (mut at, mut filled) = (chain.block, chain.filled as usize);
        while at != NONE {
            let block = &mut self.blocks[at as usize];
            block.places[..filled].iter().for_each(|place| each(*place));
            let before = std::mem::replace(&mut block.before, self.free);
            (self.free, at, filled) = (at, before, BLOCK);
        }
    }

    /// Bytes that it holds, used or not.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.blocks.len() * size_of::<Block>()
    }
}

/// Intervals whose lengths wait to be written, in order, with a chain for each of `N` clocks.
#[derive(Debug)]
pub(super) struct Open<const N: usize> {
    intervals: Vec<(Span, [Chain; N])>,
    last: usize,
}

impl<const N: usize> Open<N> {
    pub(super) fn new() -> Open<N> {
        Open { intervals: Vec::new(), last: 0 }
    }

    /// The chains of the interval in which a shot is due; `interval` says which that is where it is not yet open.
    pub(super) fn at(&mut self, due: Offset, interval: impl FnOnce() -> Span) -> &mut [Chain; N] {
        // Most replies are due in the interval of the one before them.
        if !self.intervals.get(self.last).is_some_and(|(span, _)| span.contains(due)) {
            self.last = self.intervals.partition_point(|(span, _)| span.end <= due);
            if !self.intervals.get(self.last).is_some_and(|(span, _)| span.contains(due)) {
                self.intervals.insert(self.last, (interval(), [Chain::default(); N]));
            }
        }
        &mut self.intervals[self.last].1
    }

    /// Takes every interval out, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Span, [Chain; N])> + '_ {
        self.intervals.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_keep_what_is_theirs_and_blocks_are_used_again() {
        let mut blocks = Blocks::new();
        let mut held = 0;
        for round in 0..4 {
            let mut chains = [Chain::default(); 3];
            for n in 0..1_000 {
                blocks.push(&mut chains[n % 3], 64 * (n % 3) as u64 + 1);
            }
            for (n, chain) in chains.into_iter().enumerate() {
                let mut seen = 0;
                blocks.empty(chain, |place| {
                    assert_eq!(usize::from(place), n);
                    seen += 1;
                });
                assert_eq!(seen, 334 - usize::from(n > 0));
            }
            if round == 0 {
                held = blocks.held();
            }
            assert_eq!(blocks.held(), held);
        }
        assert!(Chain::default().is_empty());
        blocks.empty(Chain::default(), |_| unreachable!("an empty chain"));
    }

    #[test]
    fn intervals_open_in_any_order_and_drain_in_theirs() {
        let span = |ms: i64| Span { start: Offset::from_millis(ms), end: Offset::from_millis(ms + 100) };
        let mut open: Open<1> = Open::new();
        let mut blocks = Blocks::new();
        for due in [250, 50, 199, 251, 99, 0, 100] {
            let chain = &mut open.at(Offset::from_millis(due), || span(due / 100 * 100))[0];
            blocks.push(chain, due as u64 * 64);
        }
        let drained: Vec<(Span, Vec<u16>)> = open
            .drain()
            .map(|(span, [chain])| {
                let mut places = Vec::new();
                blocks.empty(chain, |place| places.push(place));
                (span, places)
            })
            .collect();
        assert_eq!(drained, [(span(0), vec![50, 99, 0]), (span(100), vec![199, 100]), (span(200), vec![250, 251])]);
        assert_eq!(open.drain().count(), 0);
    }
}
