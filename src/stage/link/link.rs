//! A link: a TCP proxy with toxics.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener as Socket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::connection::converse;
use super::hop::Place;
use super::pipe::{Count, Lens, Pipe, Toxics};
use super::toxic::{Stream, Toxic};
use crate::base::seed::Seed;
use crate::base::sleep::Sleeper;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often a free port is looked for.
const TRIES: usize = 16;

/// Makes, for each connection, what looks at its two directions: to the server, and to the client.
pub type Lenses = Box<dyn Fn() -> (Lens, Lens) + Send + Sync>;

/// A TCP proxy with toxics.
pub struct Link {
    /// What it is called.
    pub name: Arc<str>,
    state: Mutex<State>,
    /// Changed under the lock of `state` only by who opens and closes; read by all.
    face: Lock<Face>,
    shared: Arc<Shared>,
}

/// What can be seen of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// HOST:PORT; once it has listened, where it really does.
    pub listen: String,
    /// HOST:PORT.
    pub upstream: String,
    /// Whether it takes connections.
    pub enabled: bool,
}

struct State {
    /// Bound once it has listened, so that nobody takes the port while it is down.
    socket: Option<Socket>,
    accepting: Option<JoinHandle<()>>,
}

/// What all connections of a link share.
struct Shared {
    name: Arc<str>,
    seed: Seed,
    sleeper: Arc<Sleeper>,
    toxics: watch::Sender<Toxics>,
    ordinal: AtomicU64,
    open: Lock<BTreeSet<u64>>,
    lenses: Option<Lenses>,
}

/// How many bytes went each way.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// From the client to the server.
    pub upstream: Arc<Count>,
    /// From the server to the client.
    pub downstream: Arc<Count>,
}

impl Link {
    /// A link that takes no connections yet. Must be called in a runtime.
    pub fn new(name: &str, listen: &str, upstream: &str, seed: Seed, sleeper: Arc<Sleeper>) -> Link {
        let name: Arc<str> = name.into();
        let shared = Shared {
            name: name.clone(),
            seed,
            sleeper,
            toxics: watch::Sender::new(Arc::new([])),
            ordinal: AtomicU64::new(0),
            open: Lock::default(),
            lenses: None,
        };
        Link {
            name,
            state: Mutex::new(State { socket: None, accepting: None }),
            face: Lock::new(Face { listen: listen.into(), upstream: upstream.into(), enabled: false }),
            shared: Arc::new(shared),
        }
    }

    /// A link on a socket that listens already, whose connections are looked at. Must be called in a runtime.
    pub fn on(
        (name, socket): (&str, Socket),
        upstream: &str,
        (seed, sleeper): (Seed, Arc<Sleeper>),
        lenses: Lenses,
    ) -> io::Result<Link> {
        let listen = socket.local_addr()?.to_string();
        let mut link = Link::new(name, &listen, upstream, seed, sleeper);
        link.state.get_mut().socket = Some(socket);
        if let Some(shared) = Arc::get_mut(&mut link.shared) {
            shared.lenses = Some(lenses);
        }
        Ok(link)
    }

    /// What can be seen of it.
    pub fn face(&self) -> Face {
        lock(&self.face).clone()
    }

    /// Its toxics, in the order in which they came.
    pub fn toxics(&self) -> Toxics {
        self.shared.toxics.borrow().clone()
    }

    /// Takes connections from now on; `counts` is where their bytes are counted, given where it listens. Nothing
    /// changes when it does already. Errors: the system's, when it cannot listen.
    pub async fn enable(&self, counts: impl FnOnce(&Face) -> Counts) -> io::Result<()> {
        let mut state = self.state.lock().await;
        if state.accepting.is_some() {
            return Ok(());
        }
        let socket = match &state.socket {
            Some(socket) => {
                rustix::net::listen(socket, BACKLOG)?;
                socket
            }
            None => {
                let listen = self.face().listen;
                state.socket.insert(bind(&listen).await?)
            }
        };
        // A second descriptor: a runtime that saw a socket shut down takes it for closed for ever.
        let listener = TcpListener::from_std(socket.try_clone()?)?;
        let address = listener.local_addr()?;
        let face = {
            let mut face = lock(&self.face);
            (face.listen, face.enabled) = (address.to_string(), true);
            face.clone()
        };
        let counts = counts(&face);
        state.accepting = Some(tokio::spawn(accept(listener, self.shared.clone(), face.upstream.into(), counts)));
        Ok(())
    }

