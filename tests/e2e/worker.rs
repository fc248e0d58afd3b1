//! A system that reads signals off a topic of a cluster in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Where signals go.
pub const SIGNALS: &str = "signals";

/// A cluster of one broker, with the topic of signals and others, each of one partition.
pub fn cluster(others: &[&str]) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a cluster");
    for topic in std::iter::once(&SIGNALS).chain(others) {
        cluster.create_topic(topic, 1, 1).expect("a topic");
    }
    cluster
}

/// Reads signals until dropped.
pub struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Does something about each signal: how many there were before it, and what it says.
    pub fn start(brokers: &str, mut act: impl FnMut(usize, &[u8]) + Send + 'static) -> Worker {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "worker")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let mut from = rdkafka::TopicPartitionList::new();
        from.add_partition_offset(SIGNALS, 0, rdkafka::Offset::Offset(0)).expect("a partition");
        consumer.assign(&from).expect("assigned");
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let work = move || {
            let mut nth = 0;
            while !stopping.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                    act(nth, message.payload().expect("a message"));
                    nth += 1;
                }
            }
        };
        Worker { stop, thread: Some(thread::spawn(work)) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}
