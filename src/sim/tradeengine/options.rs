//! The settings of the engine.

use std::time::Duration;

use crate::base::net::Address;
use crate::base::units::Share;
use crate::sim::knobs::{self, Knobs, Row, knob};
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
    /// The environment variable with the key that what trades is signed with; `None` lets everybody trade.
    pub sign_key: Option<String>,
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
            sign_key: None,
            seed: 1,
        }
    }
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(length_or("none") exchange_timeout, "how long the exchange's answer is waited for, or none: a real weakness"),
        knob!(whole(10) retries, "how often an order is sent again after it failed"),
        knob!(
            switch idempotent,
            "whether an order that is sent again has the name that it had; off is a real weakness: it may be executed twice"
        ),
        knob!(length fill, "median time from an acknowledgement to the fill"),
        knob!(share declined, "share of orders that end as REJECTED by the exchange"),
        knob!(share partial, "share of orders that are filled in two parts"),
        knob!(number(0.0) min_confidence, "signals that are less certain are not traded, 0 to 1"),
        knob!(number(0.001) max_position, "the largest position in one symbol, in units of it; orders beyond are REJECTED"),
        knob!(number(0.0) max_loss, "the largest loss, in dollars; after it orders that open something are REJECTED"),
        knob!(number(0.0) balance, "what the account begins with, in dollars"),
        knob!(
            share mongo_failures,
            "share of writes to the database that fail at first; each is tried again and costs time"
        ),
        knob!(switch mongo, "whether the database is there; off: nothing is traded, and /ready says 503"),
        knob!(length mongo_write, "median time of a write to the database"),
        (
            "sign_key",
            "the environment variable with the key that signals and orders are signed with (X-SIGN: HMAC-SHA256 of X-TS, method, path and body), or none",
            |o, v| knobs::put(&mut o.sign_key, knobs::or("none", v, variable)),
            |o| o.sign_key.clone().unwrap_or_else(|| "none".into()),
        ),
        knob!(whole(u64::MAX) seed, "where all chance is drawn from"),
    ];
}

/// The name of an environment variable, never what it holds.
fn variable(text: &str) -> Result<String, String> {
    let named = !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if named { Ok(text.to_owned()) } else { Err("write the name of an environment variable, in capitals".into()) }
}

impl Options {
    /// All settings, with their defaults.
    pub fn keys() -> Vec<Knob> {
        let options = Options::default();
        [options.knobs(), options.venue.knobs(), options.fleet.knobs()].concat()
    }

    /// Changes one. The error says what is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is = self.turn(key, value)? || self.venue.turn(key, value)? || self.fleet.turn(key, value)?;
        knobs::known(is, "tradeengine", key, &Options::keys())
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
