//! The open loop. A shot leaves when it is due, whatever earlier replies do. The loop has a thread and a runtime of
//! its own, and shares nothing with the rest of the run but counters and the channel on which it reports.

use std::cell::{Cell, RefCell};
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;

use super::flow;
use super::http::exchange::{Answer, Exchange, Track};
use super::http::pool::Pool;
use super::pacer::Pacer;
use super::{quote, reply, resolve, service};
use crate::base::net::Address;
use crate::base::time::{self, Clock, Offset};
use crate::base::trace::{Shot as ShotId, Tracer};
use crate::evidence::counters::Counters;
use crate::evidence::recorder::{Batch, second_of};
use crate::evidence::reply::{Outcome, Reply};
use crate::plan::{Plan, Shot};
use crate::scenario::{Kind, Scenario, Traffic};

/// How often a batch is reported.
const REPORT: Duration = Duration::from_millis(100);
/// How nice the sender is to other threads of this machine, where the system lets it choose.
const PRECEDENCE: i32 = -10;
/// A body of a plain step is read up to this size.
const STEP_BODY: usize = 1_000_000;

/// All that a sender needs.
pub struct Setup {
    /// What to send.
    pub scenario: Arc<Scenario>,
    /// When.
    pub plan: Arc<Plan>,
    /// Where to.
    pub services: Vec<(String, Address)>,
    /// Values of secrets by name.
    pub secrets: Vec<(String, String)>,
    /// Writes trace ids.
    pub tracer: Tracer,
    /// The axis.
    pub clock: Clock,
    /// Connections per service at the most.
    pub connections: usize,
    /// Shared counts.
    pub counters: Arc<Counters>,
    /// Where reports go.
    pub reports: mpsc::UnboundedSender<Batch>,
    /// Turns true when no further shot is to be taken up.
    pub stop: watch::Receiver<bool>,
}

/// Starts sending on a thread of its own. It ends when every shot is over or the drain has lasted for the timeout.
pub fn spawn(setup: Setup) -> io::Result<thread::JoinHandle<io::Result<()>>> {
    thread::Builder::new().name("sender".into()).spawn(move || {
        // Ahead of whoever else wants the core, where we are allowed to be: it sleeps most of the time, and when it
        // wakes late, what it measures is worth less.
        let _ = rustix::process::setpriority_process(None, PRECEDENCE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, run(setup))
    })
}

/// What the tasks of the loop share.
struct Sender {
    clock: Clock,
    tracer: Tracer,
    timeout: Duration,
    counters: Arc<Counters>,
    kinds: Vec<Sending>,
    report: RefCell<Batch>,
    through: Cell<Offset>,
    in_flight: Cell<u64>,
    idle: Notify,
    give_up: Notify,
}

/// What one traffic needs to be sent.
struct Sending {
    traffic: Traffic,
    pool: Rc<Pool>,
    how: How,
}

enum How {
    Quote(quote::Writer),
    Flow(Vec<flow::Ready>),
}

