//! What becomes of an errand, from when it is taken up until it is over.

use std::rc::Rc;

use super::Worker;
use super::batch::BATCH;
use crate::base::time::Offset;
use crate::base::trace::{Shot as ShotId, TraceId};
use crate::evidence::event::Event;
use crate::evidence::reply::{Outcome, Reply};
use crate::traffic::bearer::Login;
use crate::traffic::errand::Errand;
use crate::traffic::http::codec::Answer;
use crate::traffic::kind::Then;
use crate::traffic::pipeline::Heard;

/// The status by which a token is refused.
const UNAUTHORIZED: u16 = 401;

impl Worker {
    /// Begins the next shot of a closed loop, unless it is over.
    pub fn go_on(self: &Rc<Worker>, looped: usize, now: Offset) {
        if let Some(errand) = self.loops.next(looped, now, self) {
            self.begin(errand);
        }
    }

    /// Begins an errand: from here on something becomes of it.
    pub fn begin(self: &Rc<Worker>, mut errand: Errand) {
        let kind = &self.kinds[errand.traffic];
        kind.begin(&mut errand);
        if errand.looped.is_none() {
            self.taken(errand.traffic, errand.shot.due);
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.next_step(errand);
    }

    /// Goes on with an errand's step, after what it rests before.
    fn next_step(self: &Rc<Worker>, errand: Errand) {
        let think = self.kinds[errand.traffic].think(&errand);
        match think.is_zero() {
            true => self.submit(errand),
            false => self.resting.put(errand, errand.since + think),
        }
    }

    /// Asks for an errand's present step.
    pub(super) fn submit(self: &Rc<Worker>, errand: Errand) {
        self.kinds[errand.traffic].service(errand.step as usize).pool().submit(errand, self);
    }

    /// Lets a shot rest until it is asked for again.
    pub(super) fn rest(self: &Rc<Worker>, errand: Errand, now: Offset) {
        match self.kinds[errand.traffic].pipeline() {
            Some(pipeline) if !self.stopping.get() => pipeline.rest(errand, now),
            _ => self.abandon(&errand),
        }
    }

    /// Sends an errand's present step again with another token than the one that was refused.
    fn renew(self: &Rc<Worker>, errand: Errand) {
        let worker = self.clone();
        tokio::task::spawn_local(async move {
            match worker.log_in(errand.traffic, errand.token).await {
                Ok(()) => worker.submit(Errand { since: worker.clock.now(), renewed: true, stale: 0, ..errand }),
                Err(why) => {
                    let why = format!("status 401, and there is no other token: {why}");
                    worker.failed(errand, Outcome::Rejected, why);
                }
            }
        });
    }

    /// Sees to it that a traffic has another token than the one with a number.
    pub(super) async fn log_in(&self, traffic: usize, used: u64) -> Result<(), String> {
        let kind = &self.kinds[traffic];
        let Some(keeper) = kind.keeper() else { return Ok(()) };
        let found = self.openers.iter().find(|(name, _)| keeper.service().is_none_or(|service| service == name));
        let opener = found.and_then(|(_, openers)| openers.first()).ok_or("the target has no such service")?;
        let login = keeper.renew(used, opener, self.clock, self.timeout).await;
        if login != Ok(Login::Found) {
            let (at, traffic, why) = (self.clock.now(), kind.name().to_owned(), login.as_ref().err().cloned());
            self.report.borrow_mut().told.push(Event::Login { at, traffic, why });
        }
        login.map(|_| ())
    }

    /// Puts an errand's request to a host together.
    pub fn write(&self, errand: &Errand, host: &[u8], request: &mut Vec<u8>) {
        let now_ms = self.clock.wall_nanos(self.clock.now()) / 1_000_000;
        self.kinds[errand.traffic].write(errand, host, self.trace(errand), now_ms, request);
    }

    fn trace(&self, errand: &Errand) -> TraceId {
        self.tracer.id(ShotId { traffic: errand.traffic as u16, seq: errand.shot.seq })
    }

    /// An errand's request is about to be written; when that is.
    pub fn leaves(&self, errand: &mut Errand) -> Offset {
        let now = self.clock.now();
        self.kinds[errand.traffic].leaves(errand, now);
        let is_first = errand.sent.is_none() && self.kinds[errand.traffic].is_first(errand);
        if is_first && errand.stale == 0 && !errand.renewed {
            if let Some(looped) = errand.looped {
                let due = self.loops.due(looped as usize, now);
                (errand.shot.due, errand.ready) = (due, due);
                self.taken(errand.traffic, due);
            }
            // Counted just before it goes out: the target can never have seen more than we say we sent.
            self.counters.sent(errand.traffic);
        }
        let route = self.kinds[errand.traffic].route(errand);
        self.counters.asked(errand.traffic, route, errand.stale > 0);
        now
    }

    /// How much of the body of an errand's reply is read, in bytes.
    pub fn max_body(&self, errand: &Errand) -> usize {
        self.kinds[errand.traffic].max_body()
    }

    /// An errand's reply has come.
    pub fn answered(self: &Rc<Worker>, mut errand: Errand, answer: &Answer<'_>, now: Offset) {
        let kind = &self.kinds[errand.traffic];
        if answer.status == UNAUTHORIZED && kind.keeper().is_some() && !errand.renewed {
            self.counters.answered(errand.traffic, kind.route(&errand), None, answer.status);
            return self.renew(errand);
        }
        let now_ms = self.clock.wall_nanos(now) / 1_000_000;
        let judged = kind.judge(&errand, answer, self.trace(&errand), now, now_ms);
        self.counters.answered(errand.traffic, kind.route(&errand), judged.class, answer.status);
        match judged.then {
            Then::Over => self.finish(&errand, judged.outcome, judged.class, judged.why, now),
            Then::Rest => {
                // With a start its part is over; with a poll nothing is.
                if errand.step == 0 {
                    self.step_over(&errand, errand.shot.due, judged.outcome, now);
                }
                self.rest(errand, now);
            }
            Then::Again(at) => self.resting.put(Errand { stale: 0, renewed: false, ..errand }, at),
            Then::Next => {
                self.step_over(&errand, errand.shot.due, judged.outcome, now);
                kind.next(&mut errand, now);
                errand.stale = 0;
                errand.renewed = false;
                errand.since = now;
                self.next_step(errand);
            }
        }
    }

    /// An errand came to nothing.
    pub fn failed(self: &Rc<Worker>, errand: Errand, outcome: Outcome, why: String) {
        let (kind, now) = (&self.kinds[errand.traffic], self.clock.now());
        let why = kind.at(&errand, why);
        match kind.lost(&errand, outcome, why, now) {
            Heard::Over(Outcome::Unfinished, _) if self.stopping.get() && kind.pipeline().is_some() => {
                self.abandon(&errand)
            }
            heard => self.goes_on(errand, heard, None, now),
        }
    }

    /// Goes on with an errand as it is followed.
    pub(super) fn goes_on(self: &Rc<Worker>, errand: Errand, heard: Heard, class: Option<u16>, now: Offset) {
        match heard {
            Heard::Over(outcome, why) => self.finish(&errand, outcome, class, why, now),
            Heard::GoesOn => self.rest(errand, now),
        }
    }

    /// An errand's present step is over; `due` is when its shot was.
    fn step_over(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) {
        self.kinds[errand.traffic].parts(errand, due, outcome, now, &mut self.report.borrow_mut().parts);
    }

    pub(super) fn finish(
        self: &Rc<Worker>,
        errand: &Errand,
        outcome: Outcome,
        class: Option<u16>,
        why: Option<String>,
        now: Offset,
    ) {
        let kind = &self.kinds[errand.traffic];
        let step = errand;
        let errand = &kind.whole(step);
        self.counters.finished(errand.traffic, errand.status);
        let due = match errand.looped {
            Some(looped) if errand.shot.due == Offset::MAX => {
                let due = self.loops.due(looped as usize, now); // never sent: due when it was given up
                self.taken(errand.traffic, due);
                due
            }
            _ => errand.shot.due,
        };
        self.step_over(step, due, outcome, now);
        let branch = kind.branch(step, due, outcome, now);
        self.report.borrow_mut().parts.extend(branch);
        let full = {
            let replies = &mut self.report.borrow_mut().replies;
            if replies.capacity() == 0 {
                replies.reserve(BATCH);
            }
            replies.push(Reply {
                traffic: errand.traffic as u16,
                seq: errand.shot.seq,
                class,
                outcome,
                status: errand.status,
                due,
                ready: errand.ready.min(now),
                sent: errand.sent.into(),
                first_byte: errand.first_byte.into(),
                done: kind.done(errand, now),
                not_before: kind.not_before(errand, now).into(),
                opening: errand.opening,
                why: why.map(String::into_boxed_str),
            });
            replies.len() >= BATCH
        };
        kind.end(errand, now);
        self.gone();
        if full {
            self.tell();
        }
        if let Some(looped) = errand.looped {
            self.loops.again(looped as usize, outcome, self);
        }
    }
}
