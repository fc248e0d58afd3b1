//! The external quoters, asked side by side: each with its own rate limiter, timeout and retries, and a common
//! deadline and quorum after which nobody is waited for any longer. A quoter that says `Retry-After` is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::time::{Clock, Offset};
use crate::base::trace::TraceId;
use crate::base::units::{Rate, Share};
use crate::sim::metrics::{Counter, Histogram};

use super::dialect::{Dialect, Question};
use super::freshness::Freshness;
use super::instruments::Instruments;
use super::limiter::Limiter;
use super::pairs::Pair;
use super::retry::{self, Patience};
use super::work::Work;
use crate::sim::client::{Broken, Client, Reply};

/// How quoters are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// For one request to one quoter, connecting included; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// For all of them together, limiters and retries included.
    pub deadline: Option<Duration>,
    /// How many answers are enough; `None` waits for everybody.
    pub quorum: Option<usize>,
    /// How often a failed request is sent again.
    pub retries: u32,
    /// The ceiling of the pause before the first retry. `None` retries at once and past the limiter: the naive way,
    /// which makes storms.
    pub backoff: Option<Duration>,
    /// The share of calls that may be retries; `None` for any number.
    pub retry_budget: Option<Share>,
    /// Whether `Retry-After` is heeded.
    pub retry_after: bool,
    /// Whether replies are checked before they are believed.
    pub validate: bool,
    /// Older prices are refused; `None` takes any.
    pub max_age: Option<Duration>,
    /// Whether the first failure ends the asking.
    pub fail_fast: bool,
}

/// What became of asking one quoter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An offer.
    Answered,
    /// Not asked: our own limiter would have made it wait too long.
    Skipped,
    /// Not asked: it said `Retry-After`, and that is not over.
    Paused,
    /// 429.
    RateLimited,
    /// Another status than 200.
    Refused,
    /// 200 without an offer that holds together.
    Garbage,
    /// An offer at a price that is too old.
    Stale,
    /// No connection.
    Connect,
    /// The connection broke.
    Broken,
    /// No reply within the timeout.
    TimedOut,
    /// Still asked when the others were enough or the deadline came.
    Late,
}

/// One quoter's part in answering a request, for the truth log.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Call {
    /// The quoter's name as in labels.
    pub quoter: String,
    /// Of its last attempt.
    pub outcome: Outcome,
    /// Requests sent to it.
    pub attempts: u32,
}

/// An offer.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Which quoter, by its place.
    pub quoter: usize,
    /// Base units of output for the amount asked.
    pub out_amount: u64,
    /// How old its price is, as far as can be told.
    pub age: Duration,
}

/// So many failures in a row, and a quoter counts as cut off.
const CUT_OFF: u32 = 3;

/// What came of asking.
pub struct Asked {
    /// The best offer.
    pub best: Option<Offer>,
    /// Each quoter's part.
    pub calls: Vec<Call>,
    /// Whether a failure ended it.
    pub failed_fast: bool,
}

/// All of them.
pub struct Quoters {
    list: Vec<Arc<Quoter>>,
    policy: Policy,
    open: watch::Sender<()>, // dropping it ends calls that nobody waits for
}

struct Quoter {
    label: String,
    dialect: Dialect,
    client: Client,
    limiter: Limiter,
    patience: Patience,
    freshness: Freshness,
    served: Counter,
    limit_errors: Counter,
    limit_wait: Histogram,
    failed: AtomicU32, // requests in a row
}

/// One quoter to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// As given; decides the dialect.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// How often it is asked at most; 0 is no limit.
    pub rate: Rate,
    /// How long a call may wait for that.
    pub patience: Duration,
}

/// A question on its way.
#[derive(Clone)]
pub struct Errand {
    /// What is asked about.
    pub pair: Arc<Pair>,
    /// In base units.
    pub amount: u64,
    /// In hundredths of a percent.
    pub slippage_bps: u16,
    /// The trace that the request belongs to.
    pub trace: Option<TraceId>,
}

/// What calls need besides the question.
pub struct Means {
    /// The service's time.
    pub clock: Clock,
    /// Its instruments.
    pub instruments: Arc<Instruments>,
    /// Its way of waiting.
    pub work: Arc<Work>,
}

