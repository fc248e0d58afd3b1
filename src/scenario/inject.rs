//! What faults do, family by family.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stub::RateLimit;
use crate::base::law::Law;
use crate::base::units::{ByteRate, Share, Size};

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inject {
    /// To the replies of an HTTP upstream.
    Http(HttpFault),
    /// To one direction of connections: of a link's, or of those to the brokers of a Kafka cluster.
    Link(Toxic, Stream),
    /// To a Kafka cluster.
    Kafka(KafkaFault),
    /// To a process.
    Process(ProcessFault),
    /// What a hook does.
    Hook,
}

/// What an HTTP upstream does wrong. The unit is the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpFault {
    /// Replies later.
    Latency {
        /// By how much.
        law: Law,
        /// Instead of its own latency, not on top of it.
        replace: bool,
    },
    /// Accepts the request and never answers.
    Timeout,
    /// Answers with this.
    Status {
        /// 100 to 599.
        code: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// A short JSON error when there is none.
        body: Option<String>,
    },
    /// Answers 429 beyond a tighter limit.
    RateLimit {
        /// Of each bucket.
        limit: RateLimit,
        /// Whose requests share one.
        per: Per,
        /// How Retry-After is written.
        retry_after: RetryAfter,
    },
    /// Breaks the connection off (RST).
    Reset(ResetAt),
    /// Promises the whole body, sends a part of it and closes.
    Truncate(Keep),
    /// Spoils the reply.
    Corrupt(Corruption),
    /// Answers from the past.
    Stale {
        /// How old the reply is.
        by: Duration,
        /// Whether its prices are.
        prices: bool,
        /// Whether its timestamps are.
        timestamps: bool,
    },
    /// The body comes at this rate.
    SlowBody {
        /// Above zero.
        rate: ByteRate,
    },
    /// Takes no connection and ends those that are open.
    Refuse,
}

/// Whose requests share a token bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Everybody's.
    One,
    /// Those from one IP address.
    Client,
    /// Those with one value of this header.
    Header(String),
    /// Those with one value of this query parameter.
    Query(String),
}

/// How `Retry-After` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// As a number of seconds, rounded up.
    Seconds,
    /// As a date, rounded up to a second.
    HttpDate,
    /// Not at all.
    None,
}

/// When a connection is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetAt {
    /// Before any of the reply.
    Before,
    /// After its head.
    AfterHeaders,
    /// After half of its body.
    MidBody,
}

/// How much of a body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// This share of it, rounded down.
    Share(Share),
    /// So many bytes, if it has as many.
    Bytes(Size),
}

/// What is spoilt in a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// So many different bits of the body, at places that the seed decides; at least 1.
    Bits(u32),
    /// The JSON document is cut, and its length fits.
    Json,
    /// What the reply says it is.
    ContentType(String),
}

/// What a link does wrong, by toxiproxy's names. The unit is the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toxic {
    /// Data comes later.
    Latency {
        /// By how much.
        law: Law,
    },
    /// No more than so many bytes a second.
    Bandwidth {
        /// Above zero.
        rate: ByteRate,
    },
    /// The close comes later.
    SlowClose {
        /// By how much.
        delay: Duration,
    },
    /// No data gets through.
    Timeout {
        /// Then the connection is closed; zero holds it until the fault ends.
        timeout: Duration,
    },
    /// The connection is broken off (RST).
    ResetPeer {
        /// After this long.
        timeout: Duration,
    },
    /// Data comes in small pieces.
    Slicer {
        /// Above zero.
        average_size: Size,
        /// Below `average_size`.
        size_variation: Size,
        /// From one piece to the next.
        delay: Duration,
    },
    /// The connection is closed after so many bytes.
    LimitData {
        /// How many.
        bytes: Size,
    },
    /// No connection is taken, and those that are open end.
    Down,
    /// Bits of what passes are flipped.
    Corrupt {
        /// How many; at least 1.
        bits: u32,
        /// Of how many bytes; above zero.
        every: Size,
    },
    /// Data of one direction vanishes, the other goes on.
    DropHalf,
}

/// A direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

/// What a Kafka cluster does wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KafkaFault {
    /// A broker takes no connection, and those that are open end. The unit is the connection.
    BrokerDown {
        /// Whether the other brokers lead its partitions meanwhile.
        move_leaders: bool,
    },
    /// Requests are answered with an error. The unit is the request.
    RequestErrors {
        /// Of which API, as [`APIS`](super::kafka::APIS) calls it.
        api: String,
        /// Which, as [`ERRORS`](super::kafka::ERRORS) calls it.
        error: String,
        /// How many; all while it lasts when not given.
        count: Option<u64>,
    },
    /// Replies come later. The unit is the request.
    RoundTrip {
        /// By how much; at least a millisecond.
        add: Duration,
    },
    /// A topic has no leaders. The unit is the reply that says so.
    TopicUnavailable {
        /// Which.
        topic: String,
    },
}

