//! What clients of Kafka share: how they are configured, and what their library says of itself, which goes to nobody's
//! terminal and is kept for whoever asks why something failed.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::text;

/// What is asked of a broker aside is answered within this time, or not at all.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Where a cluster is, and how its clients are let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// What scenarios call it.
    pub name: String,
    /// `HOST:PORT` of one or more brokers, with commas between them.
    pub bootstrap: String,
    /// What else clients must be told, as librdkafka calls it; may hold secrets.
    pub properties: Vec<(&'static str, String)>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cluster { name, bootstrap, .. } = self;
        f.debug_struct("Cluster").field("name", name).field("bootstrap", bootstrap).finish_non_exhaustive()
    }
}

/// Keeps the library quiet, and the last trouble that it told of.
#[derive(Debug, Default)]
pub struct Quiet {
    last: Mutex<Option<Trouble>>,
}

/// What a client's library told of its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether no broker could be reached.
    pub unreachable: bool,
    /// In the library's words.
    pub why: String,
}

impl Quiet {
    /// The last trouble.
    pub fn trouble(&self) -> Option<Trouble> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets it: brokers answer again.
    pub fn is_well(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps a trouble.
    pub fn troubled(&self, trouble: Trouble) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    /// Keeps what the library tells of an error.
    pub fn keep(&self, error: &KafkaError, reason: &str) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, Resolve};
        let code = error.rdkafka_error_code();
        let unreachable = matches!(code, Some(AllBrokersDown | BrokerTransportFailure | Resolve));
        let why = if reason.is_empty() { error.to_string() } else { plain(reason) };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down follows from what was said of each, which says more.
        if code != Some(AllBrokersDown) || last.is_none() {
            *last = Some(Trouble { unreachable, why });
        }
    }
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.keep(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Quiet {}

/// What every client of a cluster begins with.
pub fn client(cluster: &Cluster) -> ClientConfig {
    let mut config = ClientConfig::new();
    cluster.properties.iter().for_each(|(name, value)| _ = config.set(*name, value));
    config
        .set("bootstrap.servers", &cluster.bootstrap)
        .set("client.id", "proofload")
        // A broker that comes back is found again soon, not after seconds of politeness.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("allow.auto.create.topics", "false")
        .set("log_level", "3")
        .set_log_level(RDKafkaLogLevel::Error);
    config
}

/// A consumer that belongs to no group, unless one is named, and that commits nothing.
pub fn consumer(cluster: &Cluster, group: &str) -> Result<BaseConsumer<Quiet>, String> {
    client(cluster)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        // How long a broker may hold an answer back while there is nothing to tell.
        .set("fetch.wait.max.ms", "10")
        .set("fetch.error.backoff.ms", "50")
        .set("queued.max.messages.kbytes", "16384")
        .create_with_context(Quiet::default())
        .map_err(|why: KafkaError| why.to_string())
}

/// The partitions of a topic. The error says what is wrong with it, or why nobody answered.
pub fn partitions(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<Vec<i32>, String> {
    // Of all topics: who asks for one may make it.
    let metadata = consumer.fetch_metadata(None, PATIENCE);
    partitions_of(&metadata.map_err(|why| reason(consumer.context(), &why))?, topic)
}

/// The partitions of a topic, by what a broker says. The error says what is wrong with it.
pub fn partitions_of(metadata: &Metadata, topic: &str) -> Result<Vec<i32>, String> {
    let found = metadata.topics().iter().find(|t| t.name() == topic);
    let found = found.ok_or_else(|| lacking(metadata, topic))?;
    if let Some(code) = found.error() {
        return Err(format!("topic `{topic}`: {}", RDKafkaErrorCode::from(code)));
    }
    match found.partitions().iter().map(|p| p.id()).collect::<Vec<i32>>() {
        none if none.is_empty() => Err(lacking(metadata, topic)),
        all => Ok(all),
    }
}

/// That there is no such topic, and which one may be meant; a cluster can have thousands.
fn lacking(metadata: &Metadata, topic: &str) -> String {
    let names = metadata.topics().iter().filter(|t| !t.partitions().is_empty() && t.name() != topic).map(|t| t.name());
    match text::nearest(topic, names) {
        Some(name) => format!("there is no topic `{topic}`: did you mean `{name}`?"),
        None => format!("there is no topic `{topic}`: make it, or name one that is there"),
    }
}

/// What the library tells, without the name of its connection before it, and without what it counts behind it.
fn plain(reason: &str) -> String {
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    let told = match reason.split_once(": ") {
        Some((connection, told)) if connection.contains('/') && !connection.contains(' ') => told,
        _ => reason,
    };
    match told.strip_prefix("Connect to ").and_then(|told| told.split_once(" failed: ")) {
        Some((place, why)) => format!("no connection to {}: {why}", place.split_once('#').map_or(place, |(_, at)| at)),
        None => told.to_owned(),
    }
}

/// Why something failed: what the library last told of its brokers, where it told anything.
pub fn reason(context: &Quiet, error: &KafkaError) -> String {
    match context.trouble() {
        Some(trouble) => trouble.why,
        None => error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_broker_says_more_than_that_all_are_down() {
        let quiet = Quiet::default();
        assert_eq!(quiet.trouble(), None);
        let error = |code| KafkaError::Global(code);
        quiet.error(error(RDKafkaErrorCode::BrokerTransportFailure), "127.0.0.1:1: connection refused");
        quiet.error(error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        let trouble = Trouble { unreachable: true, why: "127.0.0.1:1: connection refused".into() };
        assert_eq!(quiet.trouble(), Some(trouble));
        quiet.error(error(RDKafkaErrorCode::Authentication), "wrong password");
        assert!(quiet.trouble().is_some_and(|t| !t.unreachable));
        quiet.is_well();
        assert_eq!(quiet.trouble(), None);
    }
}
