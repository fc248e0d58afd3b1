//! What a run tells its stage: the part of the scenario that happens outside the service under test, in a shape that
//! can travel through a pipe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::law::Law;
use crate::base::net;
use crate::base::time::Clock;
use crate::base::units::{Rate, Share};
use crate::scenario::kafka::Cluster;
use crate::scenario::{
    Fault, Inject, Kafka, Lead, Link, Match, On, Ramp, RateLimit, Scenario, StubReply, Tls, Toxiproxy, Upstream, When,
};

/// How long stubs and links go on cleanly after the run died, unless it says otherwise.
pub const LINGER: Duration = Duration::from_secs(60);

/// Everything that a stage needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The plan's zero, in nanoseconds on the kernel's monotonic clock: both sides write instants on one axis.
    pub zero: u64,
    /// The seed of every decision.
    pub seed: u64,
    /// The tag of the run's trace ids.
    pub run: String,
    /// Stub quoters, in the order of the scenario.
    pub upstreams: Vec<UpstreamConfig>,
    /// TCP proxies.
    pub links: Vec<LinkConfig>,
    /// Kafka clusters whose clients come by the stage.
    #[serde(default)]
    pub kafka: Vec<KafkaConfig>,
    /// What can be broken, in the order of the scenario; orders name a fault by its position.
    pub faults: Vec<FaultConfig>,
    /// Hosts beside this machine that links may lead to and listen on.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// Where to write decisions; `None` writes none.
    pub touches: Option<PathBuf>,
    /// Where it is written what was undone; `None` where nothing but the stage itself is broken.
    pub undo: Option<PathBuf>,
    /// How long to go on cleanly after the run died.
    pub linger: Duration,
}

/// A stub quoter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamConfig {
    /// What faults and practice targets call it.
    pub name: String,
    /// Whose replies it gives.
    pub like: Option<String>,
    /// HOST:PORT; a free loopback port when not given.
    pub listen: Option<String>,
    /// How long a reply takes.
    pub latency: Law,
    /// Billionths of the requests that succeed.
    pub success: u32,
    /// How many requests it allows.
    pub rate_limit: Option<LimitConfig>,
    /// Replies of the user's own, tried in order first.
    pub replies: Vec<ReplyConfig>,
    /// Where requests are passed on to, instead of being answered here.
    #[serde(default)]
    pub forward: Option<String>,
    /// What TLS asks for there.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

/// What TLS asks for where requests are passed on to, beyond the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The certificates that are trusted, as PEM, instead of those of the system.
    pub ca: Option<String>,
    /// Our own certificate and those that lead to its root, as PEM.
    pub cert: Option<String>,
    /// Its private key, as PEM.
    pub key: Option<Key>,
    /// Any certificate is taken, from anybody.
    pub insecure: bool,
    /// The name that must stand in the certificate, instead of the address's host.
    pub name: Option<String>,
}

/// A private key, which travels to the stage and is shown nowhere.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Key(pub String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitConfig {
    /// Millionths of a request per second.
    pub rate: u64,
    /// The most tokens at once; at least 1.
    pub burst: u32,
}

/// What a stub answers to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyConfig {
    /// Without the query.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The media type.
    pub media: String,
    /// The body, a template.
    pub body: String,
}

/// A TCP proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkConfig {
    /// What faults call it.
    pub name: String,
    /// HOST:PORT; a free loopback port when not given.
    pub listen: Option<String>,
    /// Where it leads.
    pub to: LeadConfig,
    /// Where its toxics live, when not in this stage.
    pub toxiproxy: Option<ToxiproxyConfig>,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadConfig {
    /// HOST:PORT.
    Address(String),
    /// The upstream of this name.
    Upstream(String),
    /// Nowhere yet: an order will say.
    Later,
}

/// A Kafka cluster whose clients come by the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaConfig {
    /// What faults call it.
    pub name: String,
    /// Whose it is.
    pub cluster: ClusterConfig,
    /// HOST:PORT of its first broker, for clients; free loopback ports when not given.
    pub listen: Option<String>,
}

/// Whose a cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterConfig {
    /// The stage opens it.
    Embedded {
        /// How many.
        brokers: u32,
        /// Name, partitions, and how many brokers have each of them.
        topics: Vec<(String, u32, u32)>,
    },
    /// It stands already.
    Real {
        /// HOST:PORT of some of its brokers.
        brokers: Vec<String>,
        /// Whether it tells anybody who is in it; one that wants to know who asks does not.
        asks: bool,
    },
}

