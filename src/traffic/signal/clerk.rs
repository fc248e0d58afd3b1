//! Keeps the ledger of one traffic, and reports what becomes of its signals.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::Note;
use super::producer::silence;
use crate::base::kafka::Quiet;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::trace::Shot;
use crate::base::units;
use crate::evidence::effects::{self, Example, Row, Totals};
use crate::evidence::event::Event;
use crate::evidence::recorder::Batch;
use crate::evidence::reply::{Maybe, Opening, Outcome, PartReply, Reply};
use crate::scenario::{Fate, Signal};
use crate::traffic::drive::Setup;
use crate::traffic::effects::ledger::{Ended, Kind, Ledger, Sent, hash};
use crate::traffic::effects::{Effect, Told};

/// How often deadlines are looked at and the backlog is noted.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is told what is new.
const TELL: Duration = Duration::from_secs(1);
/// A batch with so many replies is reported at once.
const BATCH: usize = 512;
/// So many notes are taken before the clock is looked at.
const NOTES: usize = 256;
/// At most so many examples of a kind in a run.
const EXAMPLES: u32 = 10;
/// So many strangers in lists are told apart; more of them are not counted.
const STRANGERS: usize = 100_000;
/// When all is over, what comes twice has so much time to show itself.
const LINGER: Duration = Duration::from_secs(1);

/// Keeps a ledger.
pub struct Clerk {
    setup: Arc<Setup>,
    traffic: usize,
    index: u16,
    /// Whether effects say whose they are; else an acknowledgement ends a signal.
    by_id: bool,
    deadline: Duration,
    timeout: Duration,
    quiet: Arc<Quiet>,
    ledger: Ledger,
    beyond: Totals, // what the ledger does not count: foreign and unreadable
    rows: BTreeMap<(Offset, Offset), Row>,
    backlog: Vec<(Offset, u64)>,
    shown: HashMap<&'static str, u32>,
    examples: Vec<Example>,
    missed: Option<String>,
    strangers: HashSet<u64>, // that stand in a list: each is counted once, however often that is read
    batch: Batch,
}

impl Clerk {
    /// One for a traffic. `quiet` knows what troubles the producer.
    pub fn new(
        setup: &Arc<Setup>,
        traffic: usize,
        index: usize,
        signal: &Signal,
        by_id: bool,
        quiet: Arc<Quiet>,
    ) -> Clerk {
        Clerk {
            setup: setup.clone(),
            traffic,
            index: index as u16,
            by_id,
            deadline: signal.deadline,
            timeout: signal.how.timeout,
            quiet,
            ledger: Ledger::new(signal.deadline, signal.effects.states.clone()),
            beyond: Totals::default(),
            rows: BTreeMap::new(),
            backlog: Vec::new(),
            shown: HashMap::new(),
            examples: Vec::new(),
            missed: None,
            strangers: HashSet::new(),
            batch: Batch::default(),
        }
    }

