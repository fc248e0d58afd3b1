//! Every metric of the four services, as their owners' design note documents or queries them. Where the note leaves
//! labels or buckets open, the choice is said here; what is not the note's says so.

use crate::base::time::wall;
use crate::sim::metrics::{Counter, Family, Gauge, Histogram, Registry};

use super::options::Options;
use super::pipelines::{Pipelines, SIGNAL_TYPES};
use super::state::{State, Trigger};

/// Of requests, queries and publishing: OpenTelemetry's own, in seconds.
const LATENCY: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Of executions, in seconds: those of the code behind the note. Its promise of 10 s lies on an edge.
const EXECUTION: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Of tasks, in seconds; tasks here are shorter than real ones.
const TASK: &[f64] = &[0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Of queries, in seconds.
const QUERY: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Of the number of signals in a batch. The code behind the note has its default latency buckets here, which say nothing
/// of numbers; the note asks only for the mean.
const BATCH: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 50.0, 100.0];

/// The one kind of task that workers know.
const TASK_NAME: &str = "execute_pipeline";

/// What a page begins with, whoever's it is.
fn begin() -> Registry {
    let mut registry = Registry::default();
    let start = registry.gauge("process_start_time_seconds", "When the process started, in Unix time");
    start.set(wall() as f64 / 1e9);
    registry
}

/// The metrics of executions. Each execution is counted once: by the backend if it was asked for over HTTP, by the worker
/// if a signal or the clock started it.
#[derive(Clone)]
pub struct Executions {
    total: Family<Counter, 3>,
    duration: Family<Histogram, 2>,
}

impl Executions {
    fn new(registry: &mut Registry, pipelines: &Pipelines, options: &Options, triggers: &[Trigger]) -> Executions {
        let all = Executions {
            total: registry.counters(
                "pipeline_executions_total",
                "Executions that are over, by how they ended",
                ["status", "pipeline_id", "trigger_mode"],
            ),
            duration: registry.histograms(
                "pipeline_execution_duration_seconds",
                "From the start of an execution to its end",
                ["status", "pipeline_id"],
                EXECUTION,
            ),
        };
        for n in (0..pipelines.count()).filter(|_| options.born_at_zero) {
            // Every end that there is: the first of one that was not on the page would be invisible to `rate`.
            for status in State::OVER.into_iter().filter_map(State::label) {
                triggers.iter().for_each(|trigger| _ = all.total.with([status, &pipelines.id(n), trigger.label()]));
            }
        }
        all
    }

    /// An execution is over.
    pub fn over(&self, status: &str, pipeline: &str, trigger: Trigger, took: std::time::Duration) {
        self.total.with([status, pipeline, trigger.label()]).inc();
        self.duration.with([status, pipeline]).observe_duration(took);
    }
}

/// The backend's.
pub struct Backend {
    /// `http_server_request_duration_seconds{http_method, http_route, http_status_code}`.
    pub requests: Family<Histogram, 3>,
    /// `http_server_active_requests`.
    pub active: Gauge,
    /// `db_query_duration_seconds{operation}`.
    pub queries: Family<Histogram, 1>,
    /// `db_active_connections`.
    pub connections: Gauge,
    /// Of executions that were asked for over HTTP.
    pub executions: Executions,
}

impl Backend {
    /// Declares them.
    pub fn new(pipelines: &Pipelines, options: &Options) -> (Backend, Registry) {
        let mut registry = begin();
        let all = Backend {
            requests: registry.histograms(
                "http_server_request_duration_seconds",
                "From a request to its answer",
                ["http_method", "http_route", "http_status_code"],
                LATENCY,
            ),
            active: registry.gauge("http_server_active_requests", "Requests under way"),
            queries: registry.histograms(
                "db_query_duration_seconds",
                "How long queries take, the wait for a connection included",
                ["operation"],
                QUERY,
            ),
            connections: registry.gauge("db_active_connections", "Connections to the database that are in use"),
            executions: Executions::new(&mut registry, pipelines, options, &[Trigger::Manual]),
        };
        (all, registry)
    }
}

/// The worker's.
pub struct Worker {
    tasks: Family<Counter, 2>,
    duration: Histogram,
    /// `celery_active_tasks`.
    pub active: Gauge,
    /// `celery_queue_length`: tasks that wait. Not the note's.
    pub queue: Gauge,
    /// Of executions that a signal or the clock started.
    pub executions: Executions,
}

/// How an attempt at a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Well.
    Success,
    /// It is made again.
    Retry,
    /// It was the last.
    Failure,
}

impl Attempt {
    fn label(self) -> &'static str {
        match self {
            Attempt::Success => "SUCCESS",
            Attempt::Retry => "RETRY",
            Attempt::Failure => "FAILURE",
        }
    }
}

impl Worker {
    /// Declares them.
    pub fn new(pipelines: &Pipelines, options: &Options) -> (Worker, Registry) {
        let mut registry = begin();
        let duration =
            registry.histograms("celery_task_duration_seconds", "How long an attempt at a task takes", ["task"], TASK);
        let all = Worker {
            tasks: registry.counters("celery_tasks_total", "Attempts at tasks, by how they ended", ["task", "state"]),
            duration: duration.with([TASK_NAME]),
            active: registry.gauge("celery_active_tasks", "Tasks that are worked on"),
            queue: registry.gauge("celery_queue_length", "Tasks that wait for a worker"),
            executions: Executions::new(&mut registry, pipelines, options, &[Trigger::Signal, Trigger::Periodic]),
        };
        for attempt in [Attempt::Success, Attempt::Retry, Attempt::Failure] {
            if options.born_at_zero {
                all.tasks.with([TASK_NAME, attempt.label()]);
            }
        }
        (all, registry)
    }

