//! A connection of HTTP/2, on which many requests are under way at once. It belongs to one worker; a task moves its
//! bytes, and each request under way has a task that waits for its reply.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use hyper::http::Request;
use tokio::task::AbortHandle;

use super::super::errand::Errand;
use super::super::worker::Worker;
use super::http2::Driver;
use super::pool::Pool;
use crate::base::time::Offset;
use crate::evidence::reply::{Opening, Stage};

/// A connection on which many requests are under way at once.
pub struct Shared {
    sender: RefCell<Option<SendRequest<Bytes>>>, // none once it is closed
    most: usize,                                 // requests at once, as we will have it
    allowed: Cell<usize>,                        // the same, as the other side will have it
    flights: RefCell<BTreeMap<u64, Flight>>,     // by number, and so by deadline
    begun: Cell<u64>,
    retired: Cell<bool>, // takes no further request
    heard: Cell<Offset>, // when a part of any reply last came
    opened_at: Offset,
    opening: Cell<Opening>, // until a shot has taken it for its own
    waker: RefCell<Option<Waker>>,
}

/// A request under way.
struct Flight {
    errand: Errand,
    began: Offset,
    deadline: Offset,
    has_head: bool, // of its reply
    task: AbortHandle,
}

/// A request that has been under way for too long.
pub struct Overdue {
    /// Whose.
    pub errand: Errand,
    /// Which part of its reply was waited for.
    pub stage: Stage,
    /// Whether nothing at all has come on the connection since it was sent.
    pub in_silence: bool,
}

impl Shared {
    /// A connection that has been open since `now` and takes at most `most` requests at once; `opening` is how long it
    /// took.
    pub fn new(sender: SendRequest<Bytes>, most: usize, opening: Opening, now: Offset) -> Shared {
        Shared {
            allowed: Cell::new(sender.current_max_send_streams()),
            sender: RefCell::new(Some(sender)),
            most,
            flights: RefCell::default(),
            begun: Cell::new(0),
            retired: Cell::new(false),
            heard: Cell::new(now),
            opened_at: now,
            opening: Cell::new(opening),
            waker: RefCell::default(),
        }
    }

    /// How many requests it takes at once.
    pub fn places(&self) -> usize {
        self.most.min(self.allowed.get())
    }

    /// How many requests more it takes now.
    pub fn room(&self) -> usize {
        let open = !self.retired.get() && !self.is_closed();
        if open { self.places().saturating_sub(self.under_way()) } else { 0 }
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.flights.borrow().len()
    }

    /// How many requests it has taken.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Since when it has been open.
    pub fn opened_at(&self) -> Offset {
        self.opened_at
    }

    /// How long opening it took, for the first who asks.
    pub fn opening(&self) -> Opening {
        self.opening.take()
    }

    /// Lets it take no further request.
    pub fn retire(&self) {
        self.retired.set(true);
    }

    /// Whether it is of no use any more: it takes no further request, and none is under way.
    pub fn is_done(&self) -> bool {
        self.is_closed() || (self.retired.get() && self.under_way() == 0)
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Closes it. What is under way hears of it by itself.
    pub fn close(&self) {
        self.sender.take();
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Sends a request; nothing when the connection takes none any more.
    pub fn send(&self, request: Request<()>, body: Bytes) -> Option<ResponseFuture> {
        let mut sender = self.sender.borrow_mut();
        let (response, mut stream) = sender.as_mut()?.send_request(request, body.is_empty()).ok()?;
        if !body.is_empty() {
            let _ = stream.send_data(body, true); // where it cannot be sent, neither will there be a reply
        }
        Some(response)
    }

    /// The number of the next request.
    pub fn next(&self) -> u64 {
        self.begun.replace(self.begun.get() + 1)
    }

    /// A request is under way since `now`; `task` waits for its reply.
    pub fn begin(&self, number: u64, errand: Errand, now: Offset, deadline: Offset, task: AbortHandle) {
        let flight = Flight { errand, began: now, deadline, has_head: false, task };
        self.flights.borrow_mut().insert(number, flight);
    }

    /// Some of the reply to a request has come.
    pub fn heard(&self, number: u64, status: u16, now: Offset) {
        self.heard.set(now);
        if let Some(flight) = self.flights.borrow_mut().get_mut(&number) {
            flight.has_head = true;
            flight.errand.first_byte.get_or_insert(now);
            flight.errand.status = Some(status);
        }
    }

    /// A request is no longer under way; nothing when somebody else has ended it.
    pub fn land(&self, number: u64) -> Option<Errand> {
        self.flights.borrow_mut().remove(&number).map(|flight| flight.errand)
    }

    /// When the first reply is overdue; nothing while none is awaited.
    pub fn deadline(&self) -> Option<Offset> {
        self.flights.borrow().first_key_value().map(|(_, flight)| flight.deadline)
    }

    /// Takes back a request whose reply is overdue, if there is one.
    pub fn overdue(&self, now: Offset) -> Option<Overdue> {
        let mut flights = self.flights.borrow_mut();
        let first = flights.first_entry().filter(|first| first.get().deadline <= now)?.remove();
        first.task.abort();
        let stage = if first.has_head { Stage::Body } else { Stage::Head };
        Some(Overdue { errand: first.errand, stage, in_silence: self.heard.get() <= first.began })
    }

    /// Takes back every request under way.
    pub fn give_up(&self) -> Vec<Errand> {
        let flights = self.flights.take();
        flights
            .into_values()
            .map(|flight| {
                flight.task.abort();
                flight.errand
            })
            .collect()
    }
}

/// Moves the bytes of a connection until it is closed.
pub struct Driving {
    /// Which.
    pub shared: Rc<Shared>,
    /// Moves them.
    pub driver: Box<Driver>,
    /// Where it belongs.
    pub pool: Rc<Pool>,
    /// Whose it is.
    pub worker: Rc<Worker>,
}

impl Future for Driving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.shared.waker.borrow().is_none() {
            *this.shared.waker.borrow_mut() = Some(cx.waker().clone());
        }
        let polled = Pin::new(this.driver.as_mut()).poll(cx); // when closed, to take leave
        if polled.is_ready() || this.shared.is_closed() {
            this.pool.lose(&this.shared, &this.worker);
            return Poll::Ready(());
        }
        let allowed = this.driver.max_concurrent_send_streams();
        if this.shared.allowed.replace(allowed) < allowed {
            this.pool.has_room(&this.worker);
        }
        Poll::Pending
    }
}
