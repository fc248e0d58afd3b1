//! All toxics of one direction of one connection, one behind the other. They can change while bytes are under way: none
//! is lost, none comes twice, none overtakes another.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Buf;

use super::hop::{Hop, Item, Parcel, Place, Rest, Turn};
use super::toxic::{Stream, Toxic};

/// How much waits for a reader before nothing more comes out of the last hop.
const ROOM: usize = 64 * 1024;

/// The toxics of one direction, and what is under way.
pub struct Chain {
    stream: Stream,
    place: Place,
    known: Vec<Known>,
    hops: Vec<Hop>,
    out: VecDeque<Item>,
    waiting: usize, // bytes in `out`
    broken: bool,
}

/// A toxic of this direction, also one that does not strike this connection.
struct Known {
    toxic: Arc<Toxic>,
    chosen: bool,
    met: bool,
}

impl Known {
    fn meet(&mut self, connection: u64) {
        if !std::mem::replace(&mut self.met, true)
            && let Some(watcher) = &self.toxic.watcher
        {
            watcher.met(connection, self.chosen);
        }
    }
}

impl Chain {
    /// A direction without toxics.
    pub fn new(stream: Stream, place: Place) -> Chain {
        Chain { stream, place, known: Vec::new(), hops: Vec::new(), out: VecDeque::new(), waiting: 0, broken: false }
    }

    /// These are the toxics of the link from now on. Those that are there already go on where they are, with their new
    /// settings; what waited in one that is gone goes on at once.
    pub fn set(&mut self, toxics: &[Arc<Toxic>], now: u64) {
        let ours = toxics.iter().filter(|t| t.stream == self.stream);
        let met = |id| self.known.iter().any(|k| k.toxic.id == id && k.met);
        let known = ours.map(|toxic| Known {
            toxic: toxic.clone(),
            chosen: toxic.strikes(self.place.seed, &self.place.link, self.place.connection),
            met: met(toxic.id),
        });
        self.known = known.collect();
        let mut hops: Vec<Option<Hop>> = self.known.iter().map(|_| None).collect();
        // From the last to the first: what comes out of one that goes lies behind all that is further along.
        let mut next = None;
        for mut hop in std::mem::take(&mut self.hops).into_iter().rev() {
            let kept = self.known.iter().position(|k| k.toxic.id == hop.toxic.id && k.chosen);
            match kept {
                Some(slot) => {
                    if !Arc::ptr_eq(&hop.toxic, &self.known[slot].toxic) {
                        hop.change(self.known[slot].toxic.clone(), now);
                    }
                    next = Some(slot);
                    hops[slot] = Some(hop);
                }
                None => {
                    let rest = match hop.dissolve() {
                        Rest::Whole(parcels) => parcels,
                        Rest::Close => vec![Parcel { at: now, item: Item::Close }],
                        Rest::Broken => {
                            self.broken = true;
                            Vec::new()
                        }
                    };
                    for parcel in rest {
                        match next.and_then(|slot: usize| hops[slot].as_mut()) {
                            Some(hop) => hop.take(Parcel { at: now, ..parcel }),
                            None => self.put_out(parcel.item),
                        }
                    }
                }
            }
        }
        let new = |known: &Known| Hop::new(known.toxic.clone(), self.place.clone(), now);
        let all = self.known.iter().zip(hops).filter(|(known, _)| known.chosen);
        self.hops = all.map(|(known, hop)| hop.unwrap_or_else(|| new(known))).collect();
    }

    /// Takes what came from the sender.
    pub fn push(&mut self, item: Item, now: u64) {
        let connection = self.place.connection;
        self.known.iter_mut().for_each(|known| known.meet(connection));
        match self.hops.first_mut() {
            Some(hop) => hop.take(Parcel { at: now, item }),
            None => self.put_out(item),
        }
    }

    /// Lets everything go on as far as it may by now. When there is more to do, if nothing comes before.
    pub fn advance(&mut self, now: u64) -> Option<u64> {
        loop {
            let (mut moved, mut next) = (false, None);
            for i in (0..self.hops.len()).rev() {
                while self.hops.get(i + 1).map_or(self.waiting < ROOM, Hop::has_room) {
                    match self.hops[i].turn(now) {
                        Turn::Pass(parcel) => {
                            moved = true;
                            if parcel.item == Item::Close {
                                self.closed_by(i);
                            }
                            match self.hops.get_mut(i + 1) {
                                Some(hop) => hop.take(parcel),
                                None => self.put_out(parcel.item),
                            }
                        }
                        Turn::Wait(at) => {
                            next = Some(next.map_or(at, |next: u64| next.min(at)));
                            break;
                        }
                        Turn::Rest => break,
                        Turn::Reset => {
                            self.broken = true;
                            return None;
                        }
                    }
                }
            }
            if !moved {
                return next;
            }
        }
    }

    /// Whether what comes now goes on at once: no toxic, and nothing in front of it.
    pub fn is_idle(&self) -> bool {
        self.hops.is_empty() && self.out.is_empty()
    }

    /// Whether the sender may send more.
    pub fn has_room(&self) -> bool {
        self.hops.first().map_or(self.waiting < ROOM, Hop::has_room)
    }

    /// Whether the connection is to be reset.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the sender's end will never come out.
    pub fn has_swallowed_the_end(&self) -> bool {
        self.hops.iter().any(Hop::has_swallowed_the_end)
    }

    /// What is next for the reader.
    pub fn front(&self) -> Option<&Item> {
        self.out.front()
    }

    /// The reader took so many bytes of the front, or the front if it is no bytes.
    pub fn taken(&mut self, bytes: usize) {
        self.waiting -= bytes;
        match self.out.front_mut() {
            Some(Item::Data(front)) if bytes < front.len() => front.advance(bytes),
            _ => _ = self.out.pop_front(),
        }
    }

    /// A toxic that closes a connection has met it, also when nothing ever came.
    fn closed_by(&mut self, hop: usize) {
        let id = self.hops[hop].toxic.id;
        if let Some(known) = self.known.iter_mut().find(|known| known.toxic.id == id) {
            known.meet(self.place.connection);
        }
    }

    fn put_out(&mut self, item: Item) {
        if let Item::Data(bytes) = &item {
            self.waiting += bytes.len();
        }
        self.out.push_back(item);
    }
}

#[cfg(test)]
mod tests;
