//! Work that is started by a request and followed to its end. A shot that has started something rests until it is asked
//! for again; one task of the worker asks for all of them, in the order in which they are due and no faster than the
//! target can bear.

mod budget;
mod cadence;
pub mod completions;
mod meeting;
mod track;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

pub use meeting::{Meeting, News};

use budget::Budget;
use cadence::Cadence;
use meeting::Waits;
use track::Track;

use super::errand::Errand;
use super::flow::{Flow, Shown};
use super::http::codec::Answer;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::trace::Shot;
use crate::base::units;
use crate::evidence::followed::Followed;
use crate::evidence::reply::{Outcome, PartReply, Reply, Why};
use crate::scenario::{self, ID, Polling, State};

/// The step that starts the work.
const START: u32 = 0;
/// The step that asks for its state, or in which it is told.
const POLL: u32 = 1;
/// A poll that goes so much later than it should was held for the sake of the budget, and not by our timers.
const HELD: Duration = Duration::from_millis(3);
/// So much of a name from a reply is shown.
const SHOWN: usize = 60;

/// One traffic on one worker.
pub struct Pipeline {
    flow: Flow,
    plan: scenario::Pipeline,
    meeting: Arc<Meeting>,
    tracks: RefCell<HashMap<u32, Track>>, // by bag
    agenda: RefCell<Agenda>,
    changed: Notify,
    ask: Option<Asking>, // nothing where it is told
    news: mpsc::UnboundedSender<News>,
    heard: RefCell<Option<mpsc::UnboundedReceiver<News>>>, // until somebody listens
    told: RefCell<Followed>,
}

/// How often is asked.
struct Asking {
    polling: Polling,
    cadence: RefCell<Cadence>,
    budget: RefCell<Budget>,
}

/// Who is to be asked for, and when.
#[derive(Default)]
struct Agenda {
    count: u64,
    next: BinaryHeap<Reverse<(Offset, u64)>>,
    errands: HashMap<u64, Errand>,
}

/// Somebody who is to be seen to.
pub enum Due {
    /// Is to be asked for.
    Ask(Errand),
    /// Was to be told by now, and was not.
    Late(Errand),
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
    /// For a flow of its start and, where it is polled, its poll. Of the budget each of the workers has its share.
    pub fn new(flow: Flow, name: &str, plan: &scenario::Pipeline, meeting: Arc<Meeting>, workers: usize) -> Pipeline {
        let ask = plan.polling().map(|polling| Asking {
            polling: *polling,
            cadence: RefCell::new(Cadence::new(*polling)),
            budget: RefCell::new(Budget::new(polling.budget.hertz() / workers.max(1) as f64)),
        });
        let (news, heard) = mpsc::unbounded_channel();
        Pipeline {
            flow,
            plan: plan.clone(),
            meeting,
            tracks: RefCell::default(),
            agenda: RefCell::default(),
            changed: Notify::new(),
            ask,
            news,
            heard: RefCell::new(Some(heard)),
            told: RefCell::new(Followed::of(name)),
        }
    }

    /// Its requests.
    pub fn flow(&self) -> &Flow {
        &self.flow
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
        let place = self.agenda.borrow().count + 1; // where it will rest
        let waits = || Waits { worker: self.news.clone(), place, last: None };
        let Some(early) = self.meeting.open(&id, self.ask.is_none().then(waits)) else {
            let id = text::shorten(&id, SHOWN);
            return invalid(format!(
                "what was started is called `{id}`, as what another shot started and is under way"
            ));
        };
        let mut track = Track::new(&id, errand.sent.unwrap_or(now), now);
        track.opening = errand.opening;
        self.tracks.borrow_mut().insert(errand.bag, track);
        if !early.is_empty() {
            self.told.borrow_mut().early += 1;
        }
        for (state, at) in early {
            let heard = self.tell(errand, &state, at);
            if heard != Heard::GoesOn {
                return heard;
            }
        }
        self.goes_on(errand, now)
    }

