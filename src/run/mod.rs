//! The composition root of a run: starts what the scenario needs, lets traffic, faults and scrapes go their ways, and
//! leaves evidence. It judges nothing.

mod board;
mod record;
mod resources;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

pub use board::Board;

use crate::base::net::Address;
use crate::base::seed;
use crate::base::time::{self, Clock, Offset};
use crate::base::trace::Tracer;
use crate::evidence::counters::Counters;
use crate::evidence::event::Event;
use crate::evidence::folder::Folder;
use crate::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use crate::evidence::recorder::{self, Recorder};
use crate::evidence::reserve::Reserve;
use crate::fault::conduct::conduct;
use crate::observe::{HostMeter, Observer, Watched};
use crate::plan::Plan;
use crate::scenario::{HeaderValue, Page, Scenario};
use crate::stage;
use crate::stage::client::Stage;
use crate::traffic::{self, Aside};

/// Between the last preparation and the plan's zero.
const LEAD: Duration = Duration::from_millis(300);

/// What to run, and how.
pub struct Launch {
    /// What.
    pub scenario: Scenario,
    /// Its plan.
    pub plan: Plan,
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where reports go.
    pub out: PathBuf,
    /// This program, for its children.
    pub program: PathBuf,
    /// A stage that was started by hand.
    pub stage: Option<String>,
    /// Where progress is shown.
    pub board: watch::Sender<Board>,
}

/// Why there was no run. Nothing measured was sent.
#[derive(Debug, thiserror::Error)]
#[error("could not start: {0}")]
pub struct NotStarted(pub String);

/// What a run left.
pub struct Left {
    /// Its evidence.
    pub folder: Folder,
    /// Why the evidence does not say how the run ended, if so.
    pub trouble: Option<String>,
}

/// Runs the scenario; what it left. Everything that was started has ended.
pub async fn run(launch: Launch) -> Result<Left, NotStarted> {
    let folder = make_folder(&launch)?;
    let mut signals = Signals::listen().map_err(|e| NotStarted(e.to_string()))?;
    let mut prepared = Prepared::new(&launch, &folder).await?;
    let outcome = tokio::select! {
        made = prepared.make_ready() => made,
        how = signals.next() => Err(format!("{how:?} before the load began")),
    };
    if let Err(why) = outcome {
        prepared.manifest.end = Some(End { how: How::NotStarted(why.clone()), at: Offset::ZERO });
        let _ = folder.write_manifest(&prepared.manifest);
        prepared.stop().await;
        return Err(NotStarted(why));
    }
    let how = prepared.load(&mut signals).await;
    prepared.stop().await;
    let how = how.map_err(NotStarted)?;
    let at = prepared.clock.now();
    prepared.manifest.end = Some(End { how: how.clone(), at });
    if let Some(reserve) = prepared.reserve.take() {
        reserve.release();
    }
    // Where even that room is gone the manifest stays as it was when the load began: the run is judged as one that died.
    let trouble = folder.write_manifest(&prepared.manifest).err().map(|why| {
        let place = folder.file("manifest.json");
        let unsaid = format!("{}: how the run ended could not be written: {why}", place.display());
        if let How::CutShort(first) = how { format!("{first}; {unsaid}") } else { unsaid }
    });
    Ok(Left { folder, trouble })
}

fn make_folder(launch: &Launch) -> Result<Folder, NotStarted> {
    let absolute = launch.file.canonicalize().unwrap_or_else(|_| launch.file.clone());
    let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = launch.out.join(part(absolute.parent().and_then(Path::file_name))).join(part(absolute.file_stem()));
    Folder::create(&parent, time::wall()).map_err(|e| {
        NotStarted(format!(
            "{}: {e}; reports need a folder that can be written: name another with --out",
            parent.display()
        ))
    })
}

/// A run with everything in place but the load.
struct Prepared<'l> {
    launch: &'l Launch,
    folder: Folder,
    manifest: Manifest,
    reserve: Option<Reserve>,
    clock: Clock,
    tracer: Tracer,
    services: Vec<(String, Vec<Address>)>,
    secrets: Vec<(String, String)>,
    stage: Option<Stage>,
    target: Option<target::Sim>,
}

