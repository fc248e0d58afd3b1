//! What will happen, computed before anything does: due times, requests, phases, fault windows. Pure and seeded: the
//! same scenario and seed give the same plan on every machine.

mod arrival;
mod mix;
mod profile;
mod review;
mod timeline;

pub use arrival::DueTimes;
pub use mix::{Mix, QuoteRequest};
pub use profile::Profile;
pub use review::{expected_touches, minimum_shots, review};
pub use timeline::{Phase, Timeline};

use crate::base::seed::{self, Seed};
use crate::base::time::Offset;
use crate::scenario::{Kind, Scenario, Traffic};

/// What will happen.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One for each traffic of the scenario, in its order.
    pub traffic: Vec<TrafficPlan>,
    /// Phases, faults and windows on one axis.
    pub timeline: Timeline,
}

/// What one traffic will send.
#[derive(Debug, Clone)]
pub struct TrafficPlan {
    /// The rate over time.
    pub profile: Profile,
    due: DueTimes,
    mix: Option<Mix>,
}

/// One thing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// Its number within the traffic, from 0.
    pub seq: u64,
    /// When it is due.
    pub due: Offset,
    /// What a quote asks for; `None` for a flow, which is always the same.
    pub quote: Option<QuoteRequest>,
}

impl Plan {
    /// The plan of a scenario.
    pub fn new(scenario: &Scenario) -> Plan {
        Plan {
            traffic: scenario.traffic.iter().map(|t| TrafficPlan::new(t, scenario.seed)).collect(),
            timeline: Timeline::new(scenario),
        }
    }

    /// How many connections a sender may open to a service: as the scenario says, or the peak rate times the timeout,
    /// within 64 and 1024.
    pub fn connections(&self, scenario: &Scenario) -> u32 {
        let peak: f64 = self.traffic.iter().map(|t| t.profile.peak()).sum();
        let enough = (peak * scenario.target.timeout.as_secs_f64()).ceil() as u32;
        scenario.target.connections.unwrap_or(enough.clamp(64, 1024))
    }

    /// A digest of every shot and window: two plans with the same digest are the same plan.
    pub fn digest(&self) -> String {
        let mut bytes = Vec::new();
        for (i, traffic) in self.traffic.iter().enumerate() {
            bytes.extend((i as u64).to_le_bytes());
            for shot in traffic.shots() {
                bytes.extend(shot.seq.to_le_bytes());
                bytes.extend(shot.due.nanos().to_le_bytes());
                if let Some(quote) = shot.quote {
                    bytes.extend(quote.pair.to_le_bytes());
                    bytes.extend(quote.amount.to_le_bytes());
                    bytes.push(u8::from(quote.hybrid));
                }
            }
        }
        for edge in self.timeline.edges() {
            bytes.extend(edge.nanos().to_le_bytes());
        }
        seed::digest(&bytes)
    }
}

impl TrafficPlan {
    fn new(traffic: &Traffic, seed: Seed) -> TrafficPlan {
        let profile = Profile::new(&traffic.load);
        let due = DueTimes::new(profile.clone(), traffic.arrivals, seed.stream(&format!("arrivals/{}", traffic.name)));
        let mix = match &traffic.kind {
            Kind::Quote(quote) => Some(Mix::new(quote, seed.stream(&format!("mix/{}", traffic.name)))),
            Kind::Flow(_) => None,
        };
        TrafficPlan { profile, due, mix }
    }

    /// Every shot, in the order in which they are due.
    pub fn shots(&self) -> impl Iterator<Item = Shot> + Send + 'static {
        let mut mix = self.mix.clone();
        self.due.clone().enumerate().map(move |(seq, due)| Shot {
            seq: seq as u64,
            due,
            quote: mix.as_mut().map(Mix::next_request),
        })
    }

    /// How many shots there will be: exact, also for Poisson arrivals.
    pub fn count(&self) -> u64 {
        self.due.clone().count() as u64
    }
}
