//! Where signals come from: a member of the group `trigger-dispatcher` that collects batches, has them dealt with, and
//! then commits. Always a client over TCP, whoever the cluster is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};

use crate::base::time::{monotonic, timer, wall};

use super::dispatcher::Dispatcher;
use super::instruments;
use super::platform::Platform;
use super::signal::Signal;

/// Where signals are.
pub const SIGNALS: &str = "trading-signals";
/// Whose offsets are committed.
pub const GROUP: &str = "trigger-dispatcher";
/// How long one question to the cluster may take.
const ASKED: Duration = Duration::from_secs(3);
/// How long it waits for a first signal before it looks about.
const GLANCE: Duration = Duration::from_millis(100);
/// After so long without a signal, nothing is on its way to overtake what is held back.
const QUIET: Duration = Duration::from_secs(2);

/// Hears of partitions.
pub struct Context {
    assignments: AtomicU64,
    partitions: watch::Sender<usize>,
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                self.assignments.fetch_add(1, Relaxed);
                self.partitions.send_replace(list.count());
            }
            Rebalance::Revoke(_) | Rebalance::Error(_) => _ = self.partitions.send_replace(0),
        }
    }
}

/// A member of the group. Leaving waits for the brokers, for ever if need be: so it leaves on a thread of its own.
pub struct Member(Option<Arc<StreamConsumer<Context>>>);

impl Drop for Member {
    fn drop(&mut self) {
        let consumer = self.0.take();
        let _ = std::thread::Builder::new().name("leaving".into()).spawn(move || drop(consumer));
    }
}

/// A member of the group, not yet joined; the receiver hears how many partitions it has. The error is a wrong address.
pub fn member(kafka: &str) -> KafkaResult<(Member, watch::Receiver<usize>)> {
    let (partitions, heard) = watch::channel(0);
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("client.id", GROUP)
        .set("group.id", GROUP)
        .set("auto.offset.reset", "latest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500")
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create_with_context(Context { assignments: AtomicU64::new(0), partitions })?;
    Ok((Member(Some(Arc::new(consumer))), heard))
}

/// A message that was taken from the topic.
struct Taken {
    signal: Option<Signal>,
    partition: i32,
    offset: i64,
    made: Option<i64>, // when it was, in milliseconds since the Unix epoch
}

impl Taken {
    fn from(message: &BorrowedMessage<'_>) -> Taken {
        let made = match message.timestamp() {
            Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => Some(at),
            Timestamp::NotAvailable => None,
        };
        let signal = Signal::read(message.key(), message.payload());
        Taken { signal, partition: message.partition(), offset: message.offset(), made }
    }
}

/// Takes signals for ever.
pub struct Taking {
    /// The settings, and the database.
    pub platform: Arc<Platform>,
    /// The member.
    pub member: Member,
    /// Who deals with signals.
    pub dispatcher: Dispatcher,
    /// Where that is counted.
    pub metrics: Arc<instruments::Dispatcher>,
}

impl Taking {
    /// Joins the group and takes signals for ever.
    pub async fn run(mut self) {
        let Some(consumer) = self.member.0.clone() else { return };
        pinned(&consumer).await;
        let (mut refreshed, mut joined, mut last) = (monotonic(), monotonic(), monotonic());
        let (mut assignments, mut cut_off, mut free) = (0, false, 0);
        let _ = consumer.subscribe(&[SIGNALS]); // a topic's name without a mistake
        loop {
            let options = &self.platform.options;
            if since(refreshed) >= options.cache_refresh {
                self.dispatcher.refresh();
                refreshed = monotonic();
            }
            if assignments > 0 && options.rebalance_every.is_some_and(|every| since(joined) >= every) {
                consumer.unsubscribe();
                let _ = consumer.subscribe(&[SIGNALS]);
                joined = u64::MAX; // until it has partitions again
            }
            let batch = self.collect(&consumer, &mut cut_off).await;
            let now = consumer.context().assignments.load(Relaxed);
            if now > assignments {
                (assignments.max(1)..now).for_each(|_| self.dispatcher.rebalanced());
                (assignments, joined) = (now, monotonic());
            }
            if batch.is_empty() {
                self.dispatcher.let_go();
                if since(last) >= QUIET {
                    self.dispatcher.give_up();
                }
                if !cut_off {
                    self.metrics.lag.set(0.0);
                }
                continue;
            }
            let offsets = self.deal_with(batch, &mut free).await;
            // What cannot be committed comes again, and is known again.
            let _ = consumer.commit(&offsets, CommitMode::Async);
            last = monotonic();
        }
    }