impl<'l> Prepared<'l> {
    async fn new(launch: &'l Launch, folder: &Folder) -> Result<Prepared<'l>, NotStarted> {
        let scenario = &launch.scenario;
        let unwritable = |e: std::io::Error| NotStarted(format!("{}: {e}", folder.path().display()));
        folder.replace("scenario.yaml", scenario.source.as_bytes()).map_err(unwritable)?;
        let inputs = scenario.inputs.iter().map(|i| (i.name.as_str(), i.bytes.as_slice()));
        let inputs = folder.keep_inputs(inputs).map_err(unwritable)?;
        let clock = Clock::starting_in(LEAD);
        let connections = resources::connections(scenario, &launch.plan).map_err(NotStarted)?;
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
            connections,
            timeout: scenario.target.timeout.as_nanos() as u64,
            lag_limit: scenario.fitness.lag.as_nanos() as u64,
            end: None,
        };
        folder.write_manifest(&manifest).map_err(unwritable)?;
        let reserve = Reserve::keep(folder).map_err(unwritable)?;
        Ok(Prepared {
            reserve,
            tracer: Tracer::new(scenario.seed, &manifest.run),
            launch,
            folder: folder.clone(),
            manifest,
            clock,
            services: Vec::new(),
            secrets: secrets(scenario)?,
            stage: None,
            target: None,
        })
    }

