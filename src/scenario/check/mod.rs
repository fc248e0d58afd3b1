//! From what was written to what is valid: every rule that one key alone cannot decide. Mistakes are collected; the
//! values that come back after one are never used.

mod abort;
mod absorbed;
mod alerts;
mod capacity;
mod contract;
mod effect_claim;
mod effects;
mod fault;
mod flow;
mod inject;
mod kafka;
mod leak;
mod leave;
mod link;
mod login;
mod nats;
mod notified;
mod outside;
mod pipeline;
mod promises;
mod quote;
mod reconcile;
mod replay;
mod servers;
mod sign;
mod signal;
mod target;
mod template;
mod traffic;
mod value;
mod wire;
mod world;

use std::time::Duration;

pub use kafka::COMES_TO_KAFKA;
pub use target::FLEETS;

use super::raw;
use super::reader::Reader;
use super::shape::At;
use super::{Claim, Timing};
use super::{Fitness, Input, Job, Leave, Page, Precision, Promise, Resolve, Scenario, Settings, Wanted};
use crate::base::net::{self, Address};
use crate::base::seed::Seed;
use crate::base::units::Share;

/// What the checks share: the settings, where mistakes go, and the files read so far.
struct Check<'a, 's> {
    settings: &'a Settings<'s>,
    reader: &'a mut Reader,
    inputs: Vec<Input>,
}

/// Checks the whole file. `None` only after a mistake without which nothing else makes sense.
pub fn check(raw: &raw::Root, source: String, settings: &Settings<'_>, reader: &mut Reader) -> Option<Scenario> {
    let mut check = Check { settings, reader, inputs: Vec::new() };
    if raw.proofload.value != 1 {
        let what = format!("version {} of the language is not known", raw.proofload.value);
        check.reader.wrong(raw.proofload.at, what, "write `proofload: 1`");
    }
    let target = check.within("target", |c| c.target(&raw.target));
    let upstreams = check.within("upstreams", |c| c.upstreams(raw));
    let links = check.within("links", |c| c.links(raw, &upstreams, target.as_ref()));
    let kafka = check.within("kafka", |c| c.kafka(raw, target.as_ref()));
    let traffic = check.within("traffic", |c| c.all_traffic(raw, target.as_ref(), &kafka));
    let jobs = check.within("observe", |c| c.jobs(raw, target.as_ref()));
    let prometheus = check.within("observe", |c| c.prometheus(raw));
    let alertmanager = check.within("observe", |c| c.alertmanager(raw));
    let processes = check.within("processes", |c| c.programs(raw));
    let hooks = check.within("hooks", |c| c.hooks(raw));
    let target_of = target.as_ref();
    let world = fault::World {
        target: target_of,
        upstreams: &upstreams,
        links: &links,
        kafka: &kafka,
        programs: &processes,
        hooks: &hooks,
    };
    let faults = check.within("faults", |c| c.faults(raw, &world, &traffic));
    let alerts = check.within("alerts", |c| c.alerts(raw));
    let contracts = check.within("contract", |c| c.contracts(raw, &jobs, &faults));
    let promises = check.within("slo", |c| c.promises(raw, &traffic, &faults));
    let abort_when = check.within("abort_when", |c| {
        c.aborts(raw, &abort::Known { traffic: &traffic, jobs: &jobs, faults: &faults, promises: &promises })
    });
    let reconcile = check.within("reconcile", |c| c.reconcile(raw, &traffic, &jobs));
    let fitness = check.within("fitness", |c| c.fitness(raw.fitness.as_ref(), &promises));
    let capacity = check.within("capacity", |c| c.capacity(raw, &traffic, &faults, target_of));
    Some(Scenario {
        name: raw.name.as_ref().map_or_else(|| settings.default_name.to_owned(), |n| n.value.clone()),
        seed: Seed(raw.seed.as_ref().map_or(1, |s| s.value)),
        target: target?,
        upstreams,
        links,
        kafka,
        traffic,
        jobs,
        alerts,
        prometheus,
        alertmanager,
        contracts,
        processes,
        hooks,
        abort_when,
        faults,
        promises,
        reconcile,
        fitness,
        capacity,
        allow_hosts: settings.leave.map_or(Vec::new(), |leave| leave.hosts.to_vec()),
        time_scale: settings.time_scale.max(1),
        inputs: check.inputs,
        source,
    })
}

