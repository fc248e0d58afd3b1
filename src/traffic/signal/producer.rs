//! The producer: what the library is told, and what its delivery reports mean.

use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer};

use super::Note;
use super::message::Message;
use crate::base::kafka::{self, Cluster, Quiet, Trouble};
use crate::base::time::{Clock, Offset};
use crate::base::units;
use crate::evidence::reply::{Outcome, Reach, Stage};
use crate::scenario::Acks;

/// So many messages wait in the producer, or for their acknowledgement.
const QUEUE: i32 = 100_000;

/// Carries messages to one topic.
pub struct Producer {
    library: ThreadedProducer<Reports>,
    topic: String,
    partition: Option<i32>,
    timeout: Duration,
}

/// What became of a message that was to be carried.
pub enum Carried {
    /// The producer has it.
    Handed,
    /// The queue is full.
    Full,
    /// It never will be.
    Refused(Outcome, String),
}

/// Takes the library's reports.
struct Reports {
    quiet: Arc<Quiet>,
    clock: OnceLock<Clock>,
    clerk: mpsc::Sender<Note>,
    timeout: Duration,
}

impl Producer {
    /// Opens one. The error says why nothing could be produced.
    pub fn open(
        cluster: &Cluster,
        topic: &str,
        partition: Option<u32>,
        acks: Acks,
        timeout: Duration,
        clerk: mpsc::Sender<Note>,
    ) -> Result<Producer, String> {
        let quiet = Arc::new(Quiet::default());
        let reports = Reports { quiet: quiet.clone(), clock: OnceLock::new(), clerk, timeout };
        let mut config = kafka::client(cluster);
        config
            .set("acks", acks.word())
            // What is sent again must not be there twice; where the broker cannot see to that, nothing is sent again.
            .set("enable.idempotence", if acks == Acks::All { "true" } else { "false" })
            .set("message.timeout.ms", timeout.as_millis().to_string())
            // As producers in Java choose.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", QUEUE.to_string())
            .set("queue.buffering.max.kbytes", "262144");
        if acks != Acks::All {
            config.set("message.send.max.retries", "0");
        }
        let library: ThreadedProducer<Reports> =
            config.create_with_context(reports).map_err(|why: KafkaError| why.to_string())?;
        let metadata = library.client().fetch_metadata(None, kafka::PATIENCE);
        let metadata = metadata.map_err(|why| {
            let (name, at) = (&cluster.name, &cluster.bootstrap);
            format!(
                "cluster `{name}` at {at}: {}: see whether it runs, and what `kafka.{name}` says",
                kafka::reason(&quiet, &why)
            )
        })?;
        let partitions = kafka::partitions_of(&metadata, topic)?;
        let partition = partition.map(|partition| partition as i32);
        if let Some(partition) = partition.filter(|partition| !partitions.contains(partition)) {
            return Err(format!(
                "topic `{}` has {} partitions, and not one called {partition}",
                topic,
                partitions.len()
            ));
        }
        Ok(Producer { library, topic: topic.to_owned(), partition, timeout })
    }

    /// From now on acknowledgements are timed.
    pub fn tell_time(&self, clock: Clock) {
        let _ = self.library.context().clock.set(clock);
    }

    /// Who knows what troubles the library.
    pub fn trouble(&self) -> Arc<Quiet> {
        self.library.context().quiet.clone()
    }

    /// Whether there is no room for another message.
    pub fn is_full(&self) -> bool {
        self.library.in_flight_count() >= QUEUE
    }

