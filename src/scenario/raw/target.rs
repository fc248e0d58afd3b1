//! The target, and how connections to it are made and kept.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Header, Step};
use crate::scenario::mistake::Place;
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

/// The target as one word or as a mapping.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `sim:NAME` or an address.
    Word(At<String>),
    /// Spelled out.
    Map(Box<TargetMap>),
}

impl Target {
    /// Whether its process is known: that of a practice target, or one that is named.
    pub fn has_process(&self) -> bool {
        match self {
            Target::Word(word) => word.value.starts_with("sim:"),
            Target::Map(map) => map.sim.is_some() || map.pid.is_some(),
        }
    }
}

impl Shape for Target {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => TargetMap::read(node, reader).map(|map| Target::Map(Box::new(map))),
            _ => At::read(node, reader).map(Target::Word),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "type": "string", "pattern": "^(sim:|https?://|unix:/)" }, TargetMap::schema()] })
    }
}

record! {
    /// What is under test.
    pub struct TargetMap {
        /// A practice target that the run starts and stops: `quote-service`.
        sim: Option<At<String>>,
        /// Settings of the practice target; `proofload sim SYSTEM --help` lists them.
        with: Option<Names<String>>,
        /// The id of its process, where it runs on this machine: what it takes of the machine is then watched. Processes that
        /// the run starts are watched anyway.
        pid: Option<At<u64>>,
        /// The address of the one service: http://HOST:PORT, https://HOST:PORT or unix:/path/of/socket; or a list of them.
        url: Option<Addresses>,
        /// Several services by name, each an address or a list of them.
        services: Option<Names<Addresses>>,
        /// What must answer 200 before anything is sent.
        ready: Option<Ready>,
        /// How many connections at the most; by default the peak rate times the timeout, within 64 and 1024.
        connections: Option<At<u64>>,
        /// How long a reply may take from the first byte sent; 2s when left out.
        timeout: Option<At<Duration>>,
        /// What https:// addresses ask for beyond the defaults.
        tls: Option<Tls>,
        /// Which HTTP: 1.1 (default), 2, or auto: what the other side chooses by ALPN.
        http: Option<At<Version>>,
        /// The most requests at once on one HTTP/2 connection; as the other side allows when left out.
        streams: Option<At<u64>>,
        /// When a connection is given up for a new one: per_request, or limits; kept alive when left out.
        reuse: Option<Reuse>,
        /// Where names lead, instead of what the resolver says: HOST:PORT to an IP address.
        resolve: Option<Names<At<String>>>,
        /// Sent with every request.
        headers: Option<Names<Header>>,
        /// Requests sent once before the load, not measured; each must succeed.
        before: Option<Vec<Step>>,
        /// Requests sent once after the drain, not measured.
        after: Option<Vec<Step>>,
    }
}

/// One address, or several over which connections are spread evenly.
#[derive(Debug, Clone, PartialEq)]
pub struct Addresses {
    /// Where the one or the list stands.
    pub place: Place,
    /// Those that could be read.
    pub all: Vec<At<String>>,
}

impl Shape for Addresses {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let all = match node.kind {
            Kind::List(_) => Vec::read(node, reader)?,
            _ => vec![At::read(node, reader)?],
        };
        Some(Addresses { place: node.at, all })
    }
    fn schema() -> Value {
        json!({ "anyOf": [String::schema(), <Vec<String>>::schema()] })
    }
}

record! {
    /// What TLS asks for.
    pub struct Tls {
        /// A PEM file of the certificates that are trusted, instead of those of the system.
        ca: Option<At<String>>,
        /// A PEM file of our own certificate and those that lead to its root.
        cert: Option<At<String>>,
        /// A PEM file of its private key, and of nothing else; read, and never kept.
        key: Option<At<String>>,
        /// true: any certificate is taken, from anybody.
        insecure: Option<At<bool>>,
        /// The name that must stand in the certificate; the address's host when left out.
        name: Option<At<String>>,
    }
}

/// Which HTTP is spoken. Both numbers are also plain YAML numbers, which `choice!` has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
    /// What the other side chooses.
    Auto,
}

impl Shape for Version {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.parsed(node, "a version of HTTP", |text| match text {
            "1.1" => Ok(Version::One),
            "2" => Ok(Version::Two),
            "auto" => Ok(Version::Auto),
            "3" => Err("HTTP/3 is planned, not built: write 1.1, 2 or auto".into()),
            _ => Err(format!("`{text}` is no version of HTTP: write 1.1, 2 or auto")),
        })
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "const": 1.1 }, { "const": 2 }, { "const": "auto" }, { "const": "1.1" }, { "const": "2" }] })
    }
}

record! {
    /// When a connection is given up for a new one.
    pub struct ReuseLimits {
        /// After this many requests.
        requests: Option<At<u64>>,
        /// When it is older than this.
        age: Option<At<Duration>>,
    }
}

/// When a connection is given up: after each request, or by limits.
#[derive(Debug, Clone, PartialEq)]
pub enum Reuse {
    /// A new connection for each request.
    PerRequest,
    /// By limits.
    Limits(ReuseLimits),
}

impl Shape for Reuse {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => ReuseLimits::read(node, reader).map(Reuse::Limits),
            _ => reader.parsed(node, "a policy for connections", |text| match text {
                "per_request" => Ok(Reuse::PerRequest),
                _ => Err(format!(
                    "`{text}` is no policy for connections: write per_request, or {{ requests: 100, age: 30s }}"
                )),
            }),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "const": "per_request" }, ReuseLimits::schema()] })
    }
}

record! {
    /// When the target is ready.
    pub struct Ready {
        /// The path that must answer 2xx.
        get: At<String>,
        /// How long to wait for it; 60s when left out.
        within: Option<At<Duration>>,
        /// Which service, where there are several.
        to: Option<At<String>>,
    }
}
