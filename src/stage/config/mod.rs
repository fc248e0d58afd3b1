//! What a run tells its stage: the part of the scenario that happens outside the service under test, in a shape that
//! can travel through a pipe.

mod scenario;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::law::Law;
use crate::base::time::Clock;
use crate::base::units::Share;
use crate::scenario::{Inject, Match, Ramp, When};

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

impl FaultConfig {
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
