//! A connection and the task that reads from it. It belongs to one worker; whoever has a request writes it at once,
//! without waking anybody, and the task wakes when a reply comes.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::ReadBuf;

use super::super::errand::Errand;
use super::super::worker::Worker;
use super::codec::{Decoder, Progress};
use super::pool::Pool;
use super::stream::{Reader, Writer};
use super::tls;
use crate::base::time::Offset;
use crate::evidence::reply::{Opening, Outcome, Reach, Stage};

/// A connection.
pub struct Connection {
    writer: Writer,
    state: Cell<State>,
    errand: Cell<Option<Errand>>, // some exactly while busy
    deadline: Cell<Offset>,
    pending: RefCell<Vec<u8>>, // of the request, what the socket did not take yet
    opened_at: Offset,
    opening: Cell<Opening>, // until a shot has taken it for its own
    replies: Cell<u64>,
    has_head: Cell<bool>, // of the reply under way
    waker: RefCell<Option<Waker>>,
    /// Where the pool keeps it.
    pub slot: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl Connection {
    /// A connection that has been open since `now`; `opening` is how long that took.
    pub fn new(writer: Writer, opening: Opening, now: Offset) -> Connection {
        Connection {
            writer,
            state: Cell::new(State::Open),
            errand: Cell::new(None),
            deadline: Cell::new(Offset::MAX),
            pending: RefCell::default(),
            opened_at: now,
            opening: Cell::new(opening),
            replies: Cell::new(0),
            has_head: Cell::new(false),
            waker: RefCell::default(),
            slot: Cell::new(0),
        }
    }

    /// Whether it is of no use any more.
    pub fn is_closed(&self) -> bool {
        self.state.get() == State::Closed
    }

    /// Closes it; what was on its way comes back. The task lets go of the socket.
    pub fn close(&self) -> Option<Errand> {
        self.state.set(State::Closed);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
        self.errand.take()
    }

    /// When a reply is overdue; `None` while none is awaited.
    pub fn deadline(&self) -> Option<Offset> {
        let errand = self.errand.take();
        self.errand.set(errand);
        errand.map(|_| self.deadline.get())
    }

    /// Which part of a reply is being waited for.
    pub fn stage(&self) -> Stage {
        if self.has_head.get() { Stage::Body } else { Stage::Head }
    }

    /// How long opening it took, for the first who asks.
    pub fn opening(&self) -> Opening {
        self.opening.take()
    }

    /// Since when it has been open.
    pub fn opened_at(&self) -> Offset {
        self.opened_at
    }

    /// How many replies have come.
    pub fn replies(&self) -> u64 {
        self.replies.get()
    }

    /// Sends a request for an errand, at `now`. Gives the errand back when not a byte of it could be written.
    pub fn send(&self, request: &[u8], mut errand: Errand, now: Offset, timeout: Duration) -> Result<(), Errand> {
        let written = match self.writer.try_write(request) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(errand),
        };
        if written > 0 {
            errand.sent.get_or_insert(now);
        }
        if written < request.len() {
            self.pending.borrow_mut().extend_from_slice(&request[written..]);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
        self.deadline.set(now + timeout);
        self.has_head.set(false);
        self.errand.set(Some(errand));
        Ok(())
    }
}

/// Reads from a connection until it is closed.
pub struct Reading {
    /// What it reads from.
    pub connection: Rc<Connection>,
    /// Its other half.
    pub reader: Reader,
    /// Whether something written still lies in a buffer of ours.
    pub unflushed: bool,
    /// Reads replies.
    pub decoder: Decoder,
    /// Where it belongs.
    pub pool: Rc<Pool>,
    /// Who is told.
    pub worker: Rc<Worker>,
}

impl Future for Reading {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.connection.waker.borrow().is_none() {
            *this.connection.waker.borrow_mut() = Some(cx.waker().clone());
        }
        let worker = this.worker.clone();
        loop {
            if this.connection.is_closed() {
                this.reader.part(cx);
                return Poll::Ready(());
            }
            let mut unsent = None;
            if (this.unflushed || !this.connection.pending.borrow().is_empty())
                && let Poll::Ready(Err(why)) = this.poll_send(cx)
            {
                unsent = Some(why); // what the other side said before it closed may tell more
            }
            let mut room = worker.room.borrow_mut();
            let mut read = ReadBuf::new(&mut room);
            let polled = this.reader.poll_read(cx, &mut read);
            if let Some(why) = unsent {
                let said = if let Poll::Ready(Err(said)) = polled { said } else { why };
                this.broke(&said);
                return Poll::Ready(());
            }
            match ready!(polled) {
                Err(why) => {
                    this.broke(&why);
                    return Poll::Ready(());
                }
                Ok(()) if read.filled().is_empty() => {
                    this.ended();
                    return Poll::Ready(());
                }
                Ok(()) => this.received(read.filled()),
            }
        }
    }
}

