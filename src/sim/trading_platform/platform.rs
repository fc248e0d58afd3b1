//! What the four services share: the executions and what becomes of them. In the real one a database and a broker of
//! tasks stand between the services; here it is memory.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::seed::{Seed, unit};
use crate::base::time::{monotonic, wall};
use crate::base::units::Share;

use super::db::Db;
use super::ids::Ids;
use super::instruments;
use super::options::Options;
use super::pipelines::Pipelines;
use super::state::{State, Trigger};
use super::truth::{Deed, Log};

/// What a signal has to do with an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The signal's id.
    pub signal: Arc<str>,
    /// The key that it came by: what must stay in order.
    pub key: Arc<str>,
    /// Its place in the order in which signals were taken from the topic.
    pub sequence: u64,
}

/// An execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Which one.
    pub number: u64,
    /// Of which pipeline.
    pub pipeline: usize,
    /// What started it.
    pub trigger: Trigger,
    /// The signal that did, if it was one.
    pub cause: Option<Cause>,
    /// `paper`, `live`, …
    pub mode: &'static str,
    /// What is traded.
    pub symbol: Arc<str>,
    /// What it is just now.
    pub state: State,
    /// When it was taken on, in nanoseconds since the Unix epoch.
    pub created: i64,
    /// When it was taken up, on the monotonic clock; 0 before.
    pub taken_up: u64,
    /// When it was over, in nanoseconds since the Unix epoch; 0 before.
    pub ended: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// It is to be skipped, for its pipeline was running when it was asked for.
    pub skip: bool,
}

/// A change of an execution that others may want to hear of.
#[derive(Debug, Clone)]
pub struct News {
    /// The execution, as it is now.
    pub execution: Execution,
    /// Its id.
    pub id: String,
}

/// What the four services share.
pub struct Platform {
    /// The settings.
    pub options: Options,
    /// The pipelines.
    pub pipelines: Pipelines,
    /// The database.
    pub db: Db,
    /// What is known of the truth.
    pub log: Log,
    /// The backend's metrics.
    pub backend: instruments::Backend,
    /// The worker's metrics.
    pub worker: instruments::Worker,
    ids: Ids,
    next: AtomicU64,
    kept: Mutex<Kept>,
    seed: Seed,
    ends: Ends,
}

/// Where things go from here.
pub struct Ends {
    /// Tasks, by the number of their execution.
    pub tasks: mpsc::UnboundedSender<u64>,
    /// For Kafka; nobody listens where there is none.
    pub effects: Option<mpsc::UnboundedSender<News>>,
    /// For the webhook.
    pub hooks: Option<mpsc::UnboundedSender<News>>,
}

#[derive(Default)]
struct Kept {
    all: HashMap<u64, Execution>,
    over: VecDeque<u64>, // oldest first
}

/// The metrics pages of what is shared.
pub struct Instruments {
    /// The backend's.
    pub backend: instruments::Backend,
    /// The worker's.
    pub worker: instruments::Worker,
}

impl Platform {
    /// Nothing is under way yet. Fails when there is no timer.
    pub fn new(options: Options, pipelines: Pipelines, all: Instruments, log: Log, ends: Ends) -> io::Result<Platform> {
        let Instruments { backend, worker } = all;
        let seed = Seed(options.seed);
        Ok(Platform {
            db: Db::new(&options, backend.queries.clone(), backend.connections.clone())?,
            pipelines,
            log,
            backend,
            worker,
            ids: Ids::salted("execution", wall() as u64),
            next: AtomicU64::new(0),
            kept: Mutex::default(),
            seed,
            ends,
            options,
        })
    }

