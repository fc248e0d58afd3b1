//! Kafka clusters, and what can happen to them.

use std::time::Duration;

use super::super::fault::{Fault, On};
use super::super::inject::{Inject, KafkaFault, Toxic};
use super::super::kafka::{APIS, Cluster, ERRORS, Kafka, Sasl, Security, Topic};
use super::super::raw;
use super::super::shape::At;
use super::super::{HeaderValue, Place, System, Target};
use super::Check;
use super::outside::practice;
use crate::base::net;
use crate::base::text;

/// The most brokers of an embedded cluster.
const MAX_BROKERS: u32 = 16;
/// The most partitions of one of its topics.
const MAX_PARTITIONS: u32 = 1000;
/// How many brokers have each partition, unless the scenario says otherwise and as far as there are as many.
const REPLICATION: u32 = 3;
/// Practice targets that come to a cluster.
pub const COMES_TO_KAFKA: [&str; 1] = ["trading-platform"];
/// The longest that a round trip may be made, which is what clients wait at the most.
const LONGEST: Duration = Duration::from_secs(300);

impl Check<'_, '_> {
    pub(super) fn kafka(&mut self, raw: &raw::Root, target: Option<&Target>) -> Vec<Kafka> {
        let practice = practice(raw);
        let named = raw.kafka.iter().flat_map(|k| &k.value.0);
        let all: Vec<Kafka> = named
            .filter_map(|(name, kafka)| self.within(&name.value, |c| c.one_kafka(name, kafka, practice)))
            .collect();
        let comes = |target: &&Target| matches!(&target.system, System::Sim { name, .. } if COMES_TO_KAFKA.contains(&name.as_str()));
        let second = raw.kafka.iter().flat_map(|k| &k.value.0).nth(1);
        if let (Some((name, _)), Some(_)) = (second, target.filter(comes)) {
            let what = "the practice target comes to one cluster, and which of these nobody said";
            self.within(&name.value, |c| c.reader.wrong(name.at, what, "keep one of them"));
        }
        all
    }

    fn one_kafka(&mut self, name: &At<String>, raw: &raw::Kafka, practice: bool) -> Option<Kafka> {
        self.name(name);
        let listen = match (&raw.cluster, &raw.brokers) {
            (Some(cluster), None) => Some(&cluster.listen),
            (None, Some(_)) => raw.proxy.as_ref().map(|proxy| &proxy.listen),
            _ if self.reader.is_broken_here() => return None,
            _ => {
                let what = format!("`{}` is no cluster, or two", name.value);
                let remedy = "write one of `cluster: { brokers: 3, topics: { NAME: { partitions: 6 } } }` and `brokers: [HOST:PORT]`";
                self.reader.wrong(raw.place, what, remedy);
                return None;
            }
        };
        if let Some(listen) = listen {
            self.listen(name, listen.as_ref(), practice);
        }
        let cluster = match (&raw.cluster, &raw.brokers) {
            (Some(cluster), _) => self.within("cluster", |c| c.embedded(raw, cluster)),
            (None, brokers) => self.real(raw, brokers.as_deref().unwrap_or_default()),
        };
        let listen = listen.and_then(|listen| listen.as_ref()).map(|listen| listen.value.clone());
        Some(Kafka { name: name.value.clone(), cluster, listen })
    }

    fn embedded(&mut self, raw: &raw::Kafka, cluster: &raw::EmbeddedCluster) -> Cluster {
        let of_real =
            [("proxy", raw.proxy.as_ref().map(|p| p.place)), ("security", raw.security.as_ref().map(|s| s.place))];
        for (key, at) in of_real {
            if let Some(at) = at {
                let what = format!("`{key}` belongs to a real cluster");
                self.reader.wrong(
                    at,
                    what,
                    "leave it out: an embedded one is open, and clients come by the stage anyway",
                );
            }
        }
        let brokers = cluster.brokers.and_then(|n| self.number(n, "brokers", MAX_BROKERS)).unwrap_or(1);
        self.enough_ports(cluster.listen.as_ref(), brokers);
        let named = cluster.topics.iter().flat_map(|t| &t.0);
        let topics = named.map(|(name, topic)| self.within("topics", |c| c.topic(name, topic, brokers))).collect();
        Cluster::Embedded { brokers, topics }
    }

