//! The settings of the trading platform.

use std::time::Duration;

use crate::base::law::Law;
use crate::base::units::{Rate, Share};

use super::state::State;
use super::truth::Truth;

/// How the platform behaves. The defaults are those of a healthy one; what plants a defect is off.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of 127.0.0.1 of the first service, and the next ones of the others; 0 takes free ones.
    pub ports: u16,
    /// Where lengths of time and failures are drawn from.
    pub seed: u64,
    /// Where the cluster is; `None` where there is none: then no signals come in and no effects go out.
    pub kafka: Option<String>,
    /// How long the start may wait for the dispatcher's partitions.
    pub patience: Duration,
    /// No simulated delay at all: as fast as it can be.
    pub no_delay: bool,
    /// Whether counters are on the pages before there is anything to count.
    pub born_at_zero: bool,
    /// Where a record of each deed goes.
    pub truth: Truth,

    /// Whether the API asks for a bearer token.
    pub auth: bool,
    /// What a login must say; `None` takes any password, and none.
    pub password: Option<String>,
    /// How long a token is good for.
    pub token_life: Duration,
    /// Connections to the database.
    pub db_pool: usize,
    /// How long after an execution was taken on its 202 goes out.
    pub accept_delay: Duration,
    /// Every so manieth 202 says no id; 0 for none.
    pub drop_id_every: u64,
    /// Whether an execution that is asked for over HTTP is skipped when its pipeline is running.
    pub skip_manual: bool,
    /// So many executions that are over are remembered.
    pub history: usize,
    /// Who is told of executions that are over.
    pub webhook: Option<String>,

    /// Pipelines that there are.
    pub pipelines: usize,
    /// How often pipelines run by themselves, all together; 0 for never.
    pub periodic: Rate,
    /// Tasks that are worked on at a time.
    pub concurrency: usize,
    /// The median of a task's length.
    pub service_p50: Duration,
    /// The 95th percentile of a task's length.
    pub service_p95: Duration,
    /// The share of attempts at a task that fail.
    pub task_failures: Share,
    /// How often a task is tried again.
    pub retries: u32,
    /// How long it waits before.
    pub retry_delay: Duration,
    /// The share of executions that are monitored for a while before they are over.
    pub monitoring: Share,
    /// For how long.
    pub monitoring_time: Duration,
    /// The share of executions that are paused for as long while they are monitored.
    pub paused: Share,
    /// The share of executions that wait for an approval before they run.
    pub approvals: Share,
    /// For how long.
    pub approval_time: Duration,
    /// The share of executions that are cancelled.
    pub cancelled: Share,
    /// The share of executions that lose touch with the broker who trades.
    pub communication_errors: Share,
    /// The share of executions whose books do not agree.
    pub reconciliations: Share,
    /// So many workers never finish the task that they take up.
    pub stuck_worker: usize,
    /// After so many tasks that they did finish, each.
    pub stuck_after: u64,

    /// Signals in a batch, at most.
    pub batch: usize,
    /// How long a batch waits for the next signal after its first.
    pub batch_wait: Duration,
    /// How often the cache of pipelines is read anew.
    pub cache_refresh: Duration,
    /// Whether a pipeline that is running is left alone.
    pub skip_running: bool,
    /// Whether a signal that comes again is known again.
    pub dedupe: bool,
    /// Which states of an execution are told to the topic of effects.
    pub announce: Announce,
    /// Every so manieth signal is lost; 0 for none.
    pub lose_every: u64,
    /// So many signals are lost at each rebalance.
    pub lose_on_rebalance: u64,
    /// Every so manieth start is made twice; 0 for none.
    pub duplicate_every: u64,
    /// Every so manieth signal is overtaken by the next of its key; 0 for none.
    pub reorder_every: u64,
    /// Signals taken up per second, at most; `None` for no limit.
    pub slow_drain: Option<Rate>,
    /// How often the dispatcher leaves its group and joins it again.
    pub rebalance_every: Option<Duration>,

    /// Signals that the generator makes per second.
    pub signals: Rate,
}

/// Which states of an execution are told to the topic of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// The last one.
    End,
    /// That it was enqueued.
    Start,
    /// Each.
    All,
}

impl Announce {
    /// All of them, by their words.
    const WORDS: [(&'static str, Announce); 3] =
        [("end", Announce::End), ("start", Announce::Start), ("all", Announce::All)];

    /// As a setting says it.
    pub fn word(self) -> &'static str {
        Announce::WORDS.iter().find(|(_, announce)| *announce == self).map_or("end", |(word, _)| word)
    }

    /// The error says which there are.
    pub fn parse(text: &str) -> Result<Announce, String> {
        let found = Announce::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, announce)| *announce).ok_or_else(|| format!("`{text}` is none of end, start, all"))
    }

    /// Whether a state is told; `attempts` at the execution have begun so far.
    pub fn tells(self, state: State, attempts: u32) -> bool {
        match self {
            Announce::End => state.is_terminal(),
            Announce::Start => state == State::Pending && attempts == 0,
            Announce::All => true,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ports: 0,
            seed: 1,
            kafka: None,
            patience: Duration::from_secs(15),
            no_delay: false,
            born_at_zero: true,
            truth: Truth::Off,
            auth: true,
            password: None,
            token_life: Duration::from_secs(3600),
            db_pool: 20,
            accept_delay: Duration::ZERO,
            drop_id_every: 0,
            skip_manual: false,
            history: 100_000,
            webhook: None,
            pipelines: 40,
            periodic: Rate(0),
            concurrency: 16,
            service_p50: Duration::from_millis(200),
            service_p95: Duration::from_millis(800),
            task_failures: Share::NONE,
            retries: 2,
            retry_delay: Duration::from_millis(200),
            monitoring: Share::NONE,
            monitoring_time: Duration::from_millis(300),
            paused: Share::NONE,
            approvals: Share::NONE,
            approval_time: Duration::from_millis(300),
            cancelled: Share::NONE,
            communication_errors: Share::NONE,
            reconciliations: Share::NONE,
            stuck_worker: 0,
            stuck_after: 0,
            batch: 20,
            batch_wait: Duration::from_millis(500),
            cache_refresh: Duration::from_secs(30),
            skip_running: true,
            dedupe: true,
            announce: Announce::End,
            lose_every: 0,
            lose_on_rebalance: 0,
            duplicate_every: 0,
            reorder_every: 0,
            slow_drain: None,
            rebalance_every: None,
            signals: Rate(0),
        }
    }
}

impl Options {
    /// How long a task takes.
    pub(super) fn service(&self) -> Law {
        if self.no_delay {
            return Law::Fixed(Duration::ZERO);
        }
        Law::Quantiles(vec![(0.5, self.service_p50), (0.95, self.service_p95.max(self.service_p50))])
    }

    /// How long a query to the database takes.
    pub(super) fn query(&self) -> Law {
        if self.no_delay {
            return Law::Fixed(Duration::ZERO);
        }
        Law::Quantiles(vec![(0.5, Duration::from_micros(800)), (0.99, Duration::from_millis(6))])
    }

    /// What becomes of executions that do not complete, each with the share of it.
    pub(super) fn endings(&self) -> [(State, Share); 3] {
        [
            (State::Cancelled, self.cancelled),
            (State::CommunicationError, self.communication_errors),
            (State::NeedsReconciliation, self.reconciliations),
        ]
    }
}
