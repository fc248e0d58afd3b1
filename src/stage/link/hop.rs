//! One toxic at work on one direction of one connection. It knows no clock and no socket: what comes is handed to it,
//! and it says what may go on, and when. Instants are nanoseconds on the kernel's monotonic clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::spoil::Spoiler;
use super::toxic::{Kind, Toxic};
use crate::base::seed::{Seed, unit};

/// What comes within this of what came before belongs to it: one message in several reads is late once.
const TOGETHER: u64 = 1_000_000;
/// How much of a bandwidth goes on at once: what flows in so long.
const PIECE: Duration = Duration::from_millis(10);
/// And no more than so many bytes.
const LARGEST: u64 = 16 * 1024;
/// How much time that was lost to a reader who did not read may be caught up with.
const SLACK: u64 = 10_000_000;
/// How much waits in a hop before no more is read.
const ROOM: usize = 64 * 1024;
/// As `ROOM`, where waiting is the point: as much as a quick sender fills a long line with.
const LONG_ROOM: usize = 16 * 1024 * 1024;
/// What keeping something costs beside its bytes.
const OVERHEAD: usize = 64;

/// What passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Bytes; at least one.
    Data(Bytes),
    /// The sender is done; the other direction goes on.
    End,
    /// A toxic closes the connection, both directions.
    Close,
}

/// Something under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// When it came, or would have come if nobody had been late.
    pub at: u64,
    /// What it is.
    pub item: Item,
}

/// What a hop does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// This goes on.
    Pass(Parcel),
    /// Nothing before this instant.
    Wait(u64),
    /// Nothing until something comes.
    Rest,
    /// The connection is reset, whatever is under way.
    Reset,
}

/// What a toxic's numbers depend on, besides its own name.
#[derive(Debug, Clone)]
pub struct Place {
    /// The seed of the stage.
    pub seed: Seed,
    /// The name of the link.
    pub link: Arc<str>,
    /// The number of the connection on its link, from 0.
    pub connection: u64,
}

/// A toxic at work.
pub struct Hop {
    /// What it does.
    pub toxic: Arc<Toxic>,
    place: Place,
    queue: VecDeque<Parcel>,
    held: usize,
    /// When it began here, or when its settings changed.
    since: u64,
    /// Nothing goes on before this instant.
    free: u64,
    /// When something came last.
    came: Option<u64>,
    delay: Duration, // of what comes together
    draws: u64,      // numbers drawn so far
    passed: u64,     // bytes that went on
    spoiler: Spoiler,
    fuse: Option<u64>, // when it resets the connection
    lost: bool,        // bytes that came are gone
    swallowed: bool,   // the end, too
    spent: bool,       // it has closed the connection
    struck: bool,
}

/// What is left of a hop that is taken out.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing is missing: what waited goes on.
    Whole(Vec<Parcel>),
    /// The connection is closed.
    Close,
    /// Something is missing: the connection is no use to anybody.
    Broken,
}

impl Hop {
    /// A toxic that begins to work on a connection.
    pub fn new(toxic: Arc<Toxic>, place: Place, now: u64) -> Hop {
        Hop {
            toxic,
            place,
            queue: VecDeque::new(),
            held: 0,
            since: now,
            free: 0,
            came: None,
            delay: Duration::ZERO,
            draws: 0,
            passed: 0,
            spoiler: Spoiler::default(),
            fuse: None,
            lost: false,
            swallowed: false,
            spent: false,
            struck: false,
        }
    }

    /// Goes on with other settings. What waits already leaves when it would have.
    pub fn change(&mut self, toxic: Arc<Toxic>, now: u64) {
        self.toxic = toxic;
        (self.since, self.free) = (now, self.free.min(now));
    }

    /// Whether more can come.
    pub fn has_room(&self) -> bool {
        let room = if matches!(self.toxic.kind, Kind::Latency(_)) { LONG_ROOM } else { ROOM };
        self.held < room
    }

    /// Whether it has taken the end and tells nobody.
    pub fn has_swallowed_the_end(&self) -> bool {
        self.swallowed
    }

    /// Takes what comes.
    pub fn take(&mut self, mut parcel: Parcel) {
        if self.spent {
            return;
        }
        let toxic = self.toxic.clone();
        match (&toxic.kind, &mut parcel.item) {
            (Kind::Latency(law), _) => {
                let together = self.came.is_some_and(|came| parcel.at <= came.saturating_add(TOGETHER));
                if !together {
                    self.delay = law.at(self.draw());
                }
                self.came = Some(parcel.at);
                // Nothing overtakes.
                self.free = self.free.max(parcel.at.saturating_add(nanos(self.delay)));
                parcel.at = self.free;
                self.strike();
            }
            (Kind::Timeout { .. } | Kind::DropHalf, item) => {
                let is_data = matches!(item, Item::Data(_));
                (self.lost, self.swallowed) = (self.lost || is_data, self.swallowed || !is_data);
                self.strike();
                return;
            }
            (Kind::ResetPeer { timeout }, item) => {
                self.lost |= matches!(item, Item::Data(_));
                self.fuse = self.fuse.or(Some(parcel.at.saturating_add(nanos(*timeout))));
                return;
            }
            (Kind::Corrupt { bits, every }, Item::Data(bytes)) => {
                let place = &self.place;
                let draw = |window: u64, n: u64| number(place, &toxic.name, &[window, n]);
                if let Some(spoilt) = self.spoiler.spoil(bytes, *bits, *every, draw) {
                    *bytes = spoilt;
                    self.strike();
                }
            }
            (Kind::Noop | Kind::Bandwidth { .. } | Kind::Slicer { .. }, Item::Data(_)) => self.strike(),
            (Kind::SlowClose { .. }, Item::End | Item::Close) => self.strike(),
            _ => {}
        }
        self.held += cost(&parcel.item);
        self.queue.push_back(parcel);
    }

