//! A service of the target: a pool for each of its addresses, which take turns. Each address has its share of the shots
//! and of the connections, so that one that is down or slow fails or delays its share and no other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::open::Opener;
use super::pool::Pool;
use crate::scenario::Wire;

/// A service of the target.
pub struct Service {
    pools: Vec<Rc<Pool>>, // at least one
    next: Cell<usize>,
}

impl Service {
    /// With at most `limit` connections in all, but one to each address at least. `turn` is whose turn it is first, and
    /// whose share is larger where they cannot be alike: it differs from worker to worker.
    pub fn new(openers: Vec<Opener>, limit: usize, timeout: Duration, wire: &Wire, turn: usize) -> Rc<Service> {
        let count = openers.len();
        let pool = |(address, opener)| Pool::new(opener, share(limit, count, address, turn), timeout, wire);
        let pools = openers.into_iter().enumerate().map(pool).collect();
        Rc::new(Service { pools, next: Cell::new(turn % count) })
    }

    /// The pool whose turn it is.
    pub fn pool(&self) -> &Rc<Pool> {
        let turn = self.next.get();
        if self.pools.len() > 1 {
            self.next.set((turn + 1) % self.pools.len());
        }
        &self.pools[turn]
    }

    /// All of them.
    pub fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// What every path begins with.
    pub fn base(&self) -> &str {
        &self.pools[0].address().base
    }
}

/// How many of `limit` connections an address has among `count`: what is left over goes to those whose turn is first.
fn share(limit: usize, count: usize, address: usize, turn: usize) -> usize {
    let place = (address + count - turn % count) % count;
    ((limit + count - 1 - place) / count).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_without_a_rest() {
        for (limit, count, turn, expected) in [
            (7, 3, 0, vec![3, 2, 2]),
            (7, 3, 1, vec![2, 3, 2]),
            (8, 3, 5, vec![3, 2, 3]),
            (64, 1, 3, vec![64]),
            (1, 3, 0, vec![1, 1, 1]),
        ] {
            let shares: Vec<usize> = (0..count).map(|address| share(limit, count, address, turn)).collect();
            assert_eq!(shares, expected, "{limit} over {count} from {turn}");
        }
    }
}
