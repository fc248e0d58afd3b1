//! One direction of a connection: reads what one side sends, lets the chain of toxics work on it, and writes what comes
//! out to the other side.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{oneshot, watch};

use super::chain::Chain;
use super::hop::{Item, Place};
use super::toxic::{Stream, Toxic};
use crate::base::sleep::Sleeper;
use crate::base::time::monotonic;
use crate::evidence::tally::Tally;

/// The most that is read at once, in bytes.
const READ: usize = 64 * 1024;

thread_local! {
    /// What reads go through, so that a connection that is quiet holds no memory for them.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// The toxics of a link, as they are now.
pub type Toxics = Arc<[Arc<Toxic>]>;

/// Looks at what comes before any toxic does: what goes on instead, which may be nothing yet. Nothing at all ends the
/// connection.
pub type Lens = Box<dyn FnMut(Bytes) -> Option<Bytes> + Send>;

/// How many bytes went one way.
#[derive(Debug, Default)]
pub struct Count {
    /// Read from the sender.
    pub received: AtomicU64,
    /// Written to the receiver.
    pub sent: AtomicU64,
    /// How long bytes that no toxic held were here, since it was asked last.
    pub passed: Mutex<Tally>,
}

/// How a direction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The sender was done, and the receiver knows.
    Done,
    /// A toxic closes the connection.
    Close,
    /// Something broke, or a toxic resets the connection.
    Reset,
}

/// What became of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// There was nothing to write.
    Nothing,
    /// All that had come out.
    Some,
    /// The receiver must read first.
    Full,
    /// The sender is done, and so are we.
    End,
    /// A toxic closes the connection.
    Close,
    /// The receiver is gone.
    Broken,
}

/// One direction of a connection.
pub struct Pipe {
    chain: Chain,
    toxics: watch::Receiver<Toxics>,
    alarm: Alarm,
    count: Arc<Count>,
    lens: Option<Lens>,
    at_end: bool,      // the sender is done
    came: Option<u64>, // when what is on its way was read, where nothing holds it up
}

impl Pipe {
    /// A direction of a connection on a link with these toxics.
    pub fn new(
        stream: Stream,
        place: Place,
        toxics: watch::Receiver<Toxics>,
        sleeper: Arc<Sleeper>,
        count: Arc<Count>,
    ) -> Pipe {
        let mut toxics = toxics;
        toxics.mark_changed();
        let (chain, alarm) = (Chain::new(stream, place), Alarm { sleeper, booked: None });
        Pipe { chain, toxics, alarm, count, lens: None, at_end: false, came: None }
    }

    /// The same, seen through a lens.
    pub fn through(self, lens: Lens) -> Pipe {
        Pipe { lens: Some(lens), ..self }
    }

    /// Passes on until this direction ends. With `alone` the other one has ended, and so has this one once its sender
    /// is done and a toxic keeps it secret. Dropping the future loses nothing.
    pub async fn run(&mut self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, alone: bool) -> End {
        loop {
            self.look();
            let next = self.chain.advance(monotonic());
            if self.chain.is_broken() {
                return End::Reset;
            }
            let written = match self.write(to) {
                Written::Some => continue, // there is room again: more may come out of the hops
                Written::End => {
                    // Who has gone already needs not be told.
                    let _ = to.shutdown().await;
                    return End::Done;
                }
                Written::Close => return End::Close,
                Written::Broken => return End::Reset,
                written => written,
            };
            if alone && self.chain.has_swallowed_the_end() {
                return End::Done;
            }
            tokio::select! {
                biased;
                changed = self.toxics.changed(), if self.toxics.has_changed().is_ok() => {
                    // Looked at above; an error says that the link is gone, and that will end us soon.
                    if changed.is_ok() {
                        self.toxics.mark_changed();
                    }
                }
                writable = to.writable(), if written == Written::Full => {
                    if writable.is_err() {
                        return End::Reset;
                    }
                }
                read = read(from), if !self.at_end && self.chain.has_room() => match read {
                    Ok(bytes) => {
                        self.count.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        self.at_end = bytes.is_empty();
                        let item = match (&mut self.lens, self.at_end) {
                            (_, true) => Item::End,
                            (None, false) => Item::Data(bytes),
                            (Some(lens), false) => match lens(bytes) {
                                Some(bytes) if bytes.is_empty() => continue,
                                Some(bytes) => Item::Data(bytes),
                                None => return End::Reset,
                            },
                        };
                        self.look();
                        let now = monotonic();
                        self.came = self.chain.is_idle().then_some(now);
                        self.chain.push(item, now);
                    }
                    Err(_) => return End::Reset,
                },
                () = self.alarm.ring(next), if next.is_some() => {}
            }
        }
    }

    /// Writes what has come out, as far as it goes.
    fn write(&mut self, to: &WriteHalf<'_>) -> Written {
        let mut written = Written::Nothing;
        while let Some(item) = self.chain.front() {
            let bytes = match item {
                Item::Data(bytes) => bytes,
                Item::End => return Written::End,
                Item::Close => return Written::Close,
            };
            match to.try_write(bytes) {
                Ok(n) => {
                    self.count.sent.fetch_add(n as u64, Ordering::Relaxed);
                    self.chain.taken(n);
                    written = Written::Some;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    // The receiver's time, not ours.
                    self.came = None;
                    return Written::Full;
                }
                Err(_) => return Written::Broken,
            }
        }
        if let (Written::Some, Some(came)) = (written, self.came.take()) {
            let passed = Duration::from_nanos(monotonic().saturating_sub(came));
            self.count.passed.lock().unwrap_or_else(PoisonError::into_inner).record(passed);
        }
        written
    }

    /// Takes note of toxics that came just now: what is read after they were there must meet them.
    fn look(&mut self) {
        if self.toxics.has_changed().unwrap_or(false) {
            let toxics = self.toxics.borrow_and_update().clone();
            self.chain.set(&toxics, monotonic());
        }
    }
}

/// What the sender has for us, once it has something; nothing when it is done. Who gets less than there was room for needs
/// not ask whether there is more: the runtime knows that too, and waits for the kernel's word at once.
async fn read(from: &mut ReadHalf<'_>) -> io::Result<Bytes> {
    poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut into = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *from).poll_read(context, &mut into))?;
            Poll::Ready(Ok(Bytes::copy_from_slice(into.filled())))
        })
    })
    .await
}

/// Rings at an instant. Being asked again for the same instant costs nothing.
struct Alarm {
    sleeper: Arc<Sleeper>,
    booked: Option<(u64, oneshot::Receiver<()>)>,
}

impl Alarm {
    async fn ring(&mut self, at: Option<u64>) {
        let Some(at) = at else { return };
        let booked = match &mut self.booked {
            Some((known, booked)) if *known == at => booked,
            _ => &mut self.booked.insert((at, self.sleeper.book(at))).1,
        };
        let _ = booked.await;
        self.booked = None;
    }
}
