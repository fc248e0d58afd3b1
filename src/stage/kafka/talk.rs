//! One connection to a broker: requests as they go up, so that replies can be told apart as they come down; and replies,
//! some of them with other places in them.
//!
//! What is passed on unchanged is never held up: only the first bytes of a frame are looked at, wherever reads happen to
//! cut it. Replies that are looked into are held until they are complete.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::apis::{self, METADATA, PRODUCE};
use super::rewrite::{Refusal, metadata, rewrite};
use super::wire::Garbled;
use crate::stage::link::pipe::Lens;

/// A frame larger than this is none of Kafka's, in bytes.
const LARGEST: usize = 512 << 20;
/// The most of a reply that is looked into, in bytes.
const MOST_READ: usize = 64 << 20;
/// The most of a request that is looked at, in bytes.
const MOST_HEAD: usize = 64 << 10;
/// The most requests that wait for their replies.
const MOST_WAITING: usize = 100_000;
/// What a connection within TLS begins with.
const HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// Who is told of what passes, and where clients find brokers.
pub trait Company: Send + Sync {
    /// A request of an API passes that will be answered.
    fn asked(&self, key: i16);
    /// A reply to Metadata comes, with what it says of topics.
    fn told(&self, topics: &[super::rewrite::TopicSeen]);
    /// Whether anybody wants to be told of topics.
    fn is_curious(&self) -> bool;
    /// Where clients find a broker.
    fn place(&self, node: i32, host: &str, port: u16) -> Result<(String, u16), Refusal>;
    /// Something is not passed on, and the connection ends.
    fn refused(&self, why: String);
}

/// A request that was passed on.
struct Asked {
    correlation: i32,
    key: i16,
    version: i16,
}

type Waiting = Arc<Mutex<VecDeque<Asked>>>;

/// What looks at the two directions of a connection: requests, and replies.
pub fn lenses(company: Arc<dyn Company>) -> (Lens, Lens) {
    let waiting = Waiting::default();
    let mut requests = Requests { company: company.clone(), waiting: waiting.clone(), head: Vec::new(), left: 0 };
    let mut replies = Replies { company: company.clone(), waiting, head: Vec::new(), left: 0, held: None };
    let tell = move |company: &Arc<dyn Company>, done: Result<Bytes, Refusal>| {
        done.map_err(|Refusal(why)| company.refused(why)).ok()
    };
    let theirs = company.clone();
    (
        Box::new(move |bytes| tell(&company, requests.pass(&bytes).map(|()| bytes))),
        Box::new(move |bytes| tell(&theirs, replies.pass(bytes))),
    )
}

/// Requests, which go on as they are.
struct Requests {
    company: Arc<dyn Company>,
    waiting: Waiting,
    /// The beginning of a frame, as long as it is looked at.
    head: Vec<u8>,
    /// How much of a frame is still to come that needs no looking at.
    left: usize,
}

impl Requests {
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - skipped, &bytes[skipped..]);
                continue;
            }
            let size = match self.head.get(..4) {
                Some(size) => frame(size)?,
                None => {
                    let more = bytes.len().min(4 - self.head.len());
                    self.head.extend(&bytes[..more]);
                    bytes = &bytes[more..];
                    if self.head.len() >= 2 && self.head[..2] == HANDSHAKE {
                        return Err(Refusal(
                            "a client speaks TLS, within which nothing can be read: let it speak plainly to the proxy"
                                .into(),
                        ));
                    }
                    continue;
                }
            };
            let whole = 4 + size;
            // As much as a head usually has, and then as much as it takes.
            let wanted = if self.head.len() < 12 { 12 } else { self.head.len() + 64 };
            let more = bytes.len().min(wanted.min(whole) - self.head.len());
            self.head.extend(&bytes[..more]);
            bytes = &bytes[more..];
            match request(&self.head[4..]) {
                Ok((asked, answered)) => {
                    apis::admit(asked.key, asked.version).map_err(Refusal)?;
                    if answered {
                        self.company.asked(asked.key);
                        let mut waiting = lock(&self.waiting);
                        if waiting.len() >= MOST_WAITING {
                            return Err(Refusal(format!("{MOST_WAITING} requests on one connection wait for a reply")));
                        }
                        waiting.push_back(asked);
                    }
                    self.left = whole - self.head.len();
                    self.head.clear();
                }
                Err(Garbled) if self.head.len() == whole || self.head.len() > MOST_HEAD => {
                    return Err(Refusal("a request is none that Kafka knows".into()));
                }
                Err(Garbled) => {}
            }
        }
        Ok(())
    }
}

/// How long a frame is.
fn frame(size: &[u8]) -> Result<usize, Refusal> {
    let size = size.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX) as usize;
    if !(4..=LARGEST).contains(&size) {
        return Err(Refusal(format!("a frame of {size} bytes is none of Kafka's")));
    }
    Ok(size)
}

