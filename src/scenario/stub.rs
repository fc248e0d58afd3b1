//! The outside world that the service under test calls.

use serde::{Deserialize, Serialize};

use super::wire::Tls;
use crate::base::law::Law;
use crate::base::net::Address;
use crate::base::units::{Rate, Share};

/// An HTTP upstream: a stub quoter, or one that requests are passed on to.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// What faults and practice targets call it.
    pub name: String,
    /// Whose replies it gives: jupiter, dflow, quicknode, blxr.
    pub like: Option<String>,
    /// HOST:PORT; a free loopback port when not given.
    pub listen: Option<String>,
    /// How long a reply takes.
    pub latency: Law,
    /// The share of requests that succeed; the rest answer 500.
    pub success: Share,
    /// How many requests it allows.
    pub rate_limit: Option<RateLimit>,
    /// Replies of the user's own, tried in order first.
    pub replies: Vec<StubReply>,
    /// How many times a shot calls it on average, if stated.
    pub calls: Option<f64>,
    /// Where requests are passed on to, instead of being answered here.
    pub forward: Option<Address>,
    /// What TLS asks for there, beyond the defaults.
    pub tls: Option<Tls>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Tokens over time.
    pub rate: Rate,
    /// The most tokens at once; at least 1.
    pub burst: u32,
}

/// What a stub answers to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubReply {
    /// Without the query.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The media type.
    pub media: String,
    /// The body, a template.
    pub body: String,
}

/// A TCP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What faults call it.
    pub name: String,
    /// HOST:PORT; a free loopback port when not given.
    pub listen: Option<String>,
    /// Where it leads.
    pub to: Lead,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// HOST:PORT.
    Address(String),
    /// The upstream at this position of the scenario: who calls it comes this way.
    Upstream(usize),
    /// A service of the target, the only one when not named: traffic comes this way.
    Service(Option<String>),
    /// A proxy of a toxiproxy server that somebody else runs: its toxics are there.
    Toxiproxy(Toxiproxy),
}

/// A proxy of a toxiproxy server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toxiproxy {
    /// HOST:PORT of its API.
    pub server: String,
    /// What it is called there.
    pub proxy: String,
}
