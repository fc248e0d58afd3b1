//! One sending thread: takes up its share of the plan's shots when they are due, owns its connections, and reports what
//! became of each shot. It shares nothing with other workers but counters and the channel on which it reports.

mod batch;
mod chores;
mod course;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::closed::Loops;
use super::drive::Setup;
use super::errand::Errand;
use super::health::HealthMeter;
use super::http::open::Opener;
use super::http::pool::Pool;
use super::http::service::Service;
use super::kind::Kind;
use super::merge::Merge;
use super::pacer::{Pace, Pacer};
use super::pipeline::Pipeline;
use super::resting::Resting;
use crate::base::time::{Clock, Offset};
use crate::base::trace::Tracer;
use crate::evidence::counters::Counters;
use crate::evidence::recorder::Batch;
use crate::evidence::reply::Outcome;

/// How often a batch is reported.
const REPORT: Duration = Duration::from_millis(100);
/// So many overdue shots are taken up before replies are read again.
const BURST: usize = 16;
/// After the timeout, what is overdue has so much time to be found so: enough for a timer that counts milliseconds.
const SWEEP: Duration = Duration::from_millis(50);
/// A flow that rests and waits is given so much time beyond the timeout at the end of a run.
const PATIENCE: Duration = Duration::from_secs(60);
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
        tokio::task::spawn_local(chores::report(worker.clone())),
        tokio::task::spawn_local(chores::sweep(worker.clone())),
        tokio::task::spawn_local(chores::turn(worker.clone())),
        tokio::task::spawn_local(chores::heed(worker.clone(), setup.stop.clone())),
    ];
    let own = |traffic: usize| {
        let kind = &worker.kinds[traffic];
        let polls = kind.pipeline().map(|_| tokio::task::spawn_local(chores::poll(worker.clone(), traffic)));
        let news = kind.pipeline().and_then(Pipeline::listen);
        let hears = news.map(|news| tokio::task::spawn_local(chores::hear(worker.clone(), traffic, news)));
        // One for all workers.
        let keeps = kind.keeper().filter(|_| index == 0);
        [polls, hears, keeps.map(|_| tokio::task::spawn_local(chores::keep(worker.clone(), traffic)))]
            .into_iter()
            .flatten()
    };
    let own: Vec<_> = (0..worker.kinds.len()).flat_map(own).collect();
    let rests = worker.kinds.iter().any(Kind::rests);
    let pacer = rests.then(|| Pacer::new(setup.clock, Pace::Timer(Duration::ZERO))).transpose()?;
    let resting = pacer.map(|pacer| tokio::task::spawn_local(chores::rest(worker.clone(), pacer)));
    worker.loops.start(&worker);
    // Signals are sent by threads of their own.
    let ours = |traffic: usize| setup.scenario.traffic[traffic].kind.signal().is_none();
    worker.send(Merge::new(&setup.plan, ours, index, workers), Pacer::new(setup.clock, Pace::of(setup))?).await?;
    worker.drain().await;
    aside.iter().chain(&resting).chain(&own).for_each(|task| task.abort());
    worker.last();
    Ok(())
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

    /// A connection could not be opened; whether that was for want of our own descriptors or ports.
    pub fn refused(&self, why: &io::Error) -> bool {
        self.meter.borrow_mut().refused(why)
    }
}
