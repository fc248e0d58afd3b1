//! Starts the workers that send a plan. Each has a thread and a runtime of its own and shares nothing with the rest of
//! the run but counters and the channel on which it reports.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

use super::bearer::Keeper;
use super::pipeline::Meeting;
use super::{signal, worker};
use crate::base::net::Address;
use crate::base::time::Clock;
use crate::base::trace::Tracer;
use crate::evidence::counters::Counters;
use crate::evidence::recorder::Batch;
use crate::plan::Plan;
use crate::scenario::Scenario;

/// How nice a sender is to other threads of this machine, where the system lets it choose.
pub const PRECEDENCE: i32 = -10;
/// After so many tasks a worker looks for new replies and due shots: about a tenth of a millisecond of work.
const EVENTS: u32 = 24;

/// All that senders need.
pub struct Setup {
    /// What to send.
    pub scenario: Arc<Scenario>,
    /// When.
    pub plan: Arc<Plan>,
    /// Where to: services by name, each with its addresses, of which there is at least one.
    pub services: Vec<(String, Vec<Address>)>,
    /// Where clients find each Kafka cluster: name and HOST:PORT, separated by commas.
    pub kafka: Vec<(String, String)>,
    /// Values of secrets by name.
    pub secrets: Vec<(String, String)>,
    /// Who keeps the tokens that requests carry, by traffic.
    pub keepers: Vec<(String, Arc<Keeper>)>,
    /// Where what is told of pipelines meets their shots, by traffic.
    pub meetings: Vec<(String, Arc<Meeting>)>,
    /// Writes trace ids.
    pub tracer: Tracer,
    /// The axis.
    pub clock: Clock,
    /// Connections per service at the most.
    pub connections: usize,
    /// How many workers; at least one.
    pub workers: usize,
    /// Shared counts.
    pub counters: Arc<Counters>,
    /// Where reports go.
    pub reports: mpsc::UnboundedSender<Batch>,
    /// Turns true when no further shot is to be taken up.
    pub stop: watch::Receiver<bool>,
}

/// The workers of a run.
pub struct Senders(Vec<thread::JoinHandle<io::Result<()>>>);

/// Starts sending, signals by threads of their own. Each worker ends when every shot of its share is over or the drain
/// has lasted for the timeout.
pub fn spawn(setup: Setup, signals: Vec<signal::Opened>) -> io::Result<Senders> {
    let setup = Arc::new(setup);
    let signals = signals.into_iter().zip(setup.workers.max(1)..);
    let mut all = signals.map(|(opened, index)| opened.spawn(&setup, index)).collect::<io::Result<Vec<_>>>()?;
    let start = |index: usize| {
        let setup = setup.clone();
        thread::Builder::new().name(format!("sender-{index}")).spawn(move || {
            // Ahead of whoever else wants the core, where we are allowed to be: it sleeps most of the time, and when
            // it wakes late, what it measures is worth less.
            let _ = rustix::process::setpriority_process(None, PRECEDENCE);
            let runtime = Builder::new_current_thread()
                .enable_all()
                .event_interval(EVENTS)
                .build_local(LocalOptions::default())?;
            let ended = runtime.block_on(worker::run(&setup, index, setup.workers));
            // Without waiting for a resolver that is still looking up a name.
            runtime.shutdown_background();
            ended
        })
    };
    for index in 0..setup.workers.max(1) {
        all.push(start(index)?);
    }
    Ok(Senders(all))
}

impl Senders {
    /// Waits until all have ended: the first error, or the first panic.
    pub fn join(self) -> thread::Result<io::Result<()>> {
        let mut all = Ok(Ok(()));
        for worker in self.0 {
            let ended = worker.join();
            if matches!(all, Ok(Ok(()))) {
                all = ended;
            }
        }
        all
    }
}
