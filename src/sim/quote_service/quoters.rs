//! The external quoters, asked side by side: each with its own rate limiter, timeout and retries, and a common
//! deadline and quorum after which nobody is waited for any longer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::time::Clock;
use crate::base::trace::TraceId;
use crate::base::units::Rate;
use crate::sim::metrics::{Counter, Histogram};

use super::client::{Broken, Client};
use super::dialect::{Dialect, Question};
use super::instruments::Instruments;
use super::limiter::Limiter;
use super::pairs::Pair;
use super::work::Work;

/// How quoters are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// For one request to one quoter, connecting included; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// For all of them together, limiters and retries included.
    pub deadline: Option<Duration>,
    /// How many answers are enough; `None` waits for everybody.
    pub quorum: Option<usize>,
    /// How often a failed request is sent again, at once and past the limiter: the naive way, which makes storms.
    pub retries: u32,
}

/// What became of asking one quoter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An offer.
    Answered,
    /// Not asked: our own limiter would have made it wait too long.
    Skipped,
    /// 429.
    RateLimited,
    /// Another status than 200.
    Refused,
    /// 200 without an offer.
    Garbage,
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
    served: Counter,
    limit_errors: Counter,
    limit_wait: Histogram,
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
                served: all.quotes_by_protocol.with([&label]),
                limit_errors: all.external_rate_limit_errors.with([&label]),
                limit_wait: all.external_rate_limit_wait.with([&label]),
                label,
            })
        };
        Quoters { list: upstreams.iter().map(quoter).collect(), policy, open: watch::Sender::new(()) }
    }

    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A quoter's name as in labels.
    pub fn label(&self, quoter: usize) -> &str {
        &self.list[quoter].label
    }

    /// Counts a quote served at a quoter's price.
    pub fn count_served(&self, quoter: usize) {
        self.list[quoter].served.inc();
    }

    /// Asks everybody whose limiter lets it, and comes back with the best offer as soon as enough have answered,
    /// all have, or the deadline has come. Who is late finishes alone and is still counted.
    pub async fn ask(&self, errand: &Errand, means: &Arc<Means>) -> (Option<Offer>, Vec<Call>) {
        let mut calls = Vec::with_capacity(self.list.len());
        let (sender, mut answers) = mpsc::unbounded_channel();
        for (place, quoter) in self.list.iter().enumerate() {
            let wait = quoter.limiter.reserve(means.clock.now());
            let outcome = if wait.is_some() { Outcome::Late } else { Outcome::Skipped };
            calls.push(Call { quoter: quoter.label.clone(), outcome, attempts: 0 });
            let Some(wait) = wait else {
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
                    (outcome, attempts, out_amount) = called => {
                        let _ = sender.send((place, outcome, attempts, out_amount)); // nobody may wait any more
                    }
                    _ = open.changed() => {}
                }
            });
        }
        drop(sender);
        let enough = self.policy.quorum.unwrap_or(usize::MAX);
        let mut best: Option<Offer> = None;
        let collect = async {
            let mut offers = 0;
            while offers < enough {
                let Some((quoter, outcome, attempts, offer)) = answers.recv().await else { break };
                calls[quoter].outcome = outcome;
                calls[quoter].attempts = attempts;
                if let Some(out_amount) = offer {
                    offers += 1;
                    if best.as_ref().is_none_or(|b| out_amount > b.out_amount) {
                        best = Some(Offer { quoter, out_amount });
                    }
                }
            }
        };
        within(self.policy.deadline, collect).await;
        (best, calls)
    }
}

impl Quoter {
    /// Asks until there is an offer or no retry is left: the last outcome, the requests sent, the offer.
    async fn call(&self, errand: &Errand, means: &Means, policy: Policy) -> (Outcome, u32, Option<u64>) {
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
        for attempt in 1.. {
            all.external_requests.with(labels).inc();
            let sent = means.clock.now();
            let parent = errand.trace.map(|trace| child(pair.seed, trace, &self.label, attempt));
            let reply = within(policy.timeout, self.client.get(&path, parent.as_deref())).await;
            all.external_duration.with(labels).observe_duration(means.clock.now().since(sent));
            let (outcome, offer) = self.read(reply, &question);
            if let Some(out_amount) = offer {
                success.inc();
                all.external_output_amount.with(labels).observe(out_amount as f64);
                return (outcome, attempt, offer);
            }
            errors.inc();
            if outcome == Outcome::RateLimited {
                self.limit_errors.inc();
            }
            if attempt > policy.retries {
                return (outcome, attempt, None);
            }
        }
        (Outcome::TimedOut, u32::MAX, None) // four thousand million attempts later
    }

    fn read(&self, reply: Option<Result<(u16, Bytes), Broken>>, question: &Question<'_>) -> (Outcome, Option<u64>) {
        match reply {
            None => (Outcome::TimedOut, None),
            Some(Err(Broken::Connect)) => (Outcome::Connect, None),
            Some(Err(Broken::Exchange)) => (Outcome::Broken, None),
            Some(Ok((429, _))) => (Outcome::RateLimited, None),
            Some(Ok((200, body))) => match self.dialect.amount(&body, question) {
                Some(out_amount) => (Outcome::Answered, Some(out_amount)),
                None => (Outcome::Garbage, None),
            },
            Some(Ok(_)) => (Outcome::Refused, None),
        }
    }
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