    fn topic(&mut self, name: &At<String>, raw: &raw::KafkaTopic, brokers: u32) -> Topic {
        self.topic_name(name);
        self.within(&name.value, |c| {
            let replication = raw.replication.and_then(|n| c.number(n, "replicas", MAX_BROKERS));
            if let Some(at) = raw.replication.map(|n| n.at).filter(|_| replication.is_some_and(|n| n > brokers)) {
                let what = format!("more replicas than the cluster has brokers, which is {brokers}");
                c.reader.wrong(at, what, "lower one or raise the other");
            }
            Topic {
                name: name.value.clone(),
                partitions: raw.partitions.and_then(|n| c.number(n, "partitions", MAX_PARTITIONS)).unwrap_or(1),
                replication: replication.unwrap_or(REPLICATION.min(brokers)),
            }
        })
    }

    /// What Kafka takes as the name of a topic.
    pub(super) fn topic_name(&mut self, name: &At<String>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let text = &name.value;
        if text.is_empty() || text.len() > 249 || text == "." || text == ".." || !text.chars().all(plain) {
            self.reader.wrong(
                name.at,
                format!("`{text}` is no topic"),
                "letters, digits, `.`, `_` and `-`, 249 at the most",
            );
        }
    }

    /// The brokers after the first take the ports after its own.
    fn enough_ports(&mut self, listen: Option<&At<String>>, brokers: u32) {
        let port = listen.and_then(|l| net::split_host(&l.value, 0)).map(|(_, port)| u32::from(port));
        if let (Some(listen), Some(port)) = (listen, port.filter(|port| *port + brokers - 1 > 65_535)) {
            let what = format!("{brokers} brokers from port {port} on: there are not as many ports");
            self.reader.wrong(listen.at, what, "take a lower port");
        }
    }

    fn real(&mut self, raw: &raw::Kafka, brokers: &[At<String>]) -> Cluster {
        if brokers.is_empty() && !self.reader.is_broken_here() {
            self.reader.wrong(raw.place, "a cluster without brokers", "name at least one: `brokers: [HOST:PORT]`");
        }
        for broker in brokers {
            self.host_port(broker);
        }
        let security = raw.security.as_ref().and_then(|s| self.within("security", |c| c.security(s)));
        if let (Some(proxy), true) = (&raw.proxy, security.as_ref().is_some_and(|s| s.tls.is_some())) {
            let what = "`proxy` beside TLS: it reads what passes, which it cannot within TLS";
            self.reader.wrong(
                proxy.place,
                what,
                "leave one of them out, or let the proxy lead to a listener without TLS",
            );
        }
        Cluster::Real {
            brokers: brokers.iter().map(|b| b.value.clone()).collect(),
            proxied: raw.proxy.is_some(),
            security,
        }
    }

    fn security(&mut self, raw: &raw::KafkaSecurity) -> Option<Security> {
        // Old evidence can be read by any build.
        if !cfg!(feature = "kafka-tls") && !self.settings.past() {
            let scram = raw.sasl.as_ref().map(|s| &s.mechanism).filter(|m| m.value != raw::SaslMechanism::Plain);
            let beyond = [
                raw.tls.as_ref().map(|tls| (tls.place, "this build does not speak Kafka over TLS")),
                scram.map(|mechanism| (mechanism.at, "this build has no SCRAM for Kafka")),
            ];
            for (at, what) in beyond.into_iter().flatten() {
                self.reader.wrong(at, what, "build it with `cargo build --release --features kafka-tls`");
            }
        }
        if raw.tls.is_none() && raw.sasl.is_none() && !self.reader.is_broken_here() {
            self.reader.wrong(
                raw.place,
                "`security` asks for nothing",
                "write `tls: {}`, `sasl: {…}`, or leave it out",
            );
        }
        let tls = raw.tls.as_ref().map(|tls| {
            if let Some(name) = &tls.name {
                let what = "a broker is called by its own address, and no other name";
                self.reader.wrong(name.at, what, "leave `name` out");
            }
            self.within("tls", |c| c.tls(tls))
        });
        let sasl = raw.sasl.as_ref().map(|sasl| Sasl {
            mechanism: match sasl.mechanism.value {
                raw::SaslMechanism::Plain => "PLAIN",
                raw::SaslMechanism::Scram256 => "SCRAM-SHA-256",
                raw::SaslMechanism::Scram512 => "SCRAM-SHA-512",
            },
            user: match &sasl.user {
                raw::Header::Text(text) => HeaderValue::Text(text.value.clone()),
                raw::Header::Secret(secret) => HeaderValue::Secret(secret.secret.value.clone()),
            },
            password: sasl.password.secret.value.clone(),
        });
        Some(Security { tls, sasl })
    }

