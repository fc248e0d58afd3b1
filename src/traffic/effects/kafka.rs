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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::thread;

    use rdkafka::config::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
    use serde_json_path::JsonPath;

    use super::*;
    use crate::scenario::Reading;

    /// Others join a group of our consumer's name, and read; messages carry clocks of other hosts: one 50 years behind, one
    /// 50 years ahead.
    #[test]
    fn nobody_takes_messages_from_us_and_only_our_clock_counts() {
        let mock = MockCluster::new(1).expect("a cluster");
        mock.create_topic("effects", 2, 1).expect("a topic");
        let brokers = mock.bootstrap_servers();
        let cluster = Cluster { name: "c".into(), bootstrap: brokers.clone(), properties: Vec::new() };
        let id = JsonPath::parse("$.id").expect("a path");
        let reading = Reading { id, pipeline: None, state: None, sequence: None };
        let watched = Watched::open(&cluster, "effects", Reader::new(&reading)).expect("opens");
        let thieves: Vec<BaseConsumer> = (0..2)
            .map(|_| {
                let thief: BaseConsumer = ClientConfig::new()
                    .set("bootstrap.servers", &brokers)
                    .set("group.id", "proofload-effects")
                    .set("auto.offset.reset", "earliest")
                    .create()
                    .expect("a consumer");
                thief.subscribe(&["effects"]).expect("subscribed");
                thief
            })
            .collect();
        let producer: ThreadedProducer<DefaultProducerContext> =
            ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a producer");
        let clock = Clock::starting_in(Duration::ZERO);
        let from = clock.now();
        for n in 0..100 {
            let (body, year) = (format!(r#"{{"id":"s-{n}"}}"#), 31_557_600_000_i64);
            let stamp = clock.wall_nanos(from) / 1_000_000 + if n % 2 == 0 { 50 * year } else { -50 * year };
            let record = BaseRecord::<str, str>::to("effects").payload(&body).partition(n % 2).timestamp(stamp);
            producer.send(record).map_err(|(why, _)| why).expect("sent");
            thieves.iter().for_each(|thief| _ = thief.poll(Duration::ZERO));
        }
        producer.flush(Duration::from_secs(5)).expect("written");
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = told.clone();
        let deliver: Deliver = Arc::new(move |told| all.lock().expect("no panic").push(told));
        let (stop, stopping) = watch::channel(false);
        let watching = thread::spawn(move || watched.watch(clock, &deliver, &stopping));
        while told.lock().expect("no panic").len() < 100 && clock.now() < Offset::from_millis(20_000) {
            thieves.iter().for_each(|thief| _ = thief.poll(Duration::from_millis(10)));
        }
        let _ = stop.send(true);
        watching.join().expect("no panic");
        let now = clock.now();
        let told = told.lock().expect("no panic");
        let in_time = told.iter().filter(|told| matches!(told, Told::Effect(e) if (from..=now).contains(&e.at)));
        assert_eq!((in_time.count(), told.len()), (100, 100));
    }

    /// The only broker is away for a while: what was written before, meanwhile and after is read, each once.
    #[test]
    fn a_broker_that_comes_back_is_read_on() {
        let mock = MockCluster::new(1).expect("a cluster");
        mock.create_topic("effects", 6, 1).expect("a topic");
        let brokers = mock.bootstrap_servers();
        let cluster = Cluster { name: "c".into(), bootstrap: brokers.clone(), properties: Vec::new() };
        let id = JsonPath::parse("$.id").expect("a path");
        let reading = Reading { id, pipeline: None, state: None, sequence: None };
        let watched = Watched::open(&cluster, "effects", Reader::new(&reading)).expect("opens");
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .expect("a producer");
        let clock = Clock::starting_in(Duration::ZERO);
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = told.clone();
        let deliver: Deliver = Arc::new(move |told| all.lock().expect("no panic").push(told));
        let (stop, stopping) = watch::channel(false);
        let watching = thread::spawn(move || watched.watch(clock, &deliver, &stopping));
        for n in 0..150 {
            match n {
                30 => mock.broker_down(1).expect("down"),
                80 => mock.broker_up(1).expect("up"),
                _ => {}
            }
            let body = format!(r#"{{"id":"{n}"}}"#);
            let record = BaseRecord::<str, str>::to("effects").payload(&body).partition(n % 6);
            producer.send(record).map_err(|(why, _)| why).expect("sent");
            thread::sleep(Duration::from_millis(10));
        }
        producer.flush(Duration::from_secs(20)).expect("written");
        let seen = || {
            let told = told.lock().expect("no panic");
            let id = |told: &Told| match told {
                Told::Effect(effect) => effect.id.parse::<u32>().ok(),
                _ => None,
            };
            let mut ids: Vec<u32> = told.iter().filter_map(id).collect();
            ids.sort_unstable();
            ids
        };
        while seen().len() < 150 && clock.now() < Offset::from_millis(30_000) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = stop.send(true);
        watching.join().expect("no panic");
        assert_eq!(seen(), (0..150).collect::<Vec<_>>());
    }
}