/// What happens to a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessFault {
    /// Stopped (SIGSTOP), and let go on in the end.
    Pause,
    /// Sent a signal, and started again in the end.
    Kill {
        /// KILL, TERM, INT, QUIT, ABRT or HUP.
        signal: String,
        /// The command that starts it again, if the scenario says.
        restart: Option<Vec<String>>,
    },
    /// No more than so much processor time.
    Cpu {
        /// Cores' worth; above zero.
        cores: f64,
    },
    /// No more than so much memory before it is reclaimed.
    Memory {
        /// How much; above zero.
        limit: Size,
    },
    /// Something done to a container.
    Docker {
        /// What.
        action: DockerAction,
    },
}

/// What is done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DockerAction {
    /// Frozen, and let go on in the end.
    Pause,
    /// Killed, and started in the end.
    Kill,
    /// Stopped and started at once.
    Restart,
}

impl Inject {
    /// The word for it in scenarios and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Inject::Http(fault) => fault.word(),
            Inject::Link(toxic, _) => toxic.word(),
            Inject::Kafka(fault) => fault.word(),
            Inject::Process(fault) => fault.word(),
            Inject::Hook => "hook",
        }
    }
}

impl HttpFault {
    fn word(&self) -> &'static str {
        match self {
            HttpFault::Latency { .. } => "latency",
            HttpFault::Timeout => "timeout",
            HttpFault::Status { .. } => "status",
            HttpFault::RateLimit { .. } => "rate_limit",
            HttpFault::Reset(_) => "reset",
            HttpFault::Truncate(_) => "truncate",
            HttpFault::Corrupt(_) => "corrupt",
            HttpFault::Stale { .. } => "stale",
            HttpFault::SlowBody { .. } => "slow_body",
            HttpFault::Refuse => "refuse",
        }
    }
}

impl Toxic {
    fn word(&self) -> &'static str {
        match self {
            Toxic::Latency { .. } => "latency",
            Toxic::Bandwidth { .. } => "bandwidth",
            Toxic::SlowClose { .. } => "slow_close",
            Toxic::Timeout { .. } => "timeout",
            Toxic::ResetPeer { .. } => "reset_peer",
            Toxic::Slicer { .. } => "slicer",
            Toxic::LimitData { .. } => "limit_data",
            Toxic::Down => "down",
            Toxic::Corrupt { .. } => "corrupt",
            Toxic::DropHalf => "drop_half",
        }
    }
}

impl KafkaFault {
    /// Whether the end of one would be the end of the other, where both act on the same broker.
    pub fn interferes(&self, other: &KafkaFault) -> bool {
        use KafkaFault::{BrokerDown, RequestErrors, RoundTrip, TopicUnavailable};
        match (self, other) {
            (BrokerDown { .. }, BrokerDown { .. }) | (RoundTrip { .. }, RoundTrip { .. }) => true,
            (RequestErrors { api, .. }, RequestErrors { api: other, .. }) => api == other,
            (TopicUnavailable { topic }, TopicUnavailable { topic: other }) => topic == other,
            // Both say who leads.
            (BrokerDown { move_leaders }, TopicUnavailable { .. })
            | (TopicUnavailable { .. }, BrokerDown { move_leaders }) => *move_leaders,
            _ => false,
        }
    }

    /// Whether it strikes single brokers.
    pub fn is_of_brokers(&self) -> bool {
        matches!(self, KafkaFault::BrokerDown { .. } | KafkaFault::RoundTrip { .. })
    }

    fn word(&self) -> &'static str {
        match self {
            KafkaFault::BrokerDown { .. } => "broker_down",
            KafkaFault::RequestErrors { .. } => "request_errors",
            KafkaFault::RoundTrip { .. } => "round_trip",
            KafkaFault::TopicUnavailable { .. } => "topic_unavailable",
        }
    }
}

impl ProcessFault {
    fn word(&self) -> &'static str {
        match self {
            ProcessFault::Pause => "pause",
            ProcessFault::Kill { .. } => "kill",
            ProcessFault::Cpu { .. } => "cpu",
            ProcessFault::Memory { .. } => "memory",
            ProcessFault::Docker { .. } => "docker",
        }
    }
}