    /// Starts the stage and the practice target, waits until the target is ready, sends what comes before the load.
    async fn make_ready(&mut self) -> Result<(), String> {
        let scenario = &self.launch.scenario;
        let upstreams = self.open_stage().await?;
        self.services = match &scenario.target.system {
            crate::scenario::System::Services(services) => {
                services.iter().map(|s| (s.name.clone(), s.addresses.clone())).collect()
            }
            crate::scenario::System::Sim { name, with } => {
                let sim = target::Sim::start(&self.launch.program, name, with, &upstreams).await?;
                let services = sim.services().iter().map(|(name, address)| (name.clone(), vec![address.clone()]));
                let services = services.collect();
                self.target = Some(sim);
                services
            }
        };
        let places = self.services.iter().flat_map(|(name, all)| all.iter().map(|a| (name.clone(), a.to_string())));
        self.manifest.services = places.collect();
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
                return Err(format!("before the load, {} {}: {wrong}", step.method.word(), step.path));
            }
        }
        Ok(())
    }

    /// Opens the stage, where the scenario has one; where its upstreams answer.
    async fn open_stage(&mut self) -> Result<Vec<(String, String)>, String> {
        let scenario = &self.launch.scenario;
        if scenario.upstreams.is_empty() && scenario.links.is_empty() {
            return Ok(Vec::new());
        }
        let touches = self.folder.file("touches.stage.log");
        let config = stage::config::Config::new(scenario, &self.clock, &self.manifest.run, Some(&touches));
        let stage = match &self.launch.stage {
            Some(address) => Stage::connect(address, &config).await,
            None => Stage::spawn(&self.launch.program, &["stage", "--lease"].map(Into::into), &config).await,
        };
        let stage = self.stage.insert(stage.map_err(|e| e.to_string())?);
        self.manifest.stage_zero = stage.zero();
        Ok(stage.upstreams().to_vec())
    }

    /// The load, from the quiet scrape before it to the one after it. How it ended.
    async fn load(&mut self, signals: &mut Signals) -> Result<How, String> {
        let scenario = Arc::new(self.launch.scenario.clone());
        let plan = Arc::new(self.launch.plan.clone());
        let counters = Arc::new(Counters::new(scenario.traffic.len()));
        let (events, events_in) = mpsc::unbounded_channel();
        let (reports, reports_in) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let (quit_watching, watching) = watch::channel(false);

        // The zero is moved to where it really begins: preparations took as long as they took.
        let lead = LEAD + scenario.jobs.iter().map(|j| j.timeout).max().unwrap_or_default().min(Duration::from_secs(2));
        self.clock = Clock::starting_in(lead);
        self.manifest.wall_zero = self.clock.wall_nanos(Offset::ZERO);
        self.manifest.monotonic_zero = self.clock.zero();
        self.folder.write_manifest(&self.manifest).map_err(|e| e.to_string())?;

        let watched = watched(&scenario, &self.services);
        let samples = self.folder.file("samples.chunks");
        let observer = Observer::create(&samples, watched, self.clock, counters.clone(), events.clone());
        let observer = Arc::new(observer.map_err(|e| format!("{}: {e}", samples.display()))?);
        let recorder = Recorder::create(&self.folder, self.recorder_plan(&plan)).map_err(|e| e.to_string())?;
        let recording = tokio::spawn(record::record(record::Recording {
            recorder,
            scraped: observer.scraped(),
            reports: reports_in,
            events: events_in,
            clock: self.clock,
            end: plan.timeline.end,
            board: self.launch.board.clone(),
            stop: stop.clone(),
        }));
        observer.quiet().await;
        let host = HostMeter::new(self.clock.now(), self.target.as_ref().and_then(target::Sim::pid));
        let host = tokio::spawn(host.watch(self.clock, events.clone(), watching.clone()));

        let sender = traffic::spawn(traffic::Setup {
            scenario: scenario.clone(),
            plan: plan.clone(),
            services: self.services.clone(),
            secrets: self.secrets.clone(),
            tracer: self.tracer,
            clock: self.clock,
            connections: self.manifest.connections as usize,
            workers: resources::workers(&scenario, &plan),
            counters,
            reports,
            stop: stopping.clone(),
        })
        .map_err(|e| e.to_string())?;
        let (quit_breaking, breaking) = watch::channel(false);
        let faults = tokio::spawn(break_things(
            self.stage.take(),
            scenario.clone(),
            plan.clone(),
            self.clock,
            events.clone(),
            breaking,
            stop.clone(),
        ));
        let phases = tokio::spawn(announce(scenario.clone(), plan.clone(), self.clock, events.clone()));
        let scraping = tokio::spawn(observer.clone().watch(watching));

        let mut sent = tokio::task::spawn_blocking(move || sender.join());
        let (mut how, joined) = tokio::select! {
            joined = &mut sent => (How::Complete, joined),
            how = signals.next() => {
                let _ = stop.send(true);
                (how, sent.await)
            }
        };
        match joined {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(why))) => how = How::CutShort(format!("the sender failed: {why}")),
            _ => how = How::CutShort("the sender panicked".into()),
        }
        // The last shot may be over before the load is, and the last scrape must not be: promises about the target's
        // own metrics are evaluated at the first scrape after their window.
        if how == How::Complete {
            tokio::select! {
                () = tokio::time::sleep(self.clock.until(plan.timeline.end)) => {}
                signal = signals.next() => how = signal,
            }
        }
        phases.abort();
        let _ = quit_breaking.send(true);
        match faults.await {
            Ok((stage, Ok(()))) => self.stage = stage,
            Ok((_, Err(why))) => how = How::CutShort(why),
            Err(_) => how = How::CutShort("the conduct of faults panicked".into()),
        }
        let _ = quit_watching.send(true);
        let _ = tokio::join!(scraping, host);
        observer.quiet().await;
        self.after(&events).await;
        drop((events, observer));
        match recording.await {
            Ok(Ok(())) => Ok(how),
            Ok(Err(why)) => Ok(How::CutShort(why)),
            Err(_) => Ok(How::CutShort("the recorder panicked".into())),
        }
    }

    /// What comes after the drain. A failure is told, not judged.
    async fn after(&self, events: &mpsc::UnboundedSender<Event>) {
        let target = &self.launch.scenario.target;
        let secret = |name: &str| self.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let Ok(aside) = Aside::new(&self.services, target, &secret, self.clock) else { return };
        for step in &target.after {
            let answered = aside.step(step).await;
            let request = format!("{} {}", step.method.word(), step.path);
            let _ = events.send(Event::Aside {
                at: self.clock.now(),
                request,
                status: answered.status,
                why: answered.wrong,
            });
        }
    }

    fn recorder_plan<'p>(&self, plan: &'p Plan) -> recorder::Plan<'p> {
        let scenario = &self.launch.scenario;
        let classes = |t: &crate::scenario::Traffic| t.classes.iter().map(|c| c.name.clone()).collect();
        recorder::Plan {
            traffic: scenario.traffic.iter().map(|t| (t.name.clone(), classes(t))).collect(),
            edges: plan.timeline.edges(),
            faults: scenario.faults.iter().map(|f| f.name.clone()).zip(plan.timeline.faults.iter().copied()).collect(),
            workers: resources::workers(scenario, plan),
            lag_limit: scenario.fitness.lag,
            wall_zero: self.manifest.wall_zero,
            tracer: self.tracer,
        }
    }

    async fn stop(&mut self) {
        if let Some(target) = self.target.take() {
            target.stop().await;
        }
        if let Some(stage) = self.stage.take() {
            // A stage that had to be killed has nothing left to undo: its faults lived in it.
            let _ = stage.close().await;
        }
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        // With a handler a file that may not grow any more is an error of the write, not the end of us.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> How {
        tokio::select! {
            _ = self.interrupt.recv() => How::Interrupted,
            _ = self.terminate.recv() => How::Terminated,
            // The terminal is gone: what was started must end in order all the same.
            _ = self.hangup.recv() => How::Terminated,
        }
    }
}

