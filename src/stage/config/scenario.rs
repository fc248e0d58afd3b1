//! What a run of a scenario tells its stage.

use std::path::Path;

use super::{
    ClusterConfig, Config, FaultConfig, KafkaConfig, Key, LINGER, LeadConfig, LimitConfig, LinkConfig, ReplyConfig,
    Subject, TlsConfig, ToxiproxyConfig, UpstreamConfig,
};
use crate::base::net;
use crate::base::time::Clock;
use crate::base::units::Rate;
use crate::scenario::kafka::Cluster;
use crate::scenario::{Fault, Kafka, Lead, Link, On, RateLimit, Scenario, StubReply, Tls, Toxiproxy, Upstream};

impl Config {
    /// What a run of this scenario tells its stage. `run` is what its trace ids are made with; `touches` is where
    /// decisions are written.
    pub fn new(scenario: &Scenario, clock: &Clock, run: &str, touches: Option<&Path>) -> Config {
        Config {
            zero: clock.zero(),
            seed: scenario.seed.0,
            run: run.to_owned(),
            upstreams: scenario.upstreams.iter().map(UpstreamConfig::from).collect(),
            links: scenario.links.iter().map(|l| LinkConfig::new(l, scenario)).collect(),
            kafka: scenario.kafka.iter().filter_map(KafkaConfig::new).collect(),
            faults: scenario.faults.iter().map(|f| FaultConfig::new(f, scenario)).collect(),
            allow_hosts: scenario
                .links
                .iter()
                .flat_map(hosts)
                .chain(scenario.kafka.iter().flat_map(kafka_hosts))
                .chain(scenario.allow_hosts.iter().cloned())
                .collect(),
            // The stage may have another working directory.
            touches: touches.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            undo: None,
            linger: LINGER,
        }
    }
}

/// The hosts of a link of a scenario, which were allowed when it was checked.
fn hosts(link: &Link) -> impl Iterator<Item = String> {
    let to = if let Lead::Address(to) = &link.to { Some(to) } else { None };
    to.into_iter().chain(&link.listen).filter_map(|address| net::split_host(address, 0)).map(|(host, _)| host)
}

/// The hosts of a Kafka cluster of a scenario, which were allowed when it was checked.
fn kafka_hosts(kafka: &Kafka) -> Vec<String> {
    let brokers = match &kafka.cluster {
        Cluster::Real { brokers, proxied: true, .. } => brokers.as_slice(),
        _ => &[],
    };
    let host = |address: &String| net::split_host(address, 0).map(|(host, _)| host);
    brokers.iter().chain(&kafka.listen).filter_map(host).collect()
}

impl From<&Upstream> for UpstreamConfig {
    fn from(upstream: &Upstream) -> UpstreamConfig {
        UpstreamConfig {
            name: upstream.name.clone(),
            like: upstream.like.clone(),
            listen: upstream.listen.clone(),
            latency: upstream.latency.clone(),
            success: upstream.success.0,
            rate_limit: upstream.rate_limit.map(LimitConfig::from),
            replies: upstream.replies.iter().map(ReplyConfig::from).collect(),
            forward: upstream.forward.as_ref().map(ToString::to_string),
            tls: upstream.tls.as_ref().map(TlsConfig::from),
        }
    }
}

impl From<&Tls> for TlsConfig {
    fn from(tls: &Tls) -> TlsConfig {
        let text = |pem: &[u8]| String::from_utf8_lossy(pem).into_owned();
        TlsConfig {
            ca: tls.ca.as_deref().map(text),
            cert: tls.identity.as_ref().map(|identity| text(&identity.cert)),
            key: tls.identity.as_ref().map(|identity| Key(text(identity.key.pem()))),
            insecure: tls.insecure,
            name: tls.name.clone(),
        }
    }
}

impl From<RateLimit> for LimitConfig {
    fn from(limit: RateLimit) -> LimitConfig {
        LimitConfig { rate: limit.rate.0, burst: limit.burst }
    }
}

impl From<LimitConfig> for RateLimit {
    fn from(limit: LimitConfig) -> RateLimit {
        RateLimit { rate: Rate(limit.rate), burst: limit.burst }
    }
}

impl From<&StubReply> for ReplyConfig {
    fn from(reply: &StubReply) -> ReplyConfig {
        ReplyConfig {
            path: reply.path.clone(),
            status: reply.status,
            media: reply.media.clone(),
            body: reply.body.clone(),
        }
    }
}

impl LinkConfig {
    fn new(link: &Link, scenario: &Scenario) -> LinkConfig {
        let to = match &link.to {
            Lead::Address(address) => LeadConfig::Address(address.clone()),
            Lead::Upstream(upstream) => LeadConfig::Upstream(scenario.upstreams[*upstream].name.clone()),
            Lead::Service(_) | Lead::Toxiproxy(_) => LeadConfig::Later,
        };
        let toxiproxy = match &link.to {
            Lead::Toxiproxy(Toxiproxy { server, proxy }) => {
                Some(ToxiproxyConfig { server: server.clone(), proxy: proxy.clone() })
            }
            _ => None,
        };
        LinkConfig { name: link.name.clone(), listen: link.listen.clone(), to, toxiproxy }
    }
}

impl KafkaConfig {
    /// Nothing where clients do not come by the stage.
    fn new(kafka: &Kafka) -> Option<KafkaConfig> {
        let cluster = match &kafka.cluster {
            Cluster::Embedded { brokers, topics } => ClusterConfig::Embedded {
                brokers: *brokers,
                topics: topics.iter().map(|t| (t.name.clone(), t.partitions, t.replication)).collect(),
            },
            Cluster::Real { brokers, proxied: true, security } => {
                ClusterConfig::Real { brokers: brokers.clone(), asks: security.is_none() }
            }
            Cluster::Real { proxied: false, .. } => return None,
        };
        Some(KafkaConfig { name: kafka.name.clone(), cluster, listen: kafka.listen.clone() })
    }
}

impl FaultConfig {
    fn new(fault: &Fault, scenario: &Scenario) -> FaultConfig {
        FaultConfig {
            name: fault.name.clone(),
            on: match fault.on {
                On::Upstream(upstream) => Subject::Upstream(scenario.upstreams[upstream].name.clone()),
                On::Link(link) => Subject::Link(scenario.links[link].name.clone()),
                On::Kafka { cluster, broker } => {
                    Subject::Kafka { cluster: scenario.kafka[cluster].name.clone(), broker }
                }
                On::Process(_) | On::Hook(_) => Subject::Elsewhere,
            },
            inject: fault.inject.clone(),
            share: fault.share,
            ramp: fault.ramp,
            matching: fault.matching.clone(),
            when: fault.when,
            mark: fault.mark,
            ttl: fault.ttl,
        }
    }
}