impl Quoters {
    /// The quoters, without connections yet.
    pub fn new(upstreams: &[Upstream], policy: Policy, all: &Instruments) -> Quoters {
        let quoter = |upstream: &Upstream| {
            let label = Dialect::label(&upstream.name);
            Arc::new(Quoter {
                dialect: Dialect::of(&upstream.name),
                client: Client::new(upstream.address.clone()),
                limiter: Limiter::new(upstream.rate, upstream.patience),
                patience: Patience::default(),
                freshness: Freshness::default(),
                served: all.quotes_by_protocol.with([&label]),
                limit_errors: all.external_rate_limit_errors.with([&label]),
                limit_wait: all.external_rate_limit_wait.with([&label]),
                failed: AtomicU32::new(0),
                label,
            })
        };
        Quoters { list: upstreams.iter().map(quoter).collect(), policy, open: watch::Sender::new(()) }
    }

    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a quoter's last requests all failed.
    pub fn is_cut_off(&self) -> bool {
        self.list.iter().any(|quoter| quoter.failed.load(Relaxed) >= CUT_OFF)
    }

    /// A quoter's name as in labels.
    pub fn label(&self, quoter: usize) -> &str {
        &self.list[quoter].label
    }

    /// Counts a quote served at a quoter's price.
    pub fn count_served(&self, quoter: usize) {
        self.list[quoter].served.inc();
    }

    /// Asks everybody who may be asked, and comes back with the best offer as soon as enough have answered, all have, or
    /// the deadline has come. Who is late finishes alone and is still counted.
    pub async fn ask(&self, errand: &Errand, means: &Arc<Means>) -> Asked {
        let mut calls = Vec::with_capacity(self.list.len());
        let (sender, mut answers) = mpsc::unbounded_channel();
        for (place, quoter) in self.list.iter().enumerate() {
            let admitted = quoter.admit(means.clock.now());
            let outcome = admitted.err().unwrap_or(Outcome::Late);
            calls.push(Call { quoter: quoter.label.clone(), outcome, attempts: 0 });
            let Ok(wait) = admitted else {
                quoter.limit_errors.inc();
                continue;
            };
            quoter.limit_wait.observe_duration(wait);
            let (quoter, errand, means, sender) = (quoter.clone(), errand.clone(), means.clone(), sender.clone());
            let (policy, mut open) = (self.policy, self.open.subscribe());
            tokio::spawn(async move {
                let called = async {
                    means.work.wait(wait).await;
                    quoter.call(&errand, &means, policy).await
                };
                tokio::select! {
                    (outcome, attempts, offer) = called => {
                        let _ = sender.send((place, outcome, attempts, offer)); // nobody may wait any more
                    }
                    _ = open.changed() => {}
                }
            });
        }
        drop(sender);
        let enough = self.policy.quorum.unwrap_or(usize::MAX);
        let (mut best, mut failed_fast): (Option<Offer>, bool) = (None, false);
        let collect = async {
            let mut offers = 0;
            while offers < enough {
                let Some((quoter, outcome, attempts, offer)) = answers.recv().await else { break };
                calls[quoter].outcome = outcome;
                calls[quoter].attempts = attempts;
                match offer {
                    Some((out_amount, age)) => {
                        offers += 1;
                        if best.as_ref().is_none_or(|b| out_amount > b.out_amount) {
                            best = Some(Offer { quoter, out_amount, age });
                        }
                    }
                    None if self.policy.fail_fast => {
                        failed_fast = true;
                        break;
                    }
                    None => {}
                }
            }
        };
        within(self.policy.deadline, collect).await;
        Asked { best, calls, failed_fast }
    }
}

/// An output amount and the age of its price.
type Priced = (u64, Duration);

impl Quoter {
    /// How long to wait before asking; the error is why it is not asked.
    fn admit(&self, now: Offset) -> Result<Duration, Outcome> {
        if self.patience.is_closed(now) {
            return Err(Outcome::Paused);
        }
        self.limiter.reserve(now).ok_or(Outcome::Skipped)
    }