async fn run(setup: Setup) -> io::Result<()> {
    let Setup { plan, clock, reports, stop, .. } = &setup;
    let mut stop = stop.clone();
    let sender = Rc::new(Sender::new(&setup)?);
    let reporter = tokio::task::spawn_local(report(sender.clone(), reports.clone()));
    let pacer = Pacer::new(*clock)?;
    let mut shots = Merge::new(plan);
    while let Some((traffic, shot)) = shots.next() {
        sender.through.set(shot.due);
        if clock.now() < shot.due {
            tokio::select! {
                biased;
                waited = pacer.wait(shot.due) => waited?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        } else if *stop.borrow() {
            break;
        }
        sender.take_up(traffic, shot);
        // Let replies be read even when every shot is already overdue.
        if shots.overdue(clock.now()) {
            tokio::task::yield_now().await;
        }
    }
    sender.through.set(if *stop.borrow() { clock.now() } else { Offset::MAX });
    let drained = async {
        while sender.in_flight.get() > 0 {
            sender.idle.notified().await;
        }
    };
    if tokio::time::timeout(sender.timeout, drained).await.is_err() {
        while sender.in_flight.get() > 0 {
            sender.give_up.notify_waiters();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    reporter.abort();
    let _ = reports.send(sender.batch());
    Ok(())
}

/// Reports until it is stopped.
async fn report(sender: Rc<Sender>, reports: mpsc::UnboundedSender<Batch>) {
    let mut ticks = tokio::time::interval(REPORT);
    let (mut cpu, mut wall) = (time::thread_cpu(), time::monotonic());
    loop {
        ticks.tick().await;
        let mut batch = sender.batch();
        let (cpu_now, wall_now) = (time::thread_cpu(), time::monotonic());
        if wall_now - wall >= 1_000_000_000 {
            batch.cpu = Some((second_of(batch.at), (cpu_now - cpu) as f64 / (wall_now - wall) as f64));
            (cpu, wall) = (cpu_now, wall_now);
        }
        if reports.send(batch).is_err() {
            return; // nobody records any more: the run is over
        }
    }
}

impl Sender {
    fn new(setup: &Setup) -> io::Result<Sender> {
        let scenario = &setup.scenario;
        let timeout = scenario.target.timeout;
        let mut pools: Vec<(String, Rc<Pool>)> = Vec::new();
        for (name, address) in &setup.services {
            pools.push((name.clone(), Pool::new(address.clone(), setup.connections, timeout, setup.clock)));
        }
        let pool = |name: Option<&str>| {
            let address = service(&setup.services, name);
            let found = pools.iter().find(|(_, pool)| Some(pool.address()) == address).map(|(_, pool)| pool.clone());
            found.ok_or_else(|| io::Error::other(format!("the target has no service {}", name.unwrap_or("at all"))))
        };
        let secret = |name: &str| setup.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let common = resolve(&scenario.target.headers, &secret);
        let headers = |own: &[_]| {
            let own = resolve(own, &secret);
            let overridden = |name: &str| own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            let mut all: Vec<(String, String)> = common.iter().filter(|(n, _)| !overridden(n)).cloned().collect();
            all.extend(own);
            all
        };
        let mut kinds = Vec::new();
        for traffic in &scenario.traffic {
            let own = pool(traffic.service.as_deref())?;
            let how = match &traffic.kind {
                Kind::Quote(quote) => How::Quote(quote::Writer::new(quote, own.address(), headers(&quote.headers))),
                Kind::Flow(flow) => {
                    let mut steps = Vec::new();
                    for step in &flow.steps {
                        let mut headers = headers(&step.headers);
                        if let Some((_, media)) = &step.body
                            && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
                        {
                            headers.push(("Content-Type".into(), media.clone()));
                        }
                        let to = step.service.as_deref().or(traffic.service.as_deref());
                        steps.push(flow::Ready { step: step.clone(), pool: pool(to)?, headers });
                    }
                    How::Flow(steps)
                }
            };
            kinds.push(Sending { traffic: traffic.clone(), pool: own, how });
        }
        Ok(Sender {
            clock: setup.clock,
            tracer: setup.tracer,
            timeout,
            counters: setup.counters.clone(),
            kinds,
            report: RefCell::default(),
            through: Cell::new(Offset::ZERO),
            in_flight: Cell::new(0),
            idle: Notify::new(),
            give_up: Notify::new(),
        })
    }

    /// Takes up a shot: from here on something becomes of it.
    fn take_up(self: &Rc<Sender>, traffic: usize, shot: Shot) {
        let ready = self.clock.now();
        {
            let taken = &mut self.report.borrow_mut().taken;
            let second = second_of(shot.due);
            match taken.iter_mut().find(|(t, s, _)| usize::from(*t) == traffic && *s == second) {
                Some((_, _, count)) => *count += 1,
                None => taken.push((traffic as u16, second, 1)),
            }
        }
        self.in_flight.set(self.in_flight.get() + 1);
        let sender = self.clone();
        tokio::task::spawn_local(async move {
            let track = Track::default();
            let (outcome, why, class) = tokio::select! {
                biased;
                done = sender.attend(traffic, shot, &track) => done,
                () = sender.give_up.notified() => (Outcome::Unfinished, Some("still open when the run ended".into()), None),
            };
            let (sent, first_byte) = track.instants();
            sender.report.borrow_mut().replies.push(Reply {
                traffic: traffic as u16,
                seq: shot.seq,
                class,
                outcome,
                status: track.status.get(),
                due: shot.due,
                ready,
                sent,
                first_byte,
                done: sender.clock.now(),
                connect: track.connect.get(),
                why,
            });
            sender.in_flight.set(sender.in_flight.get() - 1);
            sender.idle.notify_one();
        });
    }

    /// Sees a shot through: its outcome, why, and the class of its reply.
    async fn attend(&self, traffic: usize, shot: Shot, track: &Track) -> (Outcome, Option<String>, Option<u16>) {
        let Sending { traffic: config, pool, how } = &self.kinds[traffic];
        let traceparent = self.tracer.id(ShotId { traffic: traffic as u16, seq: shot.seq }).traceparent();
        let exchange =
            |max_body| Exchange { timeout: self.timeout, max_body, track, counters: (&self.counters, traffic) };
        match (how, &config.kind, shot.quote) {
            (How::Quote(writer), Kind::Quote(quote), Some(wanted)) => {
                let request = match writer.request(wanted, traceparent) {
                    Ok(request) => request,
                    Err(why) => return (Outcome::Invalid, Some(why), None),
                };
                match exchange(quote.max_body.0 as usize).send(pool, request).await {
                    Err(failure) => (failure.outcome, Some(failure.why), None),
                    Ok(answer) => {
                        let body = json(&answer);
                        let now_ms = self.clock.wall_nanos(self.clock.now()) / 1_000_000;
                        let pair = &quote.pairs[wanted.pair as usize];
                        let (outcome, why) = reply::quote(quote, pair, &answer, body.as_ref(), now_ms);
                        (outcome, why, reply::classify(&config.classes, &answer, body.as_ref()))
                    }
                }
            }
            (How::Flow(steps), ..) => {
                let (outcome, why, last) = flow::run(steps, &traceparent, &exchange(STEP_BODY)).await;
                let class = last.and_then(|answer| {
                    let body = (!config.classes.is_empty()).then(|| json(&answer)).flatten();
                    reply::classify(&config.classes, &answer, body.as_ref())
                });
                (outcome, why, class)
            }
            _ => (Outcome::Invalid, Some("the plan and the scenario differ".into()), None),
        }
    }

    /// What has happened since the last batch.
    fn batch(&self) -> Batch {
        let mut batch = self.report.take();
        batch.at = self.clock.now();
        batch.through = self.through.get().min(batch.at);
        batch
    }
}

fn json(answer: &Answer) -> Option<serde_json::Value> {
    serde_json::from_slice(&answer.body).ok()
}

/// The shots of all traffic in the order in which they are due.
struct Merge {
    sources: Vec<Box<dyn Iterator<Item = Shot>>>,
    next: BinaryHeap<std::cmp::Reverse<(Offset, usize, u64)>>,
    shots: Vec<Option<Shot>>,
}

impl Merge {
    fn new(plan: &Plan) -> Merge {
        let sources: Vec<Box<dyn Iterator<Item = Shot>>> =
            plan.traffic.iter().map(|t| Box::new(t.shots()) as Box<dyn Iterator<Item = Shot>>).collect();
        let mut merge = Merge { shots: vec![None; sources.len()], sources, next: BinaryHeap::new() };
        for i in 0..merge.sources.len() {
            merge.advance(i);
        }
        merge
    }

    fn advance(&mut self, source: usize) {
        self.shots[source] = self.sources[source].next();
        if let Some(shot) = self.shots[source] {
            self.next.push(std::cmp::Reverse((shot.due, source, shot.seq)));
        }
    }

    /// Whether the next shot is due already.
    fn overdue(&self, now: Offset) -> bool {
        self.next.peek().is_some_and(|next| next.0.0 <= now)
    }
}

impl Iterator for Merge {
    type Item = (usize, Shot);

    fn next(&mut self) -> Option<(usize, Shot)> {
        let source = self.next.pop()?.0.1;
        let shot = self.shots[source]?;
        self.advance(source);
        Some((source, shot))
    }
}
