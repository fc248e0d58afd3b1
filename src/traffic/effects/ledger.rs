//! What was sent held against what came of it: per id acknowledged or not, per id and pipeline an effect once, never or
//! again, per key in order or not. Pure: every instant comes with what is told.

mod line;
mod page;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use line::Lines;
use page::Pages;

use super::Effect;
use crate::base::time::Offset;
use crate::evidence::effects::Totals;
use crate::scenario::{Fate, States};

/// Holds what was sent against what came of it. Numbers of what is sent rise by one from 0. What is older than two
/// deadlines is forgotten, so that memory follows the rate, not the length of a run.
pub struct Ledger {
    deadline: Duration,
    states: States,
    entries: Pages<Entry>,
    lines: Lines,
    outstanding: u64,
    /// Everything below is over: it has its effect, failed or is lost.
    settled: u64,
    totals: Totals,
}

/// What is known of one id.
#[derive(Debug, Clone, Default)]
struct Entry {
    shot: Sent,
    /// When it was over.
    done: Offset,
    /// The pipeline of its first effect, and of further ones.
    pipeline: u64,
    more: Option<Box<Vec<u64>>>,
    state: State,
    duplicated: bool,
    reordered: bool,
    refused: bool,
    acked: bool,
}

/// Something that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// When it was due.
    pub due: Offset,
    /// When it was taken up.
    pub ready: Offset,
    /// When it was handed over; [`Offset::MAX`] while it was not.
    pub handed: Offset,
    /// The [`hash`] of its key; 0 for none, which has no order.
    pub key: u64,
}

/// How far an id has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Nothing is known of an effect.
    #[default]
    Open,
    /// An effect came in time, or the sending failed.
    Over,
    /// The deadline came first.
    Silent,
}

/// Something came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its number.
    pub seq: u64,
    /// As it was sent.
    pub shot: Sent,
    /// When.
    pub done: Offset,
    /// How; nothing for what has no effect.
    pub fate: Option<Fate>,
    /// Whether the broker had said that it has it.
    pub acked: bool,
}

/// What an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first of its id: its shot is over.
    First(Ended),
    /// Of a further pipeline, or not the end yet, or what was in the list before.
    Other,
    /// The first of its id, and the deadline had come before.
    Late,
    /// Of something that was never acknowledged.
    Unacked,
    /// Its id is too old to be known still.
    Forgotten,
    /// Nothing was sent yet with this number.
    Unknown,
}

/// An effect as the ledger takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What it is.
    pub kind: Kind,
    /// Whether its id is duplicated by it, as nothing had done before.
    pub duplicated: bool,
    /// Whether its id is out of order by it, as nothing had done before.
    pub reordered: bool,
    /// When its id was due, and when that was over.
    pub span: Option<(Offset, Offset)>,
}

/// A number for a key or the name of a pipeline, which is not 0.
pub fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(1)
}

impl Ledger {
    /// An empty one. An id is lost when it has no effect for so long after its due time.
    pub fn new(deadline: Duration, states: States) -> Ledger {
        Ledger {
            deadline,
            states,
            entries: Pages::default(),
            lines: Lines::default(),
            outstanding: 0,
            settled: 0,
            totals: Totals::default(),
        }
    }

    /// Something was taken up: the next number.
    pub fn taken(&mut self, shot: Sent) -> u64 {
        self.totals.taken += 1;
        self.outstanding += 1;
        self.entries.push(Entry { shot, done: Offset::MAX, ..Entry::default() })
    }

    /// It was handed over.
    pub fn handed(&mut self, seq: u64, at: Offset) {
        if let Some(entry) = self.entries.get_mut(seq) {
            entry.shot.handed = at;
        }
    }

    /// The broker has it. As it was sent, unless nobody waits for that any more.
    pub fn acked(&mut self, seq: u64) -> Option<Sent> {
        self.totals.acked += 1;
        let entry = self.entries.get_mut(seq)?;
        entry.acked = true;
        // Its effect may have come first. What was silent up to its deadline is over, and not lost.
        self.totals.seen += u64::from(entry.state == State::Over);
        (entry.state != State::Silent).then_some(entry.shot)
    }

    /// The broker does not have it, or did not say so: it is over, unless its effect came first.
    pub fn refused(&mut self, seq: u64, at: Offset) -> Option<Ended> {
        self.totals.refused += 1;
        let entry = self.entries.get_mut(seq)?;
        entry.refused = true;
        if entry.state != State::Open {
            return None;
        }
        (entry.state, entry.done) = (State::Over, at);
        self.outstanding -= 1;
        Some(Ended { seq, shot: entry.shot, done: at, fate: None, acked: false })
    }

