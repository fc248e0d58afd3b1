//! What comes before the load: evidence begins, the stage and the practice target start, the target gets ready.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::programs::Programs;
use super::{Launch, NotStarted, resources, standing, target};
use crate::base::kafka::Cluster;
use crate::base::net::{self, Address, Place};
use crate::base::seed;
use crate::base::time::{Clock, Offset};
use crate::base::trace::Tracer;
use crate::evidence::baseline::BASELINE;
use crate::evidence::folder::Folder;
use crate::evidence::manifest::{FORMAT, Host, Identity, Manifest};
use crate::evidence::reserve::Reserve;
use crate::evidence::touches;
use crate::evidence::undo::{self, UndoLog};
use crate::fault::guard::Guards;
use crate::fault::local::Locals;
use crate::fault::victim::Victim;
use crate::observe::alertmanager::Alertmanager;
use crate::observe::prometheus::Prometheus;
use crate::plan::Plan;
use crate::scenario::{COMES_TO_KAFKA, Lead, Process, Scenario, Traffic};
use crate::stage;
use crate::stage::client::Stage;
use crate::traffic::effects::World;
use crate::traffic::{Aside, Keeper, completions, signal};

/// Between the last preparation and the plan's zero.
pub(super) const LEAD: Duration = Duration::from_millis(300);

/// A run with everything in place but the load.
pub(super) struct Prepared<'l> {
    pub(super) launch: &'l Launch,
    pub(super) folder: Folder,
    /// Says that the run goes on.
    _held: Option<std::fs::File>,
    pub(super) manifest: Manifest,
    pub(super) reserve: Option<Reserve>,
    pub(super) clock: Clock,
    pub(super) tracer: Tracer,
    /// Where the target's services are.
    pub(super) services: Vec<(String, Vec<Address>)>,
    /// Where traffic is sent: the same, or links that lead there.
    pub(super) ways: Vec<(String, Vec<Address>)>,
    /// Where it is told what pipelines came to, without being asked.
    pub(super) completions: Vec<completions::Opened>,
    /// Who keeps the tokens that requests carry, by traffic.
    pub(super) keepers: Vec<(String, Arc<Keeper>)>,
    /// Where clients find each Kafka cluster: name and HOST:PORT, separated by commas.
    pub(super) kafka: Vec<(String, String)>,
    /// Signals whose topics are there and whose effects are watched.
    pub(super) signals: Vec<signal::Opened>,
    pub(super) secrets: Vec<(String, String)>,
    pub(super) stage: Option<Stage>,
    pub(super) prometheus: Option<Prometheus>,
    /// The scenario with the rules of that server, where it wants them.
    pub(super) learnt: Option<Scenario>,
    pub(super) alertmanager: Option<Alertmanager>,
    pub(super) target: Option<Arc<target::Sim>>,
    pub(super) programs: Programs,
    pub(super) locals: Arc<Locals>,
}

