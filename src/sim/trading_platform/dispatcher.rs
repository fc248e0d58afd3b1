//! The dispatcher: holds signals against the pipelines that it knows, and starts those that wait for them. Here is what
//! it decides about each signal, its planted defects included; where signals come from, it does not know.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::instruments::{self, GENERATOR, OTHERS};
use super::options::Announce;
use super::pipelines::Cache;
use super::platform::{Cause, Platform};
use super::signal::Signal;
use super::state::Trigger;
use super::truth::Deed;

/// So many signals are known again when they come again.
const REMEMBERED: usize = 200_000;

/// The dispatcher.
pub struct Dispatcher {
    platform: Arc<Platform>,
    metrics: Arc<instruments::Dispatcher>,
    cache: Cache,
    seen: Seen,
    taken: u64,
    lose: Every,
    reorder: Every,
    duplicate: Every,
    losing: u64,     // so many more, after a rebalance
    held: Vec<Held>, // at most one of each key
}

/// A signal with its place in the order in which signals were taken.
struct Placed {
    signal: Signal,
    sequence: u64,
}

/// A signal that is held back, to be overtaken.
struct Held {
    placed: Placed,
    matched: Vec<usize>,
    by: Option<Arc<str>>, // who overtook it
}

/// Strikes at every so manieth.
struct Every {
    n: u64,
    passed: u64,
}

impl Every {
    fn new(n: u64) -> Every {
        Every { n, passed: 0 }
    }

    fn strikes(&mut self) -> bool {
        if self.n == 0 {
            return false;
        }
        self.passed += 1;
        self.passed.is_multiple_of(self.n)
    }
}

/// The ids of the last signals.
#[derive(Default)]
struct Seen {
    ids: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Seen {
    /// Whether it is new; from now on it is not.
    fn is_new(&mut self, id: &Arc<str>) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl Dispatcher {
    /// With the pipelines that there are just now in its cache.
    pub fn new(platform: Arc<Platform>, metrics: Arc<instruments::Dispatcher>) -> Dispatcher {
        let options = &platform.options;
        let every = [options.lose_every, options.reorder_every, options.duplicate_every].map(Every::new);
        let [lose, reorder, duplicate] = every;
        let mut dispatcher = Dispatcher {
            platform,
            metrics,
            cache: Cache::default(),
            seen: Seen::default(),
            taken: 0,
            lose,
            reorder,
            duplicate,
            losing: 0,
            held: Vec::new(),
        };
        dispatcher.refresh();
        dispatcher
    }

    /// Reads the cache of pipelines anew.
    pub fn refresh(&mut self) {
        self.cache = Cache::of(&self.platform.pipelines);
        self.metrics.cache.set(self.cache.size() as f64);
    }

    /// It was given partitions, and not for the first time.
    pub fn rebalanced(&mut self) {
        self.platform.log.write(|| Deed::Rebalanced);
        self.losing = self.platform.options.lose_on_rebalance;
    }

    /// A message that is no signal.
    pub fn malformed(&mut self) {
        self.metrics.malformed.inc();
        self.platform.log.write(|| Deed::Malformed);
    }

    /// Deals with a signal.
    pub fn handle(&mut self, signal: Signal) {
        self.taken += 1;
        self.metrics.consumed.inc();
        let id = || signal.id.to_string();
        self.platform.log.write(|| Deed::Consumed { signal: id() });
        if self.platform.options.dedupe && !self.seen.is_new(&signal.id) {
            self.platform.log.write(|| Deed::Redelivered { signal: id() });
            return;
        }
        let rebalance = self.losing > 0;
        self.losing -= u64::from(rebalance);
        if rebalance || self.lose.strikes() {
            self.platform.log.write(|| Deed::Lost { signal: id(), rebalance });
            return;
        }
        let matched = self.cache.matching(&signal.kind, signal.tickers.iter().map(String::as_str));
        let placed = Placed { signal, sequence: self.taken };
        let is_held = self.held.iter().any(|held| held.placed.signal.key == placed.signal.key);
        if !matched.is_empty() && !is_held && self.reorder.strikes() {
            self.held.push(Held { placed, matched, by: None });
            return;
        }
        let started = self.dispatch(&placed, &matched, false);
        let overtakes = |held: &&mut Held| {
            held.by.is_none()
                && held.placed.signal.key == placed.signal.key
                && held.matched.iter().any(|pipeline| started.contains(pipeline))
        };
        if let Some(held) = self.held.iter_mut().find(overtakes) {
            held.by = Some(placed.signal.id.clone());
        }
        self.let_go();
    }

    /// Lets go of what was overtaken: where effects tell of ends, when what overtook it has come to its own.
    pub fn let_go(&mut self) {
        let at_once = self.platform.options.announce != Announce::End;
        let pipelines = &self.platform.pipelines;
        let is_due = |held: &Held| {
            held.by.is_some() && (at_once || !held.matched.iter().any(|pipeline| pipelines.is_running(*pipeline)))
        };
        let (due, held) = std::mem::take(&mut self.held).into_iter().partition(is_due);
        self.held = held;
        for Held { placed, matched, by } in Vec::<Held>::from(due) {
            let is_late = !self.dispatch(&placed, &matched, true).is_empty();
            if let Some(by) = by.filter(|_| is_late) {
                let (signal, by) = (placed.signal.id.to_string(), by.to_string());
                self.platform.log.write(|| Deed::Reordered { signal, by });
            }
        }
    }

    /// Lets go of what nothing has overtaken.
    pub fn give_up(&mut self) {
        let (overtaken, left) = std::mem::take(&mut self.held).into_iter().partition(|held| held.by.is_some());
        self.held = overtaken;
        for Held { placed, matched, .. } in Vec::<Held>::from(left) {
            self.dispatch(&placed, &matched, false);
        }
    }

    /// Starts what waits for a signal; what it started.
    fn dispatch(&mut self, placed: &Placed, matched: &[usize], also_running: bool) -> Vec<usize> {
        let Placed { signal, sequence } = placed;
        let (platform, metrics) = (&self.platform, &self.metrics);
        let source = if signal.source == GENERATOR { GENERATOR } else { OTHERS };
        let mut started = Vec::new();
        if matched.is_empty() {
            metrics.unmatched.with([source]).inc();
            platform.log.write(|| Deed::Unmatched { signal: signal.id.to_string() });
            return started;
        }
        metrics.matched.add(matched.len() as u64);
        for &pipeline in matched {
            if platform.options.skip_running && !also_running && platform.pipelines.is_running(pipeline) {
                metrics.skipped.inc();
                let (signal, pipeline) = (signal.id.to_string(), platform.pipelines.id(pipeline));
                platform.log.write(|| Deed::Skipped { signal, pipeline });
                continue;
            }
            started.push(pipeline);
            let twice = self.duplicate.strikes();
            for nth in 0..=u32::from(twice) {
                let cause = Cause { signal: signal.id.clone(), key: signal.key.clone(), sequence: *sequence };
                let symbol = platform.pipelines.ticker(pipeline);
                platform.start(pipeline, Trigger::Signal, Some(cause), "paper", symbol);
                metrics.enqueued.inc();
                if nth > 0 {
                    let (signal, pipeline) = (signal.id.to_string(), platform.pipelines.id(pipeline));
                    platform.log.write(|| Deed::Duplicated { signal, pipeline });
                }
            }
        }
        if started.is_empty() {
            metrics.swallowed.with([source]).inc();
            platform.log.write(|| Deed::Swallowed { signal: signal.id.to_string() });
        }
        started
    }
}
