//! The outside world of a service under test: every stub quoter and every link, open and answering.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::config::{Config, KafkaConfig, LeadConfig, LinkConfig};
use super::effect::End;
use super::faults::{Arrival, Faults, Who};
use super::forward::Forward;
use super::front::{Course, Front, Source};
use super::kafka::cluster::{Cluster, Note};
use super::kafka::faults::KafkaFaults;
use super::link::faults::{LinkFaults, Tell};
use super::link::link::Link;
use super::link::links::{Links, Refusal};
use super::link::remote::Remote;
use super::protocol::Report;
use super::pulse::{Pulse, beat};
use super::stub::{MADE, Made, Stub};
use super::ways::WayFaults;
use crate::base::httpd::{self, Answer, Request};
use crate::base::seed::Seed;
use crate::base::time::{Clock, Offset};
use crate::base::trace::{Shot, TraceId, Tracer};
use crate::evidence::touches::{Decision, Effect, Writer};

/// Stubs and links that are open. Dropping it closes them.
pub struct World {
    scene: Arc<Mutex<Scene>>,
    /// Where each upstream answers: name and URL.
    pub upstreams: Vec<(String, String)>,
    /// Where each link listens: name and HOST:PORT.
    pub links: Vec<(String, String)>,
    /// Where clients find each Kafka cluster: name and HOST:PORT, separated by commas.
    pub kafka: Vec<(String, String)>,
    /// All links, those of toxiproxy's API too.
    pub proxies: Arc<Links>,
    /// The faults on links and Kafka clusters.
    pub way_faults: WayFaults,
    /// How long to go on cleanly after the run died.
    pub linger: Duration,
    leads: Vec<LinkConfig>,
    clusters: Vec<Arc<Cluster>>,
    _serving: JoinSet<()>,
}

/// What all stubs share. One lock is enough: nothing waits while it holds it.
pub struct Scene {
    clock: Clock,
    tracer: Tracer,
    stubs: Vec<Stub>,
    /// The slot of each upstream of the run's scenario, in its order.
    order: Vec<usize>,
    /// Of each stub that only passes on, to where.
    real: Vec<Option<Arc<Forward>>>,
    /// What can be broken.
    pub faults: Faults,
}

impl World {
    /// Opens everything that a run needs; nothing is broken. News go to `reports`. `Err` says what could not be opened
    /// and what to do.
    pub async fn open(config: &Config, reports: mpsc::UnboundedSender<Report>) -> Result<World, String> {
        let mut serving = JoinSet::new();
        let mut upstreams = Vec::new();
        let mut listeners = Vec::new();
        for upstream in &config.upstreams {
            let listener = listen("upstream", &upstream.name, upstream.listen.as_deref()).await?;
            upstreams.push((upstream.name.clone(), format!("http://{}", reachable(&listener)?)));
            listeners.push(listener);
        }
        let proxies = Links::new(Seed(config.seed), &config.allow_hosts).map_err(|e| format!("no timer: {e}"))?;
        let proxies = Arc::new(proxies);
        let mut links = Vec::new();
        for link in &config.links {
            links.push((link.name.clone(), open_link(&proxies, link, &upstreams).await?.face().listen));
        }
        let scene = Arc::new(Mutex::new(Scene::new(config, &upstreams, reports)?));
        let pulse = Arc::new(Pulse::begin());
        for (slot, listener) in listeners.into_iter().enumerate() {
            let front = Front { scene: scene.clone(), slot, pulse: pulse.clone() };
            serving.spawn(httpd::serve(listener, Arc::new(front)));
        }
        serving.spawn(beat(pulse, Arc::downgrade(&scene), Arc::downgrade(&proxies)));
        let mut clusters = Vec::new();
        for kafka in &config.kafka {
            clusters.push(Cluster::open(kafka, &proxies, note(&scene)).await?);
        }
        let kafka = clusters.iter().map(|c| (c.config.name.clone(), c.bootstrap())).collect();
        let way_faults = way_faults(config, (&proxies, &clusters), &scene);
        let (leads, linger) = (config.links.clone(), config.linger);
        Ok(World { scene, upstreams, links, kafka, clusters, proxies, way_faults, linger, leads, _serving: serving })
    }