impl<'l> Prepared<'l> {
    /// Makes the evidence begin: what is run, and the manifest.
    pub(super) async fn new(launch: &'l Launch, folder: &Folder) -> Result<Prepared<'l>, NotStarted> {
        let scenario = &launch.scenario;
        let unwritable = |e: std::io::Error| NotStarted::from(format!("{}: {e}", folder.path().display()));
        folder.replace("scenario.yaml", scenario.source.as_bytes()).map_err(unwritable)?;
        let inputs = scenario.inputs.iter().map(|i| (i.name.as_str(), i.bytes.as_slice()));
        let inputs = folder.keep_inputs(inputs).map_err(unwritable)?;
        let clock = Clock::starting_in(LEAD);
        let connections = resources::connections(scenario, &launch.plan)?;
        let manifest = Manifest {
            format: FORMAT,
            proofload: env!("CARGO_PKG_VERSION").into(),
            run: folder.name(),
            scenario: scenario.name.clone(),
            file: launch.file.display().to_string(),
            scenario_digest: seed::digest(scenario.source.as_bytes()),
            plan_digest: launch.plan.digest(),
            seed: scenario.seed.0,
            time_scale: scenario.time_scale,
            inputs,
            wall_zero: clock.wall_nanos(Offset::ZERO),
            monotonic_zero: clock.zero(),
            stage_zero: clock.zero(),
            host: host(),
            services: Vec::new(),
            kafka: Vec::new(),
            connections,
            timeout: scenario.target.timeout.as_nanos() as u64,
            lag_limit: scenario.fitness.lag.as_nanos() as u64,
            end: None,
        };
        folder.write_manifest(&manifest).map_err(unwritable)?;
        if let Some(baseline) = &launch.baseline {
            let text = baseline.text().map_err(unwritable)?;
            folder.replace(BASELINE, text.as_bytes()).map_err(unwritable)?;
        }
        let reserve = Reserve::keep(folder).map_err(unwritable)?;
        Ok(Prepared {
            reserve,
            tracer: Tracer::new(scenario.seed, &manifest.run),
            launch,
            _held: folder.hold(),
            folder: folder.clone(),
            manifest,
            clock,
            services: Vec::new(),
            ways: Vec::new(),
            completions: Vec::new(),
            keepers: Vec::new(),
            kafka: Vec::new(),
            signals: Vec::new(),
            secrets: secrets(scenario)?,
            stage: None,
            prometheus: None,
            learnt: None,
            alertmanager: None,
            target: None,
            programs: Programs::default(),
            locals: Arc::default(),
        })
    }

    /// Starts the stage and the practice target, waits until the target is ready, sends what comes before the load.
    pub(super) async fn make_ready(&mut self) -> Result<(), String> {
        let scenario = &self.launch.scenario;
        let upstreams = self.open_stage().await?;
        self.kafka = self.clusters();
        self.manifest.kafka = self.kafka.clone();
        let guards = self.guards();
        if let Some(guards) = &guards {
            let home = self.launch.file.parent().map(Path::to_owned).unwrap_or_default();
            let env = self.addresses();
            self.programs.start(&scenario.processes, &home, &env, guards).await?;
        }
        self.services = match &scenario.target.system {
            crate::scenario::System::Services(services) => {
                services.iter().map(|s| (s.name.clone(), s.addresses.clone())).collect()
            }
            crate::scenario::System::Sim { name, with } => {
                let sim = match self.launch.standing.as_ref().and_then(|standing| standing.sim()) {
                    Some(sim) => sim,
                    None => {
                        let program = &self.launch.program;
                        Arc::new(target::Sim::start(program, name, with, &upstreams, self.kafka_of(name)).await?)
                    }
                };
                let services = sim.services().to_vec();
                self.target = Some(sim);
                services
            }
        };
        self.meet_servers().await?;
        let places = self.services.iter().flat_map(|(name, all)| all.iter().map(|a| (name.clone(), a.to_string())));
        self.manifest.services = places.collect();
        self.lead_links().await?;
        let secret = |name: &str| self.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let target = &scenario.target;
        let aside = Aside::new(&self.services, target, &secret, self.clock)?;
        match &target.ready {
            Some(ready) => aside.ready(ready).await?,
            None => aside.reachable().await?,
        }
        for step in &target.before {
            let answered = aside.step(step).await;
            if let Some(wrong) = answered.wrong {
                return Err(format!("before the load, {}: {wrong}", step.what()));
            }
        }
        for traffic in &scenario.traffic {
            let Some(login) = traffic.kind.flow().and_then(|flow| flow.login.as_ref()) else { continue };
            let service = login.step.service.as_deref().or(traffic.service.as_deref());
            let keeper = aside.log_in(login, service).await;
            let keeper = keeper.map_err(|why| format!("before the load, logging in for `{}`: {why}", traffic.name))?;
            self.keepers.push((traffic.name.clone(), Arc::new(keeper)));
        }
        if let Some(guards) = &guards {
            let ours = |process: &Process| match process {
                Process::Named(position) => self.programs.member(*position).map(Victim::Ours),
                Process::Target => self.target.as_ref().map(|sim| Victim::Ours(sim.member())),
                Process::Pid(_) | Process::Container(_) => None,
            };
            let locals = Locals::new(scenario, guards, ours)?;
            locals.ready().await?;
            self.locals = Arc::new(locals);
        }
        self.open_sources().await
    }

    /// Opens the signals last, and where it is told what pipelines came to: what happens from here on is watched.
    async fn open_sources(&mut self) -> Result<(), String> {
        let (scenario, clusters) = (self.launch.scenario.clone(), self.clients_of_kafka());
        let is_told = |traffic: &Traffic| traffic.kind.pipeline().is_some_and(|pipeline| pipeline.told().is_some());
        if scenario.traffic.iter().any(|traffic| traffic.kind.signal().is_some() || is_told(traffic)) {
            let (services, secrets) = (self.ways.clone(), self.secrets.clone());
            let open = move || {
                let secret = |name: &str| secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                let target = &scenario.target;
                let world = World { clusters: &clusters, services: &services, target, secrets: &secret };
                Ok((completions::open(&scenario, &world)?, signal::open(&scenario, &world)?))
            };
            let opened = tokio::task::spawn_blocking(open).await;
            let opened: Result<_, String> = opened.map_err(|_| "opening the signals panicked".to_owned())?;
            (self.completions, self.signals) = opened?;
        }
        Ok(())
    }

    /// What clients of each Kafka cluster are told.
    pub(super) fn clients_of_kafka(&self) -> Vec<Cluster> {
        let secret = |name: &str| self.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let cluster = |(name, bootstrap): &(String, String)| {
            let written = self.launch.scenario.kafka.iter().find(|kafka| kafka.name == *name);
            let properties = written.map(|kafka| kafka.properties(secret)).unwrap_or_default();
            Cluster { name: name.clone(), bootstrap: bootstrap.clone(), properties }
        };
        self.kafka.iter().map(cluster).collect()
    }

    /// What makes sure that what the run breaks itself is undone; nothing where there is no stage.
    fn guards(&self) -> Option<Arc<Guards>> {
        let record = UndoLog::at(&self.folder.file(undo::FILE));
        self.stage.as_ref().map(|stage| Arc::new(Guards::new(&self.manifest.run, record, stage.keeper())))
    }

    /// Where upstreams and links are, for the environment of processes: `PROOFLOAD_UPSTREAM_JUPITER=http://…`.
    fn addresses(&self) -> Vec<(String, String)> {
        let name = |kind: &str, name: &str| format!("PROOFLOAD_{kind}_{}", name.to_ascii_uppercase().replace('-', "_"));
        let Some(stage) = &self.stage else { return Vec::new() };
        let upstreams = stage.upstreams().iter().map(|(n, url)| (name("UPSTREAM", n), url.clone()));
        let links = stage.links().iter().map(|(n, address)| (name("LINK", n), address.clone()));
        let kafka = self.kafka.iter().map(|(n, brokers)| (name("KAFKA", n), brokers.clone()));
        upstreams.chain(links).chain(kafka).collect()
    }

    /// Where clients find each Kafka cluster: by the stage, or directly.
    fn clusters(&self) -> Vec<(String, String)> {
        let staged = |name: &str| {
            let known = self.stage.iter().flat_map(Stage::kafka).find(|(known, _)| known == name);
            known.map(|(_, brokers)| brokers.clone())
        };
        let all = self.launch.scenario.kafka.iter();
        all.filter_map(|k| Some((k.name.clone(), k.direct().or_else(|| staged(&k.name))?))).collect()
    }

    /// The cluster that a practice target comes to, if it comes to one.
    fn kafka_of(&self, system: &str) -> Option<&str> {
        let (_, brokers) = self.kafka.first().filter(|_| COMES_TO_KAFKA.contains(&system))?;
        Some(brokers)
    }

    /// Opens the stage, where the scenario has one; where its upstreams answer.
    async fn open_stage(&mut self) -> Result<Vec<(String, String)>, String> {
        let scenario = &self.launch.scenario;
        if !scenario.needs_stage() {
            return Ok(Vec::new());
        }
        let touches = self.folder.file(touches::DECISIONS);
        let mut config = stage::config::Config::new(scenario, &self.clock, &self.manifest.run, Some(&touches));
        let record = self.folder.file(undo::FILE);
        config.undo = Some(std::path::absolute(&record).unwrap_or(record));
        let stage = match &self.launch.stage {
            Some(address) => Stage::connect(address, &config).await,
            None => Stage::spawn(&self.launch.program, &["stage", "--lease"].map(Into::into), &config).await,
        };
        let stage = self.stage.insert(stage.map_err(|e| e.to_string())?);
        self.manifest.stage_zero = stage.zero();
        Ok(standing::ways(scenario, stage.upstreams(), stage.links()))
    }

    /// Lets the links to the target lead there, now that it is known where it answers, and sends traffic their way.
    async fn lead_links(&mut self) -> Result<(), String> {
        self.ways = self.services.clone();
        let Some(stage) = &mut self.stage else { return Ok(()) };
        let places: Vec<String> = stage.links().iter().map(|(_, address)| address.clone()).collect();
        for (link, place) in self.launch.scenario.links.iter().zip(places) {
            let Lead::Service(service) = &link.to else { continue };
            let found = self.ways.iter_mut().find(|(name, _)| service.as_ref().is_none_or(|wanted| wanted == name));
            let Some((name, addresses)) = found else {
                let service = service.as_deref().unwrap_or("target");
                return Err(format!("link `{}` leads to `{service}`, which the target does not have", link.name));
            };
            let [address] = addresses.as_mut_slice() else {
                return Err(format!("link `{}` leads to one place, `{name}` has several", link.name));
            };
            let Some((host, port)) = net::split_host(&place, 0) else { continue };
            stage.lead(&link.name, &address.authority()).await.map_err(|e| e.to_string())?;
            address.place = Place::Tcp { host, port };
        }
        Ok(())
    }

    /// Ends what was started.
    pub(super) async fn stop(&mut self) {
        if let Some(target) = self.target.take().filter(|_| self.launch.standing.is_none()) {
            target.stop().await;
        }
        self.programs.stop().await;
        if let Some(stage) = self.stage.take() {
            // What one that had to be killed has not undone is written down, and is seen to in the end.
            let _ = stage.close().await;
        }
    }
}

/// Values of all secrets that the scenario names.
fn secrets(scenario: &Scenario) -> Result<Vec<(String, String)>, NotStarted> {
    let mut secrets = Vec::new();
    for name in scenario.secrets() {
        match std::env::var(name) {
            Ok(value) => secrets.push((name.to_owned(), value)),
            Err(_) => {
                return Err(format!("the secret {name} is not in the environment; set it and run again").into());
            }
        }
    }
    for sign in scenario.signs() {
        if let Some((_, value)) = secrets.iter().find(|(name, _)| *name == sign.secret) {
            sign.key_of(value)?;
        }
    }
    Ok(secrets)
}

/// How a scenario would be run here and now.
pub fn identity(scenario: &Scenario, plan: &Plan) -> Identity {
    Identity {
        plan: plan.digest(),
        seed: scenario.seed.0,
        time_scale: scenario.time_scale,
        host: host(),
        proofload: env!("CARGO_PKG_VERSION").into(),
        timeout: scenario.target.timeout.as_nanos() as u64,
    }
}

fn host() -> Host {
    let name = rustix::system::uname();
    let word = |w: &std::ffi::CStr| w.to_string_lossy().into_owned();
    Host {
        system: format!("{} {} {}", word(name.sysname()), word(name.release()), word(name.machine())),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
    }
}
