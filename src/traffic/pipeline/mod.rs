//! Work that is started by a request and followed to its end. A shot that has started something rests until it is asked
//! for again; one task of the worker asks for all of them, in the order in which they are due and no faster than the
//! target can bear.

mod budget;
mod cadence;
mod track;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use budget::Budget;
use cadence::Cadence;
use track::Track;

use super::errand::Errand;
use super::flow::{Flow, Shown};
use super::http::codec::Answer;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::trace::Shot;
use crate::base::units;
use crate::evidence::followed::Followed;
use crate::evidence::reply::{Outcome, PartReply, Reply};
use crate::scenario::{self, ID, Polling, State};

/// The step that starts the work.
const START: u32 = 0;
/// The step that asks for its state.
const POLL: u32 = 1;
/// A poll that goes so much later than it should was held for the sake of the budget, and not by our timers.
const HELD: Duration = Duration::from_millis(3);
/// So much of a name from a reply is shown.
const SHOWN: usize = 60;

/// Which work is under way, by what the target calls it; shared by all workers.
#[derive(Debug, Default)]
pub struct Ids(Mutex<std::collections::HashSet<Box<str>>>);

impl Ids {
    /// Takes a name; false when something under way has it already.
    fn open(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into())
    }

    /// Work of that name is over.
    fn close(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// One traffic on one worker.
pub struct Pipeline {
    flow: Flow,
    plan: scenario::Pipeline,
    ids: Arc<Ids>,
    tracks: RefCell<HashMap<u32, Track>>, // by bag
    agenda: RefCell<Agenda>,
    changed: Notify,
    cadence: RefCell<Cadence>,
    budget: RefCell<Budget>,
    told: RefCell<Followed>,
}

/// Who is to be asked for, and when.
#[derive(Default)]
struct Agenda {
    count: u64,
    next: BinaryHeap<Reverse<(Offset, u64)>>,
    errands: HashMap<u64, Errand>,
}

/// What is to be done with a shot whose reply has come.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// It is over.
    Over(Outcome, Option<String>),
    /// It is asked for again.
    GoesOn,
}

impl Pipeline {
    /// For a flow of its start and its poll. Of the budget each of the workers has its share.
    pub fn new(flow: Flow, name: &str, plan: &scenario::Pipeline, ids: Arc<Ids>, workers: usize) -> Pipeline {
        let scenario::Follow::Poll(polling) = &plan.follow;
        Pipeline {
            flow,
            plan: plan.clone(),
            ids,
            tracks: RefCell::default(),
            agenda: RefCell::default(),
            changed: Notify::new(),
            cadence: RefCell::new(Cadence::new(*polling)),
            budget: RefCell::new(Budget::new(polling.budget.hertz() / workers.max(1) as f64)),
            told: RefCell::new(Followed::of(name)),
        }
    }

