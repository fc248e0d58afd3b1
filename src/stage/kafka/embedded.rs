//! A Kafka cluster of the stage's own: librdkafka's brokers, which speak the real protocol on loopback ports.
//!
//! It has a thread of its own, on which everything is done to it: its handle must not travel from thread to thread.

use std::sync::mpsc;
use std::thread;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
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
    pub async fn tell<T: Send + 'static>(&self, deed: impl FnOnce(&Mock) -> T + Send + 'static) -> Result<T, String> {
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
    for (name, partitions, replication) in topics {
        let made = cluster.create_topic(name, number(*partitions), number(*replication));
        made.map_err(|e| format!("the topic `{name}`: {e}"))?;
    }
    Ok(cluster)
}
