//! Effects on a topic. The consumer is told where to begin, partition by partition, and belongs to no group: nobody can
//! take partitions away from it, and it leaves nothing behind. (A member of a group would share the topic with whoever
//! joins the group, see a part of it from then on, and move the group's offsets.)

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as Position, TopicPartitionList};
use tokio::sync::watch;

use super::{Deliver, Reader, Told};
use crate::base::kafka::{self, Cluster, Quiet};
use crate::base::text;
use crate::base::time::{Clock, Offset};

/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);
/// Trouble is told of once in this time.
const AGAIN: Duration = Duration::from_secs(5);

/// A topic that is watched.
pub struct Watched {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    reader: Reader,
}

impl Watched {
    /// From the end of every partition on. The error says why that end is not known.
    pub fn open(cluster: &Cluster, topic: &str, reader: Reader) -> Result<Watched, String> {
        let consumer = kafka::consumer(cluster, "proofload-effects")?;
        let mut from = TopicPartitionList::new();
        for partition in kafka::partitions(&consumer, topic)? {
            let ends = consumer.fetch_watermarks(topic, partition, kafka::PATIENCE);
            let (_, end) = ends.map_err(|why| {
                format!("the end of {topic}/{partition}: {}", kafka::reason(consumer.context(), &why))
            })?;
            from.add_partition_offset(topic, partition, Position::Offset(end)).map_err(|why| why.to_string())?;
        }
        consumer.assign(&from).map_err(|why| why.to_string())?;
        Ok(Watched { consumer, topic: topic.to_owned(), reader })
    }

    /// Delivers every message until told to stop.
    pub fn watch(self, clock: Clock, deliver: &Deliver, stop: &watch::Receiver<bool>) {
        let mut told: Option<Offset> = None;
        while !*stop.borrow() {
            match self.consumer.poll(HEED) {
                None => {}
                Some(Ok(message)) => {
                    let (at, body) = (clock.now(), message.payload().unwrap_or_default());
                    deliver(match self.reader.read(body, at) {
                        Some(effect) => Told::Effect(effect),
                        None => Told::Unreadable(format!("{}: {}", self.topic, shown(body))),
                    });
                }
                Some(Err(why)) if is_missed(&why) => {
                    deliver(Told::Missed(format!("{}: {}", self.topic, kafka::reason(self.consumer.context(), &why))));
                }
                Some(Err(why)) => {
                    let now = clock.now();
                    if told.is_none_or(|told| now.since(told) > AGAIN) {
                        told = Some(now);
                        let why = kafka::reason(self.consumer.context(), &why);
                        deliver(Told::Trouble(format!("{}: {why}", self.topic)));
                    }
                }
            }
        }
    }
}

/// Whether messages are gone for good that we have not read.
fn is_missed(why: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    matches!(why.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange))
}

fn shown(body: &[u8]) -> String {
    text::shorten(&String::from_utf8_lossy(&body[..body.len().min(80)]), 80)
}
