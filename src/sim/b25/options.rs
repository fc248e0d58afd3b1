//! The settings of the system.

use std::time::Duration;

use super::market::EXCHANGES;
use crate::base::net::Address;
use crate::base::units::{self, Rate, Share};
use crate::sim::knobs::{self, Row, at_least_one, length, number, on_off, or, put, switch, whole};
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

const KNOBS: &[Row<Options>] = &[
    (
        "ack",
        "median time of an acknowledgement by the exchange, where no upstream stands for it",
        |o, v| length(v).map(|median| o.venue.latency = Venue::prompt(median).latency),
        |_| "600us".into(),
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
        "how long an acknowledgement is waited for, or none: a real weakness",
        |o, v| put(&mut o.exchange_timeout, or("none", v, length)),
        |o| o.exchange_timeout.map_or("none".into(), units::duration),
    ),
    (
        "fill",
        "median time from an acknowledgement to the fill",
        |o, v| put(&mut o.fill, length(v)),
        |o| units::duration(o.fill),
    ),
    (
        "rate",
        "orders per second that the rate limiter lets through, or none",
        |o, v| put(&mut o.rate, or("none", v, units::parse_rate).map(Option::unwrap_or_default)),
        |o| if o.rate == Rate::default() { "none".into() } else { o.rate.to_string() },
    ),
    (
        "burst",
        "orders that may come at once",
        |o, v| put(&mut o.burst, whole(v, u32::MAX.into())),
        |o| o.burst.to_string(),
    ),
    (
        "breaker",
        "whether a circuit breaker stands before the exchange; off is a real weakness",
        |o, v| put(&mut o.breaker, switch(v)),
        |o| on_off(o.breaker),
    ),
    (
        "breaker_failures",
        "failures in a row that open the circuit breaker",
        |o, v| put(&mut o.breaker_failures, whole(v, 1_000_000).and_then(at_least_one)),
        |o| o.breaker_failures.to_string(),
    ),
    (
        "breaker_open",
        "how long the circuit breaker stays open before it tries again",
        |o, v| put(&mut o.breaker_open, length(v)),
        |o| units::duration(o.breaker_open),
    ),
    (
        "breaker_probes",
        "tries that must succeed before the circuit breaker closes",
        |o, v| put(&mut o.breaker_probes, whole(v, 1_000_000).and_then(at_least_one)),
        |o| o.breaker_probes.to_string(),
    ),
    (
        "workers",
        "orders that are on their way to the exchange at a time; the others wait in the queue",
        |o, v| put(&mut o.workers, whole(v, 1 << 20).and_then(at_least_one)),
        |o| o.workers.to_string(),
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
        "canceled",
        "share of orders that end as CANCELED",
        |o, v| put(&mut o.canceled, units::parse_share(v)),
        |o| o.canceled.to_string(),
    ),
    (
        "maker",
        "share of limit orders that make; market orders take",
        |o, v| put(&mut o.maker, units::parse_share(v)),
        |o| o.maker.to_string(),
    ),
    (
        "edge",
        "how much better than the mid price fills are, in hundredths of a percent; negative loses money",
        |o, v| put(&mut o.edge, number(v, -10_000.0)),
        |o| o.edge.to_string(),
    ),
    (
        "balance",
        "what the account begins with, in dollars",
        |o, v| put(&mut o.balance, number(v, 0.0)),
        |o| o.balance.to_string(),
    ),
    (
        "position_limit",
        "the largest position in one symbol, in units of it; orders beyond are REJECTED",
        |o, v| put(&mut o.position_limit, number(v, 0.001)),
        |o| o.position_limit.to_string(),
    ),
    (
        "gaps",
        "share of messages of market data before which some are missing",
        |o, v| put(&mut o.gaps, units::parse_share(v)),
        |o| o.gaps.to_string(),
    ),
    (
        "disconnects",
        "from one loss of a feed to the next; never when 0s",
        |o, v| put(&mut o.disconnects, length(v)),
        |o| units::duration(o.disconnects),
    ),
    (
        "disconnected",
        "a feed that is never connected: binance, bybit or none",
        |o, v| {
            let known = |v: &str| EXCHANGES.into_iter().find(|e| *e == v).ok_or(format!("`{v}` is no feed"));
            put(&mut o.disconnected, or("none", v, known))
        },
        |o| o.disconnected.unwrap_or("none").into(),
    ),
    ("strategies", "strategies that run", |o, v| put(&mut o.strategies, whole(v, 8)), |o| o.strategies.to_string()),
    (
        "signals",
        "signals per second, of all strategies",
        |o, v| put(&mut o.signals, units::parse_rate(v)),
        |o| o.signals.to_string(),
    ),
    (
        "mismatch",
        "whether the exchange knows another position than the account",
        |o, v| put(&mut o.mismatch, switch(v)),
        |o| on_off(o.mismatch),
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
        knobs::set(KNOBS, "b25", self, |o| &mut o.fleet, key, value)
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
