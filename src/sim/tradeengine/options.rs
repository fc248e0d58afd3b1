//! The settings of the engine.

use std::time::Duration;

use crate::base::net::Address;
use crate::base::units::{self, Share};
use crate::sim::knobs::{self, Row, length, number, on_off, or, put, switch, whole};
use crate::sim::trading::exchange::{self, Venue};
use crate::sim::{Knob, fleet};

/// How the engine behaves. By default no alert of its rules fires.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What every fleet has; this one is of one service.
    pub fleet: fleet::Options,
    /// The exchange, where a run names a stub for it.
    pub binance: Option<Address>,
    /// How the exchange answers where there is no stub.
    pub venue: Venue,
    /// How long its answer is waited for; `None` for ever.
    pub exchange_timeout: Option<Duration>,
    /// How often an order is sent again after it failed.
    pub retries: u32,
    /// Whether an order that is sent again carries the name that it had, so that the exchange knows it.
    pub idempotent: bool,
    /// From an acknowledgement to the fill, its median.
    pub fill: Duration,
    /// The share of orders that the exchange declines.
    pub declined: Share,
    /// The share of orders that are filled in two parts.
    pub partial: Share,
    /// Signals that are less certain are not traded, 0 to 1.
    pub min_confidence: f64,
    /// The largest position in one symbol, in units of it.
    pub max_position: f64,
    /// The largest loss before nothing more is opened, in dollars.
    pub max_loss: f64,
    /// What the account begins with, in dollars.
    pub balance: f64,
    /// The share of writes to the database that fail at first; each is tried again and costs time.
    pub mongo_failures: Share,
    /// Whether the database is there.
    pub mongo: bool,
    /// How long a write to it takes, its median.
    pub mongo_write: Duration,
    /// Where all chance is drawn from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fleet: fleet::Options::default(),
            binance: None,
            venue: Venue::prompt(Duration::from_millis(15)),
            exchange_timeout: Some(Duration::from_millis(500)),
            retries: 1,
            idempotent: true,
            fill: Duration::from_millis(60),
            declined: Share(10_000_000),
            partial: Share(200_000_000),
            min_confidence: 0.6,
            max_position: 10.0,
            max_loss: 5_000.0,
            balance: 100_000.0,
            mongo_failures: Share::NONE,
            mongo: true,
            mongo_write: Duration::from_millis(2),
            seed: 1,
        }
    }
}

const KNOBS: &[Row<Options>] = &[
    (
        "ack",
        "median time in which the exchange answers, where no upstream stands for it",
        |o, v| length(v).map(|median| o.venue.latency = Venue::prompt(median).latency),
        |_| "15ms".into(),
    ),
    (
        "exchange_failures",
        "share of orders that the exchange fails on, where no upstream stands for it",
        |o, v| put(&mut o.venue.failures, units::parse_share(v)),
        |o| o.venue.failures.to_string(),
    ),
    (
        "outage_after",
        "from the first order to the time in which the exchange answers nothing, where no upstream stands for it",
        |o, v| put(&mut o.venue.outage_after, length(v)),
        |o| units::duration(o.venue.outage_after),
    ),
    (
        "outage",
        "how long that is; never when 0s",
        |o, v| put(&mut o.venue.outage, length(v)),
        |o| units::duration(o.venue.outage),
    ),
    (
        "exchange_timeout",
        "how long the exchange's answer is waited for, or none: a real weakness",
        |o, v| put(&mut o.exchange_timeout, or("none", v, length)),
        |o| o.exchange_timeout.map_or("none".into(), units::duration),
    ),
    (
        "retries",
        "how often an order is sent again after it failed",
        |o, v| put(&mut o.retries, whole(v, 10)),
        |o| o.retries.to_string(),
    ),
    (
        "idempotent",
        "whether an order that is sent again has the name that it had; off is a real weakness: it may be executed twice",
        |o, v| put(&mut o.idempotent, switch(v)),
        |o| on_off(o.idempotent),
    ),
    (
        "fill",
        "median time from an acknowledgement to the fill",
        |o, v| put(&mut o.fill, length(v)),
        |o| units::duration(o.fill),
    ),
    (
        "declined",
        "share of orders that end as REJECTED by the exchange",
        |o, v| put(&mut o.declined, units::parse_share(v)),
        |o| o.declined.to_string(),
    ),
    (
        "partial",
        "share of orders that are filled in two parts",
        |o, v| put(&mut o.partial, units::parse_share(v)),
        |o| o.partial.to_string(),
    ),
    (
        "min_confidence",
        "signals that are less certain are not traded, 0 to 1",
        |o, v| put(&mut o.min_confidence, number(v, 0.0)),
        |o| o.min_confidence.to_string(),
    ),
    (
        "max_position",
        "the largest position in one symbol, in units of it; orders beyond are REJECTED",
        |o, v| put(&mut o.max_position, number(v, 0.001)),
        |o| o.max_position.to_string(),
    ),
    (
        "max_loss",
        "the largest loss, in dollars; after it orders that open something are REJECTED",
        |o, v| put(&mut o.max_loss, number(v, 0.0)),
        |o| o.max_loss.to_string(),
    ),
    (
        "balance",
        "what the account begins with, in dollars",
        |o, v| put(&mut o.balance, number(v, 0.0)),
        |o| o.balance.to_string(),
    ),
    (
        "mongo_failures",
        "share of writes to the database that fail at first; each is tried again and costs time",
        |o, v| put(&mut o.mongo_failures, units::parse_share(v)),
        |o| o.mongo_failures.to_string(),
    ),
    (
        "mongo",
        "whether the database is there; off: nothing is traded, and /ready says 503",
        |o, v| put(&mut o.mongo, switch(v)),
        |o| on_off(o.mongo),
    ),
    (
        "mongo_write",
        "median time of a write to the database",
        |o, v| put(&mut o.mongo_write, length(v)),
        |o| units::duration(o.mongo_write),
    ),
    ("seed", "where all chance is drawn from", |o, v| put(&mut o.seed, whole(v, u64::MAX)), |o| o.seed.to_string()),
];

impl Options {
    /// All settings, with their defaults.
    pub fn keys() -> Vec<Knob> {
        knobs::keys(KNOBS)
    }

    /// Changes one. The error says what is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        knobs::set(KNOBS, "tradeengine", self, |o| &mut o.fleet, key, value)
    }

    /// Names the stubs that it calls: `binance`.
    pub fn set_upstreams(&mut self, upstreams: &[(String, String)]) -> Result<(), String> {
        self.binance = exchange::stub(upstreams, &["binance"], "tradeengine")?.pop().map(|(_, address)| address);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_reads_back_as_itself() {
        for knob in Options::keys() {
            let mut options = Options::default();
            assert_eq!(options.set(knob.name, &knob.default), Ok(()), "{}", knob.name);
            assert_eq!(options, Options::default(), "{}", knob.name);
        }
        assert!(Options::default().set("retries", "11").expect_err("many").contains("from 0 to 10"));
    }
}
