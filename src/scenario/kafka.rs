//! Kafka clusters, and the words in which their faults speak of the protocol.

use super::target::HeaderValue;
use super::wire::Tls;

/// The most that a partition of an embedded cluster keeps, in bytes: hard-wired there. What is older is dropped.
pub const KEPT_BYTES: u64 = 5 * 1024 * 1024;
/// And the most batches of messages; at worst each message is one of its own.
pub const KEPT_BATCHES: u64 = 100_000;

/// A Kafka cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Kafka {
    /// What traffic and faults call it.
    pub name: String,
    /// Whose it is.
    pub cluster: Cluster,
    /// Where the stage lets clients find its first broker, HOST:PORT; free loopback ports when not given.
    pub listen: Option<String>,
}

/// Whose a cluster is.
#[derive(Debug, Clone, PartialEq)]
pub enum Cluster {
    /// The stage's own.
    Embedded {
        /// How many; they are called 1, 2, …
        brokers: u32,
        /// What is made before anybody comes.
        topics: Vec<Topic>,
    },
    /// One that stands already.
    Real {
        /// HOST:PORT of some of its brokers; at least one.
        brokers: Vec<String>,
        /// Whether its clients come by the stage.
        proxied: bool,
        /// What it asks of its clients.
        security: Option<Security>,
    },
}

/// A topic of an embedded cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// What it is called.
    pub name: String,
    /// At least 1.
    pub partitions: u32,
    /// How many brokers have each partition; at least 1.
    pub replication: u32,
}

/// What a cluster asks of its clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Security {
    /// What TLS asks for, where it is spoken.
    pub tls: Option<Tls>,
    /// Who a client is, where it must say so.
    pub sasl: Option<Sasl>,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    pub mechanism: &'static str,
    /// Who.
    pub user: HeaderValue,
    /// The environment variable of the password.
    pub password: String,
}

impl Kafka {
    /// Whether its clients come by the stage, which can break it.
    pub fn is_staged(&self) -> bool {
        matches!(self.cluster, Cluster::Embedded { .. } | Cluster::Real { proxied: true, .. })
    }

    /// Whether the stage opens it.
    pub fn is_embedded(&self) -> bool {
        matches!(self.cluster, Cluster::Embedded { .. })
    }

    /// Where clients go that do not come by the stage: HOST:PORT, separated by commas.
    pub fn direct(&self) -> Option<String> {
        match &self.cluster {
            Cluster::Real { brokers, proxied: false, .. } => Some(brokers.join(",")),
            _ => None,
        }
    }

    /// A topic of an embedded cluster.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        match &self.cluster {
            Cluster::Embedded { topics, .. } => topics.iter().find(|topic| topic.name == name),
            Cluster::Real { .. } => None,
        }
    }

    /// What it asks of its clients.
    pub fn security(&self) -> Option<&Security> {
        match &self.cluster {
            Cluster::Real { security, .. } => security.as_ref(),
            Cluster::Embedded { .. } => None,
        }
    }

    /// The environment variables of its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let sasl = self.security().and_then(|security| security.sasl.as_ref());
        sasl.into_iter().flat_map(|sasl| {
            let user = if let HeaderValue::Secret(name) = &sasl.user { Some(name.as_str()) } else { None };
            user.into_iter().chain([sasl.password.as_str()])
        })
    }

    /// What a client of librdkafka must be told so that it is let in: names and values of its properties. `secret` is
    /// the value of an environment variable.
    pub fn properties(&self, secret: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
        let Some(Security { tls, sasl }) = self.security() else { return Vec::new() };
        let protocol = match (tls, sasl) {
            (Some(_), Some(_)) => "SASL_SSL",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (None, None) => "PLAINTEXT",
        };
        let mut all = vec![("security.protocol", protocol.to_owned())];
        let text = |pem: &[u8]| String::from_utf8_lossy(pem).into_owned();
        if let Some(tls) = tls {
            all.push(match tls.ca.as_deref() {
                Some(ca) => ("ssl.ca.pem", text(ca)),
                // Where systems usually have them: an OpenSSL of our own building knows of none.
                None => ("ssl.ca.location", "probe".into()),
            });
            if let Some(identity) = &tls.identity {
                all.push(("ssl.certificate.pem", text(&identity.cert)));
                all.push(("ssl.key.pem", text(identity.key.pem())));
            }
            if tls.insecure {
                all.push(("enable.ssl.certificate.verification", "false".into()));
            }
        }
        if let Some(Sasl { mechanism, user, password }) = sasl {
            let user = match user {
                HeaderValue::Text(text) => text.clone(),
                HeaderValue::Secret(name) => secret(name).unwrap_or_default(),
            };
            all.push(("sasl.mechanism", (*mechanism).to_owned()));
            all.push(("sasl.username", user));
            all.push(("sasl.password", secret(password).unwrap_or_default()));
        }
        all
    }
}

