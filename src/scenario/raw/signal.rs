//! Signals: messages that the system under test acts upon.

use std::time::Duration;

use super::request::{Header, Json, OneOrMany};
use super::{Effects, Feed, NatsPublish, Value};
use crate::scenario::shape::{At, Names};

record! {
    /// Messages, and what comes of them.
    pub struct Signal {
        /// Where they go: a topic of a Kafka cluster.
        kafka: Option<Produce>,
        /// Where they go: a subject of NATS.
        nats: Option<NatsPublish>,
        /// Values that templates can name, drawn anew for each message.
        values: Option<Names<Value>>,
        /// Files whose rows templates can name, as `{{feed.column}}`.
        data: Option<Names<Feed>>,
        /// The message, as JSON.
        json: Option<At<Json>>,
        /// The message, as text of any kind.
        body: Option<At<String>>,
        /// The id by which effects name a message: one with {{uuid}} or {{trace}} in it.
        id: At<String>,
        /// Where effects are seen.
        effects: Effects,
        /// The system's own counters of what rightly came to nothing: PromQL expressions whose increase over the run is taken off what is missing.
        unmatched: Option<OneOrMany<String>>,
        /// A message without effect for so long after its due time is lost; 30s when left out.
        deadline: Option<At<Duration>>,
        /// Who reads the topic: how far it is behind can be promised.
        consumer: Option<Consumer>,
    }
}

record! {
    /// How messages are produced to a topic.
    pub struct Produce {
        /// The name of the cluster.
        on: At<String>,
        /// The topic.
        topic: At<String>,
        /// The key; its hash chooses the partition. Without one, messages are spread, and have no order.
        key: Option<At<String>>,
        /// The partition, whatever the key.
        partition: Option<At<u64>>,
        /// Sent with every message, beside `traceparent`.
        headers: Option<Names<Header>>,
        /// Whose word makes a message acknowledged: all (default), 1 or 0.
        acks: Option<At<Acks>>,
        /// How long after its due time a message may remain unacknowledged; the deadline when left out.
        timeout: Option<At<Duration>>,
    }
}

choice! {
    /// Whose word makes a message acknowledged.
    pub enum Acks {
        /// Every replica that is in sync has it.
        All = "all",
        /// The leader has it.
        Leader = "1",
        /// It was written to the connection.
        None = "0",
    }
}

record! {
    /// A group that reads the topic.
    pub struct Consumer {
        /// The group.
        group: At<String>,
        /// What the target says of its lag in seconds, as PromQL, such as max(kafka_consumer_lag_seconds).
        lag: Option<At<String>>,
    }
}
