//! What a target's scrapes had in common so far, so that the next one says only what is new.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::code::{Encoder, Track, put, put_signed};
use super::dictionary::{self, SYNTHETIC};
use super::write::{Kept, Scrape};
use super::{Kind, Row};
use crate::base::series::{Labels, is_stale};

/// A series that was absent from this many scrapes of its target in a row is forgotten; if it returns, it is told anew.
const FORGET: u64 = 10;

/// What is known of a target between scrapes.
#[derive(Debug)]
pub(super) struct Target {
    slots: Vec<Slot>,
    by_text: HashMap<Arc<str>, usize>,
    by_key: HashMap<Arc<[u8]>, usize>,
    /// Slots to be given to new series, the lowest first, to keep neighbours together.
    free: BinaryHeap<Reverse<usize>>,
    scrapes: u64,
    /// When the last scrape was, in milliseconds on the plan's axis.
    pub(super) at: i64,
    /// What this scrape has that the last one had not.
    new: Vec<usize>,
    returned: Vec<usize>,
    /// Slot, ms since its last timestamp, value.
    timed: Vec<(usize, i64, f64)>,
    /// The key that was written last.
    told: Arc<[u8]>,
    /// Not scraped but fetched: labels stay as they are.
    fetched: bool,
}

#[derive(Debug)]
struct Slot {
    text: Arc<str>,
    key: Arc<[u8]>,
    kind: Kind,
    track: Track,
    /// The last timestamp of its own.
    stamp: Option<i64>,
    /// Has a value that is not stale.
    live: bool,
    /// The scrape that had it last, with a value of the scrape's time or with any.
    valued: u64,
    seen: u64,
    value: f64,
    /// The slot that followed on the page: pages rarely change their order.
    next: usize,
}

impl Slot {
    fn new(text: Arc<str>, key: Arc<[u8]>, kind: Kind, live: bool) -> Slot {
        Slot {
            text,
            key,
            kind,
            track: Track::default(),
            stamp: None,
            live,
            valued: 0,
            seen: 0,
            value: 0.0,
            next: SYNTHETIC.len(),
        }
    }
}

impl Target {
    /// One that has not been scraped yet.
    pub(super) fn new(fetched: bool) -> Target {
        let slots = SYNTHETIC.map(|name| Slot::new("".into(), dictionary::synthetic(name).into(), Kind::Gauge, true));
        Target {
            by_key: slots.iter().enumerate().map(|(n, slot)| (slot.key.clone(), n)).collect(),
            slots: slots.into(),
            by_text: HashMap::new(),
            free: BinaryHeap::new(),
            scrapes: 1, // so that a series never seen, at 0, was not in the scrape before the first
            at: 0,
            new: Vec::new(),
            returned: Vec::new(),
            timed: Vec::new(),
            told: [].into(),
            fetched,
        }
    }

