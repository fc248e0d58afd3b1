//! Chance and locks, as several tasks of a practice target share them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::seed::{Seed, Stream};

/// Numbers by chance, for several hands.
pub struct Chance(Mutex<Stream>);

impl Chance {
    /// A source of its own for `name`.
    pub fn new(seed: u64, name: &str) -> Chance {
        Chance(Mutex::new(Seed(seed).stream(name)))
    }

    /// Uniform in [0, 1).
    pub fn draw(&self) -> f64 {
        lock(&self.0).unit()
    }
}

/// A lock that nobody can poison for the others.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
