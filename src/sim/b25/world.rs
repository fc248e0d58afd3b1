//! What the services have in common: prices, the account, and what was decided for all of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use super::super::trading::account::{Account, Fill};
use super::super::trading::chance::{Chance, lock};
use super::super::trading::prices::{Prices, SYMBOLS};
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
    prices: Mutex<Prices>,
    account: Mutex<Account>,
}

impl World {
    /// As it is in the beginning.
    pub fn new(options: Options) -> World {
        World {
            strategies: AtomicUsize::new(options.strategies),
            made: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            prices: Mutex::new(Prices::new(options.seed)),
            account: Mutex::new(Account::new(options.balance)),
            options,
        }
    }

    /// What a symbol costs.
    pub fn price(&self, symbol: usize) -> f64 {
        lock(&self.prices).mid()[symbol]
    }

    /// Moves the prices and takes notice of what the account is worth by them.
    pub fn beat(&self) -> ([f64; SYMBOLS.len()], Account) {
        let mid = {
            let mut prices = lock(&self.prices);
            prices.step();
            prices.mid()
        };
        let mut account = lock(&self.account);
        account.value(&mid);
        (mid, account.clone())
    }

    /// The account as it is now.
    pub fn account(&self) -> Account {
        lock(&self.account).clone()
    }

    /// Books a fill.
    pub fn fill(&self, fill: Fill) {
        lock(&self.account).fill(fill);
    }

    /// A source of chance of its own.
    pub fn stream(&self, name: &str) -> Chance {
        Chance::new(self.options.seed, name)
    }
}
