//! The settings of the system.

use std::time::Duration;

use super::log::Target;
use crate::base::net::Address;
use crate::base::units::{Rate, Share};
use crate::sim::knobs::{self, Knobs, Row, knob};
use crate::sim::trading::exchange::{self, Venue};
use crate::sim::{Knob, fleet};

/// The exchanges that orders go to, the second when the first fails.
pub const EXCHANGES: [&str; 2] = ["binance", "bybit"];

/// How the system behaves. By default no alert of its rules fires while it has something to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What every fleet has.
    pub fleet: fleet::Options,
    /// The exchanges for which a run names a stub, in the order of their list.
    pub exchanges: [Option<Address>; 2],
    /// How an exchange answers where there is no stub.
    pub venue: Venue,
    /// How long an exchange's answer is waited for; `None` for ever.
    pub exchange_timeout: Option<Duration>,
    /// Whether an order goes to the second exchange when the first fails.
    pub failover: bool,
    /// How long the work on a prediction takes, its median.
    pub inference: Duration,
    /// The share of predictions that say to do nothing.
    pub hold: Share,
    /// The largest position in one symbol, in units of it.
    pub position_limit: f64,
    /// The share of orders that the risk gate denies for reasons of its own.
    pub denied: Share,
    /// Episodes of training per second.
    pub episodes: Rate,
    /// Whether `/health/ready` tells when an exchange cannot be reached, or that all is well whatever is the case.
    pub honest: bool,
    /// Where the log goes.
    pub log: Target,
    /// Where all chance is drawn from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fleet: fleet::Options::default(),
            exchanges: [None, None],
            venue: Venue::prompt(Duration::from_millis(5)),
            exchange_timeout: Some(Duration::from_millis(300)),
            failover: true,
            inference: Duration::from_millis(8),
            hold: Share(200_000_000),
            position_limit: 10.0,
            denied: Share(30_000_000),
            episodes: Rate::per_second(5),
            honest: true,
            log: Target::Stdout,
            seed: 1,
        }
    }
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(length_or("none") exchange_timeout, "how long an exchange's answer is waited for, or none: a real weakness"),
        knob!(switch failover, "whether an order goes to the second exchange when the first fails; off is a real weakness"),
        knob!(length inference, "median time of a prediction"),
        knob!(share hold, "share of predictions that say to do nothing"),
        knob!(
            number(0.001) position_limit,
            "the largest position in one symbol, in units of it; the risk gate denies orders beyond"
        ),
        knob!(share denied, "share of orders that the risk gate denies for reasons of its own"),
        knob!(rate episodes, "episodes of training per second"),
        (
            "ready",
            "what /health/ready says: exchanges (503 while none of those that are asked answers) or always (200: a lie)",
            |o, v| {
                o.honest = match v {
                    "exchanges" => true,
                    "always" => false,
                    _ => return Err(format!("`{v}` is none of exchanges, always")),
                };
                Ok(())
            },
            |o| if o.honest { "exchanges".into() } else { "always".into() },
        ),
        (
            "log",
            "where its lines of JSON go: stdout (behind the line that says that it is ready), off, or a file",
            |o, v| {
                o.log = match v {
                    "stdout" => Target::Stdout,
                    "off" => Target::Off,
                    path => Target::File(path.into()),
                };
                Ok(())
            },
            |o| match &o.log {
                Target::Stdout => "stdout".into(),
                Target::Off => "off".into(),
                Target::File(path) => path.display().to_string(),
            },
        ),
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
        knobs::known(is, "quantum-trader", key, &Options::keys())
    }

    /// Names the stubs that it calls: `binance`, `bybit`.
    pub fn set_upstreams(&mut self, upstreams: &[(String, String)]) -> Result<(), String> {
        for (name, address) in exchange::stub(upstreams, &EXCHANGES, "quantum-trader")? {
            for (place, known) in self.exchanges.iter_mut().zip(EXCHANGES) {
                if known == name {
                    *place = Some(address.clone());
                }
            }
        }
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
        let mut options = Options::default();
        assert_eq!(options.set_upstreams(&[("bybit".into(), "http://127.0.0.1:9".into())]), Ok(()));
        assert!(options.exchanges[0].is_none() && options.exchanges[1].is_some());
        assert!(options.set("ready", "perhaps").expect_err("a slip").starts_with("ready: `perhaps`"));
    }
}
