//! Signals: messages that the system under test acts upon, and how it is told what came of each.

use std::time::Duration;

use super::effects::{Effects, Metric};
use super::flow::Flow;
use super::nats::Nats;
use super::target::HeaderValue;
use super::template::Template;

/// Messages, and what comes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Where and how they go.
    pub how: Produce,
    /// What their templates can name; it has no steps.
    pub flow: Flow,
    /// The message.
    pub message: Template,
    /// The id by which effects name it: the trace id of its shot is in it, plain or as a UUID.
    pub id: Template,
    /// Where effects are seen.
    pub effects: Effects,
    /// Counters of what rightly came to nothing: PromQL expressions whose increase over the run is taken off what is
    /// missing.
    pub unmatched: Vec<Metric>,
    /// An id without effect for so long after its due time is lost.
    pub deadline: Duration,
    /// Who reads the topic, and how far it is behind.
    pub consumer: Option<Consumer>,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// To a topic of a Kafka cluster.
    Kafka {
        /// The name of the cluster.
        on: String,
        /// The topic.
        topic: String,
        /// The partition, whatever the key.
        partition: Option<u32>,
    },
    /// To a subject of NATS.
    Nats {
        /// The server.
        server: Box<Nats>,
        /// The subject.
        subject: Template,
    },
}

/// How messages are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Produce {
    /// Where to.
    pub way: Way,
    /// The key: what has the same one is kept in order. In Kafka its hash chooses the partition.
    pub key: Option<Template>,
    /// Headers that are the same for every message.
    pub headers: Vec<(String, HeaderValue)>,
    /// Headers that are not.
    pub written: Vec<(String, Template)>,
    /// Whose word makes a message acknowledged.
    pub acks: Acks,
    /// How long after its due time a message may remain without an acknowledgement.
    pub timeout: Duration,
}

/// Whose word makes a message acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Every replica that is in sync has it. The producer is idempotent: what the library sends again is there once.
    All,
    /// The leader has it. Nothing is sent again.
    Leader,
    /// It was written to the connection. Nothing is sent again.
    None,
}

/// A group that reads a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumer {
    /// The group.
    pub group: String,
    /// What the target says of its lag, in seconds.
    pub lag: Option<Metric>,
}

impl Acks {
    /// As librdkafka calls it.
    pub fn word(self) -> &'static str {
        match self {
            Acks::All => "all",
            Acks::Leader => "1",
            Acks::None => "0",
        }
    }
}
