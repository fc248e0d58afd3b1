//! What the user wants, made valid. A [`Scenario`] can only be made by [`read`], which reports every mistake of the
//! file at once; what comes out needs no further questions.

#[macro_use]
mod shape;
mod absorbed;
mod alerts;
mod bearer;
mod capacity;
mod check;
mod claim;
mod contract;
mod effect_claim;
mod effects;
mod fault;
mod flow;
mod inject;
pub mod kafka;
mod leak;
mod load;
mod locate;
mod nats;
mod notified;
mod part;
mod pipeline;
mod promise;
mod raw;
mod reconcile;
mod recording;
mod relative;
mod resent;
mod schema;
mod servers;
mod sign;
mod signal;
mod stub;
mod suite;
mod target;
mod template;
mod traffic;
mod value;
mod variant;
mod vars;
mod wire;
mod world;

use std::io;
use std::time::Duration;

pub use crate::base::mistake::{Mistake, Mistakes, Place};
pub use crate::base::timing::Timing;
pub use absorbed::Absorbed;
pub use alerts::{AlertClaim, Alerts, Live, Must, RuleFile, Semantics};
pub use bearer::Bearer;
pub use capacity::{Capacity, CapacityClaim, Without};
pub use check::{COMES_TO_KAFKA, FLEETS};
pub use claim::{Claim, Compare, Expectation, Filter, Measure, Promise, Quantile, Severity, Window};
pub use contract::{Cardinality, Contract, Probe, ScrapeLimits};
pub use effect_claim::{EffectClaim, EffectMeasure};
pub use effects::{Effects, Fate, Metric, Poll, Reading, Seen, States, Webhook};
pub use fault::{Fault, Match, On, Process, Ramp, Repeat, When};
pub use flow::{Branch, Capture, Flow, Method, Portion, ReplyPlace, Step, Test, Until};
pub use inject::{
    Corruption, DockerAction, HttpFault, Inject, KafkaFault, Keep, Per, ProcessFault, ResetAt, RetryAfter, Stream,
    Toxic,
};
pub use kafka::Kafka;
pub use leak::{Grower, LeakClaim, TARGET};
pub use load::{Arrivals, Segment, closed_connections};
pub use nats::Nats;
pub use notified::{Handled, Notified};
pub use part::{Part, Whose, part_name};
pub use pipeline::{Follow, ID, Leg, Pipeline, Polling, State, StateNames};
pub use reconcile::{Against, Check, Labels as ByLabels, Reconcile, Statuses, Subset, TimeUnit, Timeouts};
pub use recording::Recording;
pub use relative::{Margin, Relative};
pub use schema::schema;
pub use servers::{Alertmanager, Login, Prometheus, Server, Source};
pub use sign::{Coding, Sign, SignPlace};
pub use signal::{Acks, Consumer, Produce, Signal, Way};
pub use stub::{Lead, Link, RateLimit, StubReply, Toxiproxy, Upstream};
pub use suite::{Suite, SuiteSettings, is_suite, read_suite, suite_schema};
pub use target::{HeaderValue, Ready, Service, System, Target};
pub use template::{Form, Piece, Slot, Template};
pub use traffic::{Amount, Class, ClassPlace, Kind, Pair, Popularity, Quote, Traffic};
pub use value::{Datum, Decimal, Feed, Pick, Value, ValueLaw};
pub use variant::{Changes, place, probed, variant};
pub use wire::{Identity, PrivateKey, Resolve, Reuse, Tls, Version, Wire};
pub use world::{Abort, Action, Call, Hook, Program};

use crate::base::seed::Seed;
use crate::base::units::Share;
use crate::base::{mistake, reader, yaml};

/// Valid intent: what to send, what to break, what to watch, and what was promised.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What the run is called in reports.
    pub name: String,
    /// Chooses the plan and every fault decision.
    pub seed: Seed,
    /// What is under test.
    pub target: Target,
    /// Stub quoters.
    pub upstreams: Vec<Upstream>,
    /// TCP proxies.
    pub links: Vec<Link>,
    /// Kafka clusters.
    pub kafka: Vec<Kafka>,
    /// What is sent; at least one.
    pub traffic: Vec<Traffic>,
    /// Pages of metrics that are watched.
    pub jobs: Vec<Job>,
    /// The target's own alert rules.
    pub alerts: Option<Alerts>,
    /// What those pages, and the probes beside them, must be.
    pub contracts: Vec<Contract>,
    /// The Prometheus server that watches the target too.
    pub prometheus: Option<Prometheus>,
    /// The Alertmanager that sends its alerts on.
    pub alertmanager: Option<Alertmanager>,
    /// Processes that the run starts.
    pub processes: Vec<Program>,
    /// How to break and mend what we do not know.
    pub hooks: Vec<Hook>,
    /// What ends the experiment early.
    pub abort_when: Vec<Abort>,
    /// What breaks, in the order of the file.
    pub faults: Vec<Fault>,
    /// The promises, in the order of the file.
    pub promises: Vec<Promise>,
    /// What the target's metrics must agree on with us.
    pub reconcile: Reconcile,
    /// What the generator must keep for its word to count.
    pub fitness: Fitness,
    /// How its capacity is searched, where it is.
    pub capacity: Option<Capacity>,
    /// Hosts beside this machine that the command line allows to be reached.
    pub allow_hosts: Vec<String>,
    /// Time runs this many times faster than written; 1 as written.
    pub time_scale: u32,
    /// Every file that the scenario names, as read; private keys are not among them.
    pub inputs: Vec<Input>,
    /// The scenario as it will run: variables filled in, settings applied, secrets as names.
    pub source: String,
}