    /// Asks until there is an offer or no retry is left: the last outcome, the requests sent, the offer.
    async fn call(&self, errand: &Errand, means: &Means, policy: Policy) -> (Outcome, u32, Option<Priced>) {
        let pair = &errand.pair;
        let question = Question {
            input: &pair.input,
            output: &pair.output,
            input_token: pair.input_token,
            output_token: pair.output_token,
            amount: errand.amount,
            slippage_bps: errand.slippage_bps,
        };
        let path = self.dialect.path(&question);
        let all = &means.instruments;
        let [input, output] = pair.labels(all);
        let labels = [self.label.as_str(), input, output];
        let (success, errors) = (all.external_success.with(labels), all.external_errors.with(labels));
        self.patience.call();
        for attempt in 1.. {
            all.external_requests.with(labels).inc();
            let sent = means.clock.now();
            let parent = errand.trace.map(|trace| child(pair.seed, trace, &self.label, attempt));
            let reply = within(policy.timeout, self.client.get(&path, parent.as_deref())).await;
            let now = means.clock.now();
            all.external_duration.with(labels).observe_duration(now.since(sent));
            if let (true, Some(length)) = (policy.retry_after, asks_to_wait(&reply, means.clock.wall_nanos(now))) {
                self.patience.close(now, length);
            }
            let (outcome, offer) = self.read(reply, &question, policy, now);
            if let Some((out_amount, _)) = offer {
                success.inc();
                self.failed.store(0, Relaxed);
                all.external_output_amount.with(labels).observe(out_amount as f64);
                return (outcome, attempt, offer);
            }
            errors.inc();
            match outcome {
                Outcome::RateLimited => self.limit_errors.inc(), // it is there, and says no
                _ => _ = self.failed.fetch_add(1, Relaxed),
            }
            let draw = || {
                let trace = errand.trace.map_or([0; 16], |t| t.0);
                let amount = errand.amount.to_le_bytes();
                pair.seed.decide(&[b"backoff", &trace, self.label.as_bytes(), &amount, &attempt.to_le_bytes()])
            };
            let Some(wait) = self.again(attempt, policy, now, draw) else {
                return (outcome, attempt, None);
            };
            tokio::time::sleep(wait).await;
        }
        (Outcome::TimedOut, u32::MAX, None) // four thousand million attempts later
    }

    /// How long to wait before sending again what failed at `attempt`; `None` when it is not sent again.
    fn again(&self, attempt: u32, policy: Policy, now: Offset, draw: impl FnOnce() -> u64) -> Option<Duration> {
        if attempt > policy.retries || self.patience.is_closed(now) {
            return None;
        }
        if policy.retry_budget.is_some_and(|share| !self.patience.spend(share)) {
            return None;
        }
        let Some(first) = policy.backoff else { return Some(Duration::ZERO) };
        let turn = self.limiter.reserve(now)?;
        Some(turn.max(retry::pause(first, attempt, draw())))
    }

    fn read(
        &self,
        reply: Option<Result<Reply, Broken>>,
        question: &Question<'_>,
        policy: Policy,
        now: Offset,
    ) -> (Outcome, Option<Priced>) {
        let reply = match reply {
            None => return (Outcome::TimedOut, None),
            Some(Err(Broken::Connect)) => return (Outcome::Connect, None),
            Some(Err(Broken::Exchange)) => return (Outcome::Broken, None),
            Some(Ok(reply)) => reply,
        };
        let read = match reply.status {
            429 => return (Outcome::RateLimited, None),
            200 if policy.validate => self.dialect.read(reply.media.as_deref(), &reply.body, question),
            200 => Some(self.dialect.believe(&reply.body, question)),
            _ => return (Outcome::Refused, None),
        };
        let Some(read) = read else { return (Outcome::Garbage, None) };
        let age = read.slot.map_or(Duration::ZERO, |slot| self.freshness.age(slot, now));
        match policy.max_age {
            Some(oldest) if age > oldest => (Outcome::Stale, None),
            _ => (Outcome::Answered, Some((read.out_amount, age))),
        }
    }
}

/// How long a reply asks to be left alone, if it does.
fn asks_to_wait(reply: &Option<Result<Reply, Broken>>, wall: i64) -> Option<Duration> {
    let Some(Ok(reply)) = reply else { return None };
    let value = reply.retry_after.as_deref().filter(|_| matches!(reply.status, 429 | 503))?;
    retry::after(value, wall)
}

/// The `traceparent` of a request to a quoter: the same trace, a span of its own.
fn child(seed: Seed, trace: TraceId, quoter: &str, attempt: u32) -> String {
    let span = seed.decide(&[b"span", &trace.0, quoter.as_bytes(), &attempt.to_le_bytes()]).max(1);
    format!("00-{trace}-{span:016x}-01")
}

/// What `future` yields, if it does so within `limit`.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