    /// Takes an execution on; its id.
    pub fn start(
        &self,
        pipeline: usize,
        trigger: Trigger,
        cause: Option<Cause>,
        mode: &'static str,
        symbol: &str,
    ) -> String {
        let number = self.next.fetch_add(1, Relaxed);
        let skip = self.options.skip_manual && trigger == Trigger::Manual && self.pipelines.is_running(pipeline);
        let (created, symbol) = (wall(), Arc::from(symbol));
        let execution = Execution {
            number,
            pipeline,
            trigger,
            cause,
            mode,
            symbol,
            state: State::Pending,
            created,
            taken_up: 0,
            ended: 0,
            attempts: 0,
            skip,
        };
        let id = self.ids.id(number);
        self.log.write(|| Deed::Started {
            execution: id.clone(),
            signal: execution.cause.as_ref().map(|cause| cause.signal.to_string()),
        });
        self.pipelines.began(pipeline);
        self.tell(&execution);
        self.kept().all.insert(number, execution);
        self.queue(number);
        id
    }

    /// Lines a task up.
    pub fn queue(&self, number: u64) {
        self.worker.queue.add(1.0);
        let _ = self.ends.tasks.send(number); // nobody works any more: it is stopping
    }

    /// The id of an execution.
    pub fn id(&self, number: u64) -> String {
        self.ids.id(number)
    }

    /// The execution with an id, unless it was over so long ago that it is forgotten.
    pub fn find(&self, id: &str) -> Option<Execution> {
        self.get(self.ids.number(id)?)
    }

    /// The execution of a number.
    pub fn get(&self, number: u64) -> Option<Execution> {
        self.kept().all.get(&number).cloned()
    }

    /// Changes what an execution is, unless it is over; the execution as it is then.
    pub fn becomes(&self, number: u64, state: State) -> Option<Execution> {
        let execution = {
            let mut kept = self.kept();
            let execution = kept.all.get_mut(&number).filter(|e| !e.state.is_terminal())?;
            execution.state = state;
            if state == State::Running {
                execution.attempts += 1;
                if execution.taken_up == 0 {
                    execution.taken_up = monotonic();
                }
            }
            if state.is_terminal() {
                execution.ended = wall();
            }
            execution.clone()
        };
        if let Some(status) = state.label() {
            self.over(&execution, status);
        }
        self.tell(&execution);
        Some(execution)
    }

    /// Books an execution that is over.
    fn over(&self, execution: &Execution, status: &'static str) {
        let Execution { number, pipeline, trigger, state, taken_up, .. } = *execution;
        self.pipelines.ended(pipeline);
        let took = match taken_up {
            0 => Duration::ZERO,
            from => Duration::from_nanos(monotonic().saturating_sub(from)),
        };
        let executions = match trigger {
            Trigger::Manual => &self.backend.executions,
            Trigger::Signal | Trigger::Periodic => &self.worker.executions,
        };
        executions.over(status, &self.pipelines.id(pipeline), trigger, took);
        self.log.write(|| Deed::Ended {
            execution: self.ids.id(number),
            signal: execution.cause.as_ref().map(|cause| cause.signal.to_string()),
            state,
        });
        let mut kept = self.kept();
        kept.over.push_back(number);
        while kept.over.len() > self.options.history {
            if let Some(oldest) = kept.over.pop_front() {
                kept.all.remove(&oldest);
            }
        }
    }

    fn tell(&self, execution: &Execution) {
        let news = || News { execution: execution.clone(), id: self.ids.id(execution.number) };
        let is_told = self.options.announce.tells(execution.state, execution.attempts);
        if let Some(effects) = self.ends.effects.as_ref().filter(|_| is_told) {
            let _ = effects.send(news()); // nobody publishes any more: it is stopping
        }
        if let Some(hooks) = self.ends.hooks.as_ref().filter(|_| execution.state.is_terminal()) {
            let _ = hooks.send(news());
        }
    }

    /// Whether chance has it, of an execution: the same whatever else goes on.
    pub fn chance(&self, what: &str, number: u64, attempt: u32, share: Share) -> bool {
        share != Share::NONE && self.draw(what, number, attempt) < share.fraction()
    }

    /// A number uniform in [0, 1), of an execution.
    pub fn draw(&self, what: &str, number: u64, attempt: u32) -> f64 {
        unit(self.seed.decide(&[what.as_bytes(), &number.to_le_bytes(), &attempt.to_le_bytes()]))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
