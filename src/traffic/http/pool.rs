//! Connections to one service. A shot takes the connection that was used last; where none is free and more may be
//! opened, one is; beyond that shots wait in line, and the wait is the target's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::super::errand::Errand;
use super::super::worker::Worker;
use super::codec::Decoder;
use super::connection::{Connection, Reading};
use super::open::{Refusal, open};
use crate::base::net::Address;
use crate::base::time::Offset;
use crate::base::units;
use crate::evidence::reply::{Outcome, Reach, Stage, Why};

/// So many connections may close under a shot before we say that they break.
const STALE: u8 = 5;

/// Connections to one service.
pub struct Pool {
    address: Address,
    limit: usize,
    timeout: Duration,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    all: Vec<Rc<Connection>>,
    idle: Vec<Rc<Connection>>, // used last at the end; some may have closed
    opening: usize,
    line: VecDeque<Errand>,
}

impl Pool {
    /// A pool of at most `limit` connections; `timeout` is how long a reply may take, opening a connection may take, and
    /// a shot waits for one.
    pub fn new(address: Address, limit: usize, timeout: Duration) -> Rc<Pool> {
        Rc::new(Pool { address, limit, timeout, state: RefCell::default() })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Shots in line, and connections open.
    pub fn depth(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.line.len() as u64, state.all.len() as u64)
    }

    /// Sends an errand's request as soon as there is a connection and nobody who came before waits for one.
    pub fn submit(self: &Rc<Pool>, errand: Errand, worker: &Rc<Worker>) {
        let mut waits = errand;
        while let Some(connection) = self.free() {
            match self.put(&connection, waits, worker) {
                Ok(()) => return,
                Err(errand) if errand.stale > STALE => {
                    return worker.failed(errand, Outcome::Broken(Stage::Head), self.closes());
                }
                Err(errand) => waits = errand,
            }
        }
        self.state.borrow_mut().line.push_back(waits);
        self.open_for_line(worker);
    }

    /// A connection for whoever comes now.
    fn free(&self) -> Option<Rc<Connection>> {
        let mut state = self.state.borrow_mut();
        if state.line.is_empty() { state.idle.pop() } else { None }
    }

    /// Sends what waits in line on connections that have come free.
    pub fn serve(self: &Rc<Pool>, worker: &Rc<Worker>) {
        loop {
            let mut state = self.state.borrow_mut();
            if state.line.is_empty() || state.idle.is_empty() {
                return;
            }
            let (Some(connection), Some(errand)) = (state.idle.pop(), state.line.pop_front()) else { return };
            drop(state);
            match self.put(&connection, errand, worker) {
                Ok(()) => {}
                Err(errand) if errand.stale > STALE => {
                    worker.failed(errand, Outcome::Broken(Stage::Head), self.closes());
                }
                Err(errand) => {
                    self.state.borrow_mut().line.push_front(errand);
                    self.open_for_line(worker);
                }
            }
        }
    }

    fn closes(&self) -> String {
        format!("{} closes every connection before a request", self.address)
    }

    /// Sends an errand's request on a connection; the errand comes back when the connection had closed.
    fn put(
        self: &Rc<Pool>,
        connection: &Rc<Connection>,
        mut errand: Errand,
        worker: &Rc<Worker>,
    ) -> Result<(), Errand> {
        if connection.is_closed() {
            return Err(errand);
        }
        let mut request = worker.request.borrow_mut();
        request.clear();
        worker.write(&errand, &mut request);
        if let Some(opened_in) = connection.opened_in() {
            errand.connect = Some(opened_in);
        }
        let now = worker.leaves(&mut errand);
        connection.send(&request, errand, now, self.timeout).map_err(|mut errand| {
            errand.stale += 1;
            self.close(connection, worker);
            errand
        })
    }