impl Scenario {
    /// Whether there is something for a stage to do: to answer, to pass on, or to undo what the run breaks or starts.
    pub fn needs_stage(&self) -> bool {
        let outside = !self.upstreams.is_empty() || !self.links.is_empty() || self.kafka.iter().any(Kafka::is_staged);
        outside || self.needs_warden()
    }

    /// Whether the run breaks or starts something itself, which must be undone even when it dies.
    pub fn needs_warden(&self) -> bool {
        let own = |on: &On| matches!(on, On::Process(_) | On::Hook(_));
        !self.processes.is_empty() || self.faults.iter().any(|f| own(&f.on))
    }

    /// What a fault acts on, as it is written: `upstream/jupiter`.
    pub fn subject(&self, on: &On) -> String {
        match on {
            On::Upstream(i) => format!("upstream/{}", self.upstreams[*i].name),
            On::Link(i) => format!("link/{}", self.links[*i].name),
            On::Kafka { cluster, broker: None } => format!("kafka/{}", self.kafka[*cluster].name),
            On::Kafka { cluster, broker: Some(broker) } => {
                format!("kafka/{}, broker {broker}", self.kafka[*cluster].name)
            }
            On::Process(Process::Pid(pid)) => format!("process/{pid}"),
            On::Process(Process::Named(i)) => format!("process/{}", self.processes[*i].name),
            On::Process(Process::Target) => "process/target".into(),
            On::Process(Process::Container(name)) => format!("docker/{name}"),
            On::Hook(i) => format!("hook/{}", self.hooks[*i].name),
        }
    }

    /// Every header that is set anywhere.
    pub fn headers(&self) -> impl Iterator<Item = &(String, HeaderValue)> {
        let target = &self.target;
        let steps = target.before.iter().chain(&target.after);
        let own = self.traffic.iter().flat_map(|t| match &t.kind {
            Kind::Quote(quote) => quote.headers.iter().collect::<Vec<_>>(),
            Kind::Flow(_) | Kind::Pipeline(_) => {
                t.kind.flow().iter().flat_map(|flow| &flow.steps).flat_map(|s| &s.headers).collect()
            }
            Kind::Signal(signal) => signal.how.headers.iter().collect(),
        });
        let hooks = self.hooks.iter().flat_map(|hook| [&hook.apply, &hook.undo, &hook.probe]);
        let called = hooks.flat_map(|action| match action {
            Action::Http(call) => call.headers.as_slice(),
            Action::Exec(_) => &[],
        });
        let asked = self.servers().flat_map(|server| &server.headers);
        target.headers.iter().chain(called).chain(steps.flat_map(|s| &s.headers)).chain(own).chain(asked)
    }

    /// The servers that watch the target for its owners.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        let prometheus = self.prometheus.iter().map(|p| &p.server);
        prometheus.chain(self.alertmanager.iter().map(|a| &a.server))
    }

    /// The environment variables of all secrets that are named anywhere.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let in_headers = self.headers().filter_map(|(_, value)| match value {
            HeaderValue::Secret(name) => Some(name.as_str()),
            HeaderValue::Text(_) => None,
        });
        let logins = self.traffic.iter().filter_map(|t| t.kind.flow()?.login.as_ref());
        let of_kafka = self.kafka.iter().flat_map(Kafka::secrets);
        let of_nats = self.traffic.iter().flat_map(|t| t.kind.nats()).flat_map(Nats::secrets);
        let of_signs = self.signs().map(|sign| sign.secret.as_str());
        in_headers
            .chain(self.servers().filter_map(Server::secret))
            .chain(logins.flat_map(Bearer::secrets))
            .chain(of_kafka)
            .chain(of_nats)
            .chain(of_signs)
    }

    /// How requests are signed, wherever they are.
    pub fn signs(&self) -> impl Iterator<Item = &Sign> {
        let flows = self.traffic.iter().filter_map(|t| t.kind.flow());
        flows.flat_map(|flow| &flow.steps).filter_map(|step| step.sign.as_ref())
    }
}

