//! What will happen, computed before anything does: due times, requests, phases, fault windows. Pure and seeded: the
//! same scenario and seed give the same plan on every machine.

mod arrival;
mod backlog;
mod branch;
mod closed;
mod hawkes;
mod mix;
mod polls;
mod profile;
mod review;
mod stop;
mod timeline;
mod values;

pub use arrival::DueTimes;
pub use backlog::streams;
pub use closed::ClosedLoop;
pub use mix::{Mix, QuoteRequest};
pub use polls::Polls;
pub use profile::Profile;
pub use review::{Foreseen, expected_touches, minimum_shots, review, struck_requests};
pub use timeline::{Phase, Timeline};
pub use values::{Drawn, Values};

use crate::base::seed::{Digester, Seed};
use crate::base::time::{Offset, Span};
use crate::scenario::{Arrivals, Kind, Scenario, Traffic, closed_connections};

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
    /// The rate over time; 0 in closed loops.
    pub profile: Profile,
    due: DueTimes,
    mix: Option<Mix>,
    values: Option<Values>,
    shares: Vec<f64>, // of shots that come to each part where none fails
    loops: Vec<(ClosedLoop, Option<Mix>)>,
}

/// One thing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// Its number within the traffic, from 0.
    pub seq: u64,
    /// When it is due.
    pub due: Offset,
    /// What a quote asks for; `None` for a flow, whose shots differ by their [`Values`] alone.
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
    /// polls included, within 64 and 1024, and in any case as many as closed loops have at once.
    pub fn connections(&self, scenario: &Scenario) -> u32 {
        let shots: f64 = self.traffic.iter().map(|t| t.profile.peak()).sum();
        let polls = (0..self.traffic.len()).filter_map(|traffic| Polls::of(scenario, self, traffic));
        let peak = shots + polls.map(Polls::made).sum::<f64>();
        let enough = (peak * scenario.target.timeout.as_secs_f64()).ceil() as u32;
        let closed = closed_connections(&scenario.traffic);
        scenario.target.connections.unwrap_or(enough.clamp(64, 1024)).max(closed)
    }

    /// A digest of every shot and window: two plans with the same digest are the same plan.
    pub fn digest(&self) -> String {
        /// Requests of a closed loop that stand for all of its own.
        const SOME: usize = 100;
        let mut all = Digester::default();
        for (i, traffic) in self.traffic.iter().enumerate() {
            all.add(&(i as u64).to_le_bytes());
            let mut values = traffic.values();
            for shot in traffic.shots() {
                values.iter_mut().for_each(|values| values.of(shot.seq).digest(&mut all));
                all.add(&shot.seq.to_le_bytes());
                all.add(&shot.due.nanos().to_le_bytes());
                shot.quote.iter().for_each(|quote| quote.digest(&mut all));
            }
            for (closed, _) in &traffic.loops {
                all.add(&closed.connections.to_le_bytes());
                all.add(&closed.span.start.nanos().to_le_bytes());
                all.add(&closed.span.end.nanos().to_le_bytes());
                for (seq, quote) in traffic.saturated(closed.segment, 0, 1).take(SOME) {
                    all.add(&seq.to_le_bytes());
                    quote.iter().for_each(|quote| quote.digest(&mut all));
                }
            }
        }
        for edge in self.timeline.edges() {
            all.add(&edge.nanos().to_le_bytes());
        }
        all.finish()
    }
}

impl TrafficPlan {
    fn new(traffic: &Traffic, seed: Seed) -> TrafficPlan {
        let profile = match &traffic.arrivals {
            Arrivals::Replay(recording) => Profile::recorded(&recording.times, &traffic.load),
            _ => Profile::new(&traffic.load),
        };
        let due = DueTimes::new(profile.clone(), &traffic.arrivals, seed.stream(&format!("arrivals/{}", traffic.name)));
        let mix = match &traffic.kind {
            Kind::Quote(quote) => Some(Mix::new(quote, seed.stream(&format!("mix/{}", traffic.name)))),
            Kind::Flow(_) | Kind::Pipeline(_) | Kind::Signal(_) => None,
        };
        let values = traffic.kind.flow().map(|flow| Values::new(flow, &traffic.name, seed));
        let shares = match &traffic.kind {
            Kind::Flow(flow) => (0..flow.parts().len()).map(|part| flow.share_of(part)).collect(),
            _ => Vec::new(),
        };
        // Each loop draws from a stream of its own, so that how far one gets shifts no other.
        let own = |nth: usize| {
            mix.as_ref().map(|mix: &Mix| mix.drawn_from(seed.stream(&format!("mix/{}/saturate/{nth}", traffic.name))))
        };
        let mut loops = Vec::new();
        let mut start = Offset::ZERO;
        for (segment, stretch) in traffic.load.iter().enumerate() {
            let span = Span { start, end: start + stretch.length };
            if let Some(connections) = stretch.saturate {
                loops.push((ClosedLoop { segment, span, connections }, own(loops.len())));
            }
            start = span.end;
        }
        TrafficPlan { profile, due, mix, values, shares, loops }
    }