impl Check<'_, '_> {
    /// Runs `check` one step further down the path.
    fn within<T>(&mut self, step: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        self.reader.enter(step);
        let result = check(self);
        self.reader.leave();
        result
    }

    /// A length of time divided by the time scale, on whole milliseconds.
    fn scaled(&self, length: Duration) -> Duration {
        let scale = u128::from(self.settings.time_scale.max(1));
        let ms = (length.as_nanos() / scale + 500_000) / 1_000_000;
        Duration::from_millis((ms as u64).max(u64::from(!length.is_zero())))
    }

    /// A length on the plan's axis: whole milliseconds, then scaled.
    fn on_axis(&mut self, length: &At<Duration>) -> Duration {
        if !length.value.subsec_nanos().is_multiple_of(1_000_000) {
            self.reader.wrong(length.at, "finer than a millisecond", "round it to whole milliseconds");
        }
        self.scaled(length.value)
    }

    /// As [`on_axis`](Self::on_axis), and not zero.
    fn lasting(&mut self, length: &At<Duration>) -> Duration {
        if length.value.is_zero() {
            self.reader.wrong(length.at, "lasts no time", "write a length above 0");
        }
        self.on_axis(length)
    }

    /// Notes a host that is neither loopback nor allowed.
    fn allowed(&mut self, host: &str, at: super::Place) {
        let refused = |leave: Leave<'_>| !leave.hosts.iter().any(|h| h == host);
        if !net::is_loopback(host) && self.settings.leave.is_some_and(refused) {
            let remedy = format!("if this host may be loaded and broken, run with --allow-host {host}");
            self.reader.wrong(at, format!("`{host}` is not this machine"), remedy);
        }
    }

    /// An address whose host is allowed, or leads elsewhere.
    fn address(&mut self, url: &At<String>, resolve: &[Resolve]) -> Option<Address> {
        match Address::parse(&url.value) {
            Ok(address) => {
                let led = resolve.iter().any(|r| address.is_at(&r.host, r.port));
                if let Some((host, _)) = address.tcp().filter(|_| !led) {
                    self.allowed(host, url.at);
                }
                Some(address)
            }
            // What stands before an @ may be a password: it is not repeated.
            Err(_) if url.value.contains('@') => {
                let what = "an address must not carry a user and a password";
                self.reader.wrong(url.at.unquoted(), what, "use `headers: { Authorization: { secret: NAME } }`");
                None
            }
            Err(why) => {
                let (what, remedy) = why.rsplit_once(": ").unwrap_or((&why, "write http://HOST:PORT"));
                self.reader.wrong(url.at, what, remedy);
                None
            }
        }
    }

    /// Refuses PromQL that cannot be read, or that is not what is wanted.
    fn promql(&mut self, expr: &At<String>, wanted: Wanted) {
        if self.told(expr) {
            return;
        }
        if let Err((what, remedy)) = (self.settings.promql)(&expr.value, wanted) {
            self.reader.wrong(expr.at, what, remedy);
        }
    }

    /// Whether a text is empty for a reason that was told already, such as a variable that is not set.
    fn told(&self, text: &At<String>) -> bool {
        text.value.is_empty() && self.reader.is_broken_here()
    }

    /// `HOST:PORT` whose host is allowed.
    fn host_port(&mut self, text: &At<String>) {
        match net::split_host(&text.value, 0).filter(|(_, port)| *port != 0 || text.value.ends_with(":0")) {
            Some((host, _)) => self.allowed(&host, text.at),
            None => self.reader.wrong(
                text.at,
                format!("`{}` is no HOST:PORT", text.value),
                "write one, such as 127.0.0.1:9001",
            ),
        }
    }

    /// A name that can stand in promises, tags and labels.
    fn name(&mut self, name: &At<String>) {
        let valid = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !valid || !name.value.starts_with(|c: char| c.is_ascii_alphabetic()) || name.value.len() > 60 {
            self.reader.wrong(
                name.at,
                format!("`{}` is no name", name.value),
                "letters, digits, - and _, beginning with a letter",
            );
        }
    }

    fn path(&mut self, path: &At<String>) -> String {
        let valid = path.value.starts_with('/') && path.value.chars().all(|c| c.is_ascii_graphic());
        if !valid {
            self.reader.wrong(
                path.at,
                format!("`{}` is no path", path.value),
                "begin with / and percent-encode what is not plain ASCII",
            );
        }
        path.value.clone()
    }

