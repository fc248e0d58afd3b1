//! The faults of a scenario on Kafka clusters, with a record of what they touch.
//!
//! What is touched is connections where a broker is down or a toxic is at work, requests where they are answered with an
//! error or later, and replies that say that a topic has no leaders. All of it is seen by the proxy as it passes: a fault
//! that nobody met touched nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::{Cluster, Watcher};
use super::rewrite::TopicSeen;
use crate::base::time::Offset;
use crate::evidence::touches::Effect;
use crate::scenario::kafka::{api_key, error_code};
use crate::scenario::{Inject, KafkaFault, Toxic};
use crate::stage::config::{Config, FaultConfig, Subject};
use crate::stage::link::faults::Tell;
use crate::stage::link::toxic::{self, Kind, Stream, Watch};
use crate::stage::protocol::{Report, toxic_of};

/// How many errors wait for requests, where a fault answers all with one.
const WAITING: usize = 1024;
/// How often those that were answered are made up for.
const REFILL: Duration = Duration::from_millis(20);
/// What Metadata says of a topic without leaders.
const LEADER_NOT_AVAILABLE: i16 = 5;

/// The faults of a scenario on Kafka clusters.
pub struct KafkaFaults {
    all: Vec<Armed>,
    tell: Tell,
}

/// A fault that can be applied.
struct Armed {
    /// Its position in the scenario.
    fault: usize,
    config: FaultConfig,
    cluster: Arc<Cluster>,
    broker: Option<u32>,
    effective: Option<Effective>,
    /// What was reported when it was last cleared, for an order that comes twice.
    cleared: Option<Report>,
}

/// A fault that is applied, or half so.
struct Effective {
    since: Offset,
    until: Offset, // its ttl
    tally: Arc<Tally>,
    watcher: Option<Arc<dyn Watcher>>,
    /// Who led what before: topic, and partitions with their leaders.
    leaders: Vec<(String, Vec<(i32, i32)>)>,
    _refilling: JoinSet<()>,
}

/// What a fault touched.
struct Tally {
    fault: usize,
    tell: Tell,
    eligible: AtomicU64,
    injected: AtomicU64,
}

impl Tally {
    fn met(&self, number: u64, chosen: bool) {
        self.eligible.fetch_add(1, Ordering::Relaxed);
        if !chosen {
            (self.tell)(self.fault, number, Effect::Spared);
        }
    }

    fn struck(&self, number: u64) {
        self.injected.fetch_add(1, Ordering::Relaxed);
        (self.tell)(self.fault, number, Effect::Injected);
    }

    fn touched(&self, number: u64) {
        self.met(number, true);
        self.struck(number);
    }
}

/// The connections to one broker.
struct Connections {
    tally: Arc<Tally>,
    position: usize,
}

impl Watch for Connections {
    fn met(&self, connection: u64, chosen: bool) {
        self.tally.met(numbered(self.position, connection), chosen);
    }
    fn struck(&self, connection: u64) {
        self.tally.struck(numbered(self.position, connection));
    }
}

/// The number of a connection among those to all brokers of a cluster, as far as it has room on record.
fn numbered(position: usize, connection: u64) -> u64 {
    (position as u64) << 16 | connection & 0xffff
}

/// Requests that are answered with an error or later.
struct Requests {
    tally: Arc<Tally>,
    /// Of which API; of any without.
    api: Option<i16>,
    /// To which broker; to any without.
    broker: Option<i32>,
    /// How many at the most.
    most: Option<u64>,
    passed: AtomicU64,
}

impl Watcher for Requests {
    fn asked(&self, key: i16, broker: Option<i32>) {
        if self.api.is_some_and(|api| api != key) || (self.broker.is_some() && self.broker != broker) {
            return;
        }
        let number = self.passed.fetch_add(1, Ordering::Relaxed);
        if self.most.is_none_or(|most| number < most) {
            self.tally.touched(number);
        }
    }
    fn told(&self, _: &[TopicSeen]) {}
    fn is_curious(&self) -> bool {
        false
    }
}

/// Replies that say that a topic has no leaders.
struct Replies {
    tally: Arc<Tally>,
    topic: String,
    passed: AtomicU64,
}

