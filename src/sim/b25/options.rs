//! The settings of the system.

use std::time::Duration;

use super::market::EXCHANGES;
use crate::base::net::Address;
use crate::base::units::{self, Rate, Share};
use crate::sim::knobs::{self, Knobs, Row, knob, or, put};
use crate::sim::trading::exchange::{self, Venue};
use crate::sim::{Knob, fleet};

/// How the system behaves. By default it trades well: no alert of its catalogue fires.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What every fleet has.
    pub fleet: fleet::Options,
    /// The exchange, where a run names a stub for it.
    pub exchange: Option<Address>,
    /// How the exchange answers where there is no stub.
    pub venue: Venue,
    /// How long an acknowledgement is waited for; `None` for ever.
    pub exchange_timeout: Option<Duration>,
    /// From an acknowledgement to the fill, its median.
    pub fill: Duration,
    /// Orders per second that the rate limiter lets through; 0 for any number.
    pub rate: Rate,
    /// How many may come at once.
    pub burst: u32,
    /// Whether there is a circuit breaker.
    pub breaker: bool,
    /// So many failures in a row open it.
    pub breaker_failures: u32,
    /// How long it stays open before it tries.
    pub breaker_open: Duration,
    /// So many tries must succeed to close it.
    pub breaker_probes: u32,
    /// Orders that are sent to the exchange at a time; others wait.
    pub workers: usize,
    /// The share of orders that the exchange declines.
    pub declined: Share,
    /// The share of orders that are filled in parts.
    pub partial: Share,
    /// The share of orders that are cancelled before they are filled.
    pub canceled: Share,
    /// The share of limit orders that make.
    pub maker: Share,
    /// How much better than the mid price a fill is, in hundredths of a percent; negative for worse.
    pub edge: f64,
    /// What the account begins with, in dollars.
    pub balance: f64,
    /// The largest position in one symbol, in units of it.
    pub position_limit: f64,
    /// The share of messages of market data before which some are missing.
    pub gaps: Share,
    /// From one loss of a feed to the next; never when zero.
    pub disconnects: Duration,
    /// A feed that is never connected.
    pub disconnected: Option<&'static str>,
    /// Strategies that run.
    pub strategies: usize,
    /// Signals per second, of all strategies.
    pub signals: Rate,
    /// Whether the exchange knows another position than we do.
    pub mismatch: bool,
    /// Where all chance is drawn from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fleet: fleet::Options::default(),
            exchange: None,
            venue: Venue::prompt(Duration::from_micros(600)),
            exchange_timeout: Some(Duration::from_millis(500)),
            fill: Duration::from_millis(2),
            rate: Rate::per_second(500),
            burst: 100,
            breaker: true,
            breaker_failures: 5,
            breaker_open: Duration::from_secs(1),
            breaker_probes: 3,
            workers: 64,
            declined: Share(10_000_000),
            partial: Share(200_000_000),
            canceled: Share(20_000_000),
            maker: Share(950_000_000),
            edge: 2.0,
            balance: 100_000.0,
            position_limit: 10.0,
            gaps: Share(100_000),
            disconnects: Duration::ZERO,
            disconnected: None,
            strategies: 2,
            signals: Rate::per_second(20),
            mismatch: false,
            seed: 1,
        }
    }
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(length_or("none") exchange_timeout, "how long an acknowledgement is waited for, or none: a real weakness"),
        knob!(length fill, "median time from an acknowledgement to the fill"),
        (
            "rate",
            "orders per second that the rate limiter lets through, or none",
            |o, v| put(&mut o.rate, or("none", v, units::parse_rate).map(Option::unwrap_or_default)),
            |o| if o.rate == Rate::default() { "none".into() } else { o.rate.to_string() },
        ),
        knob!(whole(u32::MAX.into()) burst, "orders that may come at once"),
        knob!(switch breaker, "whether a circuit breaker stands before the exchange; off is a real weakness"),
        knob!(some(1_000_000) breaker_failures, "failures in a row that open the circuit breaker"),
        knob!(length breaker_open, "how long the circuit breaker stays open before it tries again"),
        knob!(some(1_000_000) breaker_probes, "tries that must succeed before the circuit breaker closes"),
        knob!(
            some(1 << 20) workers,
            "orders that are on their way to the exchange at a time; the others wait in the queue"
        ),
        knob!(share declined, "share of orders that end as REJECTED by the exchange"),
        knob!(share partial, "share of orders that are filled in two parts"),
        knob!(share canceled, "share of orders that end as CANCELED"),
        knob!(share maker, "share of limit orders that make; market orders take"),
        knob!(
            number(-10_000.0) edge,
            "how much better than the mid price fills are, in hundredths of a percent; negative loses money"
        ),
        knob!(number(0.0) balance, "what the account begins with, in dollars"),
        knob!(
            number(0.001) position_limit,
            "the largest position in one symbol, in units of it; orders beyond are REJECTED"
        ),
        knob!(share gaps, "share of messages of market data before which some are missing"),
        knob!(length disconnects, "from one loss of a feed to the next; never when 0s"),
        (
            "disconnected",
            "a feed that is never connected: binance, bybit or none",
            |o, v| {
                let known = |v: &str| EXCHANGES.into_iter().find(|e| *e == v).ok_or(format!("`{v}` is no feed"));
                put(&mut o.disconnected, or("none", v, known))
            },
            |o| o.disconnected.unwrap_or("none").into(),
        ),
        knob!(whole(8) strategies, "strategies that run"),
        knob!(rate signals, "signals per second, of all strategies"),
        knob!(switch mismatch, "whether the exchange knows another position than the account"),
        knob!(whole(u64::MAX) seed, "where all chance is drawn from"),
    ];
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
        knobs::known(is, "b25", key, &Options::keys())
    }

    /// Names the stubs that it calls: `exchange`.
    pub fn set_upstreams(&mut self, upstreams: &[(String, String)]) -> Result<(), String> {
        self.exchange = exchange::stub(upstreams, &["exchange"], "b25")?.pop().map(|(_, address)| address);
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
        let error = Options::default().set("breakr", "off").expect_err("a slip");
        assert!(error.contains("no setting of b25: did you mean `breaker`?"), "{error}");
        assert!(Options::default().set("disconnected", "nyse").expect_err("no feed").ends_with(", or none"));
    }
}