    /// What happens to a cluster; the path is at the kind.
    pub(super) fn kafka_fault(&mut self, raw: &raw::Inject, at: Place) -> Option<Inject> {
        Some(Inject::Kafka(match raw {
            raw::Inject::BrokerDown(raw) => {
                KafkaFault::BrokerDown { move_leaders: raw.move_leaders.is_some_and(|m| m.value) }
            }
            raw::Inject::RequestErrors(raw) => self.request_errors(raw)?,
            raw::Inject::RoundTrip(raw) => {
                if raw.add.value < Duration::from_millis(1) || raw.add.value > LONGEST {
                    self.reader.wrong(raw.add.at, "a round trip is made 1ms to 5m longer", "write a length between");
                }
                KafkaFault::RoundTrip { add: raw.add.value }
            }
            raw::Inject::TopicUnavailable(raw) => KafkaFault::TopicUnavailable { topic: raw.topic.value.clone() },
            other => return self.toxic(other, at),
        }))
    }

    fn request_errors(&mut self, raw: &raw::RequestErrors) -> Option<KafkaFault> {
        let known = |all: &[(&'static str, i16)], word: &str| all.iter().any(|(known, _)| *known == word);
        let (api, error) = (&raw.api, &raw.error);
        if !known(&APIS, &api.value) {
            let remedy = match api.value.as_str() {
                "metadata" => "write `topic_unavailable`: it is always answered, but what it says can be wrong".into(),
                word => text::suggest(word, APIS.map(|(word, _)| word)),
            };
            let what = format!("`{}` is no request that an embedded cluster answers with an error", api.value);
            self.reader.wrong(api.at, what, remedy);
        }
        if !known(&ERRORS, &error.value) {
            let near = text::suggest(&error.value, ERRORS.map(|(name, _)| name));
            let some = "write one of librdkafka's, such as NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT or _TRANSPORT";
            let remedy = if near.starts_with("did you mean") { near } else { some.into() };
            self.reader.wrong(error.at, format!("`{}` is no error of a broker", error.value), remedy);
        }
        if let Some(count) = raw.count.filter(|count| count.value == 0) {
            self.reader.wrong(count.at, "errors for no request", "write 1 or more, or leave it out");
        }
        (known(&APIS, &api.value) && known(&ERRORS, &error.value)).then(|| KafkaFault::RequestErrors {
            api: api.value.clone(),
            error: error.value.clone(),
            count: raw.count.map(|count| count.value),
        })
    }

    /// Which broker a fault strikes, where it says so: beside `inject`, or in it.
    pub(super) fn broker(&mut self, raw: &raw::Fault) -> Option<u32> {
        let within = match &raw.inject.value {
            raw::Inject::BrokerDown(down) => down.broker,
            raw::Inject::RoundTrip(round_trip) => round_trip.broker,
            _ => None,
        };
        if let (Some(_), Some(twice)) = (within, raw.broker) {
            self.reader.wrong(twice.at, "`broker` stands here twice", "keep one of the two");
        }
        let broker = within.or(raw.broker)?;
        let known = u32::try_from(broker.value).ok().filter(|b| *b <= i32::MAX as u32);
        if known.is_none() {
            self.reader.wrong(
                broker.at,
                format!("`{}` is the number of no broker", broker.value),
                "write a smaller one",
            );
        }
        known
    }

    /// What a fault asks of its cluster that it cannot do; the path is at the fault.
    pub(super) fn of_kafka(&mut self, raw: &raw::Fault, fault: &Fault, clusters: &[Kafka]) {
        let On::Kafka { cluster, broker } = fault.on else {
            if let Some(broker) = raw.broker {
                self.reader.wrong(broker.at, "`broker` belongs to faults on kafka/NAME", "leave it out");
            }
            return;
        };
        let Some(kafka) = clusters.get(cluster) else { return };
        if !kafka.is_staged() {
            let what = format!("clients go to `{}` directly, where nothing of it can be broken", kafka.name);
            self.reader.wrong(raw.on.at, what, "let them come by the stage: add `proxy: {}` to the cluster");
            return;
        }
        if let (Cluster::Embedded { brokers, .. }, Some(broker)) = (&kafka.cluster, broker)
            && !(1..=*brokers).contains(&broker)
        {
            let what = format!("`{}` has no broker {broker}", kafka.name);
            self.reader.wrong(raw.broker.map_or(raw.inject.at, |b| b.at), what, format!("write 1 to {brokers}"));
        }
        let Inject::Kafka(kind) = &fault.inject else { return };
        if let Some(at) = raw.broker.map(|b| b.at).filter(|_| !kind.is_of_brokers()) {
            let what = format!("`broker` does not fit: `{}` is of the whole cluster", fault.inject.word());
            self.reader.wrong(at, what, "leave it out");
        }
        if !kafka.is_embedded() {
            let remedy = match kind {
                KafkaFault::BrokerDown { move_leaders: false } => return,
                KafkaFault::BrokerDown { .. } => "leave `move_leaders` out: a real cluster has its own mind",
                KafkaFault::RoundTrip { .. } => "write `latency`, which the proxy can do",
                _ => "use an embedded one, or a fault of links: latency, bandwidth, timeout, reset_peer, down, …",
            };
            let what =
                format!("`{}` is done by an embedded cluster, and `{}` is real", fault.inject.word(), kafka.name);
            self.reader.wrong(raw.inject.at, what, remedy);
            return;
        }
        match kind {
            KafkaFault::TopicUnavailable { topic } if kafka.topic(topic).is_none() => {
                let Cluster::Embedded { topics, .. } = &kafka.cluster else { return };
                let remedy = text::suggest(topic, topics.iter().map(|t| t.name.as_str()));
                self.reader.wrong(raw.inject.at, format!("`{topic}` is no topic of `{}`", kafka.name), remedy);
            }
            KafkaFault::BrokerDown { move_leaders: true } if broker.is_none() => {
                let what = "all brokers are down: nobody is left to lead";
                self.reader.wrong(raw.inject.at, what, "name one `broker`, or leave `move_leaders` out");
            }
            _ => {}
        }
    }

    /// What an embedded cluster can do only once at a time: two of a kind would undo each other. The path is at `faults`.
    pub(super) fn one_at_a_time(&mut self, faults: &[Fault]) {
        for (later, fault) in faults.iter().enumerate() {
            let (On::Kafka { cluster, broker }, Inject::Kafka(kind)) = (&fault.on, &fault.inject) else { continue };
            let same = |other: &&Fault| {
                let (On::Kafka { cluster: c, broker: b }, Inject::Kafka(k)) = (&other.on, &other.inject) else {
                    return false;
                };
                c == cluster && kind.interferes(k) && (broker.is_none() || b.is_none() || broker == b)
            };
            let spans = fault.occurrences();
            let meets = |other: &&Fault| {
                let theirs = other.occurrences();
                spans.iter().any(|span| theirs.iter().any(|their| span.overlap(*their).is_some()))
            };
            if let Some(other) = faults[..later].iter().filter(same).find(meets) {
                let what =
                    format!("`{}` and `{}` at once: the end of one would be that of both", other.name, fault.name);
                self.within(&fault.name, |c| c.reader.wrong(fault.place, what, "let one follow the other"));
            }
        }
    }

    /// Whether a fault on a cluster strikes connections, of which it may have a share.
    pub(super) fn strikes_connections(inject: &Inject) -> bool {
        matches!(inject, Inject::Link(toxic, _) if !matches!(toxic, Toxic::Down))
    }
}