impl Watcher for Replies {
    fn asked(&self, _: i16, _: Option<i32>) {}
    fn told(&self, topics: &[TopicSeen]) {
        let ours = |topic: &&TopicSeen| topic.name.as_deref() == Some(&self.topic) && !topic.is_available();
        for _ in topics.iter().filter(ours) {
            self.tally.touched(self.passed.fetch_add(1, Ordering::Relaxed));
        }
    }
    fn is_curious(&self) -> bool {
        true
    }
}

impl KafkaFaults {
    /// Those of a run; none of them is effective.
    pub fn new(config: &Config, clusters: &[Arc<Cluster>], tell: Tell) -> KafkaFaults {
        let armed = |(fault, of): (usize, &FaultConfig)| {
            let Subject::Kafka { cluster, broker } = &of.on else { return None };
            let cluster = clusters.iter().find(|known| known.config.name == *cluster)?.clone();
            Some(Armed { fault, config: of.clone(), cluster, broker: *broker, effective: None, cleared: None })
        };
        KafkaFaults { all: config.faults.iter().enumerate().filter_map(armed).collect(), tell }
    }

    /// Whether the fault at this position of the scenario is one on a cluster.
    pub fn has(&self, fault: usize) -> bool {
        self.all.iter().any(|armed| armed.fault == fault)
    }

    /// Lets a fault begin. Applying twice is applying once.
    pub async fn apply(&mut self, fault: usize, at: Offset) -> Report {
        let Some(armed) = self.all.iter_mut().find(|armed| armed.fault == fault) else { return stranger(fault) };
        if let Some(effective) = &armed.effective {
            return Report::Applied { fault, at: effective.since };
        }
        let tell = self.tell.clone();
        let tally = Arc::new(Tally { fault, tell, eligible: AtomicU64::new(0), injected: AtomicU64::new(0) });
        let until = at + armed.config.ttl;
        let effective =
            Effective { since: at, until, tally, watcher: None, leaders: Vec::new(), _refilling: JoinSet::new() };
        // Half of it may be done when it fails: ending it undoes what there is.
        let effective = armed.effective.insert(effective);
        match begin(fault, &armed.config, &armed.cluster, armed.broker, effective).await {
            Ok(()) => Report::Applied { fault, at },
            Err(why) => {
                let left = armed.end().await.err().map_or(String::new(), |left| format!("; and of it is left: {left}"));
                armed.effective = None;
                Report::Failed { fault: Some(fault), why: format!("{why}{left}") }
            }
        }
    }

    /// Lets a fault end. Clearing twice is clearing once; what could not be undone is still effective afterwards.
    pub async fn clear(&mut self, fault: usize, at: Offset) -> Report {
        let Some(armed) = self.all.iter_mut().find(|armed| armed.fault == fault) else { return stranger(fault) };
        if armed.effective.is_some() {
            if let Err(why) = armed.end().await {
                return Report::Failed { fault: Some(fault), why };
            }
            if let Some(Effective { tally, .. }) = armed.effective.take() {
                let (eligible, injected) = (&tally.eligible, &tally.injected);
                armed.cleared = Some(Report::Cleared {
                    fault,
                    at,
                    eligible: eligible.load(Ordering::Relaxed),
                    injected: injected.load(Ordering::Relaxed),
                });
            }
        }
        armed.cleared.clone().unwrap_or(Report::Cleared { fault, at, eligible: 0, injected: 0 })
    }

    /// Lets every fault end whose time to live is over by now; all of them when `at` is `None`. What became of them.
    pub async fn expire(&mut self, now: Offset, at: Option<Offset>) -> Vec<Report> {
        let over = |armed: &Armed| armed.effective.as_ref().is_some_and(|e| at.is_none_or(|at| e.until <= at));
        let due: Vec<usize> = self.all.iter().filter(|a| over(a)).map(|a| a.fault).collect();
        let mut reports = Vec::new();
        for fault in due {
            let report = self.clear(fault, now).await;
            let armed = self.all.iter_mut().find(|armed| armed.fault == fault);
            if let (Report::Failed { .. }, Some(effective)) = (&report, armed.and_then(|a| a.effective.as_mut())) {
                // Once a second is often enough to try again.
                effective.until = now + Duration::from_secs(1);
            }
            reports.push(report);
        }
        reports
    }

