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
use crate::base::time::{Offset, Span};
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
    closed: Vec<(ClosedLoop, Option<Mix>)>,
}

/// A segment whose shots nobody plans: each connection sends its next request when the last was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedLoop {
    /// The position of the segment in the load.
    pub segment: usize,
    /// When.
    pub span: Span,
    /// How many connections.
    pub connections: u32,
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
        let mut whole = seed::Digester::default();
        for (i, traffic) in self.traffic.iter().enumerate() {
            whole.add(&(i as u64).to_le_bytes());
            for shot in traffic.shots() {
                whole.add(&shot.seq.to_le_bytes());
                whole.add(&shot.due.nanos().to_le_bytes());
                if let Some(quote) = shot.quote {
                    whole.add(&quote.pair.to_le_bytes());
                    whole.add(&quote.amount.to_le_bytes());
                    whole.add(&[u8::from(quote.hybrid)]);
                }
            }
        }
        for edge in self.timeline.edges() {
            whole.add(&edge.nanos().to_le_bytes());
        }
        whole.finish()
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
        let mut closed = Vec::new();
        let mut start = Offset::ZERO;
        for (segment, part) in traffic.load.iter().enumerate() {
            let span = Span { start, end: start + part.length };
            start = span.end;
            if let Some(connections) = part.saturate {
                let mix = match &traffic.kind {
                    Kind::Quote(quote) => {
                        Some(Mix::new(quote, seed.stream(&format!("saturate/{}/{segment}", traffic.name))))
                    }
                    Kind::Flow(_) => None,
                };
                closed.push((ClosedLoop { segment, span, connections }, mix));
            }
        }
        TrafficPlan { profile, due, mix, closed }
    }

    /// Its closed loops, in order.
    pub fn closed_loops(&self) -> impl Iterator<Item = ClosedLoop> + '_ {
        self.closed.iter().map(|(closed, _)| *closed)
    }

    /// The shots of a closed loop that worker `index` of `workers` sends, without end and without due times: numbers
    /// that no planned shot has, and what they ask for.
    pub fn saturated(
        &self,
        segment: usize,
        index: usize,
        workers: usize,
    ) -> impl Iterator<Item = (u64, Option<QuoteRequest>)> + 'static {
        let mut mix = self.closed.iter().find(|(c, _)| c.segment == segment).and_then(|(_, mix)| mix.clone());
        let first = (1u64 << 40) * (1 + segment as u64);
        let mut all = (0u64..).map(move |n| (first + n, mix.as_mut().map(Mix::next_request)));
        let skipped = all.by_ref().take(index).count();
        debug_assert_eq!(skipped, index);
        all.step_by(workers)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Settings, read};

    fn plan(arrivals: &str) -> Plan {
        let text = format!(
            "proofload: 1\nseed: 7\ntarget: http://127.0.0.1:1\ntraffic:\n  quotes:\n    quote:\n      \
             pairs: {{ file: pairs.csv, popularity: {{ zipf: 1.1 }} }}\n      amount: {{ log_uniform: [1000, 1000000000] }}\n      \
             hybrid: {{ share: 25%, path: /hybrid }}\n    arrivals: {arrivals}\n    load:\n      - warm_up: {{ at: 50/s, for: 5s }}\n      \
             - ramp: {{ to: 200/s, over: 10s }}\n      - step: {{ by: 50/s, every: 2s, times: 3 }}\n      - spike: {{ to: 600/s, for: 1s }}\n      \
             - hold: {{ for: 10s }}\n"
        );
        let settings = Settings {
            overrides: &[],
            time_scale: 1,
            allow_hosts: None,
            env: &|_| None,
            files: &|_| Ok(b"input,output\nA,B\nB,A\nA,C\nC,A\n".to_vec()),
            default_name: "golden",
        };
        Plan::new(&read("golden", &text, &settings).expect("a valid scenario"))
    }

    /// These change only with the meaning of a plan, which is part of the contract with old evidence: another machine,
    /// another compiler or another year must not change them.
    #[test]
    fn golden_plans_stay_what_they_are() {
        assert_eq!(plan("even").digest(), "24b2f80cb2bf84e048f7b726f112a4fbf8cba74028be3502be096679fb33cc1b");
        assert_eq!(plan("poisson").digest(), "ab10314542829d9df51ef3af631427399cbf8466c64644726cc246f0954d0a33");
    }

    #[test]
    fn another_seed_is_another_plan_and_the_same_seed_the_same() {
        assert_eq!(plan("poisson").digest(), plan("poisson").digest());
        assert_ne!(plan("poisson").digest(), plan("even").digest());
        assert_eq!(plan("even").traffic[0].count(), plan("even").traffic[0].profile.whole());
    }
}