    /// An effect of the id with a number was seen.
    pub fn effect(&mut self, seq: u64, effect: &Effect) -> Taken {
        let mut taken = Taken { kind: Kind::Other, duplicated: false, reordered: false, span: None };
        let Some(fate) = self.states.fate(effect.state.as_deref()) else { return taken };
        if seq >= self.entries.end() {
            return Taken { kind: Kind::Unknown, ..taken };
        }
        let Some(entry) = self.entries.get_mut(seq) else {
            self.totals.forgotten += 1;
            return Taken { kind: Kind::Forgotten, ..taken };
        };
        let pipeline = effect.pipeline.as_ref().map_or(1, |pipeline| hash(pipeline.as_bytes()));
        let first = entry.pipeline == 0;
        if entry.has(pipeline) {
            // What stands in a list stands there again whenever it is read.
            if effect.listed.is_some_and(|nth| nth <= 1) {
                return taken;
            }
            self.totals.repeats += 1;
            taken.duplicated = !std::mem::replace(&mut entry.duplicated, true);
            self.totals.duplicated += u64::from(taken.duplicated);
        } else {
            entry.add(pipeline);
            self.totals.pairs += 1;
            if first {
                taken.kind = first_effect(entry, seq, effect.at, fate, &mut self.totals, &mut self.outstanding);
            }
            // A list says nothing of when its items came about, unless they do themselves.
            let number = effect.sequence.or_else(|| effect.listed.is_none().then_some(seq as i64));
            if let Some(number) = number.filter(|_| entry.shot.key != 0) {
                let behind = self.lines.passes(entry.shot.key, pipeline, number, seq);
                taken.reordered = behind && !std::mem::replace(&mut entry.reordered, true);
                self.totals.reordered += u64::from(taken.reordered);
            }
        }
        taken.span = Some((entry.shot.due, entry.done));
        taken
    }

    /// Tells of everything whose deadline has come, in order, and forgets what is too old.
    pub fn expire(&mut self, now: Offset, mut over: impl FnMut(Ended)) {
        while let Some(entry) = self.entries.get_mut(self.settled) {
            if entry.state == State::Open {
                let done = entry.shot.due + self.deadline;
                if done > now {
                    break;
                }
                (entry.state, entry.done) = (State::Silent, done);
                self.outstanding -= 1;
                self.totals.lost += u64::from(entry.acked);
                over(Ended { seq: self.settled, shot: entry.shot, done, fate: None, acked: entry.acked });
            }
            self.settled += 1;
        }
        let old = |entry: &Entry| entry.shot.due + self.deadline * 2 < now && entry.state != State::Open;
        while self.entries.first().is_some_and(old) {
            self.entries.pop();
        }
        self.settled = self.settled.max(self.entries.begin());
        self.lines.forget(self.entries.begin(), self.entries.len());
    }

    /// How many were taken up and have neither an effect nor failed nor are lost.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// When the next that is open must have its effect; nothing while none is open.
    pub fn next_deadline(&self) -> Option<Offset> {
        let open = (self.settled..self.entries.end()).filter_map(|seq| self.entries.get(seq));
        open.filter(|entry| entry.state == State::Open).map(|entry| entry.shot.due + self.deadline).next()
    }

    /// Counts so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }
}

fn first_effect(
    entry: &mut Entry,
    seq: u64,
    at: Offset,
    fate: Fate,
    totals: &mut Totals,
    outstanding: &mut u64,
) -> Kind {
    if entry.refused {
        totals.unacked += 1;
        return Kind::Unacked;
    }
    match entry.state {
        State::Open => {
            (entry.state, entry.done) = (State::Over, at);
            *outstanding -= 1;
            // What took effect was there, whatever the broker will say.
            totals.seen += u64::from(entry.acked);
            Kind::First(Ended { seq, shot: entry.shot, done: at, fate: Some(fate), acked: entry.acked })
        }
        State::Silent => {
            totals.late += u64::from(entry.acked);
            Kind::Late
        }
        State::Over => Kind::Other,
    }
}

impl Entry {
    fn has(&self, pipeline: u64) -> bool {
        self.pipeline == pipeline || self.more.iter().any(|more| more.contains(&pipeline))
    }

    fn add(&mut self, pipeline: u64) {
        match self.pipeline {
            0 => self.pipeline = pipeline,
            _ => self.more.get_or_insert_default().push(pipeline),
        }
    }
}

#[cfg(test)]
mod tests;
