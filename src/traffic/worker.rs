//! One sending thread: takes up its share of the plan's shots when they are due, owns its connections, and reports what
//! became of each shot. It shares nothing with other workers but counters and the channel on which it reports.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::bearer::Login;
use super::closed::Loops;
use super::drive::Setup;
use super::errand::Errand;
use super::health::HealthMeter;
use super::http::codec::Answer;
use super::http::open::Opener;
use super::http::pool::Pool;
use super::http::service::Service;
use super::kind::{Kind, Then};
use super::merge::Merge;
use super::pacer::{Pace, Pacer};
use super::pipeline::{Due, Heard, News, Pipeline};
use super::resting::Resting;
use crate::base::time::{Clock, Offset, monotonic};
use crate::base::trace::{Shot as ShotId, TraceId, Tracer};
use crate::evidence::counters::Counters;
use crate::evidence::event::Event;
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
/// A flow that rests and waits is given so much time beyond the timeout at the end of a run.
const PATIENCE: Duration = Duration::from_secs(60);
/// The runtime's own timer is late by so much when all is well: it counts whole milliseconds and rounds up.
const TIMER: Duration = Duration::from_millis(2);
/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);
/// The status by which a token is refused.
const UNAUTHORIZED: u16 = 401;
/// What is new is told this often.
const NEWS: Duration = Duration::from_secs(1);
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
    openers: Vec<(String, Vec<Opener>)>, // for logins; empty where there are none
    counters: Arc<Counters>,
    kinds: Vec<Kind>,
    pools: Vec<Rc<Pool>>,
    loops: Loops,
    resting: Resting,
    meter: RefCell<HealthMeter>,
    report: RefCell<Batch>,
    reports: mpsc::UnboundedSender<Batch>,
    through: Cell<Offset>,
    news: Cell<Offset>, // when what is new was told last
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
    let own = |traffic: usize| {
        let kind = &worker.kinds[traffic];
        let polls = kind.pipeline().map(|_| tokio::task::spawn_local(poll(worker.clone(), traffic)));
        let news = kind.pipeline().and_then(Pipeline::listen);
        let hears = news.map(|news| tokio::task::spawn_local(hear(worker.clone(), traffic, news)));
        // One for all workers.
        let keeps = kind.keeper().filter(|_| index == 0);
        [polls, hears, keeps.map(|_| tokio::task::spawn_local(keep(worker.clone(), traffic)))].into_iter().flatten()
    };
    let own: Vec<_> = (0..worker.kinds.len()).flat_map(own).collect();
    let rests = worker.kinds.iter().any(Kind::rests);
    let pacer = rests.then(|| Pacer::new(setup.clock, Pace::Timer(Duration::ZERO))).transpose()?;
    let resting = pacer.map(|pacer| tokio::task::spawn_local(rest(worker.clone(), pacer)));
    worker.loops.start(&worker);
    // Signals are sent by threads of their own.
    let ours = |traffic: usize| setup.scenario.traffic[traffic].kind.signal().is_none();
    worker.send(Merge::new(&setup.plan, ours, index, workers), Pacer::new(setup.clock, Pace::of(setup))?).await?;
    worker.drain().await;
    aside.iter().chain(&resting).chain(&own).for_each(|task| task.abort());
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
        worker.abandon_resting();
    }
}