    /// Lets a run use stubs and links that stand already: they stay where they are and behave as the run's scenario
    /// says. `Err` when something that it needs is not there.
    pub async fn adopt(&mut self, config: &Config, reports: mpsc::UnboundedSender<Report>) -> Result<(), String> {
        let same = |a: &&LinkConfig, b: &LinkConfig| a.name == b.name && a.to == b.to && a.toxiproxy == b.toxiproxy;
        if let Some(link) = config.links.iter().find(|l| !self.leads.iter().any(|known| same(l, known))) {
            return Err(format!("the stage has no such link `{}`: start it again with this scenario", link.name));
        }
        let known =
            |k: &&KafkaConfig| self.clusters.iter().any(|c| c.config.name == k.name && c.config.cluster == k.cluster);
        if let Some(kafka) = config.kafka.iter().find(|k| !known(k)) {
            return Err(format!(
                "the stage has no such Kafka cluster `{}`: start it again with this scenario",
                kafka.name
            ));
        }
        for link in config.links.iter().filter_map(|l| l.toxiproxy.as_ref()) {
            Remote::new(&link.server, &link.proxy).prepare().await?;
        }
        *self.scene() = Scene::new(config, &self.upstreams, reports)?;
        self.way_faults = way_faults(config, (&self.proxies, &self.clusters), &self.scene);
        Ok(())
    }

    /// Lets a link lead to HOST:PORT, which was not known before.
    pub async fn lead(&self, link: &str, to: &str) -> Result<(), String> {
        let link = self.proxies.get(link).map_err(|_| format!("there is no link `{link}`"))?;
        let face = link.face();
        link.redirect(&face.listen, to).await;
        self.proxies.enable(&link).await.map_err(|e| e.to_string())
    }

    /// The shared state.
    pub fn scene(&self) -> MutexGuard<'_, Scene> {
        lock(&self.scene)
    }
}

