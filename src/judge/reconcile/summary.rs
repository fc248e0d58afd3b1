//! What came of holding the books against each other: everything that is needed to do it again by hand.

use serde::{Serialize, Serializer};

use super::super::verdict::{Verdict, span};
use crate::base::time::Span;
use crate::scenario::Severity;

/// How two books compare. Ordered by precedence: the greatest of many is that of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Accord {
    /// They agree.
    Ok,
    /// There is nothing to compare.
    NoData,
    /// What there is does not tell.
    Undecided,
    /// One of them is wrong.
    Mismatch,
}

impl Accord {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Accord::Ok => "OK",
            Accord::NoData => "NO_DATA",
            Accord::Undecided => "UNDECIDED",
            Accord::Mismatch => "MISMATCH",
        }
    }
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciliation {
    /// What was held against what: `quote_requests_total of quotes, by status`.
    pub check: String,
    /// `count`, `ratio`, `histogram` or `summary`.
    pub kind: &'static str,
    /// What a mismatch means.
    #[serde(serialize_with = "severity")]
    pub severity: Severity,
    /// How it came out: the worst of its records.
    pub verdict: Accord,
    /// What that is worth among the promises.
    pub counts_as: Verdict,
    /// Why, for a tired human.
    pub why: String,
    /// Each comparison by itself.
    pub records: Vec<Record>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Of which requests: `all`, or `status 200, route /quote`.
    pub group: String,
    /// From the opening scrape to the one that was read: start and end in nanoseconds since the plan's zero.
    #[serde(serialize_with = "span")]
    pub window: Span,
    /// Whether nothing was under way at either end.
    pub closed: bool,
    /// Our own book.
    pub client: Client,
    /// The server's.
    pub server: Server,
    /// What the server's increase must lie between, ends included.
    pub bound: [f64; 2],
    /// The server's increase, or its ratio. Nothing where there is none.
    pub value: Option<f64>,
    /// How it came out.
    pub verdict: Accord,
    /// Why.
    pub why: String,
    /// What stands in one book and not in the other, by cause.
    pub residue: Vec<Residue>,
    /// Where lengths of time were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyRecord>,
}

/// Our own book, at the end of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Client {
    /// Requests written.
    pub sent: u64,
    /// Of those, replies of this group that were complete.
    pub received: u64,
    /// Requests that never left: no connection, or none in time.
    pub failed: u64,
    /// Requests that were sent and not answered: the server may have counted them, under any status, or not.
    pub unknown: u64,
}

/// The server's book.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Server {
    /// The sum of its counters at the opening scrape.
    pub first: f64,
    /// And at the one that was read.
    pub last: f64,
    /// How often one of them fell.
    pub resets: u64,
    /// Good scrapes within the window, both ends included.
    pub scrapes: u64,
    /// Scrapes that we missed.
    pub missed: u64,
}

/// What stands in one book and not in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Residue {
    /// Why.
    pub cause: String,
    /// How many requests.
    pub count: u64,
}

impl Residue {
    pub(super) fn new(cause: impl Into<String>, count: u64) -> Residue {
        Residue { cause: cause.into(), count }
    }
}

/// Lengths of time, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyRecord {
    /// Each finite bound of the histogram.
    pub bounds: Vec<BoundRecord>,
    /// The mean of the service's own lengths.
    pub server_mean: Option<f64>,
    /// The mean of whole exchanges as we saw them.
    pub client_mean: Option<f64>,
    /// Where quantiles lie.
    pub quantiles: Vec<QuantileRecord>,
    /// The client's promises on these requests, as the histogram would decide them.
    pub promises: Vec<PromiseRecord>,
}

/// A bound of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoundRecord {
    /// In seconds.
    pub bound: f64,
    /// Exchanges that we surely saw end within it.
    pub client: u64,
    /// Requests that the server says ended within it.
    pub server: u64,
    /// The share of requests that were pushed over it outside the service: network, queues, waiting to be accepted.
    pub gap: f64,
}

/// A quantile in both books.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuantileRecord {
    /// Between 0 and 1.
    pub quantile: f64,
    /// Of whole exchanges, in seconds.
    pub client: Option<f64>,
    /// Above this, in seconds.
    pub low: f64,
    /// At most this; nothing beyond the last bound, or where a summary gives a number.
    pub high: Option<f64>,
}

/// A promise about a quantile, as a histogram would decide it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromiseRecord {
    /// As typed.
    pub promise: String,
    /// `kept`, `broken` or `undecidable`.
    pub verdict: &'static str,
    /// Why, and which bucket to add.
    pub why: String,
}

fn severity<S: Serializer>(severity: &Severity, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(severity.word())
}