/// Lets faults begin and end until told to quit; the stage comes back unless it died, which ends the load.
async fn break_things(
    stage: Option<Stage>,
    scenario: Arc<Scenario>,
    plan: Arc<Plan>,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    quit: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
) -> (Option<Stage>, Result<(), String>) {
    let Some(mut stage) = stage else { return (None, Ok(())) };
    stage.report_on(&clock);
    match conduct(&mut stage, &scenario.faults, &plan.timeline.faults, clock, &events, quit).await {
        Ok(()) => (Some(stage), Ok(())),
        Err(why) => {
            let _ = stop.send(true);
            (None, Err(why.to_string()))
        }
    }
}

/// Tells when each phase begins.
async fn announce(scenario: Arc<Scenario>, plan: Arc<Plan>, clock: Clock, events: mpsc::UnboundedSender<Event>) {
    let mut phases = plan.timeline.phases.clone();
    phases.sort_by_key(|p| p.span.start);
    for phase in phases {
        tokio::time::sleep(clock.until(phase.span.start)).await;
        let traffic = scenario.traffic[phase.traffic].name.clone();
        let (phase, connections) = (phase.word.into(), phase.saturate);
        let _ = events.send(Event::Phase { at: clock.now(), traffic, phase, connections });
    }
}

/// Where each job's page is.
fn watched(scenario: &Scenario, services: &[(String, Vec<Address>)]) -> Vec<Watched> {
    let place = |page: &Page| match page {
        Page::Path { service, path } => {
            let found = services.iter().find(|(name, _)| service.as_ref().is_none_or(|wanted| wanted == name));
            found.and_then(|(_, addresses)| addresses.first()).map(|address| (address.clone(), path.clone()))
        }
        Page::Url { address, path } => Some((address.clone(), path.clone())),
    };
    let watched = |job: &crate::scenario::Job| {
        place(&job.page).map(|(address, path)| Watched { job: job.clone(), address, path })
    };
    scenario.jobs.iter().filter_map(watched).collect()
}

/// Values of all secrets that the scenario names.
fn secrets(scenario: &Scenario) -> Result<Vec<(String, String)>, NotStarted> {
    let mut secrets = Vec::new();
    for (_, value) in scenario.headers() {
        let HeaderValue::Secret(name) = value else { continue };
        match std::env::var(name) {
            Ok(value) => secrets.push((name.clone(), value)),
            Err(_) => {
                return Err(NotStarted(format!("the secret {name} is not in the environment; set it and run again")));
            }
        }
    }
    Ok(secrets)
}

fn host() -> Host {
    let name = rustix::system::uname();
    let word = |w: &std::ffi::CStr| w.to_string_lossy().into_owned();
    Host {
        system: format!("{} {} {}", word(name.sysname()), word(name.release()), word(name.machine())),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
    }
}
