//! The order in which effects come, per key and pipeline.

use std::collections::HashMap;

/// So many lines are kept before any is forgotten.
const FEW: u64 = 4096;

/// How far each line has come.
#[derive(Default)]
pub struct Lines {
    all: HashMap<(u64, u64), Line>, // by key and pipeline
    looked: u64,                    // how many were left when last looked through
}

struct Line {
    /// The highest number so far.
    furthest: i64,
    /// The latest shot that it is about.
    latest: u64,
}

impl Lines {
    /// An effect comes by: whether one with a higher number has passed before it.
    pub fn passes(&mut self, key: u64, pipeline: u64, number: i64, seq: u64) -> bool {
        let line = self.all.entry((key, pipeline)).or_insert(Line { furthest: number, latest: seq });
        line.latest = line.latest.max(seq);
        let behind = number < line.furthest;
        line.furthest = line.furthest.max(number);
        behind
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets lines of which no shot from `begin` on has been seen, once there are more than can be of use.
    pub fn forget(&mut self, begin: u64, held: u64) {
        let now = self.all.len() as u64;
        if now > FEW.max(2 * self.looked).min(FEW + 2 * held) {
            self.all.retain(|_, line| line.latest >= begin);
            self.looked = self.all.len() as u64;
            self.all.shrink_to(2 * self.all.len());
        }
    }
}
