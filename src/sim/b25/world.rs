//! What the services have in common: prices, the account, and what was decided for all of them.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use super::super::trading::chance::Chance;
use super::super::trading::market::Market;
use super::options::Options;

/// What the services have in common.
pub struct World {
    /// How the system behaves.
    pub options: Options,
    /// Strategies that run.
    pub strategies: AtomicUsize,
    /// Orders whose end is known, of those who made and of all.
    pub made: AtomicU64,
    /// All of them.
    pub ended: AtomicU64,
    /// Prices, and the account.
    pub market: Market,
}

impl World {
    /// As it is in the beginning.
    pub fn new(options: Options) -> World {
        World {
            strategies: AtomicUsize::new(options.strategies),
            made: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            market: Market::new(options.seed, options.balance),
            options,
        }
    }

    /// A source of chance of its own.
    pub fn stream(&self, name: &str) -> Chance {
        Chance::new(self.options.seed, name)
    }
}