    /// Takes a message to be carried.
    pub fn carry(&self, seq: u64, message: &Message) -> Carried {
        let empty = OwnedHeaders::new_with_capacity(message.headers.len());
        let headers =
            message.headers.iter().fold(empty, |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topic, seq as usize)
            .payload(&message.body)
            .headers(headers);
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        if let Some(partition) = self.partition {
            record = record.partition(partition);
        }
        match self.library.send(record) {
            Ok(()) => Carried::Handed,
            Err((why, _)) => match why.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Carried::Full,
                code => {
                    let trouble = self.library.context().quiet.trouble();
                    let (outcome, why) = meaning(code, &why, trouble.as_ref(), self.timeout);
                    Carried::Refused(outcome, why)
                }
            },
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Nobody asks any more what becomes of what is left.
        self.library.purge(PurgeConfig::default().queue().inflight());
    }
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.quiet.keep(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, seq: usize) {
        let at = self.clock.get().map_or(Offset::ZERO, Clock::now);
        let seq = seq as u64;
        let note = match result {
            Ok(_) => {
                self.quiet.is_well();
                Note::Acked { seq, at }
            }
            Err((why, _)) => {
                let trouble = self.quiet.trouble();
                let (outcome, why) = meaning(why.rdkafka_error_code(), why, trouble.as_ref(), self.timeout);
                Note::Refused { seq, at, outcome, why }
            }
        };
        let _ = self.clerk.send(note); // nobody keeps a ledger any more when the run is over
    }
}

/// What an error of the library means for a message, and its words for it.
pub fn meaning(
    code: Option<RDKafkaErrorCode>,
    error: &KafkaError,
    trouble: Option<&Trouble>,
    timeout: Duration,
) -> (Outcome, String) {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, MessageTimedOut, NetworkException, OperationTimedOut, PurgeInflight,
        PurgeQueue, RequestTimedOut, Resolve,
    };
    let said = code.map_or_else(|| error.to_string(), |code| code.to_string());
    let beside = |said: String| match trouble {
        Some(trouble) => format!("{said}; {}", trouble.why),
        None => said,
    };
    match code {
        Some(MessageTimedOut) => silence(trouble, timeout),
        Some(AllBrokersDown | Resolve) => (Outcome::Unreachable(Reach::Connect), beside(said)),
        Some(BrokerTransportFailure | NetworkException) => (Outcome::Broken(Stage::Head), beside(said)),
        Some(RequestTimedOut | OperationTimedOut) => (Outcome::TimedOut(Stage::Head), beside(said)),
        Some(PurgeQueue | PurgeInflight) => (Outcome::Unfinished, "not acknowledged when the run ended".into()),
        _ => (Outcome::Rejected, said),
    }
}

