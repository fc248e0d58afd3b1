//! One sending thread: takes up its share of the plan's shots when they are due, owns its connections, and reports what
//! became of each shot. It shares nothing with other workers but counters and the channel on which it reports.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::closed::Loops;
use super::drive::Setup;
use super::errand::Errand;
use super::health::HealthMeter;
use super::http::codec::Answer;
use super::http::open::Opener;
use super::http::pool::Pool;
use super::http::service::Service;
use super::kind::Kind;
use super::merge::Merge;
use super::pacer::{Pace, Pacer};
use super::resting::Resting;
use crate::base::time::{Clock, Offset};
use crate::base::trace::{Shot as ShotId, TraceId, Tracer};
use crate::evidence::counters::Counters;
use crate::evidence::health::WorkerHealth;
use crate::evidence::recorder::{Batch, second_of};
use crate::evidence::reply::{Outcome, Reply};

/// How often a batch is reported.
const REPORT: Duration = Duration::from_millis(100);
/// A batch with so many replies is reported at once: it stays small enough to be reused by the allocator.
const BATCH: usize = 512;
/// So many overdue shots are taken up before replies are read again.
const BURST: usize = 16;
/// After the timeout, what is overdue has so much time to be found so: enough for a timer that counts milliseconds.
const SWEEP: Duration = Duration::from_millis(50);
/// The runtime's own timer is late by so much when all is well: it counts whole milliseconds and rounds up.
const TIMER: Duration = Duration::from_millis(2);
/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);
/// What is read from a socket at once, in bytes.
const ROOM: usize = 64 * 1024;

/// What the tasks of a worker share.
pub struct Worker {
    /// The axis.
    pub clock: Clock,
    /// Where bytes are read into; whoever reads uses it up before it lets go of it.
    pub room: RefCell<Box<[u8]>>,
    /// Where requests are put together.
    pub request: RefCell<Vec<u8>>,
    index: u16,
    tracer: Tracer,
    timeout: Duration,
    counters: Arc<Counters>,
    kinds: Vec<Kind>,
    pools: Vec<Rc<Pool>>,
    loops: Loops,
    resting: Resting,
    meter: RefCell<HealthMeter>,
    report: RefCell<Batch>,
    reports: mpsc::UnboundedSender<Batch>,
    through: Cell<Offset>,
    in_flight: Cell<u64>,
    /// Whether no further shot is to be taken up.
    stopping: Cell<bool>,
    draining: Cell<bool>,
    idle: Notify,
    turn: Notify,
}

/// Runs worker `index` of `workers` until every shot is over or the drain has lasted for the timeout.
pub async fn run(setup: &Setup, index: usize, workers: usize) -> io::Result<()> {
    let worker = Rc::new(Worker::new(setup, index, workers)?);
    let aside = [
        tokio::task::spawn_local(report(worker.clone())),
        tokio::task::spawn_local(sweep(worker.clone())),
        tokio::task::spawn_local(turn(worker.clone())),
        tokio::task::spawn_local(heed(worker.clone(), setup.stop.clone())),
    ];
    let rests = worker.kinds.iter().any(Kind::rests);
    let pacer = rests.then(|| Pacer::new(setup.clock, Pace::Timer(Duration::ZERO))).transpose()?;
    let resting = pacer.map(|pacer| tokio::task::spawn_local(rest(worker.clone(), pacer)));
    worker.loops.start(&worker);
    worker.send(Merge::new(&setup.plan, index, workers), Pacer::new(setup.clock, Pace::of(setup))?).await?;
    worker.drain().await;
    aside.iter().chain(&resting).for_each(|task| task.abort());
    worker.last();
    Ok(())
}

/// Sends at the end of each turn what could go on during it, until it is stopped. A turn is a look at all replies that
/// have come: their time is taken first, and then the next requests leave together, so that a server is woken once for
/// all of them.
async fn turn(worker: Rc<Worker>) {
    let mut going = Vec::new();
    loop {
        worker.turn.notified().await;
        worker.pools.iter().for_each(|pool| pool.serve(&worker));
        worker.loops.take_going(&mut going);
        let now = worker.clock.now();
        going.drain(..).for_each(|position| worker.go_on(position, now));
    }
}

