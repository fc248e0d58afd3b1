//! What the instrument told of itself: of single seconds, to say why they were unfit, and over the measured phase, for
//! reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fitness::seconds;
use crate::base::time::Span;
use crate::evidence::event::{Event, Tick};
use crate::evidence::health::{HostHealth, ProcessHealth, WorkerHealth};
use crate::evidence::reader::Evidence;

/// The worst that was told of a second: of every stretch that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vitals {
    /// The share of a core that the busiest worker used, and which one that was.
    pub cpu: Option<(f64, u16)>,
    /// How long a worker was ready to run but had no core, in nanoseconds.
    pub delay: Option<u64>,
    /// How late a worker woke, in nanoseconds.
    pub hiccup: u64,
    /// Connections could not be opened for want of descriptors.
    pub no_files: bool,
    /// Connections could not be opened for want of ports.
    pub no_ports: bool,
    /// Our process and the machine.
    pub host: HostHealth,
}

impl Vitals {
    /// What was told of some seconds; those that nothing was told of are left out.
    pub fn read(evidence: &Evidence, wanted: &BTreeSet<i64>) -> BTreeMap<i64, Vitals> {
        let mut all: BTreeMap<i64, Vitals> = BTreeMap::new();
        let mut tell = |stretch: Span, change: &dyn Fn(&mut Vitals)| {
            wanted.range(seconds(stretch)).for_each(|second| change(all.entry(*second).or_default()));
        };
        for event in &evidence.events {
            match event {
                Event::Tick(tick) => {
                    tick.health.iter().for_each(|worker| tell(worker.stretch(), &|vitals| vitals.worker(worker)));
                }
                Event::Host(host) => tell(host.stretch(), &|vitals| vitals.host = worst(vitals.host, host)),
                _ => {}
            }
        }
        all
    }

    fn worker(&mut self, of: &WorkerHealth) {
        if self.cpu.is_none_or(|(most, _)| of.cpu > most) {
            self.cpu = Some((of.cpu, of.worker));
        }
        self.delay = self.delay.max(of.delay);
        self.hiccup = self.hiccup.max(of.hiccup);
        self.no_files |= of.no_files > 0;
        self.no_ports |= of.no_ports > 0;
    }
}

/// The worse of both in everything.
fn worst(a: HostHealth, b: &HostHealth) -> HostHealth {
    HostHealth {
        at: a.at.max(b.at),
        over: a.over.max(b.over),
        busy: most(a.busy, b.busy),
        steal: most(a.steal, b.steal),
        throttled: a.throttled.max(b.throttled),
        own: heavier(a.own, b.own),
        files: a.files.max(b.files),
        files_limit: b.files_limit.or(a.files_limit),
        sockets: a.sockets.max(b.sockets),
        time_wait: a.time_wait.max(b.time_wait),
        ports: b.ports.or(a.ports),
        target: heavier(a.target, b.target),
    }
}

fn heavier(a: Option<ProcessHealth>, b: Option<ProcessHealth>) -> Option<ProcessHealth> {
    match (a, b) {
        (Some(a), Some(b)) => Some(ProcessHealth { cpu: a.cpu.max(b.cpu), rss: a.rss.max(b.rss) }),
        (a, b) => a.or(b),
    }
}

fn most(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

/// What the instrument took and lacked at the worst, over the measured phase; nothing where it was not told.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HealthSummary {
    /// How many workers sent.
    pub workers: u64,
    /// How late a worker woke, in nanoseconds.
    pub hiccup: Option<u64>,
    /// How long in about a second a worker was ready to run but had no core, in nanoseconds.
    pub delay: Option<u64>,
    /// How often in about a second the core was taken from a worker.
    pub switches: Option<u64>,
    /// Shots that waited for a connection at once, over all workers.
    pub waiting: Option<u64>,
    /// Connections that were open at once, over all workers.
    pub open: Option<u64>,
    /// Shots that were under way at once, over all workers.
    pub in_flight: Option<u64>,
    /// Connections that could not be opened for want of descriptors or ports, in all.
    pub refused: u64,
    /// The share of the time of all cores that our process may use that was used, by whomever.
    pub busy: Option<f64>,
    /// The share of a core's time that the hypervisor gave to others.
    pub steal: Option<f64>,
    /// How long in about a second a limit on processor time held us back, in nanoseconds.
    pub throttled: Option<u64>,
    /// Processor time and memory of our process, each at its most.
    pub own: Option<ProcessHealth>,
    /// File descriptors that we had open.
    pub files: Option<u64>,
    /// How many we might have open.
    pub files_limit: Option<u64>,
    /// TCP sockets in use in our network, by whomever.
    pub sockets: Option<u64>,
    /// TCP connections in TIME_WAIT in our network.
    pub time_wait: Option<u64>,
    /// Local ports that connections may leave from.
    pub ports: Option<u64>,
    /// Processor time and memory of the target's own process, each at its most, where the run started it. Not judged.
    pub target: Option<ProcessHealth>,
}

impl HealthSummary {
    /// Over the stretches that meet a span.
    pub fn read(evidence: &Evidence, measured: Span) -> HealthSummary {
        let mut summary = HealthSummary::default();
        let mut host = HostHealth::default();
        for event in &evidence.events {
            match event {
                Event::Tick(tick) => summary.tick(tick, measured),
                Event::Host(h) if h.stretch().overlap(measured).is_some() => host = worst(host, h),
                _ => {}
            }
        }
        summary.busy = host.busy;
        summary.steal = host.steal;
        summary.throttled = host.throttled;
        summary.own = host.own;
        summary.files = host.files;
        summary.files_limit = host.files_limit;
        summary.sockets = host.sockets;
        summary.time_wait = host.time_wait;
        summary.ports = host.ports;
        summary.target = host.target;
        summary
    }

    fn tick(&mut self, tick: &Tick, measured: Span) {
        let mut workers: BTreeMap<u16, [u64; 3]> = BTreeMap::new(); // waiting, open, in flight
        for of in tick.health.iter().filter(|h| h.stretch().overlap(measured).is_some()) {
            self.workers = self.workers.max(u64::from(of.worker) + 1);
            self.hiccup = self.hiccup.max(Some(of.hiccup));
            self.delay = self.delay.max(of.delay);
            self.switches = self.switches.max(of.switches);
            self.refused += of.no_files + of.no_ports;
            let depth = workers.entry(of.worker).or_default();
            let now = [of.waiting, of.open, of.in_flight];
            depth.iter_mut().zip(now).for_each(|(most, now)| *most = (*most).max(now));
        }
        if !workers.is_empty() {
            let sum = |i: usize| Some(workers.values().map(|depth| depth[i]).sum::<u64>());
            self.waiting = self.waiting.max(sum(0));
            self.open = self.open.max(sum(1));
            self.in_flight = self.in_flight.max(sum(2));
        }
    }
}