/// What it means that nobody acknowledged a message in time.
pub fn silence(trouble: Option<&Trouble>, timeout: Duration) -> (Outcome, String) {
    let said = format!("not acknowledged within {}", units::duration(timeout));
    match trouble {
        Some(trouble) if trouble.unreachable => {
            (Outcome::Unreachable(Reach::Connect), format!("{said}; {}", trouble.why))
        }
        Some(trouble) => (Outcome::TimedOut(Stage::Head), format!("{said}; {}", trouble.why)),
        None => (Outcome::TimedOut(Stage::Head), said),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;

    use super::*;

    #[test]
    fn every_failure_has_an_outcome_and_the_words_of_the_library() {
        use RDKafkaErrorCode as Code;
        let away = Trouble { unreachable: true, why: "127.0.0.1:1: connection refused".into() };
        let ill = Trouble { unreachable: false, why: "wrong password".into() };
        let second = Duration::from_secs(1);
        for (code, trouble, outcome, part) in [
            (Code::MessageTimedOut, None, Outcome::TimedOut(Stage::Head), "not acknowledged within 1s"),
            (Code::MessageTimedOut, Some(&away), Outcome::Unreachable(Reach::Connect), "connection refused"),
            (Code::MessageTimedOut, Some(&ill), Outcome::TimedOut(Stage::Head), "wrong password"),
            (Code::BrokerTransportFailure, Some(&away), Outcome::Broken(Stage::Head), "connection refused"),
            (Code::MessageSizeTooLarge, None, Outcome::Rejected, "too large"),
            (Code::UnknownTopicOrPartition, None, Outcome::Rejected, "nknown topic"),
            (Code::NotEnoughReplicas, None, Outcome::Rejected, "replicas"),
            (Code::PurgeQueue, None, Outcome::Unfinished, "when the run ended"),
        ] {
            let (found, why) = meaning(Some(code), &KafkaError::MessageProduction(code), trouble, second);
            assert_eq!(found, outcome, "{code}");
            assert!(why.contains(part), "{code}: {why}");
        }
    }

    /// A producer to a topic of a cluster in this process, and what becomes of what it carries.
    fn producer(mock: &MockCluster<'_, DefaultProducerContext>, acks: Acks) -> (Producer, mpsc::Receiver<Note>) {
        let bootstrap = mock.bootstrap_servers();
        let cluster = Cluster { name: "c".into(), bootstrap, properties: Vec::new() };
        let (clerk, notes) = mpsc::channel();
        let timeout = Duration::from_millis(1_500);
        let producer = Producer::open(&cluster, "signals", None, acks, timeout, clerk).expect("opens");
        producer.tell_time(Clock::starting_in(Duration::ZERO));
        (producer, notes)
    }

    fn cluster() -> MockCluster<'static, DefaultProducerContext> {
        let mock = MockCluster::new(1).expect("a cluster");
        mock.create_topic("signals", 2, 1).expect("a topic");
        mock
    }

    fn message(size: usize) -> Message {
        Message { body: vec![b'x'; size], ..Message::default() }
    }

    /// What became of each of so many, by its number: nothing for what was acknowledged.
    fn became(notes: &mpsc::Receiver<Note>, of: usize) -> BTreeMap<u64, Option<(Outcome, String)>> {
        let mut all = BTreeMap::new();
        while all.len() < of {
            match notes.recv_timeout(Duration::from_secs(10)).expect("told of each") {
                Note::Acked { seq, .. } => assert!(all.insert(seq, None).is_none(), "{seq} once"),
                Note::Refused { seq, outcome, why, .. } => {
                    assert!(all.insert(seq, Some((outcome, why))).is_none(), "{seq} once");
                }
                _ => {}
            }
        }
        all
    }

    #[test]
    fn each_message_is_acknowledged_once_whatever_is_asked_of_brokers() {
        let mock = cluster();
        for acks in [Acks::All, Acks::Leader, Acks::None] {
            let (producer, notes) = producer(&mock, acks);
            (0..50).for_each(|seq| assert!(matches!(producer.carry(seq, &message(10)), Carried::Handed)));
            assert!(became(&notes, 50).values().all(Option::is_none), "{acks:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_and_the_others_are_not() {
        let mock = cluster();
        let (producer, notes) = producer(&mock, Acks::All);
        let Carried::Refused(outcome, why) = producer.carry(0, &message(2_000_000)) else {
            panic!("it is over what a client sends")
        };
        assert!(outcome == Outcome::Rejected && why.contains("too large"), "{outcome:?}: {why}");
        // What the client takes a broker may still refuse.
        use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
        mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
        assert!(matches!(producer.carry(1, &message(10)), Carried::Handed));
        let Some((outcome, why)) = became(&notes, 1).remove(&1).flatten() else { panic!("refused") };
        assert!(outcome == Outcome::Rejected && why.contains("too large"), "{outcome:?}: {why}");
        assert!(matches!(producer.carry(2, &message(10)), Carried::Handed));
        assert_eq!(became(&notes, 1).remove(&2), Some(None));
    }

    /// What is due while the broker is down waits for it as long as it may, and no longer.
    #[test]
    fn a_broker_that_goes_down_in_the_middle_costs_what_waited_too_long_and_nothing_else() {
        let mock = cluster();
        let (producer, notes) = producer(&mock, Acks::All);
        assert!(matches!(producer.carry(0, &message(10)), Carried::Handed));
        assert_eq!(became(&notes, 1).remove(&0), Some(None));
        mock.broker_down(1).expect("down");
        assert!(matches!(producer.carry(1, &message(10)), Carried::Handed));
        let Some((outcome, why)) = became(&notes, 1).remove(&1).flatten() else { panic!("nobody has it") };
        assert_ne!(outcome, Outcome::Rejected, "{why}");
        assert!(why.contains("not acknowledged within 1.5s"), "{outcome:?}: {why}");
        assert!(matches!(producer.carry(2, &message(10)), Carried::Handed));
        mock.broker_up(1).expect("up");
        assert_eq!(became(&notes, 1).remove(&2), Some(None), "it waited, and went");
    }
}