/// A proxy of a toxiproxy server that somebody else runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToxiproxyConfig {
    /// HOST:PORT of its API.
    pub server: String,
    /// The name of the proxy there.
    pub proxy: String,
}

/// What can be broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultConfig {
    /// What windows call it; part of every decision's hash.
    pub name: String,
    /// What it acts on.
    pub on: Subject,
    /// What it does.
    pub inject: Inject,
    /// The share of the requests that it strikes.
    pub share: Share,
    /// How the share changes, if it does.
    pub ramp: Option<Ramp>,
    /// Which requests come its way.
    pub matching: Match,
    /// Which of those may be struck.
    pub when: When,
    /// Replies that it struck say so.
    #[serde(default)]
    pub mark: bool,
    /// The stage clears it by itself after this long.
    pub ttl: Duration,
}

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An upstream, by name.
    Upstream(String),
    /// A link, by name.
    Link(String),
    /// A Kafka cluster, by name.
    Kafka {
        /// Its name.
        cluster: String,
        /// Which of its brokers; all when not given.
        broker: Option<u32>,
    },
    /// Something that is not the stage's.
    Elsewhere,
}

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

impl Config {
    /// Of a stage that begins without anything.
    pub fn empty(clock: &Clock) -> Config {
        Config {
            zero: clock.zero(),
            seed: 1,
            run: "by-hand".into(),
            upstreams: Vec::new(),
            links: Vec::new(),
            kafka: Vec::new(),
            faults: Vec::new(),
            allow_hosts: Vec::new(),
            touches: None,
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

    /// The share that it strikes this long after it began.
    pub fn share_at(&self, since: Duration) -> Share {
        self.ramp.map_or(self.share, |ramp| ramp.at(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::HttpFault;

    #[test]
    fn a_config_travels() {
        let law = |latency| UpstreamConfig {
            name: "jupiter".into(),
            like: Some("jupiter".into()),
            listen: None,
            latency,
            success: 992_000_000,
            rate_limit: Some(LimitConfig { rate: 20_000_000, burst: 5 }),
            replies: vec![ReplyConfig {
                path: "/x".into(),
                status: 200,
                media: "text/plain".into(),
                body: "\n".into(),
            }],
            forward: Some("https://api.example/v1".into()),
            tls: Some(TlsConfig {
                ca: None,
                cert: Some("cert".into()),
                key: Some(Key("hunter2".into())),
                insecure: true,
                name: Some("api".into()),
            }),
        };
        let ms = Duration::from_millis;
        let config = Config {
            zero: u64::MAX,
            seed: 7,
            run: "r".into(),
            upstreams: vec![
                law(Law::Fixed(ms(1))),
                law(Law::Uniform(ms(1), ms(2))),
                law(Law::Normal { mean: ms(1), sd: ms(2) }),
                law(Law::Lognormal { median: ms(1), sigma: 0.5 }),
                law(Law::Pareto { min: ms(1), alpha: 1.5 }),
                law(Law::Quantiles(vec![(0.5, ms(120)), (0.95, ms(280))])),
            ],
            links: vec![LinkConfig {
                name: "db".into(),
                listen: None,
                to: LeadConfig::Upstream("jupiter".into()),
                toxiproxy: Some(ToxiproxyConfig { server: "127.0.0.1:8474".into(), proxy: "db".into() }),
            }],
            kafka: vec![KafkaConfig {
                name: "trading".into(),
                cluster: ClusterConfig::Embedded { brokers: 3, topics: vec![("signals".into(), 6, 3)] },
                listen: None,
            }],
            allow_hosts: vec!["db.internal".into()],
            faults: vec![FaultConfig {
                name: "f".into(),
                on: Subject::Upstream("jupiter".into()),
                inject: Inject::Http(HttpFault::Latency { law: Law::Fixed(ms(1)), replace: true }),
                share: Share(1),
                ramp: Some(Ramp { from: Share(0), to: Share(1), over: ms(1) }),
                matching: Match { path: Some("/x*".into()), ..Match::default() },
                when: When::First(3),
                mark: true,
                ttl: ms(1),
            }],
            touches: Some("/tmp/x".into()),
            undo: Some("/tmp/y".into()),
            linger: LINGER,
        };
        let line = serde_json::to_string(&config).expect("serialises");
        assert!(!line.contains('\n'), "one line");
        assert!(!format!("{config:?}").contains("hunter2"), "a key is not shown");
        assert_eq!(serde_json::from_str::<Config>(&line).expect("reads back"), config);
    }
}