    /// The next batch: full, or all that came within the wait after the first; empty when none came for a moment.
    async fn collect(&self, consumer: &StreamConsumer<Context>, cut_off: &mut bool) -> Vec<Taken> {
        let options = &self.platform.options;
        let mut batch = Vec::new();
        let mut deadline = timer() + GLANCE;
        while batch.len() < options.batch {
            match timeout_at(deadline, consumer.recv()).await {
                Ok(Ok(message)) => {
                    *cut_off = false;
                    if batch.is_empty() {
                        deadline = timer() + options.batch_wait;
                    }
                    batch.push(Taken::from(&message));
                }
                Ok(Err(_)) => {
                    *cut_off = true;
                    sleep(Duration::from_millis(10)).await;
                }
                Err(_) => break,
            }
        }
        batch
    }

    /// Deals with a batch; what to commit then.
    async fn deal_with(&mut self, batch: Vec<Taken>, free: &mut u64) -> TopicPartitionList {
        let from = monotonic();
        let oldest = batch.iter().filter_map(|taken| taken.made).min();
        let mut done = BTreeMap::new();
        let count = batch.len();
        self.platform.db.query("select_running").await;
        for taken in batch {
            if let Some(rate) = self.platform.options.slow_drain {
                *free = (*free).max(monotonic()) + (1e9 / rate.hertz()) as u64;
                sleep(Duration::from_nanos(free.saturating_sub(monotonic()))).await;
            }
            match taken.signal {
                Some(signal) => self.dispatcher.handle(signal),
                None => self.dispatcher.malformed(),
            }
            done.insert(taken.partition, taken.offset + 1);
        }
        if let Some(oldest) = oldest {
            self.metrics.lag.set((wall() / 1_000_000 - oldest).max(0) as f64 / 1e3);
        }
        self.metrics.batch.observe(count as f64);
        self.metrics.processing.observe_duration(since(from));
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in done {
            let _ = offsets.add_partition_offset(SIGNALS, partition, Offset::Offset(offset)); // 0 or more
        }
        offsets
    }
}

fn since(from: u64) -> Duration {
    Duration::from_nanos(monotonic().saturating_sub(from))
}

/// Where nothing was committed yet, everything counts that comes from now on: `latest` alone would begin wherever the
/// topic ends when the first fetch gets there.
async fn pinned(consumer: &Arc<StreamConsumer<Context>>) {
    loop {
        let consumer = consumer.clone();
        if let Ok(Ok(())) = tokio::task::spawn_blocking(move || pin(&consumer)).await {
            return;
        }
        sleep(ASKED / 10).await; // no cluster, or no such topic: it may come
    }
}

fn pin(consumer: &StreamConsumer<Context>) -> KafkaResult<()> {
    let metadata = consumer.fetch_metadata(Some(SIGNALS), ASKED)?;
    let mut all = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        all.add_partition(SIGNALS, partition.id());
    }
    if all.count() == 0 {
        return Err(rdkafka::error::KafkaError::Subscription(format!("no partitions of {SIGNALS}")));
    }
    let mut pinned = TopicPartitionList::new();
    for known in consumer.committed_offsets(all, ASKED)?.elements() {
        if matches!(known.offset(), Offset::Invalid) {
            let (_, end) = consumer.fetch_watermarks(SIGNALS, known.partition(), ASKED)?;
            pinned.add_partition_offset(SIGNALS, known.partition(), Offset::Offset(end))?;
        }
    }
    if pinned.count() > 0 { consumer.commit(&pinned, CommitMode::Sync) } else { Ok(()) }
}
