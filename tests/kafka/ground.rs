//! A stage with a cluster, held over a pipe in memory, and a client that looks closely.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofload::base::time::Clock;
use proofload::base::units::Share;
use proofload::evidence::touches::{self, Decision, Effect};
use proofload::scenario::kafka::KEPT_BATCHES;
use proofload::scenario::{Inject, KafkaFault, Match, When};
use proofload::stage::client::{Report, Stage, StageError};
use proofload::stage::config::{ClusterConfig, Config, FaultConfig, KafkaConfig, Subject};
use proofload::stage::serve::serve;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::statistics::Statistics;
use rdkafka::util::Timeout;

/// The topic of every test, with three partitions.
pub const TOPIC: &str = "signals";
/// As long as anything may take before a test fails.
pub const LONG: Duration = Duration::from_secs(20);

/// An embedded cluster of three brokers.
pub fn embedded() -> KafkaConfig {
    const { assert!(KEPT_BATCHES > 1000) };
    KafkaConfig {
        name: "trading".into(),
        cluster: ClusterConfig::Embedded { brokers: 3, topics: vec![(TOPIC.into(), 3, 3)] },
        listen: None,
    }
}

/// The proxy of a cluster that somebody else runs.
pub fn real(brokers: &str) -> KafkaConfig {
    let brokers = brokers.split(',').map(str::to_owned).collect();
    KafkaConfig { name: "trading".into(), cluster: ClusterConfig::Real { brokers, asks: true }, listen: None }
}

pub fn fault(name: &str, broker: Option<u32>, inject: Inject) -> FaultConfig {
    FaultConfig {
        name: name.into(),
        on: Subject::Kafka { cluster: "trading".into(), broker },
        inject,
        share: Share::ALL,
        ramp: None,
        matching: Match::default(),
        when: When::Always,
        mark: false,
        ttl: Duration::from_secs(60),
    }
}

/// A stage, as a run holds it.
pub struct Ground {
    pub stage: Stage,
    /// Where clients begin.
    pub bootstrap: String,
    touches: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ground {
    pub async fn open(kafka: KafkaConfig, faults: Vec<FaultConfig>) -> Ground {
        Ground::try_open(kafka, faults).await.unwrap_or_else(|why| panic!("opens: {why}"))
    }

    pub async fn try_open(kafka: KafkaConfig, faults: Vec<FaultConfig>) -> Result<Ground, StageError> {
        let folder = tempfile::tempdir().expect("a folder");
        let touches = folder.path().join("touches.stage.log");
        let mut config = Config::empty(&Clock::starting_in(Duration::ZERO));
        (config.kafka, config.faults, config.touches) = (vec![kafka], faults, Some(touches.clone()));
        let (near, far) = tokio::io::duplex(1 << 20);
        let ((orders, reports), (heard, told)) = (tokio::io::split(far), tokio::io::split(near));
        tokio::spawn(serve(orders, reports));
        let stage = Stage::over(heard, told, &config).await?;
        let bootstrap = stage.kafka()[0].1.clone();
        Ok(Ground { stage, bootstrap, touches, _folder: folder })
    }

    pub async fn apply(&mut self, fault: usize) {
        self.stage.apply(fault).await.expect("applied");
    }

    /// Ends a fault: how many it struck, all of which are on record.
    pub async fn clear(&mut self, fault: usize) -> u64 {
        let cleared = self.stage.clear(fault).await.expect("cleared");
        assert_eq!(self.decided(fault), cleared.injected, "each is on record");
        cleared.injected
    }

    fn decided(&self, fault: usize) -> u64 {
        let (all, torn) = touches::read::<Decision>(&self.touches).expect("reads");
        assert_eq!(torn, None);
        let struck = |d: &&Decision| usize::from(d.fault) == fault && d.effect == Effect::Injected;
        all.iter().filter(struck).count() as u64
    }

    /// What the stage says unasked, but for what it says all the time.
    pub async fn told(&mut self) -> Report {
        let telling = async {
            loop {
                match self.stage.report().await {
                    Some(Report::Calls { .. } | Report::Health(_)) => {}
                    Some(report) => return report,
                    None => panic!("the stage died"),
                }
            }
        };
        tokio::time::timeout(LONG, telling).await.expect("says something")
    }

    /// The ports that clients may come to.
    pub fn ports(&self) -> BTreeSet<u16> {
        ports(self.bootstrap.split(','))
    }
}

fn ports<'a>(addresses: impl Iterator<Item = &'a str>) -> BTreeSet<u16> {
    addresses.filter_map(|a| a.rsplit_once(':')?.1.parse().ok()).collect()
}