/// Asks for what the shots of a traffic have started, until it is stopped.
async fn poll(worker: Rc<Worker>, traffic: usize) {
    let Some(pipeline) = worker.kinds[traffic].pipeline() else { return };
    loop {
        let Some(next) = pipeline.next() else {
            pipeline.changed().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep(worker.clock.until(next)) => {}
            () = pipeline.changed() => continue,
        }
        let mut burst = 0;
        while let Some(due) = pipeline.due(worker.clock.now()) {
            match due {
                Due::Ask(errand) => worker.submit(errand),
                Due::Late(errand) => {
                    let now = worker.clock.now();
                    worker.goes_on(errand, pipeline.late(&errand, now), None, now);
                }
            }
            burst += 1;
            if burst == BURST {
                // Replies must be read, and shots taken up, even when every poll is overdue.
                burst = 0;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Hears what is told of what the shots of a traffic have started, until it is stopped.
async fn hear(worker: Rc<Worker>, traffic: usize, mut news: mpsc::UnboundedReceiver<News>) {
    let Some(pipeline) = worker.kinds[traffic].pipeline() else { return };
    while let Some(news) = news.recv().await {
        if let Some((errand, Heard::Over(outcome, why))) = pipeline.hear_news(&news) {
            worker.finish(&errand, outcome, None, why, worker.clock.now());
        }
    }
}

/// Fetches another token before the one that requests carry runs out, until it is stopped.
async fn keep(worker: Rc<Worker>, traffic: usize) {
    let Some(keeper) = worker.kinds[traffic].keeper() else { return };
    loop {
        let wait = keeper.worn().map_or(NEWS, |worn| Duration::from_nanos(worn.saturating_sub(monotonic())));
        tokio::time::sleep(wait.min(NEWS)).await;
        if keeper.worn().is_some_and(|worn| worn <= monotonic()) {
            let _ = worker.log_in(traffic, keeper.line().1).await; // whoever is refused will say so
        }
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
            // What is asked for again has been waited for since it was first.
            let since = if errand.sent.is_some() { errand.since } else { now };
            worker.submit(Errand { since, ..errand });
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
            openers: if setup.keepers.is_empty() {
                Vec::new()
            } else {
                Opener::all(&setup.services, target).map_err(io::Error::other)?
            },
            counters: setup.counters.clone(),
            kinds: Kind::all(setup, &services)?,
            pools: services.iter().flat_map(|(_, service)| service.pools().to_vec()).collect(),
            loops: Loops::new(&setup.plan, index, workers),
            resting: Resting::default(),
            meter: RefCell::new(HealthMeter::new(index as u16, setup.clock.now())),
            report: RefCell::default(),
            reports: setup.reports.clone(),
            through: Cell::new(Offset::ZERO),
            news: Cell::new(Offset::ZERO),
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

    /// Waits for what is on its way, for the timeout at most, for as long as flows rest and wait, up to a limit, and for the
    /// deadline of what is followed; what is still open then is unfinished, and so is at once what would rest for longer.
    /// Whoever stops the run waits for replies and nothing else.
    async fn drain(self: &Rc<Worker>) {
        self.draining.set(true);
        let followed = self.kinds.iter().filter_map(|kind| Some(kind.pipeline()?.patience(self.timeout)));
        let rests = self.kinds.iter().map(Kind::patience).max().unwrap_or_default().min(PATIENCE);
        let mut until = self.clock.now() + followed.max().unwrap_or_default().max(self.timeout + rests) + SWEEP;
        let mut is_stopped = false;
        while self.in_flight.get() > 0 {
            let now = self.clock.now();
            if self.stopping.get() && !is_stopped {
                is_stopped = true;
                until = until.min(now + self.timeout + SWEEP);
            }
            if now >= until {
                return self.give_up();
            }
            self.end_resting(until);
            let _ = tokio::time::timeout(self.clock.until(until).min(HEED), self.idle.notified()).await;
        }
    }

    fn give_up(self: &Rc<Worker>) {
        self.pools.iter().for_each(|pool| pool.give_up(self));
        self.end_resting(Offset::ZERO);
        for errand in self.kinds.iter().filter_map(Kind::pipeline).flat_map(Pipeline::take_all) {
            self.failed(errand, Outcome::Unfinished, "not over when the run ended".into());
        }
    }

    /// Gives up shots that would rest for longer than until an instant.
    fn end_resting(self: &Rc<Worker>, until: Offset) {
        for errand in self.resting.take_beyond(until) {
            self.failed(errand, Outcome::Unfinished, "resting before a step when the run ended".into());
        }
    }

    /// Lets go of shots that are followed: we stopped, and what would have become of them nobody knows.
    fn abandon_resting(&self) {
        let resting: Vec<Errand> = self.kinds.iter().filter_map(Kind::pipeline).flat_map(Pipeline::take_all).collect();
        resting.iter().for_each(|errand| self.abandon(errand));
    }

    /// Lets go of a shot. It was taken up, and is never told to be over: as with a run that dies, it counts as lost by us.
    fn abandon(&self, errand: &Errand) {
        self.kinds[errand.traffic].end(errand, self.clock.now());
        self.gone();
    }

    /// A shot less is on its way.
    fn gone(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        if self.draining.get() && self.in_flight.get() == 0 {
            self.idle.notify_one();
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

    /// Lets a shot rest until it is asked for again.
    fn rest(self: &Rc<Worker>, errand: Errand, now: Offset) {
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
    async fn log_in(&self, traffic: usize, used: u64) -> Result<(), String> {
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
    fn goes_on(self: &Rc<Worker>, errand: Errand, heard: Heard, class: Option<u16>, now: Offset) {
        match heard {
            Heard::Over(outcome, why) => self.finish(&errand, outcome, class, why, now),
            Heard::GoesOn => self.rest(errand, now),
        }
    }

    /// An errand's present step is over; `due` is when its shot was.
    fn step_over(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) {
        self.kinds[errand.traffic].parts(errand, due, outcome, now, &mut self.report.borrow_mut().parts);
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
        if self.index == 0 {
            let heard =
                self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_heard(now, true)).map(Event::Followed);
            self.report.borrow_mut().told.extend(heard);
        }
        self.send_batch(now, health);
    }

    fn send_batch(&self, now: Offset, health: Option<WorkerHealth>) {
        if now >= self.news.get() + NEWS || self.draining.get() {
            self.news.set(now);
            let news = self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_told(now)).map(Event::Followed);
            self.report.borrow_mut().told.extend(news);
            if self.index == 0 {
                let heard = self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_heard(now, false));
                self.report.borrow_mut().told.extend(heard.map(Event::Followed));
            }
        }
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
