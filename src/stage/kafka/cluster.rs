//! A Kafka cluster as its clients see it: each of its brokers behind a link of its own, and no reply names any other way
//! to it. A broker that is heard of for the first time gets a link before whoever hears of it does.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::task::JoinSet;

use super::ask::{Census, ask};
use super::embedded::Embedded;
use super::rewrite::{Refusal, TopicSeen};
use super::talk::{Company, lenses};
use crate::stage::config::{ClusterConfig, KafkaConfig};
use crate::stage::link::link::{Lenses, Link, bind_now, resolve};
use crate::stage::link::links::Links;
use crate::stage::link::toxic::Toxic;

/// So many different reasons are told; a client that comes again and again is told of once.
const REASONS: usize = 32;

/// Hears what could not be passed on, in words.
pub type Note = Arc<dyn Fn(String) + Send + Sync>;

/// A cluster behind the proxy.
pub struct Cluster {
    /// What the scenario says of it.
    pub config: KafkaConfig,
    /// The brokers, where they are the stage's own.
    pub embedded: Option<Embedded>,
    links: Arc<Links>,
    state: Mutex<State>,
    note: Note,
}

#[derive(Default)]
struct State {
    brokers: Vec<Broker>,
    /// Where the next broker is found by clients; port 0 for any.
    next: Option<SocketAddr>,
    standing: Vec<Standing>,
    watchers: Vec<Arc<dyn Watcher>>,
    /// Why connections were broken off.
    refused: BTreeSet<String>,
    /// Whose links are shut: by whom, and which broker; all without a number.
    shut: Vec<(usize, Option<i32>)>,
}

/// A broker behind the proxy.
#[derive(Clone)]
pub struct Broker {
    /// Its number, once anybody said so.
    pub node: Option<i32>,
    /// Which it is of those that were heard of, from 0.
    pub position: usize,
    /// HOST:PORT by which it is known; clients never see them.
    names: Vec<String>,
    /// Where clients find it.
    pub face: SocketAddr,
    /// What leads there.
    pub link: Arc<Link>,
}

/// Something that is done to every broker of some number, also to those that are heard of later.
struct Standing {
    name: String,
    broker: Option<i32>,
    make: Box<dyn Fn(usize) -> Toxic + Send + Sync>,
}

/// Hears what passes.
pub trait Watcher: Send + Sync {
    /// A request of an API went to a broker, and will be answered.
    fn asked(&self, key: i16, broker: Option<i32>);
    /// A reply said this of topics.
    fn told(&self, topics: &[TopicSeen]);
    /// Whether it wants to be told of topics.
    fn is_curious(&self) -> bool;
}