impl Reading {
    /// Writes what is pending; ready when nothing is.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pending = self.connection.pending.borrow_mut();
        while !pending.is_empty() {
            let now = self.worker.clock.now();
            let written = ready!(self.reader.poll_write(&self.connection.writer, cx, &pending))?;
            self.unflushed = true;
            pending.drain(..written);
            if let Some(mut errand) = self.connection.errand.take() {
                errand.sent.get_or_insert(now);
                self.connection.errand.set(Some(errand));
            }
        }
        *pending = Vec::new(); // a connection at rest holds no memory
        ready!(self.reader.poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn received(&mut self, bytes: &[u8]) {
        let now = self.worker.clock.now();
        let Some(mut errand) = self.connection.errand.take() else {
            // Nobody asked. Whatever it is, the next reply must not be taken for it.
            self.pool.close(&self.connection, &self.worker);
            return;
        };
        errand.first_byte.get_or_insert(now);
        let mut input = bytes;
        let had_head = self.decoder.has_head();
        match self.decoder.decode(&mut input, self.worker.max_body(&errand)) {
            Ok(Progress::Partial) => {
                self.connection.has_head.set(self.decoder.has_head());
                errand.status = self.decoder.status().or(errand.status);
                self.connection.errand.set(Some(errand));
            }
            Ok(Progress::Whole { answer, reusable }) => {
                errand.status = Some(answer.status);
                self.connection.replies.set(self.connection.replies.get() + 1);
                let rests = reusable && input.is_empty() && self.connection.pending.borrow().is_empty();
                if rests && self.pool.keeps(&self.connection, now) {
                    self.pool.give_back(&self.connection, &self.worker);
                } else {
                    self.pool.close(&self.connection, &self.worker);
                }
                self.worker.answered(errand, &answer, now);
            }
            Err(_) if self.connection.replies.get() == 0 && tls::is_record(bytes) => {
                self.pool.close(&self.connection, &self.worker);
                let why = format!("{}: {}", self.pool.address(), tls::UNASKED);
                self.worker.failed(errand, Outcome::Unreachable(Reach::Tls), why);
            }
            Err(why) => {
                self.pool.close(&self.connection, &self.worker);
                let stage = if had_head || self.decoder.has_head() { Stage::Body } else { Stage::Head };
                self.worker.failed(errand, Outcome::Broken(stage), why);
            }
        }
    }

    /// The peer closed its side.
    fn ended(&mut self) {
        let now = self.worker.clock.now();
        let errand = self.pool.close(&self.connection, &self.worker);
        let Some(mut errand) = errand else { return };
        let stage = self.connection.stage();
        match self.decoder.end() {
            Ok(Progress::Whole { answer, .. }) => {
                errand.status = Some(answer.status);
                self.worker.answered(errand, &answer, now);
            }
            Ok(Progress::Partial) => {}
            Err(why) => self.worker.failed(errand, Outcome::Broken(stage), why),
        }
    }

    /// Something went wrong with the stream. Where that is a word of TLS, and no reply has come yet, there never was an
    /// agreement: a certificate that is missing is missed only after the handshake.
    fn broke(&mut self, why: &io::Error) {
        let Some(errand) = self.pool.close(&self.connection, &self.worker) else { return };
        let stage = self.connection.stage();
        let early = self.connection.replies.get() == 0 && stage == Stage::Head;
        let (outcome, why) = match early && why.kind() == io::ErrorKind::InvalidData {
            true => (Outcome::Unreachable(Reach::Tls), format!("{}: {why}", self.pool.address())),
            false => (Outcome::Broken(stage), why.to_string()),
        };
        self.worker.failed(errand, outcome, why);
    }
}