    /// Takes no connections from now on, which are refused, and closes those that are open: their numbers.
    pub async fn disable(&self) -> Vec<u64> {
        let mut state = self.state.lock().await;
        let Some(accepting) = state.accepting.take() else { return Vec::new() };
        // A socket that was shut down refuses connections and keeps its port, on Linux.
        if let Some(socket) = &state.socket {
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
        let closed = lock(&self.shared.open).iter().copied().collect();
        accepting.abort();
        let _ = accepting.await;
        lock(&self.face).enabled = false;
        closed
    }

    /// Leads elsewhere, or listens elsewhere, from now on; it must be enabled again. Open connections are closed.
    pub async fn redirect(&self, listen: &str, upstream: &str) {
        self.disable().await;
        let mut state = self.state.lock().await;
        let mut face = lock(&self.face);
        if face.listen != listen {
            state.socket = None;
        }
        (face.listen, face.upstream) = (listen.into(), upstream.into());
    }

    /// Changes its toxics; those of open connections too. What `change` returns.
    pub fn change<T>(&self, change: impl FnOnce(&mut Vec<Arc<Toxic>>) -> T) -> T {
        let mut out = None;
        self.shared.toxics.send_modify(|toxics| {
            let mut all = toxics.to_vec();
            out = Some(change(&mut all));
            *toxics = all.into();
        });
        out.expect("send_modify calls what it is given, once")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(accepting) = self.state.get_mut().accepting.take() {
            accepting.abort();
        }
    }
}

/// Takes connections until dropped: open ones are then closed with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>, upstream: Arc<str>, counts: Counts) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let number = shared.ordinal.fetch_add(1, Ordering::Relaxed);
                    let _: AbortHandle =
                        connections.spawn(forward(client, number, shared.clone(), upstream.clone(), counts.clone()));
                }
                // Out of file descriptors, or the peer left before we took the call: neither is fatal.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection.
async fn forward(client: TcpStream, number: u64, shared: Arc<Shared>, upstream: Arc<str>, counts: Counts) {
    let _open = Open::new(&shared, number);
    let _ = client.set_nodelay(true);
    let Ok(server) = TcpStream::connect(&*upstream).await else {
        // Nearest to "refused" that an accepted connection can be.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    let place = Place { seed: shared.seed, link: shared.name.clone(), connection: number };
    let pipe = |stream, count: &Arc<Count>| {
        Pipe::new(stream, place.clone(), shared.toxics.subscribe(), shared.sleeper.clone(), count.clone())
    };
    let (mut up, mut down) = (pipe(Stream::Upstream, &counts.upstream), pipe(Stream::Downstream, &counts.downstream));
    if let Some(lenses) = &shared.lenses {
        let (requests, replies) = lenses();
        (up, down) = (up.through(requests), down.through(replies));
    }
    converse(client, server, up, down).await;
}

/// A connection that is open.
struct Open<'s> {
    shared: &'s Shared,
    number: u64,
}

impl<'s> Open<'s> {
    fn new(shared: &'s Shared, number: u64) -> Open<'s> {
        lock(&shared.open).insert(number);
        Open { shared, number }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(&self.shared.open).remove(&self.number);
    }
}

/// A socket that listens at an address. A free port is bound by its number, because the system takes back those that it
/// chose itself when they stop listening. Errors: the system's.
pub fn bind_now(address: SocketAddr) -> io::Result<Socket> {
    let mut tries = 0;
    let socket = loop {
        let port = if address.port() == 0 { Socket::bind(address)?.local_addr()?.port() } else { address.port() };
        match Socket::bind(SocketAddr::new(address.ip(), port)) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < TRIES => tries += 1,
            bound => break bound?,
        }
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket that listens at HOST:PORT.
pub async fn bind(listen: &str) -> io::Result<Socket> {
    bind_now(resolve(listen).await?)
}

/// The address that HOST:PORT stands for; that of version 4 where there are both, as toxiproxy prefers it.
pub async fn resolve(address: &str) -> io::Result<SocketAddr> {
    let all: Vec<SocketAddr> = tokio::net::lookup_host(address).await?.collect();
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("{address} is nowhere"));
    all.iter().find(|a| a.is_ipv4()).or(all.first()).copied().ok_or_else(none)
}

/// A panic elsewhere must not close the links: what is kept is whole between two calls.
fn lock<T>(lock: &Lock<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