impl Cluster {
    /// Opens a cluster for clients. `Err` says what could not be opened, and what to do.
    pub async fn open(config: &KafkaConfig, links: &Arc<Links>, note: Note) -> Result<Arc<Cluster>, String> {
        let failed = |why: String| format!("kafka `{}`: {why}", config.name);
        let (embedded, known) = match &config.cluster {
            ClusterConfig::Embedded { brokers, topics } => {
                let embedded = Embedded::open(*brokers, topics).await.map_err(failed)?;
                let known = embedded.brokers().to_vec();
                (Some(embedded), known)
            }
            ClusterConfig::Real { brokers, .. } => (None, brokers.clone()),
        };
        let first = match config.listen.as_deref() {
            Some(listen) => resolve(listen).await.map_err(|e| failed(format!("cannot listen on {listen}: {e}")))?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let cluster = Arc::new(Cluster {
            config: config.clone(),
            embedded,
            links: links.clone(),
            state: Mutex::new(State { next: Some(first), ..State::default() }),
            note,
        });
        for (position, name) in known.iter().enumerate() {
            let node = cluster.embedded.as_ref().map(|_| position as i32 + 1);
            cluster.add(node, name).map_err(|Refusal(why)| failed(why))?;
        }
        if let ClusterConfig::Real { asks: true, .. } = config.cluster {
            let census = first_answer(&known).await;
            let census =
                census.map_err(|why| failed(format!("no broker answers: {why}: start it, or change `brokers`")))?;
            cluster.meet(&census).await.map_err(failed)?;
        }
        for broker in cluster.brokers(None) {
            links.enable(&broker.link).await.map_err(|e| failed(e.to_string()))?;
        }
        Ok(cluster)
    }

    /// Where clients begin: HOST:PORT of each broker that is known, separated by commas.
    pub fn bootstrap(&self) -> String {
        let faces: Vec<String> = lock(&self.state).brokers.iter().map(|b| b.face.to_string()).collect();
        faces.join(",")
    }

    /// Its brokers: those of a number, or all.
    pub fn brokers(&self, node: Option<i32>) -> Vec<Broker> {
        let state = lock(&self.state);
        state.brokers.iter().filter(|b| node.is_none() || b.node == node).cloned().collect()
    }

    /// The places of all brokers, so that those which go by two names are one.
    async fn meet(self: &Arc<Self>, census: &Census) -> Result<(), String> {
        for (node, host, port) in &census.brokers {
            let name = joined(host, *port);
            let place = resolve(&name).await.ok();
            let mut same = None;
            for broker in self.brokers(None) {
                for known in &broker.names {
                    if *known == name || (place.is_some() && resolve(known).await.ok() == place) {
                        same = Some(broker.position);
                    }
                }
            }
            match same {
                Some(position) => {
                    let broker = &mut lock(&self.state).brokers[position];
                    broker.node = Some(*node);
                    if !broker.names.contains(&name) {
                        broker.names.push(name);
                    }
                }
                None => _ = self.add(Some(*node), &name).map_err(|Refusal(why)| why)?,
            }
        }
        Ok(())
    }

    /// Opens a way to a broker; it takes connections when it is enabled.
    fn add(self: &Arc<Self>, node: Option<i32>, name: &str) -> Result<Broker, Refusal> {
        let refused = |why: String| Refusal(format!("a broker at {name}: {why}"));
        let mut state = lock(&self.state);
        let next = state.next.ok_or_else(|| refused("no port is left after those of the other brokers".into()))?;
        let socket = bind_now(next).map_err(|e| refused(format!("cannot listen on {next}: {e}: change `listen`")))?;
        let face = socket.local_addr().map(reachable).map_err(|e| refused(e.to_string()))?;
        let position = state.brokers.len();
        let seen = Arc::downgrade(self);
        let lenses: Lenses = Box::new(move || lenses(Arc::new(Seen { cluster: seen.clone(), position })));
        let link = format!("kafka/{}/{}", self.config.name, node.map_or(position as i32 + 1, |node| node));
        let link = self.links.unlisted((&link, socket), name, lenses).map_err(|e| refused(e.to_string()))?;
        if next.port() != 0 {
            state.next = next.port().checked_add(1).map(|port| SocketAddr::new(next.ip(), port));
        }
        let broker = Broker { node, position, names: vec![name.to_owned()], face, link };
        for standing in state.standing.iter().filter(|s| s.broker.is_none() || s.broker == node) {
            let _ = self.links.add(&broker.link, (standing.make)(position));
        }
        state.brokers.push(broker.clone());
        Ok(broker)
    }

    /// Does something to every broker of a number, or to all, from now on: a toxic for each position.
    pub fn stand(&self, name: &str, node: Option<i32>, make: impl Fn(usize) -> Toxic + Send + Sync + 'static) {
        for broker in self.brokers(node) {
            let _ = self.links.add(&broker.link, make(broker.position));
        }
        lock(&self.state).standing.push(Standing { name: name.into(), broker: node, make: Box::new(make) });
    }

    /// Takes it away again.
    pub fn fall(&self, name: &str) {
        let mut state = lock(&self.state);
        state.standing.retain(|standing| standing.name != name);
        for broker in &state.brokers {
            broker.link.change(|toxics| toxics.retain(|toxic| toxic.name != name));
        }
    }

    /// Lets somebody hear what passes.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        lock(&self.state).watchers.push(watcher);
    }

    /// Lets them hear no more.
    pub fn unwatch(&self, watcher: &Arc<dyn Watcher>) {
        lock(&self.state).watchers.retain(|known| !Arc::ptr_eq(known, watcher));
    }

