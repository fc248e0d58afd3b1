//! What breaks, and when.

use std::time::Duration;

use super::stub::RateLimit;
use crate::base::units::Share;

/// Something that breaks for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What windows call it.
    pub name: String,
    /// What it acts on.
    pub on: On,
    /// What it does.
    pub inject: Inject,
    /// The share of requests that it strikes.
    pub share: Share,
    /// When it begins, from the plan's zero.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// It is undone after this long, whatever happens.
    pub ttl: Duration,
    /// Where it is written, for messages.
    pub place: super::Place,
}

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// The stub quoter at this position of the scenario.
    Upstream(usize),
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inject {
    /// Accepts the request and never answers.
    Timeout,
    /// Answers 429 beyond a tighter limit.
    RateLimit(RateLimit),
}

impl Inject {
    /// The word for it in scenarios and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Inject::Timeout => "timeout",
            Inject::RateLimit(_) => "rate_limit",
        }
    }
}
