//! One request and its reply, with the instants of both. It is never repeated: only a request of which no byte was
//! written, because the connection had closed while it lay idle, is put on another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::{Request, Response};

use super::pool::{Body, Connection, Pool};
use super::wire::Instants;
use crate::base::time::Offset;
use crate::evidence::counters::Counters;
use crate::evidence::reply::{Outcome, Stage};

/// A connection may close under us this often before we say that it breaks.
const STALE: usize = 5;

/// What a shot has been through so far; kept outside its future, so that it survives when that is given up.
#[derive(Debug, Default)]
pub struct Track {
    sent: Cell<Option<Offset>>,
    first_byte: Cell<Option<Offset>>,
    under_way: RefCell<Option<Rc<Instants>>>,
    /// How long opening the connection took, if one was opened.
    pub connect: Cell<Option<Duration>>,
    /// The status that was answered last.
    pub status: Cell<Option<u16>>,
}

impl Track {
    /// Takes over the instants of the exchange under way: those of a shot are its first exchange's.
    fn settle(&self) {
        if let Some(instants) = self.under_way.borrow_mut().take() {
            self.sent.set(self.sent.get().or(instants.sent()));
            self.first_byte.set(self.first_byte.get().or(instants.first_byte()));
        }
    }

    /// When the first byte was written, and when the first came back.
    pub fn instants(&self) -> (Option<Offset>, Option<Offset>) {
        self.settle();
        (self.sent.get(), self.first_byte.get())
    }
}

/// A reply, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Bytes,
    /// Whether the body was longer than allowed, and cut off.
    pub too_long: bool,
}

/// What became of a request that was not answered.
#[derive(Debug)]
pub struct Failure {
    /// In a word.
    pub outcome: Outcome,
    /// In words.
    pub why: String,
}

/// How a request is sent.
pub struct Exchange<'a> {
    /// How long a reply may take from the first byte sent.
    pub timeout: Duration,
    /// How much of a body is read, in bytes.
    pub max_body: usize,
    /// Where the instants go.
    pub track: &'a Track,
    /// Where requests are counted, and under which traffic.
    pub counters: (&'a Counters, usize),
}

impl Exchange<'_> {
    /// Sends a request and reads its reply.
    pub async fn send(&self, pool: &Rc<Pool>, request: Request<Body>) -> Result<Answer, Failure> {
        let (counters, traffic) = self.counters;
        let sent = Cell::new(false);
        // Counted just before it goes out: the target can never have seen more than we say we sent.
        let count = || {
            if !sent.replace(true) {
                counters.sent(traffic);
            }
        };
        let answered = self.converse(pool, request, &count).await;
        if sent.get() {
            counters.finished(traffic, answered.as_ref().ok().map(|a| a.status));
        }
        answered
    }

    async fn converse(&self, pool: &Rc<Pool>, mut request: Request<Body>, count: &dyn Fn()) -> Result<Answer, Failure> {
        for _ in 0..STALE {
            let mut connection = pool.acquire().await.map_err(|r| Failure { outcome: r.outcome, why: r.why })?;
            let Some(parts) = connection.parts() else { continue };
            if parts.sender.ready().await.is_err() {
                continue; // closed while it lay idle
            }
            parts.instants.reset();
            let opened_in = parts.opened_in.take();
            if opened_in.is_some() {
                self.track.connect.set(opened_in);
            }
            let instants = parts.instants.clone();
            // Until the first byte is written the timeout runs from here, which is a few microseconds earlier.
            let deadline = tokio::time::Instant::now() + self.timeout;
            count();
            self.track.under_way.replace(Some(instants.clone()));
            let answered = tokio::time::timeout_at(deadline, parts.sender.try_send_request(request)).await;
            self.track.settle();
            let response = match answered {
                Err(_) => return Err(self.late(Stage::Head)),
                Ok(Ok(response)) => response,
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) if instants.sent().is_none() => {
                        request = unsent;
                        continue;
                    }
                    _ => return Err(broken(Stage::Head, error.error())),
                },
            };
            self.track.status.set(Some(response.status().as_u16()));
            return self.read(response, connection, deadline).await;
        }
        Err(Failure {
            outcome: Outcome::Broken(Stage::Head),
            why: format!("{} closes every connection before a request", pool.address()),
        })
    }

    async fn read(
        &self,
        response: Response<hyper::body::Incoming>,
        connection: Connection,
        deadline: tokio::time::Instant,
    ) -> Result<Answer, Failure> {
        let (head, mut body) = response.into_parts();
        let mut whole: Option<BytesMut> = None;
        let mut first = Bytes::new();
        loop {
            let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
                Err(_) => return Err(self.late(Stage::Body)),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(broken(Stage::Body, &error)),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let so_far = whole.as_ref().map_or(first.len(), BytesMut::len);
            if so_far + data.len() > self.max_body {
                // Reading on would cost us what the target wastes; the connection goes with it.
                let body = whole.map_or(first, BytesMut::freeze);
                return Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, too_long: true });
            }
            match &mut whole {
                Some(whole) => whole.extend_from_slice(&data),
                None if first.is_empty() => first = data,
                None => {
                    let mut both = BytesMut::with_capacity(first.len() + data.len());
                    both.extend_from_slice(&first);
                    both.extend_from_slice(&data);
                    whole = Some(both);
                }
            }
        }
        connection.give_back();
        let body = whole.map_or(first, BytesMut::freeze);
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, too_long: false })
    }

    fn late(&self, stage: Stage) -> Failure {
        let part = match stage {
            Stage::Head => "no reply",
            Stage::Body => "the reply did not end",
        };
        Failure {
            outcome: Outcome::TimedOut(stage),
            why: format!("{part} within {}", crate::base::units::duration(self.timeout)),
        }
    }
}

fn broken(stage: Stage, error: &hyper::Error) -> Failure {
    use std::error::Error;
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    Failure { outcome: Outcome::Broken(stage), why }
}