    /// When the next time to live is over.
    pub fn next_expiry(&self) -> Option<Offset> {
        self.all.iter().filter_map(|a| a.effective.as_ref()).map(|e| e.until).min()
    }
}

/// Does what a fault does.
async fn begin(
    fault: usize,
    config: &FaultConfig,
    cluster: &Arc<Cluster>,
    broker: Option<u32>,
    effective: &mut Effective,
) -> Result<(), String> {
    let node = broker.map(|broker| broker as i32);
    if node.is_some() && cluster.brokers(node).is_empty() {
        let broker = broker.unwrap_or_default();
        return Err(format!("kafka `{}`: nobody has heard of a broker {broker} yet", cluster.config.name));
    }
    let tally = effective.tally.clone();
    match &config.inject {
        Inject::Link(Toxic::Down, _) => close(fault, cluster, node, &tally).await,
        Inject::Link(toxic, stream) => {
            let kind = Kind::of(toxic).ok_or("no toxic")?;
            let (name, stream, toxicity) = (toxic_of(&config.name), Stream::of(*stream), config.share.fraction());
            let named = name.clone();
            cluster.stand(&name, node, move |position| toxic::Toxic {
                id: 0,
                name: named.clone(),
                kind: kind.clone(),
                stream,
                toxicity,
                watcher: Some(Arc::new(Connections { tally: tally.clone(), position })),
            });
        }
        Inject::Kafka(KafkaFault::BrokerDown { move_leaders }) => {
            if let (true, Some(node)) = (*move_leaders, node) {
                effective.leaders = lead_otherwise(cluster, node).await?;
            }
            close(fault, cluster, node, &tally).await;
            if let Some(embedded) = &cluster.embedded {
                embedded.set_up(broker, false).await?;
            }
        }
        Inject::Kafka(KafkaFault::RequestErrors { api, error, count }) => {
            let embedded = cluster.embedded.as_ref().ok_or("it is no embedded cluster")?;
            let api = api_key(api).ok_or_else(|| format!("`{api}` is no request"))?;
            let error = error_code(error).ok_or_else(|| format!("`{error}` is no error"))?;
            let waiting = count.map_or(WAITING, |count| count as usize);
            let requests = Requests { tally, api: Some(api), broker: None, most: *count, passed: AtomicU64::new(0) };
            let requests = Arc::new(requests);
            embedded.push_errors(api, error, waiting).await?;
            effective.watcher = Some(requests.clone());
            cluster.watch(requests.clone());
            if count.is_none() {
                effective._refilling.spawn(refill(cluster.clone(), requests, (api, error)));
            }
        }
        Inject::Kafka(KafkaFault::RoundTrip { add }) => {
            let embedded = cluster.embedded.as_ref().ok_or("it is no embedded cluster")?;
            embedded.set_round_trip(broker, *add).await?;
            let requests = Requests { tally, api: None, broker: node, most: None, passed: AtomicU64::new(0) };
            watch(cluster, effective, Arc::new(requests));
        }
        Inject::Kafka(KafkaFault::TopicUnavailable { topic }) => {
            let embedded = cluster.embedded.as_ref().ok_or("it is no embedded cluster")?;
            let leaders = leaders_of(cluster, topic).await?;
            let nobody: Vec<(i32, i32)> = leaders.iter().map(|(partition, _)| (*partition, -1)).collect();
            effective.leaders = vec![(topic.clone(), leaders)];
            watch(cluster, effective, Arc::new(Replies { tally, topic: topic.clone(), passed: AtomicU64::new(0) }));
            embedded.set_topic_error(topic, LEADER_NOT_AVAILABLE).await?;
            embedded.set_leaders(topic, &nobody).await?;
        }
        other => return Err(format!("`{}` is nothing that happens to a Kafka cluster", other.word())),
    }
    Ok(())
}

fn watch(cluster: &Cluster, effective: &mut Effective, watcher: Arc<dyn Watcher>) {
    effective.watcher = Some(watcher.clone());
    cluster.watch(watcher);
}

