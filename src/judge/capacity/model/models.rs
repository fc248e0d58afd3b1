//! Everything that the probes of one search say beside its knee.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Budget, Latency, Law, Off, Parameters, Point, Queue, Scaling, budgets, off};
use crate::base::seed::Seed;
use crate::judge::capacity::{Probe, Role, Search};

/// Where more fail than this, latencies are those of failures.
const FEW_ERRORS: f64 = 0.05;

/// What the probes of a search say beside its knee.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Models {
    /// A queue by which latency grows with load, where one fits.
    pub queue: Option<Queue>,
    /// How the target gives way to shots under way at once, where that can be told.
    pub concurrency: Option<Concurrency>,
    /// Probes of which Little's law does not hold.
    pub little_off: Vec<Off>,
    /// Of how many probes it could be asked.
    pub little_asked: usize,
    /// How often upstreams are called at each load.
    pub budgets: Vec<Budget>,
    /// What the target takes of the machine at each load.
    pub costs: Vec<Cost>,
    /// How much of the machine is left at the knee.
    pub headroom: Option<Headroom>,
}

/// The Universal Scalability Law over shots under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Concurrency {
    /// Its parameters.
    pub at: Parameters,
    /// Between what each lies, with 95 %: λ, σ, κ.
    pub between: [(f64, f64); 3],
    /// The number of shots under way at which it gives most, and how much that is, per second; nothing where more always give
    /// more.
    pub peak: Option<(f64, f64)>,
}

/// What the target takes of the machine at a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Shots a second.
    pub rate: f64,
    /// Processor time in cores, on average.
    pub cpu: Option<f64>,
    /// Processor time for 1 000 shots, in seconds.
    pub cpu_per_1000: Option<f64>,
    /// Resident memory at the most, in bytes.
    pub memory: Option<f64>,
    /// All that was told, by name.
    pub all: BTreeMap<String, f64>,
}

/// How much of the machine is left at the knee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Headroom {
    /// The knee, per second.
    pub rate: f64,
    /// Cores that are taken there.
    pub cpu: f64,
    /// Cores that there are.
    pub cores: f64,
    /// The share of them that is left; 0.25 is a quarter.
    pub left: f64,
}

impl Models {
    /// Of a search.
    pub fn of(search: &Search, seed: u64) -> Models {
        let told: Vec<&Probe> =
            search.probes.iter().filter(|p| p.role != Role::Return && p.decided().is_some()).collect();
        let few = told.iter().copied().filter(|p| p.errors < FEW_ERRORS);
        let latencies = few.clone().filter_map(|p| Some(Latency { rate: p.achieved, mean: p.response.mean? }));
        let latencies: Vec<Latency> = latencies.collect();
        let (little_off, little_asked) = off(&search.probes);
        let costs = costs(&told);
        Models {
            queue: Queue::of(&latencies),
            concurrency: concurrency(few, seed),
            little_off,
            little_asked,
            budgets: budgets(&search.probes),
            headroom: headroom(search, &costs),
            costs,
        }
    }
}

fn concurrency<'p>(probes: impl Iterator<Item = &'p Probe>, seed: u64) -> Option<Concurrency> {
    let unknown = |p: &Probe| Some(Point { n: p.little?, rate: p.achieved, low: p.achieved, high: p.achieved });
    let points: Vec<Point> = probes.filter_map(unknown).filter(|p| p.n >= 1.0).collect();
    let scaling = Scaling::of(&points, Seed(seed)).filter(|s| s.law == Law::Universal && s.freedom > 0)?;
    Some(Concurrency {
        at: scaling.at,
        between: [scaling.range(|p| p.lambda), scaling.range(|p| p.sigma), scaling.range(|p| p.kappa)],
        peak: scaling.at.peak().map(|n| (n, scaling.at.rate(n))),
    })
}

fn costs(probes: &[&Probe]) -> Vec<Cost> {
    let told = probes.iter().filter(|p| !p.resources.is_empty());
    let cost = |p: &&Probe| {
        let cpu = p.resources.get("cpu_cores").copied();
        let over = p.shots as f64 / p.length.max(1e-9); // shots that came to an end, a second
        Cost {
            rate: p.offered,
            cpu,
            cpu_per_1000: cpu.filter(|_| over > 0.0).map(|cpu| cpu / over * 1_000.0),
            memory: p.resources.get("rss_bytes").copied(),
            all: p.resources.clone(),
        }
    };
    let mut all: Vec<Cost> = told.map(cost).collect();
    all.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    all
}

/// What is left of the cores at the knee: between the two loads beside it.
fn headroom(search: &Search, costs: &[Cost]) -> Option<Headroom> {
    let rate = search.knee.rate?;
    let known: Vec<(f64, f64)> = costs.iter().filter_map(|c| Some((c.rate, c.cpu?))).collect();
    let cores = costs.iter().find_map(|c| c.all.get("cores").copied())?;
    let above = known.iter().position(|(at, _)| *at >= rate);
    let cpu = match above {
        Some(0) => known[0].1,
        Some(i) => {
            let ((r0, c0), (r1, c1)) = (known[i - 1], known[i]);
            if r1 > r0 { c0 + (c1 - c0) * (rate - r0) / (r1 - r0) } else { c1 }
        }
        None => known.last()?.1,
    };
    Some(Headroom { rate, cpu, cores, left: (1.0 - cpu / cores).max(0.0) })
}