/// Requests of Kafka's protocol that an embedded cluster can answer with an error, as faults call them, and the numbers of
/// their APIs. Metadata is not among them: it is always answered.
pub const APIS: [(&str, i16); 16] = [
    ("produce", 0),
    ("fetch", 1),
    ("list_offsets", 2),
    ("offset_commit", 8),
    ("offset_fetch", 9),
    ("find_coordinator", 10),
    ("join_group", 11),
    ("heartbeat", 12),
    ("leave_group", 13),
    ("sync_group", 14),
    ("api_versions", 18),
    ("init_producer_id", 22),
    ("add_partitions_to_txn", 24),
    ("add_offsets_to_txn", 25),
    ("end_txn", 26),
    ("txn_offset_commit", 28),
];

/// Errors of Kafka's protocol by librdkafka's names, and their numbers. The one that begins with `_` breaks the
/// connection off.
pub const ERRORS: [(&str, i16); 41] = [
    ("_TRANSPORT", -195),
    ("UNKNOWN", -1),
    ("OFFSET_OUT_OF_RANGE", 1),
    ("INVALID_MSG", 2),
    ("UNKNOWN_TOPIC_OR_PART", 3),
    ("INVALID_MSG_SIZE", 4),
    ("LEADER_NOT_AVAILABLE", 5),
    ("NOT_LEADER_FOR_PARTITION", 6),
    ("REQUEST_TIMED_OUT", 7),
    ("BROKER_NOT_AVAILABLE", 8),
    ("REPLICA_NOT_AVAILABLE", 9),
    ("MSG_SIZE_TOO_LARGE", 10),
    ("NETWORK_EXCEPTION", 13),
    ("COORDINATOR_LOAD_IN_PROGRESS", 14),
    ("COORDINATOR_NOT_AVAILABLE", 15),
    ("NOT_COORDINATOR", 16),
    ("TOPIC_EXCEPTION", 17),
    ("RECORD_LIST_TOO_LARGE", 18),
    ("NOT_ENOUGH_REPLICAS", 19),
    ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", 20),
    ("INVALID_REQUIRED_ACKS", 21),
    ("ILLEGAL_GENERATION", 22),
    ("UNKNOWN_MEMBER_ID", 25),
    ("INVALID_SESSION_TIMEOUT", 26),
    ("REBALANCE_IN_PROGRESS", 27),
    ("INVALID_COMMIT_OFFSET_SIZE", 28),
    ("TOPIC_AUTHORIZATION_FAILED", 29),
    ("GROUP_AUTHORIZATION_FAILED", 30),
    ("CLUSTER_AUTHORIZATION_FAILED", 31),
    ("UNSUPPORTED_VERSION", 35),
    ("NOT_CONTROLLER", 41),
    ("INVALID_REQUEST", 42),
    ("POLICY_VIOLATION", 44),
    ("OUT_OF_ORDER_SEQUENCE_NUMBER", 45),
    ("DUPLICATE_SEQUENCE_NUMBER", 46),
    ("INVALID_PRODUCER_EPOCH", 47),
    ("CONCURRENT_TRANSACTIONS", 51),
    ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", 53),
    ("KAFKA_STORAGE_ERROR", 56),
    ("THROTTLING_QUOTA_EXCEEDED", 89),
    ("PRODUCER_FENCED", 90),
];

/// The number of the API of a word.
pub fn api_key(word: &str) -> Option<i16> {
    APIS.iter().find(|(known, _)| *known == word).map(|(_, key)| *key)
}

/// The number of the error of a name.
pub fn error_code(name: &str) -> Option<i16> {
    ERRORS.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::types::RDKafkaRespErr;

    #[test]
    fn errors_are_called_as_librdkafka_calls_them() {
        for (name, code) in ERRORS {
            let known = RDKafkaRespErr::try_from(i32::from(code)).expect("a number that it knows");
            assert_eq!(format!("{known:?}"), format!("RD_KAFKA_RESP_ERR_{name}"));
        }
    }
}
