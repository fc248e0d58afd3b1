//! The part of a pool that speaks HTTP/2: a connection takes several shots at once, and another is opened only when those
//! that are open are full.

use std::rc::Rc;

use h2::client::ResponseFuture;

use super::super::super::errand::Errand;
use super::super::super::worker::Worker;
use super::super::http2::{self, Session};
use super::super::shared::{Driving, Overdue, Shared};
use super::{Pool, STALE};
use crate::base::time::Offset;
use crate::base::units;
use crate::evidence::reply::{Opening, Outcome, Stage};

impl Pool {
    /// Sends an errand's request on a connection that has room; it comes back when none has, or others wait already.
    pub(super) fn share(self: &Rc<Pool>, mut errand: Errand, worker: &Rc<Worker>) -> Option<Errand> {
        loop {
            let state = self.state.borrow();
            if state.shared.is_empty() || !state.line.is_empty() {
                return Some(errand);
            }
            drop(state);
            let Some(shared) = self.roomy(worker.clock.now()) else { return Some(errand) };
            match self.put_shared(&shared, errand, worker) {
                Ok(()) => return None,
                Err(back) => errand = back,
            }
            if errand.stale > STALE {
                worker.failed(errand, Outcome::Broken(Stage::Head), self.closes());
                return None;
            }
        }
    }

    /// The first connection that takes another request; so that those behind it come to rest when there is less to do.
    fn roomy(&self, now: Offset) -> Option<Rc<Shared>> {
        self.state.borrow().shared.iter().find(|shared| self.room(shared, now) > 0).cloned()
    }

    /// How many shots more a connection is to have now.
    pub(super) fn room(&self, shared: &Shared, now: Offset) -> usize {
        if self.keeps_shared(shared, now) { self.at_most(shared.begun(), shared.room()) } else { 0 }
    }

    /// So many shots at once, or as many as are left to a connection that has begun some.
    pub(super) fn at_most(&self, begun: u64, places: usize) -> usize {
        usize::try_from(self.requests.saturating_sub(begun)).unwrap_or(usize::MAX).min(places)
    }

    fn keeps_shared(&self, shared: &Shared, now: Offset) -> bool {
        shared.begun() < self.requests && self.age.is_none_or(|age| shared.opened_at() + age > now)
    }

    /// Sends an errand's request on a connection; the errand comes back when it takes none any more.
    fn put_shared(self: &Rc<Pool>, shared: &Rc<Shared>, mut errand: Errand, worker: &Rc<Worker>) -> Result<(), Errand> {
        let request = {
            let mut bytes = worker.request.borrow_mut();
            bytes.clear();
            worker.write(&errand, &self.host, &mut bytes);
            http2::request(&bytes, self.address().scheme.word())
        };
        let (request, body) = match request {
            Ok(request) => request,
            Err(why) => {
                worker.failed(errand, Outcome::Broken(Stage::Head), why);
                return Ok(());
            }
        };
        let opening = shared.opening();
        if opening.connect().is_some() {
            errand.opening = opening;
        }
        let now = worker.leaves(&mut errand);
        let Some(response) = shared.send(request, body) else {
            errand.stale += 1;
            shared.retire();
            return Err(errand);
        };
        errand.sent.get_or_insert(now);
        let number = shared.next();
        let task = tokio::task::spawn_local(self.clone().follow(
            shared.clone(),
            number,
            response,
            worker.max_body(&errand),
            worker.clone(),
        ));
        shared.begin(number, errand, now, now + self.timeout, task.abort_handle());
        Ok(())
    }

    /// Waits for a reply.
    async fn follow(
        self: Rc<Pool>,
        shared: Rc<Shared>,
        number: u64,
        response: ResponseFuture,
        max_body: usize,
        worker: Rc<Worker>,
    ) {
        let heard = |status| shared.heard(number, status, worker.clock.now());
        let read = http2::reply(response, max_body, heard).await;
        let now = worker.clock.now();
        let Some(mut errand) = shared.land(number) else { return };
        if read.as_ref().is_err_and(|broken| broken.unread) {
            shared.retire();
        }
        self.landed(&shared, &worker);
        match read {
            Ok(reply) => worker.answered(errand, &reply.answer(), now),
            Err(broken) if broken.unread && errand.stale < STALE => {
                errand.stale += 1;
                self.submit(errand, &worker);
            }
            Err(broken) => worker.failed(errand, Outcome::Broken(broken.stage), broken.why),
        }
    }

