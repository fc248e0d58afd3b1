//! The load: traffic, faults and scrapes go their ways until the plan is over or somebody ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::prepare::{LEAD, Prepared};
use super::signals::Signals;
use super::{canary, interim, lookout, record, resources};
use crate::base::dial::Dial;
use crate::base::net::Address;
use crate::base::time::{Clock, Offset};
use crate::base::tls;
use crate::evidence::board::Board;
use crate::evidence::counters::Counters;
use crate::evidence::event::Event;
use crate::evidence::manifest::How;
use crate::evidence::page::Remark;
use crate::evidence::recorder::{self, Recorder};
use crate::fault::conduct::{Actors, conduct};
use crate::fault::gate::Gate;
use crate::fault::local::Locals;
use crate::lint;
use crate::observe::probe::{self, Probed};
use crate::observe::{HostMeter, Observer, Process, ResourceMeter, Watched, lag};
use crate::plan::Plan;
use crate::scenario::{Contract, Page, Scenario, TARGET, Traffic, Way, part_name};
use crate::stage::client::Stage;
use crate::traffic::{self, Aside, Meeting};

impl Prepared<'_> {
    /// The load, from the quiet scrape before it to the one after it. How it ended.
    pub(super) async fn load(&mut self, signals: &mut Signals) -> Result<How, String> {
        let scenario = Arc::new(self.launch.scenario.clone());
        let plan = Arc::new(self.launch.plan.clone());
        let counters = Arc::new(Counters::new(scenario.traffic.iter().map(|t| (t.routes().len(), t.classes.len()))));
        let (events, events_in) = mpsc::unbounded_channel();
        let (reports, reports_in) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let (quit_watching, watching) = watch::channel(false);

        // The zero is moved to where it really begins: preparations took as long as they took.
        let baseline = scenario.reconcile.baseline.unwrap_or_default();
        let lead = LEAD
            + baseline
            + scenario.jobs.iter().map(|j| j.timeout).max().unwrap_or_default().min(Duration::from_secs(2));
        self.clock = Clock::starting_in(lead);
        self.manifest.wall_zero = self.clock.wall_nanos(Offset::ZERO);
        self.manifest.monotonic_zero = self.clock.zero();
        self.folder.write_manifest(&self.manifest).map_err(|e| e.to_string())?;

        let watched = watched(&scenario, &self.services)?;
        let probed = probed(&scenario.contracts, &watched);
        let samples = self.folder.file("samples.chunks");
        let observer = Observer::create(&samples, watched, self.clock, counters.clone(), events.clone(), inspect);
        let observer = Arc::new(observer.map_err(|e| format!("{}: {e}", samples.display()))?);
        let recorder = Recorder::create(&self.folder, self.recorder_plan(&plan)).map_err(|e| e.to_string())?;
        let (flush, flushes) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        let (flushed, last_flush) = watch::channel(Offset::ZERO);
        let recording = tokio::spawn(record::record(record::Recording {
            recorder,
            flushes,
            flushed,
            scraped: observer.scraped(),
            reports: reports_in,
            events: events_in,
            clock: self.clock,
            shown: Board::new(self.folder.name(), scenario.traffic.iter().map(|t| t.name.clone()), plan.timeline.end),
            board: self.launch.board.clone(),
            stop: stop.clone(),
        }));
        let (quit_listening, listening) = watch::channel(false);
        let alerting = self.watch_alertmanager(&events, listening);
        silence(&observer, baseline).await;
        let host = HostMeter::new(self.clock.now(), self.target.as_ref().and_then(|target| target.pid()));
        let host = tokio::spawn(host.watch(self.clock, events.clone(), watching.clone()));

        let processes = ResourceMeter::new(self.clock.now(), self.processes());
        let processes = tokio::spawn(processes.watch(self.clock, events.clone(), watching.clone()));

        let meeting = |t: &Traffic| (t.name.clone(), Arc::new(Meeting::default()));
        let meetings: Vec<(String, Arc<Meeting>)> = scenario.traffic.iter().map(meeting).collect();
        let mut listening = Vec::new();
        for opened in std::mem::take(&mut self.completions) {
            let meeting = meetings.iter().find(|(of, _)| *of == opened.traffic()).map(|(_, meeting)| meeting.clone());
            let heard = opened.watch(self.clock, meeting.unwrap_or_default(), events.clone());
            listening.push(heard.map_err(|e| e.to_string())?);
        }
        let setup = traffic::Setup {
            scenario: scenario.clone(),
            plan: plan.clone(),
            services: self.ways.clone(),
            kafka: self.kafka.clone(),
            secrets: self.secrets.clone(),
            keepers: self.keepers.clone(),
            meetings,
            tracer: self.tracer,
            clock: self.clock,
            connections: self.manifest.connections as usize,
            workers: resources::workers(&scenario, &plan),
            counters,
            reports,
            stop: stopping.clone(),
        };
        let mut stopped = stopping;
        let sender = traffic::spawn(setup, std::mem::take(&mut self.signals)).map_err(|e| e.to_string())?;
        if let Some(told) = self.launch.outlook.clone() {
            let (scenario, plan, flushed) = (scenario.clone(), plan.clone(), last_flush.clone());
            let (folder, manifest) = (self.folder.clone(), self.manifest.clone());
            interim::watch(interim::Looking { scenario, plan, folder, manifest, flushed, told })
                .map_err(|e| e.to_string())?;
        }
        let (leave, gate) = Gate::new();
        let mut watch = tokio::spawn(lookout::watch(lookout::Watching {
            scenario: scenario.clone(),
            plan: plan.clone(),
            folder: self.folder.clone(),
            manifest: self.manifest.clone(),
            clock: self.clock,
            flush: flush.clone(),
            flushed: last_flush,
            leave,
            events: events.clone(),
        }));
        let (quit_breaking, breaking) = watch::channel(false);
        let has_stage = self.stage.is_some();
        let mut faults = tokio::spawn(break_things(
            self.stage.take(),
            self.locals.clone(),
            scenario.clone(),
            plan.clone(),
            self.clock,
            events.clone(),
            (gate, breaking),
        ));
        let phases = tokio::spawn(announce(scenario.clone(), plan.clone(), self.clock, events.clone()));
        let probing = tokio::spawn(probe::watch(probed, self.clock, events.clone(), watching.clone()));
        let lagging = self.watch_lag(&events, &watching)?;
        let scraping = tokio::spawn(observer.clone().watch(watching));

        let mut sent = tokio::task::spawn_blocking(move || sender.join());
        let mut broken = None; // how the conduct of faults ended, where it did before it was told to
        let (mut how, mut joined) = tokio::select! {
            joined = &mut sent => (How::Complete, Some(joined)),
            how = early(signals, &mut watch) => (how, None),
            // The stage died, or whoever conducts the faults did.
            ended = &mut faults, if has_stage => {
                broken = Some(ended);
                (How::Complete, None)
            }
        };
        // The last shot may be over before the load is, and the last scrape must not be: promises about the target's
        // own metrics are evaluated at the first scrape after their window.
        if broken.is_none() && matches!(joined, Some(Ok(Ok(Ok(()))))) {
            tokio::select! {
                () = tokio::time::sleep(self.clock.until(plan.timeline.end)) => {}
                // Evidence cannot be written any more.
                _ = stopped.wait_for(|stop| *stop) => {}
                sooner = early(signals, &mut watch) => how = sooner,
                ended = &mut faults, if has_stage => broken = Some(ended),
            }
        }
        // Faults first: what ends early ends them at once, and drains without them.
        let _ = quit_breaking.send(true);
        let conducted = match broken {
            Some(ended) => ended,
            None => faults.await,
        };
        if joined.is_none() {
            let _ = stop.send(true);
            joined = Some(sent.await);
        }
        match joined {
            Some(Ok(Ok(Ok(())))) => {}
            Some(Ok(Ok(Err(why)))) => how = How::CutShort(format!("the sender failed: {why}")),
            _ => how = How::CutShort("the sender panicked".into()),
        }
        drop(listening);
        phases.abort();
        watch.abort();
        match conducted {
            Ok((stage, Ok(()))) => self.stage = stage,
            Ok((_, Err(why))) => how = How::CutShort(why),
            Err(_) => how = How::CutShort("the conduct of faults panicked".into()),
        }
        let _ = quit_watching.send(true);
        let _ = tokio::join!(scraping, probing, host, processes);
        let _ = tokio::task::spawn_blocking(|| lagging.into_iter().for_each(|thread| _ = thread.join())).await;
        silence(&observer, baseline).await;
        self.canary(&how, &events).await;
        self.after(&events).await;
        tokio::select! {
            () = self.ask_prometheus(&how, &flush, &events) => {}
            told = signals.next() => {
                // Whoever is impatient has what came so far.
                if how == How::Complete {
                    how = told;
                }
            }
        }
        // Notifications come late: they are received for as long as anything is asked.
        let _ = quit_listening.send(true);
        let _ = alerting.await;
        drop((events, observer, flush));
        match recording.await {
            Ok(Ok(())) => Ok(how),
            Ok(Err(why)) => Ok(How::CutShort(why)),
            Err(_) => Ok(How::CutShort("the recorder panicked".into())),
        }
    }

    /// The processes that are watched for what they take: the target's own, and those that the run started.
    fn processes(&self) -> Vec<Process> {
        let scenario = &self.launch.scenario;
        let mut all = Vec::new();
        if let Some(member) = self.target.as_ref().map(|sim| sim.member()) {
            all.push(Process::new(TARGET, move || member.process().ok().map(|process| process.pid)));
        } else if let Some(pid) = scenario.target.pid {
            all.push(Process::new(TARGET, move || Some(pid)));
        }
        for (position, program) in scenario.processes.iter().enumerate() {
            let Some(member) = self.programs.member(position) else { continue };
            all.push(Process::new(&program.name, move || member.process().ok().map(|process| process.pid)));
        }
        all
    }

    /// Asks the brokers how far those are behind that read signals, a thread for each.
    fn watch_lag(
        &self,
        events: &mpsc::UnboundedSender<Event>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Vec<std::thread::JoinHandle<()>>, String> {
        let clusters = self.clients_of_kafka();
        let watched = self.launch.scenario.traffic.iter().filter_map(|traffic| {
            let signal = traffic.kind.signal()?;
            let Way::Kafka { on, topic, .. } = &signal.how.way else { return None };
            let cluster = clusters.iter().find(|cluster| cluster.name == *on)?.clone();
            let (topic, group) = (topic.clone(), signal.consumer.as_ref()?.group.clone());
            Some(lag::Watched { traffic: traffic.name.clone(), cluster, topic, group })
        });
        let started = watched.map(|watched| lag::watch(watched, self.clock, events.clone(), stop.clone()));
        started.collect::<Result<_, _>>().map_err(|why| why.to_string())
    }

    /// Whether faults left anything behind. Where none was applied there is nothing to look for.
    async fn canary(&self, how: &How, events: &mpsc::UnboundedSender<Event>) {
        let scenario = &self.launch.scenario;
        let Some(stage) = self.stage.as_ref().filter(|_| !scenario.faults.is_empty()) else { return };
        if !matches!(how, How::Unsteady(_)) {
            let seen = canary::canary(scenario, stage, &self.services, self.tracer, self.clock).await;
            seen.into_iter().for_each(|event| _ = events.send(event));
        }
    }

    /// What comes after the drain. A failure is told, not judged.
    async fn after(&self, events: &mpsc::UnboundedSender<Event>) {
        let target = &self.launch.scenario.target;
        let secret = |name: &str| self.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let Ok(aside) = Aside::new(&self.services, target, &secret, self.clock) else { return };
        for step in &target.after {
            let answered = aside.step(step).await;
            let request = step.what();
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
        let classes = |t: &Traffic| t.classes.iter().map(|c| c.name.clone()).collect();
        recorder::Plan {
            traffic: scenario.traffic.iter().map(|t| (t.name.clone(), classes(t))).collect(),
            parts: scenario.traffic.iter().map(part_names).collect(),
            edges: plan.timeline.edges(),
            faults: scenario.faults.iter().map(|f| f.name.clone()).zip(plan.timeline.faults.iter().cloned()).collect(),
            workers: resources::workers(scenario, plan) + resources::senders_of_signals(scenario),
            lag_limit: scenario.fitness.lag,
            wall_zero: self.manifest.wall_zero,
            tracer: self.tracer,
        }
    }
}

/// What evidence calls the parts of a traffic.
fn part_names(traffic: &Traffic) -> Vec<String> {
    traffic.parts().iter().map(|part| part_name(&traffic.name, &part.name)).collect()
}

/// Waits for what ends a run before its plan does: how it must end.
async fn early(signals: &mut Signals, watch: &mut JoinHandle<How>) -> How {
    tokio::select! {
        how = signals.next() => how,
        seen = watch => seen.unwrap_or_else(|_| How::CutShort("watching the run panicked".into())),
    }
}

/// Lets faults begin and end until told to quit; the stage comes back unless it died, which ends the load.
async fn break_things(
    stage: Option<Stage>,
    locals: Arc<Locals>,
    scenario: Arc<Scenario>,
    plan: Arc<Plan>,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    (gate, quit): (Gate, watch::Receiver<bool>),
) -> (Option<Stage>, Result<(), String>) {
    let Some(mut stage) = stage else { return (None, Ok(())) };
    stage.report_on(&clock);
    let actors = Actors { stage: &mut stage, locals: &locals };
    match conduct(actors, &scenario.faults, &plan.timeline.faults, clock, &events, gate, quit).await {
        Ok(()) => (Some(stage), Ok(())),
        Err(why) => (None, Err(why.to_string())),
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

/// A quiet scrape, and another after as long as traffic that is not ours is measured, if it is.
async fn silence(observer: &Arc<Observer>, baseline: Duration) {
    observer.quiet().await;
    if !baseline.is_zero() {
        tokio::time::sleep(baseline).await;
        observer.quiet().await;
    }
}

/// What is wrong with how a page is laid out, as the evidence keeps it.
fn inspect(page: &[u8], media: Option<&str>) -> Vec<Remark> {
    lint::metrics::layout(page, media).into_iter().map(lint::metrics::Finding::remark).collect()
}

/// Where each probe is asked: on the service of its job.
fn probed(contracts: &[Contract], watched: &[Watched]) -> Vec<Probed> {
    let of_contract = |contract: &Contract| {
        let of = watched.iter().find(|w| w.job.name == contract.job);
        let probed = |probe: &crate::scenario::Probe| {
            let Watched { address, dial, .. } = of?;
            Some(Probed {
                job: contract.job.clone(),
                // A page with an address of its own has the page's path in it.
                address: Address { base: String::new(), ..address.clone() },
                path: probe.path.clone(),
                every: probe.every,
                timeout: probe.timeout,
                dial: dial.clone(),
            })
        };
        contract.probes.iter().filter_map(probed).collect::<Vec<_>>()
    };
    contracts.iter().flat_map(of_contract).collect()
}

/// Where each job's page is, and how it is reached: as shots reach the target. The error says what TLS lacks.
fn watched(scenario: &Scenario, services: &[(String, Vec<Address>)]) -> Result<Vec<Watched>, String> {
    let wire = &scenario.target.wire;
    let place = |page: &Page| match page {
        Page::Path { service, path } => {
            let found = services.iter().find(|(name, _)| service.as_ref().is_none_or(|wanted| wanted == name));
            let name = wire.tls.as_ref().and_then(|tls| tls.name.clone());
            let address = found.and_then(|(_, addresses)| addresses.first());
            address.map(|address| (address.clone(), path.clone(), name))
        }
        // Elsewhere somebody else is expected.
        Page::Url { address, path } => Some((address.clone(), path.clone(), None)),
    };
    let places: Vec<_> = scenario.jobs.iter().filter_map(|job| Some((job, place(&job.page)?))).collect();
    let encrypted = places.iter().any(|(_, (address, ..))| address.is_tls());
    let tls = encrypted.then(|| tls::client(wire.trust(), &["http/1.1"])).transpose()?;
    let watched = |(job, (address, path, name)): (&crate::scenario::Job, (Address, String, Option<String>))| {
        let to = address.tcp().and_then(|(host, port)| wire.resolved(host, port));
        Watched { job: job.clone(), address, path, dial: Dial { tls: tls.clone(), name, to } }
    };
    Ok(places.into_iter().map(watched).collect())
}
