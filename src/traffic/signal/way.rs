//! Where signals go: a topic of a Kafka cluster, or a subject of NATS.

use std::sync::{Arc, mpsc};

use super::Note;
use super::message::Message;
use super::nats::Publisher;
use super::producer::{Carried, Producer};
use crate::base::kafka::Quiet;
use crate::base::time::{Clock, Offset};
use crate::scenario::{Produce, Way};
use crate::traffic::effects::World;

/// Carries messages where they go.
pub enum Carrier {
    /// To a topic.
    Kafka(Box<Producer>),
    /// To a subject.
    Nats(Box<Publisher>),
}

impl Carrier {
    /// Opens one. The error says why nothing could be sent.
    pub fn open(how: &Produce, world: &World<'_>, clerk: mpsc::Sender<Note>) -> Result<Carrier, String> {
        match &how.way {
            Way::Kafka { on, topic, partition } => {
                let found = world.clusters.iter().find(|cluster| cluster.name == *on);
                let cluster = found.ok_or_else(|| format!("there is no Kafka cluster `{on}`"))?;
                let producer = Producer::open(cluster, topic, *partition, how.acks, how.timeout, clerk)?;
                Ok(Carrier::Kafka(Box::new(producer)))
            }
            Way::Nats { server, subject } => {
                let server = server.server(world.secrets);
                let same = subject.as_plain();
                Ok(Carrier::Nats(Box::new(Publisher::open(server, same, how.acks, how.timeout, clerk)?)))
            }
        }
    }

    /// From now on acknowledgements are timed.
    pub fn tell_time(&self, clock: Clock) {
        match self {
            Carrier::Kafka(producer) => producer.tell_time(clock),
            Carrier::Nats(publisher) => publisher.tell_time(clock),
        }
    }

    /// Who knows what troubles it.
    pub fn trouble(&self) -> Arc<Quiet> {
        match self {
            Carrier::Kafka(producer) => producer.trouble(),
            Carrier::Nats(publisher) => publisher.trouble(),
        }
    }

    /// Whether there is no room for another message.
    pub fn is_full(&self) -> bool {
        match self {
            Carrier::Kafka(producer) => producer.is_full(),
            Carrier::Nats(publisher) => publisher.is_full(),
        }
    }

    /// Takes a message to be carried.
    pub fn carry(&self, seq: u64, message: &Message, now: Offset) -> Carried {
        match self {
            Carrier::Kafka(producer) => producer.carry(seq, message),
            Carrier::Nats(publisher) => publisher.carry(seq, message, now),
        }
    }
}
