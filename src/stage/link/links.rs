//! All links of a stage, by name: those of scenarios, and those that were made over the API.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener as Socket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::link::{Counts, Face, Lenses, Link, resolve};
use super::pipe::Count;
use super::toxic::{Stream, Toxic};
use crate::base::net;
use crate::base::seed::Seed;
use crate::base::sleep::Sleeper;
use crate::evidence::tally::Tally;

/// All links of a stage.
pub struct Links {
    all: Mutex<Vec<Arc<Link>>>,
    seed: Seed,
    sleeper: Arc<Sleeper>,
    allow_hosts: Vec<String>,
    next_toxic: AtomicU64,
    /// Counted as long as the stage stands, also where a link was removed and made again.
    counts: Mutex<BTreeMap<Counted, Counts>>,
}

/// What bytes are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The name of the link.
    pub proxy: String,
    /// Where it listens.
    pub listener: String,
    /// Where it leads.
    pub upstream: String,
}

/// Why something was not done to a link.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is one of this name.
    #[error("proxy already exists")]
    Exists,
    /// There is none.
    #[error("proxy not found")]
    NotFound,
    /// There is a toxic of this name.
    #[error("toxic already exists")]
    ToxicExists,
    /// There is none.
    #[error("toxic not found")]
    ToxicNotFound,
    /// A run owns the toxic.
    #[error("toxic `{0}` is a fault of a run: it ends with the run")]
    Owned(String),
    /// Nobody allowed this host.
    #[error("`{0}` is not this machine: start the stage with --allow-host {0}")]
    NotAllowed(String),
    /// No HOST:PORT.
    #[error("`{0}` is no HOST:PORT")]
    NoAddress(String),
    /// It cannot listen.
    #[error("listen tcp {0}: {1}")]
    Listen(String, io::Error),
}

impl Links {
    /// A stage without links. Beside this machine, `allow_hosts` may be forwarded to and listened on. Errors: the
    /// system's, when there is no thread for a timer.
    pub fn new(seed: Seed, allow_hosts: &[String]) -> io::Result<Links> {
        Ok(Links {
            all: Mutex::default(),
            seed,
            sleeper: Arc::new(Sleeper::new()?),
            allow_hosts: allow_hosts.to_vec(),
            next_toxic: AtomicU64::new(0),
            counts: Mutex::default(),
        })
    }

