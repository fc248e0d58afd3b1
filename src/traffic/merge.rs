//! The shots of all traffic in the order in which they are due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::time::Offset;
use crate::plan::{Plan, Shot, TrafficPlan};

/// A worker's share of the shots of all traffic, in the order in which they are due.
pub struct Merge {
    sources: Vec<Box<dyn Iterator<Item = Shot>>>,
    next: BinaryHeap<Reverse<(Offset, usize, u64)>>,
    shots: Vec<Option<Shot>>,
}

impl Merge {
    /// Those of worker `index` of `workers`: every shot is some worker's, but for those of traffic that is not `ours`.
    pub fn new(plan: &Plan, ours: impl Fn(usize) -> bool, index: usize, workers: usize) -> Merge {
        let shots = |(i, t): (usize, &TrafficPlan)| {
            let shots = ours(i).then(|| t.shots_of(index, workers));
            Box::new(shots.into_iter().flatten()) as Box<dyn Iterator<Item = Shot>>
        };
        let sources: Vec<Box<dyn Iterator<Item = Shot>>> = plan.traffic.iter().enumerate().map(shots).collect();
        let mut merge = Merge { shots: vec![None; sources.len()], sources, next: BinaryHeap::new() };
        for i in 0..merge.sources.len() {
            merge.advance(i);
        }
        merge
    }

    fn advance(&mut self, source: usize) {
        self.shots[source] = self.sources[source].next();
        if let Some(shot) = self.shots[source] {
            self.next.push(Reverse((shot.due, source, shot.seq)));
        }
    }
}

impl Iterator for Merge {
    type Item = (usize, Shot);

    fn next(&mut self) -> Option<(usize, Shot)> {
        let source = self.next.pop()?.0.1;
        let shot = self.shots[source]?;
        self.advance(source);
        Some((source, shot))
    }
}