/// Waits for the word to stop.
async fn heed(worker: Rc<Worker>, mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_ok() {
        worker.stopping.set(true);
    }
}

/// Lets shots go on that have rested, until it is stopped.
async fn rest(worker: Rc<Worker>, mut pacer: Pacer) {
    loop {
        let Some(until) = worker.resting.first() else {
            worker.resting.earlier().await;
            continue;
        };
        tokio::select! {
            // Without a timer nobody would go on: they are given up when the run ends.
            woken = pacer.wait(until) => if woken.is_err() { return },
            () = worker.resting.earlier() => continue,
        }
        let now = worker.clock.now();
        worker.meter.borrow_mut().woke(until, now);
        while let Some(errand) = worker.resting.take(now) {
            worker.submit(Errand { since: now, ..errand });
        }
    }
}

/// Reports until it is stopped.
async fn report(worker: Rc<Worker>) {
    let mut due = worker.clock.now();
    loop {
        due = due.max(worker.clock.now() - REPORT) + REPORT;
        tokio::time::sleep(worker.clock.until(due)).await;
        let now = worker.clock.now();
        worker.meter.borrow_mut().woke(due + TIMER, now);
        worker.tell();
    }
}

/// Ends what waits too long, until it is stopped. Nothing that begins to wait now can be overdue before the timeout.
async fn sweep(worker: Rc<Worker>) {
    loop {
        let overdue = worker.pools.iter().filter_map(|pool| pool.sweep(&worker)).min();
        let wait = overdue.map_or(worker.timeout, |at| worker.clock.until(at).min(worker.timeout));
        tokio::time::sleep(wait).await;
    }
}

impl Worker {
    fn new(setup: &Setup, index: usize, workers: usize) -> io::Result<Worker> {
        let timeout = setup.scenario.target.timeout;
        // The connections are shared out; the first workers get what is left over.
        let limit = (setup.connections + workers - 1 - index) / workers;
        let target = &setup.scenario.target;
        let openers = Opener::all(&setup.services, target).map_err(io::Error::other)?;
        let service = |openers| Service::new(openers, limit, timeout, &target.wire, index);
        let services: Vec<(String, Rc<Service>)> =
            openers.into_iter().map(|(name, openers)| (name, service(openers))).collect();
        Ok(Worker {
            clock: setup.clock,
            room: RefCell::new(vec![0; ROOM].into()),
            request: RefCell::default(),
            index: index as u16,
            tracer: setup.tracer,
            timeout,
            counters: setup.counters.clone(),
            kinds: Kind::all(setup, &services)?,
            pools: services.iter().flat_map(|(_, service)| service.pools().to_vec()).collect(),
            loops: Loops::new(&setup.plan, index, workers),
            resting: Resting::default(),
            meter: RefCell::new(HealthMeter::new(index as u16, setup.clock.now())),
            report: RefCell::default(),
            reports: setup.reports.clone(),
            through: Cell::new(Offset::ZERO),
            in_flight: Cell::new(0),
            stopping: Cell::new(false),
            draining: Cell::new(false),
            idle: Notify::new(),
            turn: Notify::new(),
        })
    }

