//! A Kafka cluster of the stage's own: librdkafka's brokers, which speak the real protocol on loopback ports.
//!
//! It has a thread of its own, on which everything is done to it: its handle must not travel from thread to thread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::sync::oneshot;

/// What can be told to a cluster.
type Mock = MockCluster<'static, DefaultProducerContext>;
type Deed = Box<dyn FnOnce(&Mock) + Send>;

/// A cluster that is open. Dropping it closes it.
pub struct Embedded {
    deeds: mpsc::Sender<Deed>,
    brokers: Vec<String>,
}

impl Embedded {
    /// Opens a cluster with its topics: name, partitions, and how many brokers have each. `Err` says why there is none.
    pub async fn open(brokers: u32, topics: &[(String, u32, u32)]) -> Result<Embedded, String> {
        let (deeds, waiting) = mpsc::channel::<Deed>();
        let (opened, is_open) = oneshot::channel();
        let topics = topics.to_vec();
        let thread = thread::Builder::new().name("kafka".into());
        let life = move || {
            let made = make(brokers, &topics);
            let told = made.as_ref().map(Mock::bootstrap_servers).map_err(Clone::clone);
            let _ = opened.send(told);
            if let Ok(cluster) = made {
                waiting.into_iter().for_each(|deed| deed(&cluster));
            }
        };
        thread.spawn(life).map_err(|e| e.to_string())?;
        let addresses = is_open.await.unwrap_or_else(|_| Err("its thread ended".into()))?;
        Ok(Embedded { deeds, brokers: addresses.split(',').map(str::to_owned).collect() })
    }

    /// HOST:PORT of each broker, in the order of their numbers, which begin at 1.
    pub fn brokers(&self) -> &[String] {
        &self.brokers
    }

    /// Does something to it, and waits until that is done.
    async fn tell<T: Send + 'static>(&self, deed: impl FnOnce(&Mock) -> T + Send + 'static) -> Result<T, String> {
        let gone = || "the embedded cluster is gone".to_owned();
        let (done, is_done) = oneshot::channel();
        let deed: Deed = Box::new(move |cluster| _ = done.send(deed(cluster)));
        self.deeds.send(deed).map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())
    }
}

fn make(brokers: u32, topics: &[(String, u32, u32)]) -> Result<Mock, String> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let cluster = MockCluster::new(number(brokers)).map_err(|e| e.to_string())?;
    // From the next versions on they name the leader to who asks another, and die where there is none.
    for (api, latest) in [(RDKafkaApiKey::Produce, 9), (RDKafkaApiKey::Fetch, 15)] {
        cluster.apiversion(api, Some(0), Some(latest)).map_err(|e| e.to_string())?;
    }
    for (name, partitions, replication) in topics {
        let made = cluster.create_topic(name, number(*partitions), number(*replication));
        made.map_err(|e| format!("the topic `{name}`: {e}"))?;
        // In turn, and not as chance has it.
        for partition in 0..*partitions {
            let leader = number(1 + partition % brokers.max(1));
            let led = cluster.partition_leader(name, number(partition), Some(leader));
            led.map_err(|e| format!("the topic `{name}`: {e}"))?;
        }
    }
    Ok(cluster)
}

/// What can be wrong with it. Each is done when it returns; the error says why it is not.
impl Embedded {
    /// Whether a broker (all of them without a number) takes connections and is named to clients.
    pub async fn set_up(&self, broker: Option<u32>, up: bool) -> Result<(), String> {
        let broker = broker.map_or(-1, |broker| broker as i32);
        let set = move |cluster: &Mock| if up { cluster.broker_up(broker) } else { cluster.broker_down(broker) };
        self.tell(set).await?.map_err(|e| e.to_string())
    }

    /// Replies of a broker (of all without a number) come so much later.
    pub async fn set_round_trip(&self, broker: Option<u32>, added: Duration) -> Result<(), String> {
        let broker = broker.map_or(-1, |broker| broker as i32);
        self.tell(move |cluster| cluster.broker_round_trip_time(broker, added)).await?.map_err(|e| e.to_string())
    }

    /// The next so many requests of an API are answered with an error, after those that were told before.
    pub async fn push_errors(&self, api: i16, error: i16, requests: usize) -> Result<(), String> {
        let (api, error) = (api_of(api)?, error_of(error)?);
        self.tell(move |cluster| cluster.request_errors(api, &vec![error; requests])).await
    }

    /// No request of an API is answered with an error any more.
    pub async fn clear_errors(&self, api: i16) -> Result<(), String> {
        let api = api_of(api)?;
        self.tell(move |cluster| cluster.clear_request_errors(api)).await
    }

    /// What Metadata says of a topic; 0 is no error.
    pub async fn set_topic_error(&self, topic: &str, error: i16) -> Result<(), String> {
        let (topic, error) = (topic.to_owned(), error_of(error)?);
        self.tell(move |cluster| cluster.topic_error(&topic, error)).await?.map_err(|e| e.to_string())
    }

    /// Who leads partitions of a topic: partition and broker; -1 is nobody.
    pub async fn set_leaders(&self, topic: &str, leaders: &[(i32, i32)]) -> Result<(), String> {
        let (topic, leaders) = (topic.to_owned(), leaders.to_vec());
        let set = move |cluster: &Mock| {
            leaders.iter().try_for_each(|(partition, broker)| {
                cluster.partition_leader(&topic, *partition, (*broker >= 0).then_some(*broker))
            })
        };
        self.tell(set).await?.map_err(|e| e.to_string())
    }
}

fn error_of(code: i16) -> Result<RDKafkaRespErr, String> {
    RDKafkaRespErr::try_from(i32::from(code)).map_err(|_| format!("{code} is no error of a broker"))
}

fn api_of(key: i16) -> Result<RDKafkaApiKey, String> {
    use RDKafkaApiKey::*;
    const ANSWERED: [RDKafkaApiKey; 16] = [
        Produce,
        Fetch,
        ListOffsets,
        OffsetCommit,
        OffsetFetch,
        FindCoordinator,
        JoinGroup,
        Heartbeat,
        LeaveGroup,
        SyncGroup,
        ApiVersion,
        InitProducerId,
        AddPartitionsToTxn,
        AddOffsetsToTxn,
        EndTxn,
        TxnOffsetCommit,
    ];
    let found = ANSWERED.into_iter().find(|api| i16::from(*api) == key);
    found.ok_or_else(|| format!("an embedded cluster answers no request of API {key} with an error"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::kafka::{APIS, ERRORS};

    #[test]
    fn every_request_and_error_of_the_language_is_known() {
        assert!(APIS.iter().all(|(_, key)| api_of(*key).is_ok()));
        assert!(ERRORS.iter().all(|(_, code)| error_of(*code).is_ok()));
    }
}