impl Scene {
    /// The scene of a run on stubs that stand in `slots`.
    fn new(
        config: &Config,
        slots: &[(String, String)],
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Scene, String> {
        let clock = Clock::with_zero(config.zero);
        let seed = Seed(config.seed);
        let mut stubs: Vec<Option<Stub>> = slots.iter().map(|_| None).collect();
        let (mut real, mut order) = (vec![None; slots.len()], Vec::new());
        for upstream in &config.upstreams {
            let slot = slots.iter().position(|(name, _)| *name == upstream.name);
            let slot = slot.ok_or_else(|| {
                format!("the stage has no upstream `{}`: start it again with this scenario", upstream.name)
            })?;
            stubs[slot] = Some(Stub::new(upstream, seed, clock.now()));
            order.push(slot);
            let real_one = upstream.forward.as_deref().map(|url| Forward::new(url, upstream.tls.as_ref()));
            real[slot] = real_one.transpose()?.map(Arc::new);
        }
        if let Some(unused) = stubs.iter().position(Option::is_none) {
            let name = &slots[unused].0;
            return Err(format!("the stage has an upstream `{name}` that this scenario does not know"));
        }
        let touches = match config.touches.as_ref().filter(|_| !config.faults.is_empty()) {
            None => None,
            Some(path) => Some(Writer::create(path).map_err(|e| format!("{}: {e}", path.display()))?),
        };
        Ok(Scene {
            clock,
            tracer: Tracer::new(seed, &config.run),
            stubs: stubs.into_iter().flatten().collect(),
            order,
            real,
            faults: Faults::new(&config.faults, seed, touches, reports),
        })
    }

    /// Now, on the run's axis.
    pub fn now(&self) -> Offset {
        self.clock.now()
    }

    /// Tells how often each upstream has been called by an instant, which is now.
    pub fn tell_calls(&self, at: Offset) {
        let upstreams = self.order.iter().map(|slot| self.stubs[*slot].calls.called()).collect();
        self.faults.report(Report::Calls { at, upstreams });
    }

    /// A fault on a link met a connection.
    fn touched(&mut self, fault: usize, connection: u64, effect: Effect) {
        let at = self.clock.now();
        let (fault, attempt) = (fault as u16, connection as u32);
        let decision = Decision { trace: TraceId::NONE, at, fault, attempt, effect, retry_after: 0 };
        self.faults.touched(&decision);
    }

    /// Whether the upstream of a slot only passes on.
    pub(super) fn is_real(&self, slot: usize) -> bool {
        self.real[slot].is_some()
    }

    /// Whether the upstream of a slot takes a connection.
    pub(super) fn admits(&mut self, slot: usize, now: Offset) -> bool {
        self.faults.admits(&self.stubs[slot].name, now)
    }

    /// What becomes of a request at the upstream of a slot.
    pub(super) fn receive(&mut self, slot: usize, request: &Request) -> Course {
        let at = self.clock.now();
        let wall = self.clock.wall_nanos(at);
        let stub = &mut self.stubs[slot];
        let trace = request.header("traceparent").and_then(TraceId::from_traceparent);
        let ours = trace.and_then(|id| self.tracer.shot(id).map(|shot| (id, shot)));
        let key = stub.calls.next(ours.map(|(_, shot)| shot));
        let trace = ours.map_or(TraceId([0; 16]), |(id, _)| id);
        let arrival = Arrival { upstream: &stub.name, request, who: Who { trace, key, at }, wall };
        let (mut effects, met) = self.faults.strike(&arrival);
        let untouched = effects.is_none();
        let (own, source, length) = match (effects.end.take(), &self.real[slot]) {
            (Some(End::Hang(over)), _) => (Duration::ZERO, Source::Nothing(Answer::HangUntil(over)), 0),
            (Some(End::Reset), _) => (Duration::ZERO, Source::Nothing(Answer::Reset), 0),
            (Some(End::Reply(reply)), _) => {
                let length = reply.body.len();
                (Duration::ZERO, Source::Reply(reply), length)
            }
            // Whether a change will be felt is not known before the reply, which may come when the fault is over.
            (None, Some(real)) => (Duration::ZERO, Source::Real(real.clone()), usize::MAX),
            (None, None) => {
                let (own, mut reply) = self.stubs[slot].answer(key, request, at, wall, effects.age);
                if ours.is_some_and(|(_, shot)| shot.traffic == Shot::CANARY) {
                    let media = reply.headers.iter().find(|(name, _)| name == "Content-Type");
                    let media = media.map_or(String::new(), |(_, media)| media.clone());
                    let made = Made::of(&media, &reply.body, effects.age);
                    reply = reply.with(MADE, made.to_string());
                }
                let length = reply.body.len();
                (own, Source::Reply(reply), length)
            }
        };
        let unfelt = effects.unfelt(if request.method == "HEAD" { 0 } else { length });
        self.faults.record(Who { trace, key, at }, met, &unfelt);
        Course { own, source, effects, untouched }
    }
}

/// A panic elsewhere must not close the stubs: the state is whole between two calls.
pub(super) fn lock(scene: &Mutex<Scene>) -> MutexGuard<'_, Scene> {
    scene.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a link of a scenario.
async fn open_link(links: &Links, link: &LinkConfig, upstreams: &[(String, String)]) -> Result<Arc<Link>, String> {
    let LinkConfig { name, listen, to, toxiproxy } = link;
    let address = listen.as_deref().unwrap_or("127.0.0.1:0");
    let to = match (to, toxiproxy) {
        (_, Some(toxiproxy)) => Remote::new(&toxiproxy.server, &toxiproxy.proxy).prepare().await?,
        (LeadConfig::Address(to), None) => to.clone(),
        (LeadConfig::Upstream(upstream), None) => {
            let found = upstreams.iter().find(|(known, _)| known == upstream);
            let found = found.ok_or_else(|| format!("link `{name}` leads to no upstream of the stage"))?;
            found.1.trim_start_matches("http://").to_owned()
        }
        // Until then it is a dead end: the discard port, where nobody listens.
        (LeadConfig::Later, None) => "127.0.0.1:9".into(),
    };
    links.create(name, address, &to, true).await.map_err(|refusal| match refusal {
        Refusal::Listen(_, e) => cannot_listen("link", name, address, &e),
        other => format!("link `{name}`: {other}"),
    })
}

/// What is told to whoever holds the stage, in words.
fn note(scene: &Arc<Mutex<Scene>>) -> Note {
    let scene = Arc::downgrade(scene);
    Arc::new(move |why| {
        if let Some(scene) = scene.upgrade() {
            lock(&scene).faults.note(why);
        }
    })
}

/// The faults on links and Kafka clusters, whose touches are told to the scene.
fn way_faults(
    config: &Config,
    (links, clusters): (&Arc<Links>, &[Arc<Cluster>]),
    scene: &Arc<Mutex<Scene>>,
) -> WayFaults {
    let scene = Arc::downgrade(scene);
    let tell: Tell = Arc::new(move |fault, connection, effect| {
        if let Some(scene) = scene.upgrade() {
            lock(&scene).touched(fault, connection, effect);
        }
    });
    WayFaults {
        links: LinkFaults::new(config, links.clone(), tell.clone()),
        kafka: KafkaFaults::new(config, clusters, tell),
    }
}

async fn listen(kind: &str, name: &str, address: Option<&str>) -> Result<TcpListener, String> {
    let address = address.unwrap_or("127.0.0.1:0");
    TcpListener::bind(address).await.map_err(|e| cannot_listen(kind, name, address, &e))
}

fn cannot_listen(kind: &str, name: &str, address: &str, e: &io::Error) -> String {
    let remedy = match e.kind() {
        io::ErrorKind::AddrInUse => {
            ": stop what uses it (the stage of a run that died lets go after a minute), or change `listen`"
        }
        io::ErrorKind::PermissionDenied => ": take a port above 1023, or change `listen`",
        _ => ": change `listen`",
    };
    format!("{kind} `{name}` cannot listen on {address}: {e}{remedy}")
}

/// Where clients of this machine find it: all interfaces include the loopback one.
fn reachable(listener: &TcpListener) -> Result<String, String> {
    let mut address = listener.local_addr().map_err(|e| e.to_string())?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::evidence::touches::{self, Decision, Effect};
    use crate::stage::testing::{QUOTE, config};

    fn request(trace: Option<TraceId>) -> Request {
        let (path, query) = QUOTE.split_once('?').expect("it has a query");
        let headers = trace
            .iter()
            .map(|t| ("Traceparent".to_owned(), String::from_utf8_lossy(&t.traceparent()).into_owned()))
            .collect();
        Request { method: "GET".into(), path: path.into(), query: query.into(), headers, ..Request::default() }
    }

    /// What a run of calls in this order, by shot, decides: effect by (shot, attempt).
    fn decisions(order: impl Iterator<Item = Option<u64>>) -> HashMap<(Option<Shot>, u32), Effect> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("touches.stage.log");
        let mut config = Config { touches: Some(path.clone()), ..config() };
        config.faults[0].share = crate::base::units::Share(300_000_000);
        let (reports, _hear) = mpsc::unbounded_channel();
        let slots = [("jupiter".to_owned(), String::new())];
        let mut scene = Scene::new(&config, &slots, reports).expect("opens");
        scene.faults.apply(0, Offset::from_millis(-5));
        let tracer = Tracer::new(Seed(config.seed), &config.run);
        for seq in order {
            scene.receive(0, &request(seq.map(|seq| tracer.id(Shot { traffic: 0, seq }))));
        }
        scene.faults.clear_all(Offset::ZERO);
        let (records, _) = touches::read::<Decision>(&path).expect("reads");
        records.into_iter().map(|d| ((tracer.shot(d.trace), d.attempt), d.effect)).collect()
    }