    /// Opens connections while more shots wait than are being opened, up to the limit.
    fn open_for_line(self: &Rc<Pool>, worker: &Rc<Worker>) {
        loop {
            let mut state = self.state.borrow_mut();
            if state.opening >= state.line.len() || state.all.len() + state.opening >= self.limit {
                return;
            }
            state.opening += 1;
            drop(state);
            let (pool, worker) = (self.clone(), worker.clone());
            tokio::task::spawn_local(async move {
                let began = worker.clock.now();
                let opened = match tokio::time::timeout(pool.timeout, open(&pool.address, &worker)).await {
                    Ok(opened) => opened,
                    Err(_) => Err(Refusal {
                        outcome: Outcome::Unreachable(Reach::Connect),
                        why: format!("connecting to {} took longer than the timeout", pool.address),
                    }),
                };
                pool.state.borrow_mut().opening -= 1;
                match opened {
                    Ok(stream) => {
                        let (reader, writer) = stream.into_split();
                        let connection = Rc::new(Connection::new(writer, worker.clock.now().since(began)));
                        pool.admit(&connection);
                        pool.give_back(&connection, &worker);
                        Reading { connection, reader, decoder: Decoder::default(), pool, worker }.await;
                    }
                    Err(refusal) => pool.refuse(&refusal, &worker),
                }
            });
        }
    }

    fn admit(&self, connection: &Rc<Connection>) {
        let mut state = self.state.borrow_mut();
        connection.slot.set(state.all.len());
        state.all.push(connection.clone());
    }

    /// Takes back a connection that has nothing to do; whoever is next in line has it at the end of the turn.
    pub fn give_back(&self, connection: &Rc<Connection>, worker: &Worker) {
        let mut state = self.state.borrow_mut();
        state.idle.push(connection.clone());
        if !state.line.is_empty() {
            worker.turn_ends();
        }
    }

    /// Closes a connection; what was on its way comes back. Whoever waits gets another.
    pub fn close(self: &Rc<Pool>, connection: &Rc<Connection>, worker: &Rc<Worker>) -> Option<Errand> {
        if connection.is_closed() {
            return None;
        }
        let errand = connection.close();
        let mut state = self.state.borrow_mut();
        let slot = connection.slot.get();
        state.all.swap_remove(slot);
        if let Some(moved) = state.all.get(slot) {
            moved.slot.set(slot);
        }
        state.idle.retain(|c| !Rc::ptr_eq(c, connection));
        drop(state);
        self.open_for_line(worker);
        errand
    }

    /// Tells whoever is next in line that a connection could not be opened.
    fn refuse(self: &Rc<Pool>, refusal: &Refusal, worker: &Rc<Worker>) {
        let next = self.state.borrow_mut().line.pop_front();
        if let Some(errand) = next {
            worker.failed(errand, refusal.outcome, refusal.why.clone());
        }
        self.open_for_line(worker);
    }

    /// Ends what has waited too long: for a reply, or for a connection. When to look again; `None` when nothing waits.
    pub fn sweep(self: &Rc<Pool>, worker: &Rc<Worker>) -> Option<Offset> {
        let now = worker.clock.now();
        let mut next: Option<Offset> = None;
        let mut late: Vec<Rc<Connection>> = Vec::new();
        for connection in &self.state.borrow().all {
            match connection.deadline() {
                Some(deadline) if deadline <= now => late.push(connection.clone()),
                Some(deadline) => next = Some(next.map_or(deadline, |n| n.min(deadline))),
                None => {}
            }
        }
        for connection in late {
            let stage = connection.stage();
            if let Some(errand) = self.close(&connection, worker) {
                let part = match stage {
                    Stage::Head => "no reply",
                    Stage::Body => "the reply did not end",
                };
                let why = format!("{part} within {}", units::duration(self.timeout));
                worker.failed(errand, Outcome::TimedOut(stage), why);
            }
        }
        loop {
            let mut state = self.state.borrow_mut();
            let Some(first) = state.line.front() else { break };
            let patience = first.since + self.timeout;
            if patience > now {
                next = Some(next.map_or(patience, |n| n.min(patience)));
                break;
            }
            let errand = state.line.pop_front();
            drop(state);
            if let Some(errand) = errand {
                let why = format!("no connection to {} came free: all {} are taken", self.address, self.limit);
                worker.failed(errand, Outcome::NotSent(Why::Backlog), why);
            }
        }
        next
    }

    /// Ends everything that is still on its way.
    pub fn give_up(self: &Rc<Pool>, worker: &Rc<Worker>) {
        let why = "still open when the run ended";
        let line = std::mem::take(&mut self.state.borrow_mut().line);
        for errand in line {
            worker.failed(errand, Outcome::Unfinished, why.into());
        }
        let all = self.state.borrow().all.clone();
        for connection in all {
            if let Some(errand) = self.close(&connection, worker) {
                worker.failed(errand, Outcome::Unfinished, why.into());
            }
        }
    }
}
