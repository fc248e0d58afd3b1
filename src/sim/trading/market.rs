//! Prices that move, and an account that is worth what they say.

use std::sync::Mutex;

use super::account::{Account, Fill};
use super::chance::lock;
use super::prices::{Prices, SYMBOLS};

/// The prices of a system, and its account.
pub struct Market {
    prices: Mutex<Prices>,
    account: Mutex<Account>,
}

impl Market {
    /// As it is in the beginning, with so much in the account, in dollars.
    pub fn new(seed: u64, balance: f64) -> Market {
        Market { prices: Mutex::new(Prices::new(seed)), account: Mutex::new(Account::new(balance)) }
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
}