    #[test]
    fn two_runs_agree_on_every_key_that_both_have() {
        // Shots call twice; the second run has other shots, another order, and background calls in between.
        let first = decisions((0..400).chain(0..400).map(Some));
        let second = decisions((100..600).rev().flat_map(|seq| [Some(seq), None, Some(seq)]));
        let common: Vec<_> = first.keys().filter(|key| second.contains_key(key)).collect();
        assert_eq!(common.len(), 600, "300 shots, two calls each");
        assert!(common.iter().all(|key| first[key] == second[key]));
        let injected = first.values().filter(|e| **e == Effect::Injected).count();
        assert!((198..=284).contains(&injected), "of 800 at 30 %: {injected}");
        let untraced = decisions((0..50).map(|_| None));
        assert!(untraced.keys().all(|(shot, attempt)| shot.is_none() && *attempt < 50) && untraced.len() == 50);
        assert!(untraced.iter().all(|(key, effect)| second[key] == *effect), "ordinals agree too");
    }

    #[test]
    fn a_trace_of_somebody_else_is_background() {
        let (reports, _hear) = mpsc::unbounded_channel();
        let slots = [("jupiter".to_owned(), String::new())];
        let mut scene = Scene::new(&config(), &slots, reports).expect("opens");
        let foreign = Tracer::new(Seed(99), "another").id(Shot { traffic: 0, seq: 1 });
        scene.receive(0, &request(Some(foreign)));
        assert_eq!(scene.stubs[0].calls.next(None), crate::stage::decide::Key::Arrival(1));
    }
}