    /// Takes notes until every signal is over.
    pub fn keep(mut self, notes: &mpsc::Receiver<Note>) {
        let clock = self.setup.clock;
        let (mut look, mut tell) = (clock.now().floor_to(LOOK), clock.now().floor_to(TELL) + TELL);
        let mut until = Offset::MAX; // when what was stopped is given up
        let mut settled: Option<Offset> = None;
        let mut over = false;
        loop {
            let wait = clock.until(look).max(Duration::from_millis(1));
            match notes.recv_timeout(wait) {
                Ok(note) => {
                    for note in std::iter::once(note).chain(notes.try_iter().take(NOTES)) {
                        if let Note::Over { stopped } = note {
                            over = true;
                            let patience = self.setup.scenario.target.timeout.min(self.deadline);
                            until = if stopped { clock.now() + patience } else { Offset::MAX };
                        }
                        self.note(note);
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            let now = clock.now();
            if now < look {
                continue;
            }
            look = now.floor_to(LOOK) + LOOK;
            self.look(now);
            if now >= tell {
                tell = now.floor_to(TELL) + TELL;
                self.tell(now);
            }
            if over && (self.ledger.outstanding() == 0 || now >= until) {
                let settled = *settled.get_or_insert(now);
                if now.since(settled) >= LINGER.min(self.deadline) || now >= until {
                    break;
                }
            }
        }
        self.tell(clock.now());
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Taken(sent) => _ = self.ledger.taken(sent),
            Note::Handed { seq, at } => self.ledger.handed(seq, at),
            Note::Held { seq } => self.ledger.handed(seq, Offset::MAX),
            Note::Acked { seq, at } => {
                if let Some(sent) = self.ledger.acked(seq) {
                    self.published(seq, sent.due, at, Outcome::Ok);
                }
                if !self.by_id {
                    let id = Box::default();
                    let as_effect = Effect { at, id, pipeline: None, state: None, sequence: None, listed: None };
                    self.effect(seq, &as_effect);
                }
            }
            Note::Refused { seq, at, outcome, why } => {
                if let Some(ended) = self.ledger.refused(seq, at) {
                    self.published(seq, ended.shot.due, at, outcome);
                    self.finish(&ended, outcome, Some(why));
                }
            }
            Note::Told(told) => self.told(told),
            Note::Over { .. } => {}
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Effect(effect) => match self.setup.tracer.find(&effect.id) {
                Some(shot) if usize::from(shot.traffic) == self.traffic => self.effect(shot.seq, &effect),
                // Of another of our own traffics, whose clerk counts it.
                Some(_) => {}
                None => self.foreign(&effect),
            },
            Told::Unreadable(what) => {
                self.beyond.unreadable += 1;
                let at = self.setup.clock.now();
                self.example("unreadable", at, &what, None);
            }
            Told::Trouble(why) => {
                let at = self.setup.clock.now();
                let name = &self.setup.scenario.traffic[self.traffic].name;
                self.batch.told.push(Event::Note { at, text: format!("`{name}`: effects may be seen late: {why}") });
            }
            Told::Refused => self.missed = Some("more senders came at once than are taken".into()),
            Told::Missed(why) => self.missed = Some(why),
        }
    }

    fn foreign(&mut self, effect: &Effect) {
        if effect.listed.is_some() && (self.strangers.len() >= STRANGERS || !self.strangers.insert(stranger(effect))) {
            return;
        }
        self.beyond.foreign += 1;
        self.example("foreign", effect.at, &effect.id, effect.pipeline.as_deref());
    }

    fn effect(&mut self, seq: u64, effect: &Effect) {
        let taken = self.ledger.effect(seq, effect);
        let pipeline = effect.pipeline.as_deref();
        match taken.kind {
            Kind::First(ended) => match ended.fate {
                Some(Fate::Ok) | None => self.finish(&ended, Outcome::Ok, None),
                Some(fate) => {
                    let outcome = if fate == Fate::Failed { Outcome::Failed } else { Outcome::Skipped };
                    self.finish(&ended, outcome, effect.state.as_ref().map(|state| format!("state {state}")));
                }
            },
            Kind::Late => self.example("late", effect.at, &effect.id, pipeline),
            Kind::Unacked => self.example("unacked", effect.at, &effect.id, pipeline),
            Kind::Forgotten => self.example("forgotten", effect.at, &effect.id, pipeline),
            Kind::Unknown => self.foreign(effect),
            Kind::Other => {}
        }
        let wrong = [("duplicated", taken.duplicated), ("reordered", taken.reordered)];
        for (kind, _) in wrong.iter().filter(|(_, is)| *is) {
            self.example(kind, effect.at, &effect.id, pipeline);
        }
        if let Some((due, done)) = taken.span.filter(|_| taken.duplicated || taken.reordered) {
            let place = (self.beginning(due), done.floor_to(LOOK));
            let new = Row { due: place.0, done: place.1, ..Row::default() };
            let row = self.rows.entry(place).or_insert(new);
            row.duplicated += u64::from(taken.duplicated);
            row.reordered += u64::from(taken.reordered);
        }
    }

    /// The beginning of the interval that a signal is due in, as the latency log cuts it.
    fn beginning(&self, due: Offset) -> Offset {
        let edges = self.setup.plan.timeline.edges();
        let edge = edges.partition_point(|edge| *edge <= due).checked_sub(1).map(|i| edges[i]);
        due.floor_to(LOOK).max(edge.unwrap_or(Offset::from_nanos(i64::MIN)))
    }

    fn look(&mut self, now: Offset) {
        let mut ended = Vec::new();
        self.ledger.expire(now, |end| ended.push(end));
        for end in ended {
            let (outcome, why) = match end.acked {
                true => (Outcome::Unfinished, format!("no effect within {}", units::duration(self.deadline))),
                false => silence(self.quiet.trouble().as_ref(), self.timeout),
            };
            if !end.acked {
                self.published(end.seq, end.shot.due, end.done, outcome);
            }
            self.finish(&end, outcome, Some(why));
        }
        self.backlog.push((now, self.ledger.outstanding()));
        self.hand_in(now);
    }

    /// The part of a shot up to its acknowledgement is over.
    fn published(&mut self, seq: u64, due: Offset, done: Offset, outcome: Outcome) {
        let shot = Shot { traffic: self.traffic as u16, seq };
        self.batch.parts.push(PartReply::spell(shot, 0, due, due, done, outcome));
    }

    fn finish(&mut self, end: &Ended, outcome: Outcome, why: Option<String>) {
        self.setup.counters.finished(self.traffic, None);
        let Sent { due, ready, handed, .. } = end.shot;
        self.batch.replies.push(Reply {
            traffic: self.traffic as u16,
            seq: end.seq,
            class: None,
            outcome,
            status: None,
            due,
            ready,
            sent: Some(handed).filter(|at| *at != Offset::MAX).into(),
            first_byte: Maybe::NONE,
            done: end.done.max(ready),
            not_before: Maybe::NONE,
            opening: Opening::default(),
            why: why.map(String::into_boxed_str),
        });
        if self.batch.replies.len() >= BATCH {
            self.hand_in(self.setup.clock.now());
        }
    }

    fn example(&mut self, kind: &'static str, at: Offset, id: &str, pipeline: Option<&str>) {
        let shown = self.shown.entry(kind).or_default();
        *shown += 1;
        if *shown <= EXAMPLES {
            let (kind, id) = (kind.to_owned(), text::shorten(id, 120));
            self.examples.push(Example { at, kind, id, pipeline: pipeline.map(|p| text::shorten(p, 120)) });
        }
    }

    /// Hands what became of signals in.
    fn hand_in(&mut self, now: Offset) {
        let mut batch = std::mem::take(&mut self.batch);
        if !batch.replies.is_empty() || !batch.parts.is_empty() || !batch.told.is_empty() {
            // What has been taken up, the sender says.
            (batch.worker, batch.at, batch.through) = (self.index, now, Offset::from_nanos(i64::MIN));
            let _ = self.setup.reports.send(batch);
        }
    }

    /// Tells what is new.
    fn tell(&mut self, now: Offset) {
        let counted = self.ledger.totals();
        let new = effects::Effects {
            at: now,
            traffic: self.setup.scenario.traffic[self.traffic].name.clone(),
            totals: Totals { foreign: self.beyond.foreign, unreadable: self.beyond.unreadable, ..counted },
            rows: std::mem::take(&mut self.rows).into_values().collect(),
            backlog: std::mem::take(&mut self.backlog),
            examples: std::mem::take(&mut self.examples),
            missed: self.missed.take(),
        };
        self.batch.told.push(Event::Effects(new));
        self.hand_in(now);
    }
}

/// A number for an effect that stands in a list and is none of ours.
fn stranger(effect: &Effect) -> u64 {
    let pipeline = effect.pipeline.as_deref().unwrap_or_default();
    hash(format!("{}\n{pipeline}\n{}", effect.id, effect.listed.unwrap_or_default()).as_bytes())
}