    /// An attempt is over.
    pub fn attempted(&self, attempt: Attempt, took: std::time::Duration) {
        self.tasks.with([TASK_NAME, attempt.label()]).inc();
        self.duration.observe_duration(took);
    }
}

/// What the generator calls itself where a signal says who made it.
pub const GENERATOR: &str = "signal-generator";

/// The generator's.
pub struct Generator {
    /// `signals_generated_total{signal_type, source}`.
    pub generated: Family<Counter, 2>,
    /// `signal_generation_duration_seconds{generator}`.
    pub generation: Family<Histogram, 1>,
    /// `kafka_publish_duration_seconds{signal_type}`.
    pub publishing: Family<Histogram, 1>,
    /// `kafka_publish_success_total{signal_type}`.
    pub published: Family<Counter, 1>,
    /// `kafka_publish_failure_total{signal_type, error_type}`.
    pub failed: Family<Counter, 2>,
}

impl Generator {
    /// Declares them.
    pub fn new(options: &Options) -> (Generator, Registry) {
        let mut registry = begin();
        let all = Generator {
            generated: registry.counters(
                "signals_generated_total",
                "Signals that were made",
                ["signal_type", "source"],
            ),
            generation: registry.histograms(
                "signal_generation_duration_seconds",
                "How long it takes to make a signal",
                ["generator"],
                LATENCY,
            ),
            publishing: registry.histograms(
                "kafka_publish_duration_seconds",
                "From a signal's way to Kafka to Kafka's word for it",
                ["signal_type"],
                LATENCY,
            ),
            published: registry.counters("kafka_publish_success_total", "Signals that Kafka has", ["signal_type"]),
            failed: registry.counters(
                "kafka_publish_failure_total",
                "Signals that Kafka would not take",
                ["signal_type", "error_type"],
            ),
        };
        for kind in SIGNAL_TYPES.into_iter().filter(|_| options.born_at_zero) {
            all.generated.with([kind, GENERATOR]);
            all.generation.with([kind]);
            all.publishing.with([kind]);
            all.published.with([kind]);
            all.failed.with([kind, "timeout"]);
        }
        (all, registry)
    }
}

/// The dispatcher's.
pub struct Dispatcher {
    /// `signals_consumed_total`.
    pub consumed: Counter,
    /// `pipelines_matched_total`.
    pub matched: Counter,
    /// `pipelines_enqueued_total`.
    pub enqueued: Counter,
    /// `pipelines_skipped_running_total`.
    pub skipped: Counter,
    /// `batch_size`.
    pub batch: Histogram,
    /// `batch_processing_duration_seconds`.
    pub processing: Histogram,
    /// `pipeline_cache_size`.
    pub cache: Gauge,
    /// `kafka_consumer_lag_seconds`: how old the oldest signal of the last batch was. The note only asks for it.
    pub lag: Gauge,
    /// `signals_unmatched_total{source}`: signals that no pipeline waits for. Not the note's.
    pub unmatched: Family<Counter, 1>,
    /// `signals_skipped_running_total{source}`: signals all of whose pipelines were running. Not the note's.
    pub swallowed: Family<Counter, 1>,
    /// `signals_malformed_total`: messages that are no signals. Not the note's.
    pub malformed: Counter,
}

impl Dispatcher {
    /// Declares them.
    pub fn new() -> (Dispatcher, Registry) {
        let mut registry = begin();
        let all = Dispatcher {
            consumed: registry.counter("signals_consumed_total", "Signals that were taken from Kafka"),
            matched: registry.counter("pipelines_matched_total", "Pipelines that signals were for"),
            enqueued: registry.counter("pipelines_enqueued_total", "Pipelines that signals started"),
            skipped: registry.counter(
                "pipelines_skipped_running_total",
                "Pipelines that signals left alone because they were running",
            ),
            batch: registry.histogram("batch_size", "Signals in a batch", BATCH),
            processing: registry.histogram(
                "batch_processing_duration_seconds",
                "How long it takes to match and enqueue a batch",
                LATENCY,
            ),
            cache: registry.gauge("pipeline_cache_size", "Pipelines in the cache"),
            lag: registry.gauge("kafka_consumer_lag_seconds", "How old the oldest signal of the last batch was"),
            unmatched: registry.counters("signals_unmatched_total", "Signals that no pipeline waits for", ["source"]),
            swallowed: registry.counters(
                "signals_skipped_running_total",
                "Signals all of whose pipelines were running",
                ["source"],
            ),
            malformed: registry.counter("signals_malformed_total", "Messages that are no signals"),
        };
        for source in [GENERATOR, OTHERS] {
            all.unmatched.with([source]);
            all.swallowed.with([source]);
        }
        (all, registry)
    }
}

/// The label `source` of signals that somebody else made; theirs could be any number of names.
pub const OTHERS: &str = "other";
