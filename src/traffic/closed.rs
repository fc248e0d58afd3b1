//! Closed loops: each sends its next request when the reply to the last one has come, as most load tools do. What they
//! measure says how much a service can do, not what its users wait: a slow service is asked less.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::errand::Errand;
use super::worker::Worker;
use crate::base::time::{Offset, Span};
use crate::evidence::reply::Outcome;
use crate::plan::{Plan, Shot};

/// After a request that could not be sent a loop rests for so long, lest it spin.
const REST: Duration = Duration::from_millis(1);

/// A worker's closed loops.
pub struct Loops {
    all: Vec<Loop>,
    going: RefCell<Vec<usize>>, // those that go on at the end of this turn
}

/// The loops of one segment.
struct Loop {
    traffic: usize,
    span: Span,
    connections: usize,
    shots: RefCell<Box<dyn Iterator<Item = Shot>>>,
}

impl Loops {
    /// Those of worker `index` of `workers`.
    pub fn new(plan: &Plan, index: usize, workers: usize) -> Loops {
        let mut all = Vec::new();
        for (traffic, planned) in plan.traffic.iter().enumerate() {
            for closed in planned.closed_loops() {
                let shots = planned.saturated(closed.segment, index, workers);
                all.push(Loop {
                    traffic,
                    span: closed.span,
                    connections: (closed.connections as usize + workers - 1 - index) / workers,
                    shots: RefCell::new(Box::new(shots.map(|(seq, quote)| Shot { seq, due: Offset::MAX, quote }))),
                });
            }
        }
        Loops { all, going: RefCell::default() }
    }

    /// Where the last of them ends; the plan's zero without any.
    pub fn end(&self) -> Offset {
        self.all.iter().map(|l| l.span.end).max().unwrap_or(Offset::ZERO)
    }

    /// Lets each begin at its time.
    pub fn start(&self, worker: &Rc<Worker>) {
        for (position, looped) in self.all.iter().enumerate() {
            let (worker, start, connections) = (worker.clone(), looped.span.start, looped.connections);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(worker.clock.until(start)).await;
                (0..connections).for_each(|_| worker.go_on(position, worker.clock.now()));
            });
        }
    }

    /// Goes on after a reply, at the end of the turn.
    pub fn again(&self, position: usize, outcome: Outcome, worker: &Rc<Worker>) {
        if matches!(outcome, Outcome::Unreachable(_) | Outcome::NotSent(_) | Outcome::Broken(_)) {
            let worker = worker.clone();
            tokio::task::spawn_local(async move {
                tokio::time::sleep(REST).await;
                worker.go_on(position, worker.clock.now());
            });
        } else {
            self.going.borrow_mut().push(position);
            worker.turn_ends();
        }
    }

    /// Who goes on at the end of this turn; `going` is empty, and its room is used for the next.
    pub fn take_going(&self, going: &mut Vec<usize>) {
        std::mem::swap(&mut *self.going.borrow_mut(), going);
    }

    /// When a shot of a loop that is sent, or given up, at `now` was due: just then, but never after the loop.
    pub fn due(&self, position: usize, now: Offset) -> Offset {
        now.min(self.all[position].span.end - Duration::from_nanos(1))
    }

    /// The next shot of a loop; `None` when it is over.
    pub fn next(&self, position: usize, now: Offset, worker: &Worker) -> Option<Errand> {
        let looped = &self.all[position];
        if now >= looped.span.end || worker.is_stopping() {
            return None;
        }
        let shot = looped.shots.borrow_mut().next()?;
        Some(Errand { looped: Some(position as u32), ..Errand::new(looped.traffic, shot, now) })
    }
}