    /// Shuts the way to a broker, or to all, on behalf of a fault: the connections that were open, by the position of the
    /// broker and their number.
    pub async fn shut(&self, fault: usize, node: Option<i32>) -> Vec<(usize, u64)> {
        lock(&self.state).shut.push((fault, node));
        let mut closed = Vec::new();
        for broker in self.brokers(node) {
            let numbers = broker.link.disable().await;
            closed.extend(numbers.into_iter().map(|number| (broker.position, number)));
        }
        closed
    }

    /// Opens what a fault had shut, where no other has. The error says what cannot be opened.
    pub async fn reopen(&self, fault: usize) -> Result<(), String> {
        lock(&self.state).shut.retain(|(by, _)| *by != fault);
        for broker in self.brokers(None) {
            if !self.is_shut(broker.node) {
                let enabled = self.links.enable(&broker.link).await;
                enabled.map_err(|e| format!("kafka `{}` cannot be opened again: {e}", self.config.name))?;
            }
        }
        Ok(())
    }

    /// Whether some fault shuts the way to a broker.
    pub fn is_shut(&self, node: Option<i32>) -> bool {
        lock(&self.state).shut.iter().any(|(_, shut)| shut.is_none() || *shut == node)
    }

    /// Asks the cluster, past the proxy, who is in it.
    pub async fn census(&self) -> Result<Census, String> {
        let names: Vec<String> = lock(&self.state).brokers.iter().flat_map(|b| b.names.first().cloned()).collect();
        first_answer(&names).await
    }
}

/// What the first broker that answers says: all are asked at once, so that those which are silent hold nobody up.
async fn first_answer(brokers: &[String]) -> Result<Census, String> {
    let mut asking = JoinSet::new();
    for broker in brokers.iter().cloned() {
        asking.spawn(async move { ask(&broker).await });
    }
    let mut why = "it has none".to_owned();
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok(Ok(census)) => return Ok(census),
            Ok(Err(silent)) => why = silent,
            Err(_) => {}
        }
    }
    Err(why)
}

/// Clients of this machine find who listens on all interfaces on the loopback one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What the connections to one broker have to do with its cluster. One that is closed has no clients.
struct Seen {
    cluster: Weak<Cluster>,
    position: usize,
}

impl Company for Seen {
    fn asked(&self, key: i16) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        let (watchers, node) = {
            let state = lock(&cluster.state);
            if state.watchers.is_empty() {
                return;
            }
            (state.watchers.clone(), state.brokers.get(self.position).and_then(|b| b.node))
        };
        watchers.iter().for_each(|watcher| watcher.asked(key, node));
    }

    fn told(&self, topics: &[TopicSeen]) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        let watchers = lock(&cluster.state).watchers.clone();
        watchers.iter().for_each(|watcher| watcher.told(topics));
    }

    fn is_curious(&self) -> bool {
        let cluster = self.cluster.upgrade();
        cluster.is_some_and(|cluster| lock(&cluster.state).watchers.iter().any(|watcher| watcher.is_curious()))
    }

    fn place(&self, node: i32, host: &str, port: u16) -> Result<(String, u16), Refusal> {
        let gone = || Refusal("the stage is closing".into());
        let cluster = self.cluster.upgrade().ok_or_else(gone)?;
        let name = joined(host, port);
        let known = {
            let mut state = lock(&cluster.state);
            let found = state.brokers.iter_mut().find(|b| b.names.contains(&name));
            // Whoever was only an address until now has a number.
            found.map(|broker| {
                broker.node = broker.node.or(Some(node));
                broker.face
            })
        };
        if let Some(face) = known {
            return Ok((face.ip().to_string(), face.port()));
        }
        cluster.links.allowed(&name).map_err(|_| {
            Refusal(format!("broker {node} says that it is at {name}, which is not this machine: if clients may go there, use --allow-host {host}"))
        })?;
        let broker = cluster.add(Some(node), &name)?;
        if !cluster.is_shut(Some(node)) {
            let (links, link) = (cluster.links.clone(), broker.link);
            tokio::spawn(async move { links.enable(&link).await });
        }
        Ok((broker.face.ip().to_string(), broker.face.port()))
    }

    fn refused(&self, why: String) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        let is_new = {
            let refused = &mut lock(&cluster.state).refused;
            refused.len() < REASONS && refused.insert(why.clone())
        };
        if is_new {
            (cluster.note)(format!("kafka `{}`: a connection was broken off: {why}", cluster.config.name));
        }
    }
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