    /// Hands the room that connections have to those in line.
    pub(super) fn fill(self: &Rc<Pool>, worker: &Rc<Worker>) {
        loop {
            let state = self.state.borrow();
            if state.shared.is_empty() || state.line.is_empty() {
                return;
            }
            drop(state);
            let Some(shared) = self.roomy(worker.clock.now()) else { return self.open_for_line(worker) };
            let Some(errand) = self.state.borrow_mut().line.pop_front() else { return };
            match self.put_shared(&shared, errand, worker) {
                Ok(()) => {}
                Err(errand) if errand.stale > STALE => {
                    worker.failed(errand, Outcome::Broken(Stage::Head), self.closes());
                }
                Err(errand) => self.state.borrow_mut().line.push_front(errand),
            }
        }
    }

    /// Requests are over on a connection: whoever is next in line has its room at the end of the turn, and it goes when it
    /// is of no use any more.
    fn landed(self: &Rc<Pool>, shared: &Rc<Shared>, worker: &Rc<Worker>) {
        if !self.keeps_shared(shared, worker.clock.now()) {
            shared.retire();
        }
        if shared.is_done() {
            self.lose(shared, worker);
        }
        self.has_room(worker);
    }

    /// There is room that was not there before.
    pub fn has_room(&self, worker: &Worker) {
        if !self.state.borrow().line.is_empty() {
            worker.turn_ends();
        }
    }

    /// Lets go of a connection.
    pub fn lose(self: &Rc<Pool>, shared: &Rc<Shared>, worker: &Rc<Worker>) {
        shared.close();
        self.state.borrow_mut().shared.retain(|s| !Rc::ptr_eq(s, shared));
        self.open_for_line(worker);
    }

    /// Takes a connection in and moves its bytes until it is closed.
    pub(super) async fn drive(self: Rc<Pool>, session: Session, opening: Opening, worker: Rc<Worker>) {
        let shared = Rc::new(Shared::new(session.sender, self.streams, opening, worker.clock.now()));
        {
            let mut state = self.state.borrow_mut();
            state.places = self.at_most(0, shared.places()).max(1);
            state.shared.push(shared.clone());
        }
        self.has_room(&worker);
        self.open_for_line(&worker);
        Driving { shared, driver: session.driver, pool: self, worker }.await;
    }

    /// Ends requests that have waited too long for their replies. When to look again; `None` when nothing waits.
    pub(super) fn sweep_shared(self: &Rc<Pool>, now: Offset, worker: &Rc<Worker>) -> Option<Offset> {
        let all = self.state.borrow().shared.clone();
        let mut next: Option<Offset> = None;
        for shared in all {
            let mut any = false;
            while let Some(Overdue { errand, stage, in_silence }) = shared.overdue(now) {
                any = true;
                if in_silence {
                    shared.retire(); // who knows whether there is anybody at the other end
                }
                worker.failed(errand, Outcome::TimedOut(stage), self.late(stage));
            }
            if any {
                self.landed(&shared, worker);
            }
            next = next.into_iter().chain(shared.deadline()).min();
        }
        next
    }

    /// In words, that a reply did not come in time.
    pub(super) fn late(&self, stage: Stage) -> String {
        let part = match stage {
            Stage::Head => "no reply",
            Stage::Body => "the reply did not end",
        };
        format!("{part} within {}", units::duration(self.timeout))
    }

    /// Ends every request that is still on its way.
    pub(super) fn give_up_shared(self: &Rc<Pool>, why: &str, worker: &Rc<Worker>) {
        let all = std::mem::take(&mut self.state.borrow_mut().shared);
        for shared in all {
            let errands = shared.give_up();
            shared.close();
            errands.into_iter().for_each(|errand| worker.failed(errand, Outcome::Unfinished, why.into()));
        }
    }
}
