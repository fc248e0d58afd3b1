//! The shape of a scenario file, key by key. What is written here is read, refused and put into the JSON Schema;
//! whether it makes sense is decided in [`check`](super::check).

mod alerts;
mod capacity;
mod contract;
mod effects;
mod fault;
mod inject;
mod kafka;
mod load;
mod login;
mod nats;
mod outside;
mod pipeline;
mod reconcile;
mod replay;
mod request;
mod servers;
mod sign;
mod signal;
mod slo;
mod suite;
mod target;
mod traffic;
mod value;
mod world;

use std::time::Duration;

pub use alerts::{Alerts, Expected, Live, Rules};
pub use capacity::Capacity;
pub use contract::{Cardinality, Contract, Probe, ScrapeLimits, Severities};
pub use effects::{Effects, States};
pub use fault::{Fault, Match, Ramp, Repeat, When};
pub use inject::{
    Aged, Corrupt, DockerAction, Inject, Kill, Latency, LatencyMap, Per, RequestErrors, ResetAt, RetryAfter, Slicer,
    Stream, Throttle, Truncate,
};
pub use kafka::{EmbeddedCluster, Kafka, KafkaSecurity, KafkaTopic, SaslMechanism};
pub use load::Segment;
pub use login::Login;
pub use nats::{NatsEffects, NatsLogin, NatsPublish, NatsStates};
pub use outside::{Law, LawKind, Link, StubReply, Upstream};
pub use pipeline::{Every, Follow, KafkaStates, Pipeline, Polling, StateNames, Webhook};
pub use reconcile::{Count, Latency as TimedBy, Ratio, Reconcile, Timeouts, Unit};
pub use replay::Replay;
pub use request::{Capture, Expects, Header, Json, OneOrMany, Secret, Step, Until};
pub use servers::{Alertmanager, Basic, Prometheus};
pub use sign::{Coding, Sign};
pub use signal::{Acks, Produce, Signal};
pub use slo::{Abort, Promise, Severity};
pub use suite::{OnFailure, Suite};
pub use target::{Addresses, Reuse, Target, TargetMap, Tls, Version};
pub use traffic::{Amount, Arrivals, Class, Flow, Popularity, Quote, Traffic};
pub use value::{Choice, Feed, Pick, Value};
pub use world::{Action, Call, Hook, Program};

use super::shape::{At, Names};
use crate::base::units::Share;

record! {
    /// A Proofload scenario: traffic, faults, and the promises they must not break.
    pub struct Root {
        /// Version of the language; 1.
        proofload: At<u64>,
        /// What the run is called in reports; the file's name when left out.
        name: Option<At<String>>,
        /// Chooses the plan and every fault decision; 1 when left out.
        seed: Option<At<u64>>,
        /// What is under test: `sim:quote-service`, an address, or a mapping.
        target: Target,
        /// Stub quoters: the outside world that the service under test calls.
        upstreams: Option<Names<Upstream>>,
        /// TCP proxies between the service under test and what it depends on.
        links: Option<Names<Link>>,
        /// Kafka clusters, embedded or real.
        kafka: Option<At<Names<Kafka>>>,
        /// What is sent.
        traffic: At<Names<Traffic>>,
        /// What is watched.
        observe: Option<Observe>,
        /// What the pages of jobs, and the probes beside them, must be, by job.
        contract: Option<Names<Contract>>,
        /// Processes that the run starts, and that faults can act on.
        processes: Option<At<Names<Program>>>,
        /// How to break and mend what we do not know.
        hooks: Option<At<Names<Hook>>>,
        /// What breaks, and when.
        faults: Option<Names<Fault>>,
        /// What ends the experiment early.
        abort_when: Option<At<Vec<Abort>>>,
        /// The promises.
        slo: Option<Vec<Promise>>,
        /// The target's own alert rules.
        alerts: Option<At<Alerts>>,
        /// What the target's metrics must agree on with us.
        reconcile: Option<At<Reconcile>>,
        /// What the generator itself must keep for its word to count.
        fitness: Option<Fitness>,
        /// Caps on what the scenario may do.
        limits: Option<Limits>,
        /// A search for the highest rate at which all critical promises hold, instead of one run.
        capacity: Option<At<Capacity>>,
    }
}

record! {
    /// What is watched.
    pub struct Observe {
        /// Pages of metrics, by job name.
        jobs: Option<Names<Job>>,
        /// A Prometheus server that watches the target too.
        prometheus: Option<Prometheus>,
        /// The Alertmanager that sends its alerts on.
        alertmanager: Option<Alertmanager>,
    }
}

record! {
    /// A page of metrics.
    pub struct Job {
        /// A path on the target, or an address.
        metrics: At<String>,
        /// How often; 1s when left out, not below 200ms.
        every: Option<At<Duration>>,
        /// How long a scrape may take; `every` when left out.
        timeout: Option<At<Duration>>,
        /// Which service, where there are several.
        to: Option<At<String>>,
        /// Labels that every series of the job gets.
        labels: Option<Names<At<String>>>,
    }
}

record! {
    /// What the generator itself must keep for its word to count.
    pub struct Fitness {
        /// Later than this, a shot was late by our fault; by default 1ms or a tenth of the tightest latency promise.
        lag: Option<At<Duration>>,
        /// The most of a core that a sender may use; 90% when left out.
        cpu: Option<At<Share>>,
        /// How closely due times are kept, and at what price: eco, balanced (default) or exact.
        precision: Option<At<Precision>>,
        /// How many threads send, 1 to 64; decided by the plan when left out.
        workers: Option<At<u64>>,
    }
}

choice! {
    /// How closely due times are kept, and at what price.
    pub enum Precision {
        /// Timers only: the least CPU, the most lag.
        Eco = "eco",
        /// Timers with a short spin before a due time.
        Balanced = "balanced",
        /// Spins: the least lag, a whole core for each sender.
        Exact = "exact",
    }
}

record! {
    /// Caps on what the scenario may do.
    pub struct Limits {
        /// How many faults at once; 4 when left out.
        faults: Option<At<u64>>,
        /// The largest share a fault may have; 100% when left out.
        share: Option<At<Share>>,
        /// The longest a fault may last, whatever happens; 10m when left out.
        ttl: Option<At<Duration>>,
    }
}