    /// A state was told of what an errand has started.
    fn tell(&self, errand: &Errand, name: &str, at: Offset) -> Heard {
        let mut tracks = self.tracks.borrow_mut();
        let Some(track) = tracks.get_mut(&errand.bag) else { return Heard::GoesOn };
        match self.plan.states.of(name) {
            Some(state) if !state.is_final() => {
                track.is_told(name, state, at);
                Heard::GoesOn
            }
            known => {
                track.ended = Some(at);
                track.ran = at;
                self.over(track, name, known)
            }
        }
    }

    /// What has come to a state after which nothing comes, or to one that nobody knows.
    fn over(&self, track: &mut Track, name: &str, known: Option<State>) -> Heard {
        let shown = text::shorten(name, SHOWN);
        track.state = shown.clone().into();
        let id = text::shorten(&track.id, SHOWN);
        match known {
            Some(State::Failed) => Heard::Over(Outcome::Failed, Some(format!("`{id}` is {shown}"))),
            Some(State::Skipped) => Heard::Over(Outcome::Skipped, None),
            Some(_) => Heard::Over(Outcome::Ok, None),
            None => Heard::Over(Outcome::Invalid, Some(format!("`{id}` is `{shown}`, which is none of `states`"))),
        }
    }

    fn polled(&self, errand: &Errand, now: Offset) -> Heard {
        let Some(asking) = &self.ask else { return Heard::GoesOn };
        let name = self.flow.captured(errand.bag, asking.polling.state).unwrap_or_default();
        let mut tracks = self.tracks.borrow_mut();
        let Some(track) = tracks.get_mut(&errand.bag) else { return Heard::GoesOn };
        match self.plan.states.of(&name) {
            Some(state) if !state.is_final() => {
                let asked = track.asked;
                track.goes_on(&name, state, asked, now);
                drop(tracks);
                self.goes_on(errand, now)
            }
            known => {
                if known.is_some() {
                    asking.cadence.borrow_mut().over(now.since(track.accepted));
                }
                self.over(track, &name, known)
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
            None => match self.meeting.missed() {
                // Nor does that nobody of us heard it.
                Some(why) => {
                    let why = format!("its state was {state}, and its end may have been missed: {why}");
                    Heard::Over(Outcome::NotSent(Why::Resources), Some(why))
                }
                None => {
                    let why = format!("its state was {state}, {deadline} after it was due");
                    Heard::Over(Outcome::Unfinished, Some(why))
                }
            },
        }
    }

    /// Lets a shot rest until it is asked for again, or its time is over.
    pub fn rest(&self, errand: Errand, now: Offset) {
        let deadline = (errand.shot.due + self.plan.deadline).max(now);
        let interval = self.ask.as_ref().and_then(|asking| {
            let mut tracks = self.tracks.borrow_mut();
            let track = tracks.get_mut(&errand.bag)?;
            track.interval = asking.cadence.borrow().next(now.since(track.accepted), track.interval);
            Some(track.interval)
        });
        // The last time is asked at the deadline: what is over by then is not unfinished.
        let at = interval.map_or(deadline, |interval| (now + interval).min(deadline));
        let mut agenda = self.agenda.borrow_mut();
        agenda.count += 1;
        let place = agenda.count;
        let is_first = agenda.next.peek().is_none_or(|Reverse((first, _))| at < *first);
        agenda.next.push(Reverse((at, place)));
        agenda.errands.insert(place, Errand { step: POLL, ..errand });
        if is_first {
            self.changed.notify_one();
        }
    }

    /// When somebody who rests is to be seen to; nothing while none rests.
    pub fn next(&self) -> Option<Offset> {
        let Reverse((at, _)) = *self.agenda.borrow().next.peek()?;
        let opens = self.ask.as_ref().map(|asking| asking.budget.borrow().opens());
        Some(opens.map_or(at, |opens| at.max(opens)))
    }

    /// Returns when somebody rests who is to be seen to before all others.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Who is to be seen to now.
    pub fn due(&self, now: Offset) -> Option<Due> {
        let mut agenda = self.agenda.borrow_mut();
        loop {
            let Reverse((at, place)) = *agenda.next.peek().filter(|Reverse((at, _))| *at <= now)?;
            let Some(asking) = &self.ask else {
                agenda.next.pop();
                match agenda.errands.remove(&place) {
                    Some(errand) => return Some(Due::Late(errand)),
                    None => continue, // it was told before
                }
            };
            let mut budget = asking.budget.borrow_mut();
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
            let errand = agenda.errands.remove(&place)?;
            return Some(Due::Ask(Errand { step: POLL, stale: 0, since: now, renewed: false, ..errand }));
        }
    }

    /// Why a shot that rests is over whose time is.
    pub fn late(&self, errand: &Errand, now: Offset) -> Heard {
        self.goes_on(errand, now.max(errand.shot.due + self.plan.deadline))
    }

    /// Where news come, for the one who listens.
    pub fn listen(&self) -> Option<mpsc::UnboundedReceiver<News>> {
        self.heard.borrow_mut().take().filter(|_| self.ask.is_none())
    }

    /// What news tell of a shot that rests; nothing where it does not any more.
    pub fn hear_news(&self, news: &News) -> Option<(Errand, Heard)> {
        let mut agenda = self.agenda.borrow_mut();
        let errand = *agenda.errands.get(&news.place)?;
        let heard = self.tell(&errand, &news.state, news.at);
        if heard != Heard::GoesOn {
            agenda.errands.remove(&news.place);
        }
        Some((errand, heard))
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
        let held = self.ask.as_ref().map(|asking| asking.budget.borrow().needed(2 * resting));
        self.plan.deadline + timeout + held.unwrap_or_default()
    }

    /// When a shot was over of which that is found `now`: when that was told, where it was told.
    pub fn done(&self, errand: &Errand, now: Offset) -> Offset {
        let ended = self.tracks.borrow().get(&errand.bag).and_then(|track| track.ended);
        ended.map_or(now, |ended| ended.max(errand.sent.unwrap_or(ended)).min(now))
    }

    /// Before when a shot surely was not over that is over `now`; nothing where that is known to the instant.
    pub fn not_before(&self, errand: &Errand, now: Offset) -> Option<Offset> {
        self.ask.as_ref()?;
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
        let tracks = self.tracks.borrow();
        let track = tracks.get(&errand.bag);
        if errand.step == START {
            let accepted = if track.is_some() { Outcome::Ok } else { outcome };
            let accept = PartReply::spell(shot, 0, due, due, now, accepted);
            let reply = Reply {
                status: errand.status,
                ready: errand.ready.max(due).min(now),
                sent: errand.sent.into(),
                first_byte: errand.first_byte.into(),
                opening: errand.opening,
                ..accept.reply
            };
            parts.push(PartReply { reply, ..accept });
        }
        // With its start a shot is over whose end was told before.
        let Some(track) = track.filter(|track| errand.step != START || track.ended.is_some()) else { return };
        let now = track.ended.map_or(now, |ended| ended.min(now));
        let tells_queue = self.plan.states.tell_queue();
        let (queue, run) = track.stretches(tells_queue, outcome, now);
        let run_at = if tells_queue { 2 } else { 1 };
        for (part, stretch) in queue.map(|queue| (1, queue)).into_iter().chain(run.map(|run| (run_at, run))) {
            let spell = PartReply::spell(shot, part, due, stretch.from, stretch.to, stretch.outcome);
            let not_before = (stretch.not_before < stretch.to).then_some(stretch.not_before);
            let reply = Reply { not_before: not_before.into(), ..spell.reply };
            parts.push(PartReply { reply, ..spell });
        }
    }

    /// A shot is over.
    pub fn end(&self, errand: &Errand, now: Offset) {
        if let Some(track) = self.tracks.borrow_mut().remove(&errand.bag) {
            self.meeting.close(&track.id, now);
            let state = if track.state.is_empty() { "not known" } else { &track.state };
            self.told.borrow_mut().ended_in(state);
        }
        self.flow.end(errand.bag);
    }

    /// What is new of how shots were followed.
    pub fn take_told(&self, now: Offset) -> Option<Followed> {
        self.told.borrow_mut().take(now)
    }

    /// What is new of what was told to all workers.
    pub fn take_heard(&self, now: Offset, is_last: bool) -> Option<Followed> {
        self.meeting.take(&self.told.borrow().traffic, now, is_last)
    }
}