    /// Its requests.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    fn polling(&self) -> &Polling {
        let scenario::Follow::Poll(polling) = &self.plan.follow;
        polling
    }

    /// An errand's request is about to be written.
    pub fn leaves(&self, errand: &Errand, now: Offset) {
        if errand.step == POLL {
            self.told.borrow_mut().polls += 1;
            if let Some(track) = self.tracks.borrow_mut().get_mut(&errand.bag) {
                track.asked = now;
            }
        }
    }

    /// An errand's reply has come `now`.
    pub fn hear(&self, errand: &Errand, answer: &Answer<'_>, shown: Shown, now: Offset) -> Heard {
        let (outcome, why) = self.flow.worth(errand.step as usize, answer, shown);
        match (errand.step, outcome) {
            (START, Outcome::Ok) => self.started(errand, now),
            (POLL, Outcome::Ok) => self.polled(errand, now),
            // What came is no answer to what was asked: the next poll may bring one.
            (POLL, Outcome::Rejected) => self.in_vain(errand, outcome, why.unwrap_or_default(), now),
            _ => Heard::Over(outcome, why),
        }
    }

    /// An errand came to nothing: without a start it is over, and a poll is tried again while there is time.
    pub fn lose(&self, errand: &Errand, outcome: Outcome, why: String, now: Offset) -> Heard {
        match (errand.step, outcome) {
            (START, _) | (_, Outcome::Unfinished) => Heard::Over(outcome, Some(why)),
            (_, _) => self.in_vain(errand, outcome, why, now),
        }
    }

    /// A poll came to nothing, or its answer is none.
    fn in_vain(&self, errand: &Errand, outcome: Outcome, why: String, now: Offset) -> Heard {
        self.told.borrow_mut().in_vain(outcome.word());
        if let Some(track) = self.tracks.borrow_mut().get_mut(&errand.bag) {
            track.trouble = Some((outcome, why.into()));
        }
        self.goes_on(errand, now)
    }

    fn started(&self, errand: &Errand, now: Offset) -> Heard {
        let id = self.flow.captured(errand.bag, ID).unwrap_or_default();
        let invalid = |why: String| Heard::Over(Outcome::Invalid, Some(self.flow.at(START as usize, &why)));
        if id.is_empty() {
            return invalid("what was started is called nothing".into());
        }
        if !self.ids.open(&id) {
            let id = text::shorten(&id, SHOWN);
            return invalid(format!(
                "what was started is called `{id}`, as what another shot started and is under way"
            ));
        }
        let mut track = Track::new(&id, errand.sent.unwrap_or(now), now);
        track.opening = errand.opening;
        self.tracks.borrow_mut().insert(errand.bag, track);
        self.goes_on(errand, now)
    }

    fn polled(&self, errand: &Errand, now: Offset) -> Heard {
        let name = self.flow.captured(errand.bag, self.polling().state).unwrap_or_default();
        let known = self.plan.states.of(&name);
        let mut tracks = self.tracks.borrow_mut();
        let Some(track) = tracks.get_mut(&errand.bag) else { return Heard::GoesOn };
        match known {
            Some(state) if !state.is_final() => {
                let asked = track.asked;
                track.goes_on(&name, state, asked, now);
                drop(tracks);
                self.goes_on(errand, now)
            }
            Some(state) => {
                track.state = name.clone().into();
                self.cadence.borrow_mut().over(now.since(track.accepted));
                let outcome = match state {
                    State::Failed => Outcome::Failed,
                    State::Skipped => Outcome::Skipped,
                    _ => Outcome::Ok,
                };
                let why = format!("`{}` is {}", text::shorten(&track.id, SHOWN), name);
                Heard::Over(outcome, (outcome == Outcome::Failed).then_some(why))
            }
            None => {
                let shown = text::shorten(&name, SHOWN);
                track.state = shown.clone().into();
                let why = self.flow.at(POLL as usize, &format!("`{shown}` is none of `states`"));
                Heard::Over(Outcome::Invalid, Some(why))
            }
        }
    }

    /// Nothing says that it is over: whether there is still time.
    fn goes_on(&self, errand: &Errand, now: Offset) -> Heard {
        if now < errand.shot.due + self.plan.deadline {
            return Heard::GoesOn;
        }
        let tracks = self.tracks.borrow();
        let track = tracks.get(&errand.bag);
        let deadline = units::duration(self.plan.deadline);
        let state = track.map(|t| t.state.as_ref()).filter(|state| !state.is_empty()).unwrap_or("not known");
        match track.and_then(|t| t.trouble.clone()) {
            // That we could not ask says nothing of the target.
            Some((outcome, why)) if outcome.is_ours() => Heard::Over(outcome, Some(why.into())),
            Some((_, why)) => {
                let why = format!("its state was {state}, {deadline} after it was due; the last poll: {why}");
                Heard::Over(Outcome::Unfinished, Some(why))
            }
            None => {
                Heard::Over(Outcome::Unfinished, Some(format!("its state was {state}, {deadline} after it was due")))
            }
        }
    }

    /// Lets a shot rest until it is asked for again.
    pub fn rest(&self, errand: Errand, now: Offset) {
        let interval = match self.tracks.borrow_mut().get_mut(&errand.bag) {
            Some(track) => {
                track.interval = self.cadence.borrow().next(now.since(track.accepted), track.interval);
                track.interval
            }
            None => self.polling().from,
        };
        // The last time is asked at the deadline: what is over by then is not unfinished.
        let at = (now + interval).min((errand.shot.due + self.plan.deadline).max(now));
        let mut agenda = self.agenda.borrow_mut();
        agenda.count += 1;
        let place = agenda.count;
        let is_first = agenda.next.peek().is_none_or(|Reverse((first, _))| at < *first);
        agenda.next.push(Reverse((at, place)));
        agenda.errands.insert(place, errand);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// When the next one is to be asked for; nothing while none rests.
    pub fn next(&self) -> Option<Offset> {
        let Reverse((at, _)) = *self.agenda.borrow().next.peek()?;
        Some(at.max(self.budget.borrow().opens()))
    }

    /// Returns when somebody rests who is to be asked for before all others.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Who is to be asked for now.
    pub fn due(&self, now: Offset) -> Option<Errand> {
        let mut agenda = self.agenda.borrow_mut();
        let mut budget = self.budget.borrow_mut();
        let Reverse((at, place)) = *agenda.next.peek().filter(|Reverse((at, _))| *at <= now)?;
        if budget.opens() > now {
            return None;
        }
        budget.take(now);
        agenda.next.pop();
        let late = now.since(at);
        if late > HELD {
            let mut told = self.told.borrow_mut();
            told.held += 1;
            told.held_for += late.as_nanos() as u64;
        }
        agenda.errands.remove(&place).map(|errand| Errand {
            step: POLL,
            stale: 0,
            since: now,
            renewed: false,
            ..errand
        })
    }

    /// Takes out all who rest, in the order in which they came.
    pub fn take_all(&self) -> Vec<Errand> {
        let Agenda { errands, .. } = self.agenda.take();
        let mut all: Vec<(u64, Errand)> = errands.into_iter().collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, errand)| errand).collect()
    }

    /// How long after the last shot was due all are over, if nothing is in the way.
    pub fn patience(&self, timeout: Duration) -> Duration {
        let resting = self.agenda.borrow().errands.len();
        self.plan.deadline + timeout + self.budget.borrow().needed(2 * resting)
    }

    /// Before when a shot surely was not over that is over `now`; nothing where that is known to the instant.
    pub fn not_before(&self, errand: &Errand, now: Offset) -> Option<Offset> {
        self.tracks.borrow().get(&errand.bag).map(|track| track.ran.min(now))
    }

    /// An errand that is over, as its whole has it.
    pub fn whole(&self, errand: &Errand) -> Errand {
        let opening = self.tracks.borrow().get(&errand.bag).map_or(errand.opening, |track| track.opening);
        Errand { opening, ..*errand }
    }

    /// What became of the legs of an errand's way, as far as they end with its present step; the whole was due at one
    /// instant, and comes to an outcome `now`, if it is over.
    pub fn parts(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset, parts: &mut Vec<PartReply>) {
        let shot = Shot { traffic: errand.traffic as u16, seq: errand.shot.seq };
        if errand.step == START {
            let accept = PartReply::spell(shot, 0, due, due, now, outcome);
            let reply = Reply {
                status: errand.status,
                ready: errand.ready.max(due).min(now),
                sent: errand.sent.into(),
                first_byte: errand.first_byte.into(),
                opening: errand.opening,
                ..accept.reply
            };
            parts.push(PartReply { reply, ..accept });
            return;
        }
        let tracks = self.tracks.borrow();
        let Some(track) = tracks.get(&errand.bag) else { return };
        let tells_queue = self.plan.states.tell_queue();
        let (queue, run) = track.stretches(tells_queue, outcome, now);
        let run_at = if tells_queue { 2 } else { 1 };
        for (part, stretch) in queue.map(|queue| (1, queue)).into_iter().chain(run.map(|run| (run_at, run))) {
            let spell = PartReply::spell(shot, part, due, stretch.from, stretch.to, stretch.outcome);
            let reply = Reply { not_before: Some(stretch.not_before).into(), ..spell.reply };
            parts.push(PartReply { reply, ..spell });
        }
    }

    /// A shot is over.
    pub fn end(&self, errand: &Errand) {
        if let Some(track) = self.tracks.borrow_mut().remove(&errand.bag) {
            self.ids.close(&track.id);
            let state = if track.state.is_empty() { "not known" } else { &track.state };
            self.told.borrow_mut().ended_in(state);
        }
        self.flow.end(errand.bag);
    }

    /// What is new of how shots were followed.
    pub fn take_told(&self, now: Offset) -> Option<Followed> {
        self.told.borrow_mut().take(now)
    }
}