    /// Takes up every shot when it is due.
    async fn send(self: &Rc<Worker>, shots: Merge, mut pacer: Pacer) -> io::Result<()> {
        let mut burst = 0;
        'shots: for (traffic, shot) in shots {
            self.through.set(shot.due);
            let mut now = self.clock.now();
            while now < shot.due {
                burst = 0;
                let spun = pacer.wait(shot.due.min(now + HEED)).await?;
                self.meter.borrow_mut().spun(spun);
                if self.stopping.get() {
                    break 'shots;
                }
                now = self.clock.now();
            }
            if burst == BURST {
                // Replies must be read even when every shot is overdue.
                burst = 0;
                tokio::task::yield_now().await;
                if self.stopping.get() {
                    break;
                }
                now = self.clock.now();
            }
            burst += 1;
            self.meter.borrow_mut().woke(shot.due, now);
            self.begin(Errand::new(traffic, shot, now));
        }
        self.through.set(Offset::MAX);
        while !self.stopping.get() && self.clock.now() < self.loops.end() {
            tokio::time::sleep(self.clock.until(self.loops.end()).min(HEED)).await;
        }
        if self.stopping.get() {
            self.through.set(self.clock.now());
        }
        Ok(())
    }

    /// Waits for what is on its way, for the timeout at most; what is still open then is unfinished.
    async fn drain(self: &Rc<Worker>) {
        self.draining.set(true);
        let drained = async {
            while self.in_flight.get() > 0 {
                self.idle.notified().await;
            }
        };
        if tokio::time::timeout(self.timeout + SWEEP, drained).await.is_err() {
            self.pools.iter().for_each(|pool| pool.give_up(self));
            for errand in self.resting.take_all() {
                self.failed(errand, Outcome::Unfinished, "resting before a step when the run ended".into());
            }
        }
    }

    /// Whether no further shot is to be taken up.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Something can go on at the end of this turn.
    pub fn turn_ends(&self) {
        self.turn.notify_one();
    }

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
    fn submit(self: &Rc<Worker>, errand: Errand) {
        self.kinds[errand.traffic].service(errand.step as usize).pool().submit(errand, self);
    }

    fn taken(&self, traffic: usize, due: Offset) {
        let taken = &mut self.report.borrow_mut().taken;
        let second = second_of(due);
        match taken.iter_mut().find(|(t, s, _)| usize::from(*t) == traffic && *s == second) {
            Some((_, _, count)) => *count += 1,
            None => taken.push((traffic as u16, second, 1)),
        }
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
        if errand.step == 0 && errand.stale == 0 {
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
        let wall = || self.clock.wall_nanos(now) / 1_000_000;
        let judged = kind.judge(&errand, answer, self.trace(&errand), wall);
        self.counters.answered(errand.traffic, kind.route(&errand), judged.class, answer.status);
        if judged.more {
            self.step_over(&errand, errand.shot.due, judged.outcome, now);
            kind.next(&mut errand, now);
            errand.stale = 0;
            errand.since = now;
            return self.next_step(errand);
        }
        self.finish(&errand, judged.outcome, judged.class, judged.why, now);
    }

    /// An errand came to nothing.
    pub fn failed(self: &Rc<Worker>, errand: Errand, outcome: Outcome, why: String) {
        let why = self.kinds[errand.traffic].at(&errand, why);
        self.finish(&errand, outcome, None, Some(why), self.clock.now());
    }

    /// An errand's present step is over; `due` is when its shot was.
    fn step_over(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) {
        let part = self.kinds[errand.traffic].part(errand, due, outcome, now);
        self.report.borrow_mut().parts.extend(part);
    }

    fn finish(
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
        kind.end(errand);
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
                done: now,
                opening: errand.opening,
                why: why.map(String::into_boxed_str),
            });
            replies.len() >= BATCH
        };
        self.in_flight.set(self.in_flight.get() - 1);
        if full {
            self.tell();
        }
        if let Some(looped) = errand.looped {
            self.loops.again(looped as usize, outcome, self);
        }
        if self.draining.get() && self.in_flight.get() == 0 {
            self.idle.notify_one();
        }
    }

    /// Tells what has happened since the last batch.
    fn tell(&self) {
        let now = self.clock.now();
        let health = {
            let mut meter = self.meter.borrow_mut();
            let depths = self.pools.iter().map(|pool| pool.depth());
            let (waiting, open) = depths.fold((0, 0), |(w, o), (waiting, open)| (w + waiting, o + open));
            meter.depth(waiting, open, self.in_flight.get());
            meter.sample(now)
        };
        self.send_batch(now, health);
    }

    /// Tells what has happened since, at the very end.
    fn last(&self) {
        let now = self.clock.now();
        let health = self.meter.borrow_mut().last(now);
        self.send_batch(now, health);
    }

    fn send_batch(&self, now: Offset, health: Option<WorkerHealth>) {
        let mut batch = self.report.take();
        batch.worker = self.index;
        batch.at = now;
        batch.through = self.through.get().min(now);
        batch.health.extend(health);
        let _ = self.reports.send(batch); // nobody records any more when the run is over
    }

    /// A connection could not be opened; whether that was for want of our own descriptors or ports.
    pub fn refused(&self, why: &io::Error) -> bool {
        self.meter.borrow_mut().refused(why)
    }
}