    /// What goes on now, if anything.
    pub fn turn(&mut self, now: u64) -> Turn {
        match self.toxic.kind {
            Kind::Timeout { timeout } if timeout.is_zero() || self.spent => return Turn::Rest,
            Kind::Timeout { timeout } => {
                return match self.since.saturating_add(nanos(timeout)) {
                    at if at > now => Turn::Wait(at),
                    at => self.close(at),
                };
            }
            Kind::ResetPeer { .. } => {
                return match self.fuse {
                    None => Turn::Rest,
                    Some(at) if at > now => Turn::Wait(at),
                    Some(_) => {
                        self.strike();
                        Turn::Reset
                    }
                };
            }
            Kind::LimitData { bytes } if self.passed >= bytes && (self.passed > 0 || !self.queue.is_empty()) => {
                return if self.spent { Turn::Rest } else { self.close(now) };
            }
            _ => {}
        }
        let Some(front) = self.queue.front() else { return Turn::Rest };
        let (at, length) = (front.at, if let Item::Data(bytes) = &front.item { bytes.len() } else { 0 });
        match self.toxic.kind {
            Kind::Latency(_) if at > now => Turn::Wait(at),
            Kind::Bandwidth { rate: 0 } if length > 0 => Turn::Rest,
            Kind::Bandwidth { rate } if length > 0 => {
                let most = (u128::from(rate) * PIECE.as_nanos() / 1_000_000_000) as u64;
                let piece = length.min(most.clamp(1, LARGEST) as usize);
                let takes = (piece as u128 * 1_000_000_000 / u128::from(rate)) as u64;
                self.paced(at.max(self.free).saturating_add(takes), piece, now)
            }
            Kind::Slicer { average_size, size_variation, delay } if length > 0 => {
                let at = at.max(self.free);
                if at > now {
                    return Turn::Wait(at);
                }
                let least = average_size.saturating_sub(size_variation);
                let spread = (self.draw() * (2.0 * size_variation as f64 + 1.0)) as u64;
                let piece = usize::try_from(least.saturating_add(spread)).unwrap_or(usize::MAX).max(1);
                let turn = self.paced(at, piece.min(length), now);
                self.free = self.free.saturating_add(nanos(delay));
                turn
            }
            Kind::SlowClose { delay } if length == 0 => match at.saturating_add(nanos(delay)) {
                at if at > now => Turn::Wait(at),
                at => self.pass(at),
            },
            Kind::LimitData { bytes } if length > 0 => {
                let left = bytes - self.passed;
                let keep = length.min(usize::try_from(left).unwrap_or(usize::MAX));
                let turn = self.split(keep, at);
                self.passed += keep as u64;
                turn
            }
            _ => self.pass(at),
        }
    }

    /// Takes it out: what waited goes on, unless something is missing.
    pub fn dissolve(self) -> Rest {
        match self.toxic.kind {
            _ if self.spent => Rest::Close,
            Kind::Timeout { .. } => Rest::Close,
            Kind::DropHalf | Kind::ResetPeer { .. } if self.lost || self.swallowed || self.fuse.is_some() => {
                Rest::Broken
            }
            _ => Rest::Whole(self.queue.into()),
        }
    }

    /// A piece that goes on at its time, which the next one counts from.
    fn paced(&mut self, due: u64, piece: usize, now: u64) -> Turn {
        if due > now {
            return Turn::Wait(due);
        }
        self.free = due.max(now.saturating_sub(SLACK));
        self.split(piece, due)
    }

    /// The first so many bytes of what waits; never more than there are.
    fn split(&mut self, keep: usize, at: u64) -> Turn {
        match self.queue.front_mut() {
            Some(Parcel { item: Item::Data(bytes), .. }) if keep < bytes.len() => {
                self.held -= keep;
                Turn::Pass(Parcel { at, item: Item::Data(bytes.split_to(keep)) })
            }
            _ => self.pass(at),
        }
    }

    fn pass(&mut self, at: u64) -> Turn {
        let Some(parcel) = self.queue.pop_front() else { return Turn::Rest };
        self.held -= cost(&parcel.item);
        Turn::Pass(Parcel { at, ..parcel })
    }

    fn close(&mut self, at: u64) -> Turn {
        self.spent = true;
        self.strike();
        self.queue.clear();
        self.held = 0;
        Turn::Pass(Parcel { at, item: Item::Close })
    }

    /// The next number of this toxic on this connection, uniform in [0, 1).
    fn draw(&mut self) -> f64 {
        self.draws += 1;
        unit(number(&self.place, &self.toxic.name, &[self.draws]))
    }

    fn strike(&mut self) {
        if !std::mem::replace(&mut self.struck, true)
            && let Some(watcher) = &self.toxic.watcher
        {
            watcher.struck(self.place.connection);
        }
    }
}

/// A number that is a pure function of everything given.
fn number(place: &Place, toxic: &str, of: &[u64]) -> u64 {
    let mut key = [0; 24];
    let numbers = [place.connection].into_iter().chain(of.iter().copied());
    for (slot, number) in key.chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    place.seed.decide(&[b"toxic", place.link.as_bytes(), toxic.as_bytes(), &key])
}

fn cost(item: &Item) -> usize {
    OVERHEAD + if let Item::Data(bytes) = item { bytes.len() } else { 0 }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
