//! Connections to one service. A shot takes the connection that was used last; where none is free and more may be
//! opened, one is; beyond that shots wait in line, and the wait is the target's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::wire::{Instants, Wire};
use crate::base::net::Address;
use crate::base::time::Clock;
use crate::evidence::reply::{Outcome, Reach, Why};

/// The body of a request.
pub type Body = Full<Bytes>;

/// A connection.
pub struct Parts {
    /// Takes requests.
    pub sender: SendRequest<Body>,
    /// When bytes crossed.
    pub instants: Rc<Instants>,
    /// How long opening it took, until it is first used.
    pub opened_in: Option<Duration>,
    task: AbortHandle,
}

/// A connection in use; closed when dropped, unless it is given back.
pub struct Connection {
    parts: Option<Parts>, // taken when it is given back
    pool: Rc<Pool>,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What becomes of the shot.
    pub outcome: Outcome,
    /// In words.
    pub why: String,
}

/// Connections to one service.
pub struct Pool {
    address: Address,
    limit: usize,
    patience: Duration,
    clock: Clock,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Parts>,
    open: usize, // in use, idle or being opened
    opening: usize,
    line: VecDeque<oneshot::Sender<Result<Connection, Refusal>>>,
}

impl Pool {
    /// A pool of at most `limit` connections; `patience` is how long opening one may take, and how long a shot waits.
    pub fn new(address: Address, limit: usize, patience: Duration, clock: Clock) -> Rc<Pool> {
        Rc::new(Pool { address, limit, patience, clock, state: RefCell::default() })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A connection, as soon as there is one.
    pub async fn acquire(self: &Rc<Pool>) -> Result<Connection, Refusal> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            while let Some(parts) = state.idle.pop() {
                if parts.sender.is_closed() {
                    state.open -= 1;
                } else {
                    return Ok(self.hold(parts));
                }
            }
            let (ours, waiting) = oneshot::channel();
            state.line.push_back(ours);
            waiting
        };
        self.open_for_line();
        match tokio::time::timeout(self.patience, waiting).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(Refusal {
                outcome: Outcome::NotSent(Why::Backlog),
                why: format!("no connection to {} came free: all {} are taken", self.address, self.limit),
            }),
        }
    }

    fn hold(self: &Rc<Pool>, parts: Parts) -> Connection {
        Connection { parts: Some(parts), pool: self.clone() }
    }

    /// Opens connections while more shots wait than are being opened, up to the limit.
    fn open_for_line(self: &Rc<Pool>) {
        loop {
            let mut state = self.state.borrow_mut();
            if state.opening >= state.line.len() || state.open >= self.limit {
                return;
            }
            state.opening += 1;
            state.open += 1;
            drop(state);
            let pool = self.clone();
            tokio::task::spawn_local(async move {
                let opened = match tokio::time::timeout(pool.patience, pool.open()).await {
                    Ok(opened) => opened,
                    Err(_) => Err(Refusal {
                        outcome: Outcome::Unreachable(Reach::Connect),
                        why: format!("connecting to {} took longer than the timeout", pool.address),
                    }),
                };
                pool.state.borrow_mut().opening -= 1;
                match opened {
                    Ok(parts) => pool.give(parts),
                    Err(refusal) => pool.refuse(refusal),
                }
            });
        }
    }

    /// Hands a connection to whoever is next in line, or lays it by.
    fn give(self: &Rc<Pool>, parts: Parts) {
        let mut connection = self.hold(parts);
        loop {
            let next = self.state.borrow_mut().line.pop_front();
            let Some(next) = next else { break };
            match next.send(Ok(connection)) {
                Ok(()) => return,
                Err(Ok(back)) => connection = back, // the shot gave up waiting
                Err(Err(_)) => return,
            }
        }
        if let Some(parts) = connection.parts.take() {
            self.state.borrow_mut().idle.push(parts);
        }
    }

    /// Tells whoever is next in line that a connection could not be opened.
    fn refuse(self: &Rc<Pool>, refusal: Refusal) {
        self.state.borrow_mut().open -= 1;
        loop {
            let next = self.state.borrow_mut().line.pop_front();
            let Some(next) = next else { break };
            if next.send(Err(refusal.clone())).is_ok() {
                break;
            }
        }
        self.open_for_line();
    }

    async fn open(self: &Rc<Pool>) -> Result<Parts, Refusal> {
        let began = self.clock.now();
        let stream = self.connect().await?;
        let opened_in = self.clock.now().since(began);
        let instants = Rc::new(Instants::default());
        let wire = Wire { stream, instants: instants.clone(), clock: self.clock };
        let unreachable = |why: String| Refusal { outcome: Outcome::Unreachable(Reach::Connect), why };
        let (sender, connection) =
            http1::handshake(TokioIo::new(wire)).await.map_err(|e| unreachable(e.to_string()))?;
        let task = tokio::task::spawn_local(async move {
            // How it ends is told to whoever waits for the reply.
            let _ = connection.await;
        })
        .abort_handle();
        Ok(Parts { sender, instants, opened_in: Some(opened_in), task })
    }

    async fn connect(&self) -> Result<TcpStream, Refusal> {
        let refuse = |reach, why: &io::Error| {
            let ours = matches!(
                why.raw_os_error().map(rustix::io::Errno::from_raw_os_error),
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::ADDRNOTAVAIL)
            );
            let outcome = if ours { Outcome::NotSent(Why::Resources) } else { Outcome::Unreachable(reach) };
            Refusal { outcome, why: format!("{}: {why}", self.address) }
        };
        let place = self.address.tcp().ok_or_else(|| refuse(Reach::Connect, &io::ErrorKind::Unsupported.into()))?;
        let addresses = lookup_host(place).await;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.map_err(|e| refuse(Reach::Dns, &e))? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(e) => last = e,
            }
        }
        Err(refuse(Reach::Connect, &last))
    }
}

impl Connection {
    /// What it is made of; `None` never, but for the type.
    pub fn parts(&mut self) -> Option<&mut Parts> {
        self.parts.as_mut()
    }

    /// Gives the connection back for the next shot; one that is closed is dropped.
    pub fn give_back(mut self) {
        if let Some(parts) = self.parts.take_if(|p| !p.sender.is_closed()) {
            self.pool.give(parts);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.task.abort();
            self.pool.state.borrow_mut().open -= 1;
            self.pool.open_for_line();
        }
    }
}