/// Where a client has been, by its own account.
#[derive(Default, Clone)]
pub struct Account(Arc<Mutex<BTreeSet<String>>>);

impl ClientContext for Account {
    fn stats(&self, statistics: Statistics) {
        let been = statistics.brokers.into_values().map(|b| b.nodename).filter(|name| name.contains(':'));
        self.0.lock().expect("whole").extend(been);
    }
}

impl rdkafka::consumer::ConsumerContext for Account {}

impl Account {
    /// The ports of all brokers that it knows of.
    pub fn ports(&self) -> BTreeSet<u16> {
        ports(self.0.lock().expect("whole").iter().map(String::as_str))
    }
}

fn settings(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("statistics.interval.ms", "50")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .set("topic.metadata.refresh.interval.ms", "200")
        .set("topic.metadata.refresh.fast.interval.ms", "20");
    config
}

/// A client that sends one message after the other.
pub struct Client {
    producer: FutureProducer<Account>,
    pub account: Account,
}

impl Client {
    /// One that gives up a message after so many milliseconds.
    pub fn new(bootstrap: &str, patience: u32) -> Client {
        let account = Account::default();
        let mut config = settings(bootstrap);
        config.set("message.timeout.ms", patience.to_string()).set("linger.ms", "0").set("retry.backoff.ms", "20");
        let producer = config.create_with_context(account.clone()).expect("a producer");
        Client { producer, account }
    }

    /// Sends a message to a partition: whether it was acknowledged, or what became of it.
    pub async fn send(&self, partition: i32) -> Result<(), String> {
        let record = FutureRecord::to(TOPIC).partition(partition).key("k").payload("p");
        match self.producer.send(record, Timeout::After(LONG)).await {
            Ok(_) => Ok(()),
            Err((why, _)) => Err(why.to_string()),
        }
    }

    /// Sends until a message is acknowledged.
    pub async fn send_surely(&self, partition: i32) {
        let sending = async { while self.send(partition).await.is_err() {} };
        tokio::time::timeout(LONG * 2, sending).await.expect("in the end it gets through");
    }

    /// Who leads each partition, by a broker's own words.
    pub fn leaders(&self) -> Vec<(i32, i32)> {
        let metadata = self.producer.client().fetch_metadata(Some(TOPIC), LONG).expect("answers");
        let mut leaders: Vec<_> = metadata.topics()[0].partitions().iter().map(|p| (p.id(), p.leader())).collect();
        leaders.sort_unstable();
        leaders
    }

    /// The ports that a broker names to it.
    pub fn named_ports(&self) -> BTreeSet<u16> {
        let metadata = self.producer.client().fetch_metadata(None, LONG).expect("answers");
        metadata.brokers().iter().map(|b| b.port() as u16).collect()
    }
}

/// Reads so many messages as a member of a group; where it has been.
pub fn consume(bootstrap: &str, messages: usize) -> Account {
    let account = Account::default();
    let mut config = settings(bootstrap);
    config.set("group.id", "workers").set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Account> = config.create_with_context(account.clone()).expect("a consumer");
    consumer.subscribe(&[TOPIC]).expect("subscribes");
    let until = std::time::Instant::now() + LONG;
    let mut read = 0;
    while read < messages {
        assert!(std::time::Instant::now() < until, "{read} of {messages} came");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            assert_eq!(message.payload(), Some(&b"p"[..]));
            read += 1;
        }
    }
    account
}

pub fn errors(api: &str, error: &str, count: Option<u64>) -> Inject {
    Inject::Kafka(KafkaFault::RequestErrors { api: api.into(), error: error.into(), count })
}

pub fn broker_down(move_leaders: bool) -> Inject {
    Inject::Kafka(KafkaFault::BrokerDown { move_leaders })
}