    fn jobs(&mut self, raw: &raw::Root, target: Option<&super::Target>) -> Vec<Job> {
        let Some(jobs) = raw.observe.as_ref().and_then(|o| o.jobs.as_ref()) else { return Vec::new() };
        jobs.0
            .iter()
            .map(|(name, job)| {
                self.name(name);
                self.scrapable(name, job, target);
                let page = if job.metrics.value.starts_with('/') {
                    Page::Path {
                        service: self.service(job.to.as_ref(), target, name.at),
                        path: self.path(&job.metrics),
                    }
                } else {
                    let address = match job.metrics.value.contains(':') {
                        true => self.address(&job.metrics, &[]),
                        false => {
                            let what = format!("`{}` is neither a path nor an address", job.metrics.value);
                            let remedy = format!("write `/{}`, or http://HOST:PORT/metrics", job.metrics.value);
                            self.reader.wrong(job.metrics.at, what, remedy);
                            None
                        }
                    };
                    let address = address.unwrap_or_else(|| Address::http("localhost", 0));
                    Page::Url { path: if address.base.is_empty() { "/metrics".into() } else { String::new() }, address }
                };
                let floor = Duration::from_millis(200);
                let every = job.every.unwrap_or(At { at: name.at, value: Duration::from_secs(1) });
                if every.value < floor {
                    self.reader.wrong(every.at, "scrapes more often than every 200ms", "write 200ms or more");
                }
                let every = self.scaled(every.value).max(floor);
                if let Some(timeout) = job.timeout.filter(|t| t.value.is_zero()) {
                    self.reader.wrong(timeout.at, "a timeout of nothing", "write a length above 0");
                }
                let labels =
                    job.labels.iter().flat_map(|l| &l.0).map(|(k, v)| (k.value.clone(), v.value.clone())).collect();
                Job { name: name.value.clone(), page, every, timeout: job.timeout.map_or(every, |t| t.value), labels }
            })
            .collect()
    }

    /// Refuses a page that is several.
    fn scrapable(&mut self, name: &At<String>, job: &raw::Job, target: Option<&super::Target>) {
        let own = Address::parse(&job.metrics.value).ok();
        let practice = target.filter(|t| own.is_none() && matches!(t.system, super::System::Sim { .. }));
        if let Some(replicas) = practice.map(super::Target::replicas).filter(|replicas| *replicas > 1) {
            let what = format!("`{}` is a page of {replicas} replicas", name.value);
            self.reader.wrong(name.at, what, "leave it out: where each replica answers is known only when it runs");
        }
        let services = match target.map(|t| &t.system) {
            Some(super::System::Services(services)) if own.is_none() => services.as_slice(),
            _ => return,
        };
        let to = job.to.as_ref().map(|to| to.value.as_str());
        let service = services.iter().find(|s| to.is_none_or(|to| to == s.name));
        if let Some(service) = service.filter(|s| s.addresses.len() > 1) {
            let what = format!("`{}` is a page of {} addresses", name.value, service.addresses.len());
            self.reader.wrong(name.at, what, "write a job for each, with its whole address: http://HOST:PORT/metrics");
        }
    }

    fn fitness(&mut self, raw: Option<&raw::Fitness>, promises: &[Promise]) -> Fitness {
        let bounds = promises.iter().filter_map(|p| match &p.claim {
            Claim::Client(e) if e.measure.is_timed() && e.clock == Timing::Response => {
                Some(Duration::from_nanos(e.bound / 10))
            }
            _ => None,
        });
        let lag = bounds.min().unwrap_or(Duration::from_millis(10)).max(Duration::from_millis(1));
        Fitness {
            lag: raw.and_then(|f| f.lag).map_or(lag, |l| l.value),
            cpu: raw.and_then(|f| f.cpu).map_or(Share(900_000_000), |c| c.value),
            precision: match raw.and_then(|f| f.precision.as_ref()).map(|p| &p.value) {
                Some(raw::Precision::Eco) => Precision::Eco,
                Some(raw::Precision::Exact) => Precision::Exact,
                Some(raw::Precision::Balanced) | None => Precision::Balanced,
            },
            workers: raw.and_then(|f| f.workers).and_then(|n| self.number(n, "workers", 64)),
        }
    }
}
