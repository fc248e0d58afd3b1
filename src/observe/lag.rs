//! How far the groups that read signals are behind: what they have committed against the ends of the partitions, asked of
//! the brokers once a second. Whoever asks joins no group and commits nothing.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset as Position, error::KafkaError};
use tokio::sync::{mpsc, watch};

use crate::base::kafka::{self, Cluster, Quiet};
use crate::base::time::Clock;
use crate::evidence::effects::Lag;
use crate::evidence::event::Event;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// A broker that takes longer to answer has not.
const PATIENCE: Duration = Duration::from_millis(900);
/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);

/// A group that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The traffic whose topic it reads.
    pub traffic: String,
    /// Where.
    pub cluster: Cluster,
    /// The topic.
    pub topic: String,
    /// The group.
    pub group: String,
}

/// Asks about a group until told to stop, on a thread of its own, and tells what it hears.
pub fn watch(
    watched: Watched,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("lag".into()).spawn(move || {
        let mut asker: Option<Asker> = None;
        let mut next = clock.now().floor_to(EVERY) + EVERY;
        while !*stop.borrow() {
            let rest = clock.until(next);
            if !rest.is_zero() {
                thread::sleep(rest.min(HEED));
                continue;
            }
            let at = clock.now();
            let told = match &asker {
                Some(asker) => asker.ask(&watched.topic),
                None => Asker::new(&watched).and_then(|new| asker.insert(new).ask(&watched.topic)),
            };
            let (partitions, why) = match told {
                Ok(partitions) => (partitions, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let lag = Lag { at, traffic: watched.traffic.clone(), partitions, why };
            if events.send(Event::Lag(lag)).is_err() {
                break;
            }
            next = next.max(clock.now().floor_to(EVERY)) + EVERY;
        }
    })
}

/// Asks brokers.
struct Asker {
    consumer: BaseConsumer<Quiet>,
    partitions: Vec<i32>,
}

impl Asker {
    fn new(watched: &Watched) -> Result<Asker, String> {
        let consumer = kafka::consumer(&watched.cluster, &watched.group)?;
        let partitions = kafka::partitions(&consumer, &watched.topic)
            .map_err(|why| format!("{}: {why}", watched.cluster.bootstrap))?;
        Ok(Asker { consumer, partitions })
    }

    /// What the group has committed of each partition, if it has, and the end.
    fn ask(&self, topic: &str) -> Result<Vec<(i32, Option<i64>, i64)>, String> {
        let why = |why: KafkaError| kafka::reason(self.consumer.context(), &why);
        let mut asked = TopicPartitionList::new();
        self.partitions.iter().for_each(|partition| _ = asked.add_partition(topic, *partition));
        let committed = self.consumer.committed_offsets(asked, PATIENCE).map_err(why)?;
        let of = |partition: i32| match committed.find_partition(topic, partition)?.offset() {
            Position::Offset(offset) => Some(offset),
            _ => None,
        };
        let end = |partition: &i32| {
            let (_, end) = self.consumer.fetch_watermarks(topic, *partition, PATIENCE).map_err(why)?;
            Ok((*partition, of(*partition), end))
        };
        let told = self.partitions.iter().map(end).collect::<Result<Vec<_>, String>>();
        if told.is_ok() {
            self.consumer.context().is_well();
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::CommitMode;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn a_group_is_as_far_behind_as_it_has_not_committed() {
        let brokers = MockCluster::new(1).expect("a cluster");
        brokers.create_topic("signals", 2, 1).expect("a topic");
        let cluster = Cluster { name: "c".into(), bootstrap: brokers.bootstrap_servers(), properties: Vec::new() };
        let (traffic, topic, group) = ("s".into(), "signals".into(), "readers".into());
        let watched = Watched { traffic, cluster: cluster.clone(), topic, group };
        let asker = Asker::new(&watched).expect("the topic is there");
        assert_eq!(asker.ask("signals"), Ok(vec![(0, None, 0), (1, None, 0)]));
        let reader = kafka::consumer(&cluster, "readers").expect("a consumer");
        let mut read = TopicPartitionList::new();
        read.add_partition_offset("signals", 1, Position::Offset(7)).expect("an offset");
        reader.commit(&read, CommitMode::Sync).expect("committed");
        assert_eq!(asker.ask("signals"), Ok(vec![(0, None, 0), (1, Some(7), 0)]));
        let nobody = Watched { topic: "other topic!".into(), ..watched };
        assert!(Asker::new(&nobody).is_err());
    }

    #[test]
    fn nobody_there_is_told_and_not_taken_for_no_lag() {
        let cluster = Cluster { name: "c".into(), bootstrap: "127.0.0.1:1".into(), properties: Vec::new() };
        let watched = Watched { traffic: "s".into(), cluster, topic: "t".into(), group: "g".into() };
        let why = Asker::new(&watched).map(|_| ()).expect_err("nobody is there");
        assert!(why.contains("127.0.0.1:1"), "{why}");
    }
}
