//! The settings of the quote service, and what its parts are told of them.

use std::time::Duration;

use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::units::{Rate, Share};

use super::cache::Lifetimes;
use super::dialect::Dialect;
use super::lies::Lie;
use super::quoters::{Policy, Upstream};
use super::truth::Truth;
use super::twist::{Readiness, Twist};

/// When external quoters are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum External {
    /// By both paths, when the cache has nothing to serve.
    Miss,
    /// By `/quote/hybrid` only.
    Hybrid,
    /// Never.
    Never,
}

/// How the service behaves. The defaults land near the design note's figures.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of 127.0.0.1 to answer on; 0 takes a free one.
    pub port: u16,
    /// Where delays, prices and failures are drawn from.
    pub seed: u64,
    /// No price is kept for longer.
    pub ttl: Duration,
    /// By how much of `ttl` a price may be dropped earlier.
    pub ttl_spread: Share,
    /// How many bands of amounts, per factor of ten, have prices of their own; 0: one price for all amounts.
    pub bands: u8,
    /// How many prices are kept.
    pub capacity: usize,
    /// Prices that are asked for are calculated again in the background when they are this old.
    pub refresh: Option<Duration>,
    /// `/quote/hybrid` serves no older price from the cache.
    pub fresh: Duration,
    /// When external quoters are asked.
    pub external: External,
    /// The external quoters.
    pub upstreams: Vec<(String, Address)>,
    /// For one request to one quoter; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// For all quoters together; `None` leaves it to `timeout`.
    pub deadline: Option<Duration>,
    /// How many quoters' answers are enough; `None` waits for all that were asked.
    pub quorum: Option<usize>,
    /// How often a failed request to a quoter is sent again.
    pub retries: u32,
    /// The ceiling of the pause before the first retry; it doubles with each. `None` retries at once and past the rate
    /// limiter.
    pub backoff: Option<Duration>,
    /// The share of calls to a quoter that may be retries; `None` for any number.
    pub retry_budget: Option<Share>,
    /// Whether a quoter that says `Retry-After` is left alone for so long.
    pub retry_after: bool,
    /// Whether replies are checked before they are believed.
    pub validate: bool,
    /// A quoter's price older than this is refused; `None` takes any.
    pub max_quote_age: Option<Duration>,
    /// Whether one quoter's failure fails the request, whatever the others say.
    pub fail_fast: bool,
    /// How long after its life a cached price still serves when nothing new can be made; `None` never.
    pub stale_if_error: Option<Duration>,
    /// Whether the local calculation stands in for quoters: on `/quote` it runs beside them, on `/quote/hybrid`
    /// after all of them failed.
    pub fallback: bool,
    /// Calls per second to quoters, by name; 0 is no limit. The note's for those that are not named.
    pub rates: Vec<(String, Rate)>,
    /// How long a call may wait for its quoter's rate limiter before the quoter is left out. `None` is the note's
    /// P99 of that quoter.
    pub max_wait: Option<Duration>,
    /// How many requests are worked on at a time.
    pub workers: usize,
    /// How many more may wait; beyond them the answer is 503.
    pub queue: usize,
    /// Stretches every simulated delay.
    pub delays: f64,
    /// No simulated delay at all: as fast as it can be.
    pub no_delay: bool,
    /// The share of pool queries that fail.
    pub pool_failures: Share,
    /// How long `/ready` says 503 after the start, times `delays`.
    pub warm_up: Duration,
    /// What `/ready` says.
    pub ready: Readiness,
    /// How the page of metrics breaks its contract, if it does.
    pub page: Option<Twist>,
    /// What the metrics lie about.
    pub lie: Lie,
    /// How many processes answer in turn behind the one port, each with a cache and counters of its own.
    pub processes: usize,
    /// Whether `http_requests_total` counts scrapes and health checks as well.
    pub count_all: bool,
    /// How many replicas there are, each with an address, a cache and workers of its own.
    pub replicas: u16,
    /// How long each quote has the one database that all replicas share for itself; `None` needs none.
    pub database: Option<Duration>,
    /// How many bytes each quote leaves behind for ever.
    pub leak: u64,
    /// Where a record of each request goes.
    pub truth: Truth,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 0,
            seed: 1,
            ttl: Duration::from_secs(30),
            ttl_spread: Share(400_000_000),
            bands: 3,
            capacity: 10_000,
            refresh: None,
            fresh: Duration::from_secs(10),
            external: External::Miss,
            upstreams: Vec::new(),
            timeout: Some(Duration::from_millis(800)),
            deadline: None,
            quorum: None,
            retries: 0,
            backoff: Some(Duration::from_millis(50)),
            retry_budget: Some(Share(100_000_000)),
            retry_after: true,
            validate: true,
            max_quote_age: Some(Duration::from_secs(5)),
            fail_fast: false,
            stale_if_error: Some(Duration::from_secs(10)),
            fallback: true,
            rates: Vec::new(),
            max_wait: None,
            workers: 256,
            queue: 1024,
            delays: 1.0,
            no_delay: false,
            pool_failures: Share::NONE,
            warm_up: Duration::from_millis(300),
            ready: Readiness::Start,
            page: None,
            lie: Lie::None,
            processes: 1,
            count_all: false,
            replicas: 1,
            database: None,
            leak: 0,
            truth: Truth::Off,
        }
    }
}

impl Options {
    /// By how much delays are stretched; 0 when there are none.
    pub fn scale(&self) -> f64 {
        if self.no_delay { 0.0 } else { self.delays }
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { ttl: self.ttl, spread: self.ttl_spread, seed: Seed(self.seed) }
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            timeout: self.timeout,
            deadline: self.deadline,
            quorum: self.quorum,
            retries: self.retries,
            backoff: self.backoff,
            retry_budget: self.retry_budget,
            retry_after: self.retry_after,
            validate: self.validate,
            max_age: self.max_quote_age,
            fail_fast: self.fail_fast,
        }
    }

    pub(super) fn quoters(&self) -> Vec<Upstream> {
        let quoter = |(name, address): &(String, Address)| {
            let (noted, patience) = Dialect::pace(name);
            let set = self.rates.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            Upstream {
                name: name.clone(),
                address: address.clone(),
                rate: set.map_or(noted, |(_, rate)| *rate),
                patience: self.max_wait.unwrap_or(patience),
            }
        };
        self.upstreams.iter().map(quoter).collect()
    }
}
