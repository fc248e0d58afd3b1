//! The database, as far as anybody notices: a pool of connections, and queries that take their time.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::base::law::Law;
use crate::base::seed::{Seed, Stream};
use crate::base::sleep::Sleeper;
use crate::base::time::monotonic;
use crate::sim::metrics::{Family, Gauge, Histogram};

use super::options::Options;

/// The database.
pub struct Db {
    pool: Semaphore,
    law: Law,
    chance: Mutex<Stream>,
    sleeper: Sleeper,
    took: Family<Histogram, 1>,
    in_use: Gauge,
}

impl Db {
    /// With all connections free. Fails when there is no timer.
    pub fn new(options: &Options, took: Family<Histogram, 1>, in_use: Gauge) -> io::Result<Db> {
        Ok(Db {
            pool: Semaphore::new(options.db_pool),
            law: options.query(),
            chance: Mutex::new(Seed(options.seed).stream("db")),
            sleeper: Sleeper::new()?,
            took,
            in_use,
        })
    }

    /// Asks it something.
    pub async fn query(&self, operation: &'static str) {
        let from = monotonic();
        let _connection = self.pool.acquire().await; // an error means that it is closed, which it never is
        let _busy = Busy::new(&self.in_use);
        let length = self.law.at(self.chance.lock().unwrap_or_else(PoisonError::into_inner).unit());
        self.sleeper.sleep(length).await;
        self.took.with([operation]).observe_duration(Duration::from_nanos(monotonic() - from));
    }
}

/// One more, for as long as it is held: also when whoever asked has gone.
pub struct Busy<'a>(&'a Gauge);

impl<'a> Busy<'a> {
    /// Counts one.
    pub fn new(gauge: &'a Gauge) -> Busy<'a> {
        gauge.add(1.0);
        Busy(gauge)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}