/// Closes the way to a broker, or to all.
async fn close(fault: usize, cluster: &Cluster, node: Option<i32>, tally: &Tally) {
    for (position, connection) in cluster.shut(fault, node).await {
        tally.touched(numbered(position, connection));
    }
}

/// Lets the other brokers lead what one leads, in turn: what it led before.
async fn lead_otherwise(cluster: &Cluster, node: i32) -> Result<Vec<(String, Vec<(i32, i32)>)>, String> {
    let embedded = cluster.embedded.as_ref().ok_or("it is no embedded cluster")?;
    let census = cluster.census().await?;
    let others: Vec<i32> = census.brokers.iter().map(|(other, ..)| *other).filter(|other| *other != node).collect();
    if others.is_empty() {
        return Err(format!("no broker but {node} is up: nobody can lead its partitions"));
    }
    let (mut before, mut turn) = (Vec::new(), others.iter().cycle());
    for topic in census.topics {
        let Some(name) = topic.name else { continue };
        let led: Vec<(i32, i32)> = topic.leaders.into_iter().filter(|(_, leader)| *leader == node).collect();
        let now: Vec<(i32, i32)> = led.iter().map(|(p, _)| (*p, *turn.next().unwrap_or(&node))).collect();
        embedded.set_leaders(&name, &now).await?;
        before.push((name, led));
    }
    Ok(before)
}

/// Who leads the partitions of a topic.
async fn leaders_of(cluster: &Cluster, topic: &str) -> Result<Vec<(i32, i32)>, String> {
    let census = cluster.census().await?;
    let found = census.topics.into_iter().find(|known| known.name.as_deref() == Some(topic));
    found.map(|topic| topic.leaders).ok_or_else(|| format!("the cluster has no topic `{topic}`"))
}

/// Makes up for the errors that were answered, so that there are always some.
async fn refill(cluster: Arc<Cluster>, requests: Arc<Requests>, (api, error): (i16, i16)) {
    let mut answered = 0;
    loop {
        sleep(REFILL).await;
        let passed = requests.passed.load(Ordering::Relaxed);
        let gone = (passed - answered) as usize;
        if let Some(embedded) = cluster.embedded.as_ref().filter(|_| gone > 0)
            && embedded.push_errors(api, error, gone).await.is_ok()
        {
            answered = passed;
        }
    }
}

impl Armed {
    /// Undoes what it did, as far as it did it.
    async fn end(&mut self) -> Result<(), String> {
        let Armed { fault, config, cluster, broker, effective, .. } = self;
        let Some(effective) = effective else { return Ok(()) };
        effective._refilling.abort_all();
        let embedded = cluster.embedded.as_ref();
        match &config.inject {
            Inject::Link(Toxic::Down, _) => cluster.reopen(*fault).await?,
            Inject::Link(..) => cluster.fall(&toxic_of(&config.name)),
            Inject::Kafka(KafkaFault::BrokerDown { .. }) => {
                if let Some(embedded) = embedded {
                    embedded.set_up(*broker, true).await?;
                }
                cluster.reopen(*fault).await?;
            }
            Inject::Kafka(KafkaFault::RequestErrors { api, .. }) => {
                if let (Some(embedded), Some(api)) = (embedded, api_key(api)) {
                    // What was pushed last may come after it was told to stop.
                    while effective._refilling.join_next().await.is_some() {}
                    embedded.clear_errors(api).await?;
                }
            }
            Inject::Kafka(KafkaFault::RoundTrip { .. }) => {
                if let Some(embedded) = embedded {
                    embedded.set_round_trip(*broker, Duration::ZERO).await?;
                }
            }
            Inject::Kafka(KafkaFault::TopicUnavailable { topic }) => {
                if let Some(embedded) = embedded {
                    embedded.set_topic_error(topic, 0).await?;
                }
            }
            _ => {}
        }
        if let Some(embedded) = embedded {
            for (topic, leaders) in &effective.leaders {
                embedded.set_leaders(topic, leaders).await?;
            }
        }
        if let Some(watcher) = effective.watcher.take() {
            cluster.unwatch(&watcher);
        }
        Ok(())
    }
}

fn stranger(fault: usize) -> Report {
    Report::Failed { fault: Some(fault), why: "no fault on a Kafka cluster has this number".into() }
}