    /// The links, in the order in which they were made.
    pub fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.all).clone()
    }

    /// The link of a name.
    pub fn get(&self, name: &str) -> Result<Arc<Link>, Refusal> {
        self.find(name).ok_or(Refusal::NotFound)
    }

    /// Makes a link.
    pub async fn create(&self, name: &str, listen: &str, upstream: &str, enabled: bool) -> Result<Arc<Link>, Refusal> {
        if self.find(name).is_some() {
            return Err(Refusal::Exists);
        }
        let listen = if listen.is_empty() { "127.0.0.1:0" } else { listen };
        self.allowed(listen)?;
        self.allowed(upstream)?;
        let link = Arc::new(Link::new(name, listen, upstream, self.seed, self.sleeper.clone()));
        if enabled {
            self.enable(&link).await?;
        }
        let mut all = lock(&self.all);
        if all.iter().any(|known| known.name == link.name) {
            return Err(Refusal::Exists);
        }
        all.push(link.clone());
        Ok(link)
    }

    /// Lets a link take connections.
    pub async fn enable(&self, link: &Link) -> Result<(), Refusal> {
        let listen = link.face().listen;
        link.enable(|face| self.count(link, face)).await.map_err(|e| Refusal::Listen(listen, e))
    }

    /// Changes where a link listens, where it leads, and whether it takes connections.
    pub async fn update(&self, link: &Link, new: &Face) -> Result<(), Refusal> {
        self.allowed(&new.listen)?;
        self.allowed(&new.upstream)?;
        let now = link.face();
        if differ(&now.listen, &new.listen).await || now.upstream != new.upstream {
            link.redirect(&new.listen, &new.upstream).await;
        }
        if new.enabled {
            self.enable(link).await?;
        } else {
            link.disable().await;
        }
        Ok(())
    }

    /// Closes a link for ever.
    pub async fn remove(&self, name: &str) -> Result<(), Refusal> {
        let link = {
            let mut all = lock(&self.all);
            let place = all.iter().position(|link| *link.name == *name).ok_or(Refusal::NotFound)?;
            all.remove(place)
        };
        link.disable().await;
        Ok(())
    }

    /// Makes a link, or takes the one of this name if it listens and leads where it should; else that one is replaced.
    pub async fn ensure(&self, name: &str, new: &Face) -> Result<Arc<Link>, Refusal> {
        if let Some(link) = self.find(name) {
            let now = link.face();
            if now.upstream == new.upstream && !differ(&now.listen, &new.listen).await {
                return Ok(link);
            }
            self.allowed(&new.upstream)?;
            self.remove(name).await?;
        }
        self.create(name, &new.listen, &new.upstream, new.enabled).await
    }

    /// Every link takes connections and has no toxic but those of a run.
    pub async fn reset(&self) -> Result<(), Refusal> {
        for link in self.all() {
            self.enable(&link).await?;
            link.change(|toxics| toxics.retain(|toxic| toxic.watcher.is_some()));
        }
        Ok(())
    }

    /// Adds a toxic behind the others; its id is given to it here.
    pub fn add(&self, link: &Link, toxic: Toxic) -> Result<Arc<Toxic>, Refusal> {
        let id = self.next_toxic.fetch_add(1, Ordering::Relaxed);
        link.change(|toxics| {
            if toxics.iter().any(|known| known.name == toxic.name) {
                return Err(Refusal::ToxicExists);
            }
            let toxic = Arc::new(Toxic { id, ..toxic });
            toxics.push(toxic.clone());
            Ok(toxic)
        })
    }

    /// A link that nobody finds by its name, on a socket that listens already; its connections are looked at.
    pub fn unlisted(&self, named: (&str, Socket), upstream: &str, lenses: Lenses) -> Result<Arc<Link>, Refusal> {
        self.allowed(upstream)?;
        let name = named.0.to_owned();
        let link = Link::on(named, upstream, (self.seed, self.sleeper.clone()), lenses);
        link.map(Arc::new).map_err(|e| Refusal::Listen(name, e))
    }

    /// Whether an address may be forwarded to or listened on.
    pub fn allowed(&self, address: &str) -> Result<(), Refusal> {
        let (host, _) = net::split_host(address, 0).ok_or_else(|| Refusal::NoAddress(address.into()))?;
        let named = self.allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host));
        if named || net::is_loopback(&host) { Ok(()) } else { Err(Refusal::NotAllowed(host)) }
    }

    /// Where the bytes of a link are counted.
    fn count(&self, link: &Link, face: &Face) -> Counts {
        let counted =
            Counted { proxy: link.name.to_string(), listener: face.listen.clone(), upstream: face.upstream.clone() };
        lock(&self.counts).entry(counted).or_default().clone()
    }

    /// Bytes of every link that ever took connections.
    pub fn counted(&self) -> Vec<(Counted, Stream, Arc<Count>)> {
        let both = |(counted, counts): (&Counted, &Counts)| {
            [
                (counted.clone(), Stream::Downstream, counts.downstream.clone()),
                (counted.clone(), Stream::Upstream, counts.upstream.clone()),
            ]
        };
        lock(&self.counts).iter().flat_map(both).collect()
    }

    /// How long bytes that no toxic held were in links, since this was asked last.
    pub fn passed(&self) -> Tally {
        let mut passed = Tally::default();
        for (_, _, count) in self.counted() {
            passed.merge(&std::mem::take(&mut *lock(&count.passed)));
        }
        passed
    }

    fn find(&self, name: &str) -> Option<Arc<Link>> {
        lock(&self.all).iter().find(|link| *link.name == *name).cloned()
    }
}

/// Whether two addresses are different places: `localhost:1` and `127.0.0.1:1` are one.
async fn differ(a: &str, b: &str) -> bool {
    if a == b {
        return false;
    }
    match (resolve(a).await, resolve(b).await) {
        (Ok(a), Ok(b)) => a != b,
        _ => true,
    }
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