/// A page of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The value of the label `job`.
    pub name: String,
    /// Where it is.
    pub page: Page,
    /// From one scrape to the next.
    pub every: Duration,
    /// How long a scrape may take.
    pub timeout: Duration,
    /// What every series gets besides `job` and `instance`.
    pub labels: Vec<(String, String)>,
}

/// Where a page of metrics is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// A path on a service of the target.
    Path {
        /// Which; the first when unnamed.
        service: Option<String>,
        /// The path of the page.
        path: String,
    },
    /// An address of its own.
    Url {
        /// Where.
        address: crate::base::net::Address,
        /// The path of the page.
        path: String,
    },
}

/// What the generator must keep for its word to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitness {
    /// Later than this, a shot was late by our fault.
    pub lag: Duration,
    /// The most of a core that a sender may use.
    pub cpu: Share,
    /// How closely due times are kept, and at what price.
    pub precision: Precision,
    /// How many threads send, 1 to 64; `None` leaves it to the plan.
    pub workers: Option<u32>,
}

/// How closely due times are kept, and at what price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Timers only: the least CPU, the most lag.
    Eco,
    /// Timers with a short spin before a due time.
    #[default]
    Balanced,
    /// Spins: the least lag, a whole core for each sender.
    Exact,
}

impl Precision {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Precision::Eco => "eco",
            Precision::Balanced => "balanced",
            Precision::Exact => "exact",
        }
    }
}

/// A file that the scenario names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As the scenario names it.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// How a file is read: what the command line and the world around it say.
pub struct Settings<'a> {
    /// `--set path=value`, in order.
    pub overrides: &'a [(String, String)],
    /// `--target`: where requests go instead.
    pub target: Option<&'a str>,
    /// `--time-scale`; 1 for as written.
    pub time_scale: u32,
    /// What the command line allows; `None` allows all, for reading old evidence.
    pub leave: Option<Leave<'a>>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Files that the scenario names.
    pub files: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
    /// Reads PromQL, of which nothing is known here.
    pub promql: &'a ReadsPromql,
    /// The name of the scenario where the file gives none.
    pub default_name: &'a str,
}

impl<'a> Settings<'a> {
    /// Of a text that stands alone: as written, with nothing in the environment and no file beside it; anything is allowed,
    /// and PromQL is not read.
    pub fn alone(default_name: &'a str) -> Settings<'a> {
        Settings {
            overrides: &[],
            target: None,
            time_scale: 1,
            leave: None,
            env: &|_| None,
            files: &|_| Err(io::ErrorKind::NotFound.into()),
            promql: &|_, _| Ok(()),
            default_name,
        }
    }
}

/// Reads an expression of PromQL; the error says what is wrong with it, and the remedy.
pub type ReadsPromql = dyn Fn(&str, Wanted) -> Result<(), (String, String)>;

/// What an expression of PromQL is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its value: `$window` may stand in it for the length of a window.
    Value,
    /// The series of one metric.
    Metric,
}

/// What a scenario may do beyond sending to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leave<'a> {
    /// `--allow-host`: hosts other than loopback that may be sent to and broken.
    pub hosts: &'a [String],
    /// `--allow-exec`: whether commands may be run, and containers acted on.
    pub exec: bool,
    /// `--allow-pid`: processes not of our own that may be broken.
    pub pids: &'a [u32],
}

impl Settings<'_> {
    /// Whether old evidence is read: nothing will be sent, so hosts need no leave, and private keys are not at hand.
    fn past(&self) -> bool {
        self.leave.is_none()
    }
}

/// Reads a scenario. `Err` carries every mistake that could be found.
pub fn read(file: &str, text: &str, settings: &Settings<'_>) -> Result<Scenario, Mistakes> {
    let fail = |all| Mistakes { file: file.into(), text: text.into(), all };
    let mut root = yaml::parse(text).map_err(|m| fail(vec![m.or_remedy("start with `proofload: 1`")]))?;
    let mut reader = reader::Reader::default();
    vars::substitute(&mut root, settings.env, &mut reader);
    vars::apply(&mut root, settings.overrides, &mut reader);
    vars::retarget(&mut root, settings.target, &mut reader);
    let raw = <raw::Root as shape::Shape>::read(&root, &mut reader);
    let scenario = raw.and_then(|raw| check::check(&raw, yaml::print(&root), settings, &mut reader));
    match scenario {
        Some(scenario) if reader.mistakes.is_empty() => Ok(scenario),
        _ => {
            let mut all = reader.mistakes;
            locate::complete(&root, &mut all);
            all.sort_by_key(|m| m.at);
            all.dedup();
            Err(fail(all))
        }
    }
}

/// Files larger than this are refused before they are read, in bytes.
pub const MAX_BYTES: u64 = yaml::MAX_BYTES;