    /// The share of shots that come to a part where none fails; all to the whole.
    pub fn share(&self, part: Option<usize>) -> f64 {
        part.and_then(|part| self.shares.get(part)).copied().unwrap_or(1.0)
    }

    /// What the templates of its shots say; `None` for quotes.
    pub fn values(&self) -> Option<Values> {
        self.values.clone()
    }

    /// Every planned shot, in the order in which they are due.
    pub fn shots(&self) -> impl Iterator<Item = Shot> + Send + 'static {
        self.shots_of(0, 1)
    }

    /// Every planned shot whose number leaves `worker` when divided by `workers`, in the order in which they are due. The
    /// others cost only the draws that their due times take.
    pub fn shots_of(&self, worker: usize, workers: usize) -> impl Iterator<Item = Shot> + Send + 'static {
        let (mut seq, others) = (worker as u64, workers.max(1) as u64 - 1);
        let (mut due, mut mix) = (self.due.clone(), self.mix.clone());
        due.pass(seq);
        mix.iter_mut().for_each(|mix| mix.pass(seq));
        std::iter::from_fn(move || {
            let shot = Shot { seq, due: due.next()?, quote: mix.as_mut().map(Mix::next_request) };
            seq += 1 + others;
            due.pass(others);
            mix.iter_mut().for_each(|mix| mix.pass(others));
            Some(shot)
        })
    }

    /// How many shots are planned: exact, also for Poisson arrivals. Those of closed loops are not.
    pub fn count(&self) -> u64 {
        self.due.clone().count() as u64
    }

    /// Its closed loops, in order.
    pub fn closed_loops(&self) -> impl Iterator<Item = ClosedLoop> + '_ {
        self.loops.iter().map(|(closed, _)| *closed)
    }

    /// What `worker` of `workers` sends in the closed loop of a segment, one after the other and without end: the numbers
    /// of the shots, which no other worker, loop or planned shot has, and what quotes ask for (`None` for a flow). Empty
    /// where the segment is no closed loop.
    pub fn saturated(
        &self,
        segment: usize,
        worker: usize,
        workers: usize,
    ) -> impl Iterator<Item = (u64, Option<QuoteRequest>)> + Send + 'static {
        let found = self.loops.iter().position(|(closed, _)| closed.segment == segment);
        let shots = found.map(|nth| closed::shots(nth, self.loops[nth].1.clone(), worker, workers));
        shots.into_iter().flatten()
    }

    /// Whether part of a span lies in a closed loop: how many shots there will be depends on the target.
    pub fn is_closed_within(&self, span: Span) -> bool {
        self.loops.iter().any(|(closed, _)| closed.span.overlap(span).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Settings, read};

    fn plan(arrivals: &str) -> Plan {
        planned(arrivals, "")
    }

    /// A load of every kind of segment, with more segments after the first.
    fn planned(arrivals: &str, more: &str) -> Plan {
        let text = format!(
            "proofload: 1\nseed: 7\ntarget: http://127.0.0.1:1\ntraffic:\n  quotes:\n    quote:\n      \
             pairs: {{ file: pairs.csv, popularity: {{ zipf: 1.1 }} }}\n      amount: {{ log_uniform: [1000, 1000000000] }}\n      \
             hybrid: {{ share: 25%, path: /hybrid }}\n    arrivals: {arrivals}\n    load:\n      - warm_up: {{ at: 50/s, for: 5s }}\n{more}      \
             - ramp: {{ to: 200/s, over: 10s }}\n      - step: {{ by: 50/s, every: 2s, times: 3 }}\n      - spike: {{ to: 600/s, for: 1s }}\n      \
             - hold: {{ for: 10s }}\n"
        );
        let settings =
            Settings { files: &|_| Ok(b"input,output\nA,B\nB,A\nA,C\nC,A\n".to_vec()), ..Settings::alone("golden") };
        Plan::new(&read("golden", &text, &settings).expect("a valid scenario"))
    }

    /// These change only with the meaning of a plan, which is part of the contract with old evidence: another machine,
    /// another compiler or another year must not change them.
    #[test]
    fn golden_plans_stay_what_they_are() {
        assert_eq!(plan("even").digest(), "24b2f80cb2bf84e048f7b726f112a4fbf8cba74028be3502be096679fb33cc1b");
        assert_eq!(plan("poisson").digest(), "ab10314542829d9df51ef3af631427399cbf8466c64644726cc246f0954d0a33");
    }

    /// Closed loops are in the digest of a plan, and nothing else of it changes with them.
    #[test]
    fn a_closed_loop_shifts_no_planned_shot_and_is_part_of_the_plan() {
        let first = "      - saturate: { connections: 3, for: 10s }\n      - hold: { at: 50/s, for: 10s }\n";
        let with = planned("poisson", first);
        let requests = |plan: &Plan| plan.traffic[0].shots().filter_map(|s| s.quote).take(1_000).collect::<Vec<_>>();
        assert_eq!(requests(&with), requests(&plan("poisson")));
        assert!(with.traffic[0].shots().all(|s| !(5_000..15_000).contains(&(s.due.nanos() / 1_000_000))));
        assert_eq!(with.traffic[0].profile.peak(), 600.0);
        let other = planned("poisson", &first.replace("connections: 3", "connections: 4"));
        assert_ne!(with.digest(), other.digest());
        assert_eq!(with.digest(), "8c45fbf675c37cee68809c1e285b4c3daad3c8777121688df9e92f4fd43752c4");
    }

    #[test]
    fn workers_share_the_planned_shots_among_them() {
        for arrivals in ["even", "poisson"] {
            let traffic = &plan(arrivals).traffic[0];
            for workers in [1, 2, 3, 50] {
                for worker in 0..workers.min(4) {
                    let ours = |shot: &Shot| shot.seq % workers as u64 == worker as u64;
                    let all: Vec<Shot> = traffic.shots().filter(ours).collect();
                    assert_eq!(traffic.shots_of(worker, workers).collect::<Vec<_>>(), all, "{worker} of {workers}");
                }
            }
        }
    }

    #[test]
    fn workers_share_the_shots_of_a_closed_loop_among_them() {
        let one = "      - saturate: { connections: 3, for: 10s }\n      - hold: { at: 50/s, for: 10s }\n";
        let plan = planned("even", &one.repeat(2));
        let traffic = &plan.traffic[0];
        let loops: Vec<ClosedLoop> = traffic.closed_loops().collect();
        assert_eq!(loops.iter().map(|l| (l.segment, l.connections)).collect::<Vec<_>>(), [(1, 3), (3, 3)]);
        assert_eq!(loops[1].span.start, Offset::from_millis(25_000));
        let alone: Vec<_> = traffic.saturated(1, 0, 1).take(60).collect();
        assert_eq!(alone.iter().map(|(seq, _)| seq - (1 << 40)).collect::<Vec<_>>(), (0..60).collect::<Vec<u64>>());
        let mut shared: Vec<_> = (0..3).flat_map(|worker| traffic.saturated(1, worker, 3).take(20)).collect();
        shared.sort_by_key(|(seq, _)| *seq);
        assert_eq!(shared, alone);
        // Another loop has numbers and draws of its own; what is no loop has none.
        let second: Vec<_> = traffic.saturated(3, 0, 1).take(60).collect();
        assert_eq!(second[0].0, 2 << 40);
        assert_ne!(second.iter().map(|s| s.1).collect::<Vec<_>>(), alone.iter().map(|s| s.1).collect::<Vec<_>>());
        assert_eq!(traffic.saturated(0, 0, 1).next(), None);
    }

    #[test]
    fn another_seed_is_another_plan_and_the_same_seed_the_same() {
        assert_eq!(plan("poisson").digest(), plan("poisson").digest());
        assert_ne!(plan("poisson").digest(), plan("even").digest());
        assert_eq!(plan("even").traffic[0].count(), plan("even").traffic[0].profile.whole());
    }
}
