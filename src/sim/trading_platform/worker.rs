//! The workers: they take tasks up in the order in which these were lined up, try them, and try them again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use crate::base::law::Law;
use crate::base::time::monotonic;

use super::db::Busy;
use super::instruments::Attempt;
use super::platform::{Execution, Platform};
use super::state::State;
use super::truth::Deed;

/// The tasks that wait.
pub type Queue = Arc<Mutex<mpsc::UnboundedReceiver<u64>>>;

/// One worker.
pub struct Worker {
    platform: Arc<Platform>,
    law: Arc<Law>,
    stuck_after: Option<u64>,
}

impl Worker {
    /// The `n`-th of them.
    pub fn new(platform: Arc<Platform>, law: Arc<Law>, n: usize) -> Worker {
        let stuck_after = (n < platform.options.stuck_worker).then_some(platform.options.stuck_after);
        Worker { platform, law, stuck_after }
    }

    /// Works for ever.
    pub async fn work(self, queue: Queue) {
        let mut done = 0;
        loop {
            let Some(number) = queue.lock().await.recv().await else { return };
            self.platform.worker.queue.add(-1.0);
            if self.stuck_after == Some(done) {
                self.hang(number).await;
            }
            self.take_up(number).await;
            done += 1;
        }
    }

    /// A task that nobody will finish: the execution runs for ever.
    async fn hang(&self, number: u64) {
        self.platform.becomes(number, State::Running);
        self.platform.log.write(|| Deed::Stuck { execution: self.platform.id(number) });
        let _busy = Busy::new(&self.platform.worker.active);
        std::future::pending::<()>().await;
    }

    async fn take_up(&self, number: u64) {
        let platform = &self.platform;
        let Some(execution) = platform.get(number) else { return };
        if execution.skip {
            platform.becomes(number, State::Skipped);
            return;
        }
        let options = &platform.options;
        let asks = execution.state == State::Pending && execution.attempts == 0;
        if asks && platform.chance("approval", number, 0, options.approvals) {
            platform.becomes(number, State::AwaitingApproval);
            self.later(options.approval_time, move |platform| platform.queue(number));
            return;
        }
        let Some(execution) = platform.becomes(number, State::Running) else { return };
        let from = monotonic();
        let failed = {
            let _busy = Busy::new(&platform.worker.active);
            platform.db.query("select_pipeline").await;
            tokio::time::sleep(self.law.at(platform.draw("service", number, execution.attempts))).await;
            platform.db.query("update_execution").await;
            platform.chance("failure", number, execution.attempts, options.task_failures)
        };
        let attempt = match failed {
            false => Attempt::Success,
            true if execution.attempts <= options.retries => Attempt::Retry,
            true => Attempt::Failure,
        };
        platform.worker.attempted(attempt, Duration::from_nanos(monotonic() - from));
        match attempt {
            Attempt::Success => self.done(&execution),
            Attempt::Failure => _ = platform.becomes(number, State::Failed),
            Attempt::Retry => {
                platform.log.write(|| Deed::Retried { execution: platform.id(number) });
                platform.becomes(number, State::Pending);
                self.later(options.retry_delay, move |platform| platform.queue(number));
            }
        }
    }

    /// The task is done; the execution is over, or is looked after for a while.
    fn done(&self, execution: &Execution) {
        let (platform, number) = (&self.platform, execution.number);
        let options = &platform.options;
        let mut at = platform.draw("ending", number, 0);
        let otherwise = options.endings().into_iter().find(|(_, share)| {
            at -= share.fraction();
            at < 0.0
        });
        let end = otherwise.map_or(State::Completed, |(state, _)| state);
        if !platform.chance("monitoring", number, 0, options.monitoring) {
            platform.becomes(number, end);
            return;
        }
        platform.becomes(number, State::Monitoring);
        let time = options.monitoring_time;
        if platform.chance("pause", number, 0, options.paused) {
            self.later(time, move |platform| _ = platform.becomes(number, State::Paused));
            self.later(time * 2, move |platform| _ = platform.becomes(number, end));
        } else {
            self.later(time, move |platform| _ = platform.becomes(number, end));
        }
    }

    /// Does something after a while, without a worker being held by it.
    fn later(&self, wait: Duration, deed: impl FnOnce(&Platform) + Send + 'static) {
        let platform = self.platform.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            deed(&platform);
        });
    }
}