/// Which request it is by the beginning of one, and whether it will be answered; an error where more must be read.
fn request(head: &[u8]) -> Result<(Asked, bool), Garbled> {
    let mut at = Reader(head);
    let (key, version, correlation) = (at.i16()?, at.i16()?, at.i32()?);
    let mut answered = true;
    if key == PRODUCE {
        // What nobody acknowledges is not answered.
        let flexible = apis::is_flexible(key, version);
        at.text()?; // who asks
        if flexible {
            at.tags()?;
        }
        if version >= 3 {
            match flexible {
                true => at.compact_text()?,
                false => at.text()?,
            }
        }
        answered = at.i16()? != 0;
    }
    Ok((Asked { correlation, key, version }, answered))
}

/// Reads the beginning of a request.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Garbled)?;
        self.0 = rest;
        Ok(taken)
    }
    fn i16(&mut self) -> Result<i16, Garbled> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().map_err(|_| Garbled)?))
    }
    fn i32(&mut self) -> Result<i32, Garbled> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Garbled)?))
    }
    fn text(&mut self) -> Result<(), Garbled> {
        let n = usize::try_from(self.i16()?).unwrap_or(0);
        self.take(n).map(drop)
    }
    fn length(&mut self) -> Result<usize, Garbled> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }
    fn compact_text(&mut self) -> Result<(), Garbled> {
        let n = self.length()?.saturating_sub(1);
        self.take(n).map(drop)
    }
    fn tags(&mut self) -> Result<(), Garbled> {
        for _ in 0..self.length()? {
            self.length()?;
            let n = self.length()?;
            self.take(n)?;
        }
        Ok(())
    }
}

/// Replies.
struct Replies {
    company: Arc<dyn Company>,
    waiting: Waiting,
    /// The beginning of a frame: its length and its correlation id.
    head: Vec<u8>,
    /// How much of a frame is still to come.
    left: usize,
    /// A reply that is looked into, as far as it has come.
    held: Option<(Asked, BytesMut)>,
}

impl Replies {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, Refusal> {
        // Most often nothing changes.
        if self.held.is_none() && self.left >= bytes.len() {
            self.left -= bytes.len();
            return Ok(bytes);
        }
        let mut rest = &bytes[..];
        let mut out = BytesMut::with_capacity(bytes.len() + 64);
        while !rest.is_empty() {
            if self.left > 0 {
                let come = self.left.min(rest.len());
                match &mut self.held {
                    Some((_, held)) => held.extend_from_slice(&rest[..come]),
                    None => out.extend_from_slice(&rest[..come]),
                }
                (self.left, rest) = (self.left - come, &rest[come..]);
                self.end_of_frame(&mut out)?;
                continue;
            }
            let more = rest.len().min(8 - self.head.len());
            self.head.extend(&rest[..more]);
            rest = &rest[more..];
            if self.head.len() < 8 {
                continue;
            }
            let size = frame(&self.head[..4])?;
            let correlation = self.head[4..].try_into().map(i32::from_be_bytes).unwrap_or_default();
            let asked = lock(&self.waiting).pop_front().filter(|asked| asked.correlation == correlation);
            let Some(asked) = asked else {
                return Err(Refusal(format!("a reply (correlation id {correlation}) to nothing that was asked")));
            };
            self.left = size - 4;
            if apis::is_read(asked.key, asked.version) {
                if size > MOST_READ {
                    return Err(Refusal(format!("a reply of {size} bytes is too large to be looked into")));
                }
                self.held = Some((asked, BytesMut::with_capacity(size)));
            } else {
                out.extend_from_slice(&self.head);
            }
            self.head.clear();
            self.end_of_frame(&mut out)?;
        }
        Ok(out.freeze())
    }

    /// Lets a reply that was held go on, once it is complete.
    fn end_of_frame(&mut self, out: &mut BytesMut) -> Result<(), Refusal> {
        if self.left > 0 {
            return Ok(());
        }
        let Some((asked, held)) = self.held.take() else { return Ok(()) };
        let Asked { correlation, key, version } = asked;
        let place = |node, host: &str, port| self.company.place(node, host, port);
        let of = |Refusal(why)| Refusal(format!("a reply (API {key}, version {version}) is not passed on: {why}"));
        let reply = rewrite(key, version, &held, &place).map_err(of)?;
        if key == METADATA && self.company.is_curious() {
            let (_, topics) = metadata(version, &held).map_err(of)?;
            self.company.told(&topics);
        }
        out.extend_from_slice(&(reply.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(&correlation.to_be_bytes());
        out.extend_from_slice(&reply);
        Ok(())
    }
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
