//! Connections to one address. A shot takes the connection that was used last; where none is free and more may be opened,
//! one is; beyond that shots wait in line, and the wait is the target's. HTTP/2 has a lane of its own.

mod lane;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::super::errand::Errand;
use super::super::worker::Worker;
use super::codec::Decoder;
use super::connection::{Connection, Reading};
use super::open::{Opened, Opener, Refusal, Spoken};
use super::shared::Shared;
use super::stream::Stream;
use crate::base::net::Address;
use crate::base::time::Offset;
use crate::evidence::reply::{Opening, Outcome, Stage, Why};
use crate::scenario::Wire;

/// So many requests at once are on a connection of HTTP/2, where neither side says otherwise.
const STREAMS: usize = 100;
/// So many connections may close under a shot before we say that they break.
const STALE: u8 = 5;
/// A shot whose connection is being opened waits so much longer than the timeout, to hear from the opening what is wrong.
const HEAR: Duration = Duration::from_millis(20);

/// Connections to one address.
pub struct Pool {
    opener: Opener,
    host: Vec<u8>,
    limit: usize,
    timeout: Duration,
    requests: u64, // that a connection serves
    age: Option<Duration>,
    streams: usize, // at once on one connection of HTTP/2
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    all: Vec<Rc<Connection>>,
    idle: Vec<Rc<Connection>>, // used last at the end; some may have closed
    shared: Vec<Rc<Shared>>,   // of HTTP/2
    opening: usize,
    places: usize, // for how many shots a connection will be that is being opened
    line: VecDeque<Errand>,
}

impl Pool {
    /// A pool of at most `limit` connections; `timeout` is how long a reply may take, and a shot waits for a connection.
    pub fn new(opener: Opener, limit: usize, timeout: Duration, wire: &Wire) -> Rc<Pool> {
        let streams = wire.streams.map_or(STREAMS, |streams| streams as usize);
        let requests = wire.reuse.requests.map_or(u64::MAX, u64::from);
        let places = if opener.may_be_two() { streams.min(usize::try_from(requests).unwrap_or(streams)) } else { 1 };
        Rc::new(Pool {
            host: opener.address().authority().into_bytes(),
            opener,
            limit,
            timeout,
            requests,
            age: wire.reuse.age,
            streams,
            state: RefCell::new(State { places, ..State::default() }),
        })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        self.opener.address()
    }

    /// Whether a connection is to be used again.
    pub fn keeps(&self, connection: &Connection, now: Offset) -> bool {
        connection.replies() < self.requests && self.age.is_none_or(|age| connection.opened_at() + age > now)
    }

    /// Shots in line, and connections open.
    pub fn depth(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.line.len() as u64, (state.all.len() + state.shared.len()) as u64)
    }

    /// Sends an errand's request as soon as there is a connection and nobody who came before waits for one.
    pub fn submit(self: &Rc<Pool>, errand: Errand, worker: &Rc<Worker>) {
        let mut waits = errand;
        while let Some(connection) = self.free() {
            if self.age.is_some() && !self.keeps(&connection, worker.clock.now()) {
                self.close(&connection, worker);
                continue;
            }
            match self.put(&connection, waits, worker) {
                Ok(()) => return,
                Err(errand) if errand.stale > STALE => {
                    return worker.failed(errand, Outcome::Broken(Stage::Head), self.closes());
                }
                Err(errand) => waits = errand,
            }
        }
        let Some(waits) = self.share(waits, worker) else { return };
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
                break;
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
        self.fill(worker);
    }

    fn closes(&self) -> String {
        format!("{} closes every connection before a request", self.address())
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
        worker.write(&errand, &self.host, &mut request);
        let opening = connection.opening();
        if opening.connect().is_some() {
            errand.opening = opening;
        }
        let now = worker.leaves(&mut errand);
        connection.send(&request, errand, now, self.timeout).map_err(|mut errand| {
            errand.stale += 1;
            self.close(connection, worker);
            errand
        })
    }

    /// Opens connections while more shots wait than there will be places for, up to the limit.
    fn open_for_line(self: &Rc<Pool>, worker: &Rc<Worker>) {
        loop {
            let mut state = self.state.borrow_mut();
            let open = state.all.len() + state.shared.len() + state.opening;
            if state.line.is_empty() || open >= self.limit {
                return;
            }
            // What is free already has who waits at the end of the turn.
            let now = worker.clock.now();
            let room: usize = state.shared.iter().map(|shared| self.room(shared, now)).sum();
            if state.opening * state.places + state.idle.len() + room >= state.line.len() {
                return;
            }
            state.opening += 1;
            drop(state);
            tokio::task::spawn_local(self.clone().open(worker.clone()));
        }
    }

    /// Opens a connection and tends it until it is closed.
    async fn open(self: Rc<Pool>, worker: Rc<Worker>) {
        // What opening needs goes when it is done: the task lasts as long as the connection.
        let opened = Box::pin(self.opener.open(worker.clock, self.timeout)).await;
        self.state.borrow_mut().opening -= 1;
        match opened {
            Ok(Opened { spoken: Spoken::One(stream), opening }) => self.read(stream, opening, worker).await,
            Ok(Opened { spoken: Spoken::Two(session), opening }) => self.drive(session, opening, worker).await,
            Err(refusal) => self.refuse(&refusal, &worker),
        }
    }

    /// Takes a connection in and reads from it until it is closed.
    async fn read(self: Rc<Pool>, stream: Stream, opening: Opening, worker: Rc<Worker>) {
        let (reader, writer) = stream.split();
        let connection = Rc::new(Connection::new(writer, opening, worker.clock.now()));
        let fewer = {
            let mut state = self.state.borrow_mut();
            connection.slot.set(state.all.len());
            state.all.push(connection.clone());
            std::mem::replace(&mut state.places, 1) > 1
        };
        self.give_back(&connection, &worker);
        if fewer {
            self.open_for_line(&worker);
        }
        let decoder = Decoder::default();
        Reading { connection, reader, unflushed: false, decoder, pool: self, worker }.await;
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

    /// Tells those in line who would have had it that a connection could not be opened.
    fn refuse(self: &Rc<Pool>, refusal: &Refusal, worker: &Rc<Worker>) {
        let ours = refusal.errno.is_some_and(|errno| worker.refused(&io::Error::from_raw_os_error(errno)));
        let outcome = if ours { Outcome::NotSent(Why::Resources) } else { Outcome::Unreachable(refusal.reach) };
        let places = self.state.borrow().places;
        for _ in 0..places {
            let Some(errand) = self.state.borrow_mut().line.pop_front() else { break };
            worker.failed(errand, outcome, refusal.why.clone());
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
                worker.failed(errand, Outcome::TimedOut(stage), self.late(stage));
            }
        }
        next = next.into_iter().chain(self.sweep_shared(now, worker)).min();
        loop {
            let mut state = self.state.borrow_mut();
            let Some(first) = state.line.front() else { break };
            let hear = if state.opening > 0 { HEAR } else { Duration::ZERO };
            let patience = first.since + self.timeout + hear;
            if patience > now {
                next = Some(next.map_or(patience, |n| n.min(patience)));
                break;
            }
            let errand = state.line.pop_front();
            drop(state);
            if let Some(errand) = errand {
                let why = format!("no connection to {} came free: all {} are taken", self.address(), self.limit);
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
        self.give_up_shared(why, worker);
        let all = self.state.borrow().all.clone();
        for connection in all {
            if let Some(errand) = self.close(&connection, worker) {
                worker.failed(errand, Outcome::Unfinished, why.into());
            }
        }
    }
}
