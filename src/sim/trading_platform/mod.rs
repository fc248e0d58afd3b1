//! `sim:trading-platform`: pipelines that run when somebody asks for it over HTTP, or when a signal comes by Kafka. Four
//! services: a backend with the API, workers that execute pipelines, a generator of signals, and a dispatcher that holds
//! signals against the pipelines that wait for them. Their metrics are those of their owners' design note.
//!
//! Kafka is spoken as any client speaks it, over TCP, to whatever cluster `kafka` names. Nothing is diced that a real
//! platform would do by its work: a signal waits for its batch, a pipeline that is running is left alone, a task waits for
//! a worker. Known defects can be planted; how often each struck is in the truth log.

mod backend;
mod consumer;
mod db;
mod desk;
mod dispatcher;
mod ids;
mod instruments;
mod knobs;
mod options;
mod pipelines;
mod platform;
mod producer;
mod signal;
mod state;
mod tokens;
mod truth;
mod webhook;
mod worker;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::Producer;
use tokio::sync::{Mutex, mpsc, watch};

use super::Running;
use crate::base::seed::{Seed, Stream};
use crate::base::time::timer;

pub use consumer::{GROUP, SIGNALS};
pub use options::{Announce, Options};
pub use producer::EFFECTS;
pub use state::State;
pub use truth::{Deed, Ledger, Totals, Truth};

use backend::Backend;
use consumer::Taking;
use desk::{Desks, Plain, Service};
use dispatcher::Dispatcher;
use pipelines::Pipelines;
use platform::{Ends, Instruments, Platform};
use producer::Generator;
use state::Trigger;
use truth::Log;
use worker::Worker;

/// Its services, in the order of their ports; the names are those of the note's jobs.
pub const SERVICES: [&str; 4] = ["backend", "celery-worker", "signal-generator", "trigger-dispatcher"];
/// Its topics.
pub const TOPICS: [&str; 2] = [SIGNALS, EFFECTS];

/// How long effects wait for a cluster that is away.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the end waits for effects that are on their way.
const FLUSH: Duration = Duration::from_secs(2);

/// The dispatcher's pages: it is ready while it has partitions.
struct Group(Option<watch::Receiver<usize>>);

impl Service for Group {
    fn is_ready(&self) -> bool {
        self.0.as_ref().is_some_and(|partitions| *partitions.borrow() > 0)
    }
}

/// Starts it and comes back when all of it answers and the dispatcher has its partitions, or its patience is over. Fails
/// when a port is taken, the truth log cannot be made, or `kafka` is no address.
pub async fn start(options: Options) -> io::Result<Running> {
    let log = Log::open(&options.truth)?;
    let pipelines = Pipelines::new(options.pipelines);
    let (backend, backend_page) = instruments::Backend::new(&pipelines, &options);
    let (worker, worker_page) = instruments::Worker::new(&pipelines, &options);
    let (generator, generator_page) = instruments::Generator::new(&options);
    let (dispatcher, dispatcher_page) = instruments::Dispatcher::new();
    let (generator, dispatcher) = (Arc::new(generator), Arc::new(dispatcher));

    let (tasks, queue) = mpsc::unbounded_channel();
    let (effects, published) = mpsc::unbounded_channel();
    let (hooks, told) = mpsc::unbounded_channel();
    let ends = Ends {
        tasks,
        effects: options.kafka.is_some().then_some(effects),
        hooks: options.webhook.is_some().then_some(hooks),
    };
    let (kafka, patience) = (options.kafka.clone(), options.patience);
    let platform = Arc::new(Platform::new(options, pipelines, Instruments { backend, worker }, log, ends)?);
    let client = match &kafka {
        Some(address) => {
            let (member, partitions) = consumer::member(address).map_err(io::Error::other)?;
            let producer = producer::producer(address, PATIENCE).map_err(io::Error::other)?;
            Some((member, partitions, producer))
        }
        None => None,
    };

    let mut desks = Desks::new(platform.options.ports);
    let partitions = client.as_ref().map(|(_, partitions, _)| partitions.clone());
    let [at_backend, at_worker, at_generator, at_dispatcher] = SERVICES;
    desks.open(at_backend, Arc::new(Backend::new(platform.clone())), backend_page).await?;
    desks.open(at_worker, Arc::new(Plain), worker_page).await?;
    desks.open(at_generator, Arc::new(Plain), generator_page).await?;
    desks.open(at_dispatcher, Arc::new(Group(partitions.clone())), dispatcher_page).await?;

    let tasks = &mut desks.tasks;
    let (queue, law) = (Arc::new(Mutex::new(queue)), Arc::new(platform.options.service()));
    for n in 0..platform.options.concurrency {
        tasks.spawn(Worker::new(platform.clone(), law.clone(), n).work(queue.clone()));
    }
    if let Some(url) = platform.options.webhook.clone() {
        tasks.spawn(webhook::tell(platform.clone(), url, told));
    }
    if platform.options.periodic.0 > 0 {
        tasks.spawn(run_by_the_clock(platform.clone()));
    }
    let mut flush = None;
    if let Some((member, _, producer)) = client {
        let deciding = Dispatcher::new(platform.clone(), dispatcher.clone());
        tasks.spawn(Taking { platform: platform.clone(), member, dispatcher: deciding, metrics: dispatcher }.run());
        tasks.spawn(producer::publish(platform.clone(), producer.clone(), published));
        if let Some(generator) = Generator::new(&platform, producer.clone(), generator) {
            tasks.spawn(generator.run());
        }
        flush = Some(producer);
    }
    if let Some(mut partitions) = partitions {
        let _ = tokio::time::timeout_at(timer() + patience, partitions.wait_for(|count| *count > 0)).await;
    }
    let mut running = Running::new(desks.services, desks.tasks);
    running.closing = Some(Box::new(move || {
        if let Some(producer) = flush {
            let _ = producer.flush(FLUSH); // what the cluster does not take now is lost with it
        }
        platform.log.close()
    }));
    Ok(running)
}

/// Pipelines that run by themselves, one at each beat, whichever chance has it.
async fn run_by_the_clock(platform: Arc<Platform>) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / platform.options.periodic.hertz()));
    let mut chance: Stream = Seed(platform.options.seed).stream("periodic");
    loop {
        ticks.tick().await;
        let n = (chance.unit() * platform.pipelines.count() as f64) as usize % platform.pipelines.count();
        if platform.pipelines.is_active(n) {
            platform.start(n, Trigger::Periodic, None, "paper", platform.pipelines.ticker(n));
        }
    }
}