    /// How many series are in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.slots.len().max(self.by_key.len()).max(self.by_text.len())
    }

    /// Takes in the rows of a page.
    pub(super) fn take<'p>(
        &mut self,
        rows: impl IntoIterator<Item = Row<'p>>,
        labels: impl Fn(&str, Kind) -> Labels,
        anchor: i64,
    ) -> Kept {
        self.scrapes += 1;
        let mut kept = Kept::default();
        let mut before = 0;
        for row in rows.into_iter().filter(|row| !is_stale(row.value)) {
            kept.rows += 1;
            let next = self.slots[before].next;
            let n = match self.slots.get(next) {
                Some(slot) if *slot.text == *row.series => next,
                _ => self.find(&row, &labels),
            };
            self.slots[before].next = n;
            before = n;
            let slot = &mut self.slots[n];
            let seen = std::mem::replace(&mut slot.seen, self.scrapes);
            if n < SYNTHETIC.len() {
                kept.repeated += 1;
            } else if let Some(unix) = row.timestamp {
                kept.added += u64::from(seen + 1 < self.scrapes);
                let at = unix.wrapping_sub(anchor);
                let last = slot.stamp.replace(at);
                if last != Some(at) {
                    self.timed.push((n, at.wrapping_sub(last.unwrap_or(0)), row.value));
                }
            } else if slot.valued == self.scrapes {
                kept.repeated += 1;
            } else {
                kept.added += u64::from(seen + 1 < self.scrapes);
                slot.valued = self.scrapes;
                slot.value = row.value;
                if !slot.live {
                    slot.live = true;
                    self.returned.push(n);
                }
            }
        }
        kept
    }

    /// The slot of a series, by its text or, if that is new, by its labels.
    fn find(&mut self, row: &Row<'_>, labels: impl Fn(&str, Kind) -> Labels) -> usize {
        if let Some(n) = self.by_text.get(row.series) {
            return *n;
        }
        let labels = labels(row.series, row.kind);
        let key = if self.fetched { dictionary::flat(&labels) } else { dictionary::key(&labels) };
        let key: Arc<[u8]> = key.into();
        let text: Arc<str> = row.series.into();
        if let Some(n) = self.by_key.get(&key) {
            // the same series, its labels in another order: one text is remembered, so that memory stays bounded
            if *n >= SYNTHETIC.len() {
                let old = std::mem::replace(&mut self.slots[*n].text, text.clone());
                self.by_text.remove(&old);
                self.by_text.insert(text, *n);
            }
            return *n;
        }
        let slot = Slot::new(text.clone(), key.clone(), row.kind, false);
        let n = match self.free.pop() {
            Some(Reverse(n)) => {
                self.slots[n] = slot;
                n
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.by_text.insert(text, n);
        self.by_key.insert(key, n);
        self.new.push(n);
        n
    }

    /// Writes the scrape, whose head is written, and forgets what has been absent for long.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, scrape: &Scrape<'_>, answered: bool, kept: Kept) {
        let made = [f64::from(u8::from(answered)), scrape.took.as_secs_f64(), kept.rows as f64, kept.rows as f64];
        for (slot, value) in self.slots.iter_mut().zip(made.into_iter().chain([kept.added as f64])) {
            (slot.value, slot.valued) = (value, self.scrapes);
        }
        self.write_new(out);
        self.write_returned(out);
        let mut values = Encoder::new(out);
        for (n, slot) in self.slots.iter_mut().enumerate() {
            if slot.valued == self.scrapes {
                values.value(&mut slot.track, slot.value);
            } else if slot.live {
                slot.live = false;
                if answered {
                    values.absent();
                }
            } else if slot.seen + FORGET < self.scrapes && !slot.key.is_empty() {
                self.by_text.remove(&std::mem::replace(&mut slot.text, "".into()));
                self.by_key.remove(&std::mem::replace(&mut slot.key, [].into()));
                self.free.push(Reverse(n));
            }
        }
        values.finish();
        self.write_timed(out);
    }

    fn write_new(&mut self, out: &mut Vec<u8>) {
        put(out, self.new.len() as u64);
        let mut expected = 0;
        for n in self.new.drain(..) {
            let slot = &self.slots[n];
            put_signed(out, n as i64 - expected);
            out.push(slot.kind as u8);
            dictionary::put_key(out, &self.told, &slot.key);
            self.told = slot.key.clone();
            expected = n as i64 + 1;
        }
    }

    fn write_returned(&mut self, out: &mut Vec<u8>) {
        self.returned.sort_unstable();
        let runs: Vec<&[usize]> = self.returned.chunk_by(|a, b| a + 1 == *b).collect();
        put(out, runs.len() as u64);
        let mut expected = 0;
        for run in runs {
            put(out, (run[0] - expected) as u64);
            put(out, run.len() as u64);
            expected = run[0] + run.len();
        }
        self.returned.clear();
    }

    fn write_timed(&mut self, out: &mut Vec<u8>) {
        put(out, self.timed.len() as u64);
        for (n, later, value) in self.timed.drain(..) {
            put(out, n as u64);
            put_signed(out, later);
            let mut encoder = Encoder::new(out);
            encoder.value(&mut self.slots[n].track, value);
            encoder.finish();
        }
    }
}
