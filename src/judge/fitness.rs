//! What the generator could not do in time, second by second: shots it took up late, dropped or lost, and processor
//! time it did not have. What such seconds decide, the harness decided. Why they were so is said in words, as far as it
//! is known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cause::{CauseSummary, Means, Sum};
use super::health::{HealthSummary, Vitals};
use super::shots::{Shots, second};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::event::{Event, Tick, TickRow};
use crate::evidence::reader::Evidence;
use crate::evidence::reply::{Outcome, Why};
use crate::plan::{Plan, Timeline};
use crate::scenario::Scenario;

/// A measurement speaks for the processor time of a second of which it covers this share.
const COVERED: f64 = 0.1;

/// How the generator did with one traffic in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Second {
    /// Shots taken up.
    pub due: u64,
    /// First byte written.
    pub sent: u64,
    /// Over.
    pub finished: u64,
    /// Taken up later than the limit allows.
    pub late: u64,
    /// Not sent, or sent late, for want of our own resources.
    pub ours: u64,
    /// Those of `ours` that the latency log has as failures already.
    pub not_sent: u64,
    /// Taken up and never seen again: the run died, or evidence is missing.
    pub lost: u64,
}

/// How the generator did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fitness {
    /// By traffic, then by second.
    pub seconds: Vec<BTreeMap<i64, Second>>,
    /// The most of a core that a sender used, by second.
    pub cpu: BTreeMap<i64, f64>,
    short: BTreeSet<i64>,
    unfit: Vec<BTreeSet<i64>>,
    means: Means,
    vitals: BTreeMap<i64, Vitals>, // of unfit seconds
}

/// What count as failed when a PASS must stand although the generator was unfit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoilt {
    /// Shots that were late or dropped.
    pub shots: u64,
    /// Shots that are nowhere.
    pub lost: u64,
    /// Seconds in which all shots count as failed.
    pub all: BTreeSet<i64>,
}

impl Fitness {
    /// Reads how the generator did.
    pub fn read(scenario: &Scenario, plan: &Plan, evidence: &Evidence, shots: &Shots<'_>) -> Fitness {
        let mut fitness = Fitness {
            seconds: vec![BTreeMap::new(); scenario.traffic.len()],
            means: Means::read(scenario, plan, evidence),
            ..Fitness::default()
        };
        for tick in evidence.events.iter().filter_map(|e| if let Event::Tick(t) = e { Some(t) } else { None }) {
            for (rows, seconds) in tick.traffic.iter().zip(&mut fitness.seconds) {
                rows.iter().for_each(|row| seconds.entry(row.second).or_default().add(row));
            }
            fitness.used(tick);
        }
        let mut logged: Vec<BTreeMap<i64, (u64, u64)>> = vec![BTreeMap::new(); scenario.traffic.len()];
        for (who, interval) in shots.on(Timing::Response) {
            let count: u64 = interval.cells.iter().map(|(_, count)| count).sum();
            let (all, not_sent) = logged[who.traffic].entry(second(interval.span.start)).or_default();
            *all += count;
            if who.outcome == Outcome::NotSent(Why::Resources) {
                *not_sent += count;
            }
        }
        for (seconds, logged) in fitness.seconds.iter_mut().zip(&logged) {
            for (second, (_, not_sent)) in logged {
                let row = seconds.entry(*second).or_default();
                row.not_sent = *not_sent;
                row.ours = row.ours.max(*not_sent);
            }
        }
        if fitness.means.is_held() {
            fitness.held_up(evidence, shots);
        }
        for (seconds, logged) in fitness.seconds.iter_mut().zip(logged) {
            for (second, row) in seconds {
                let (logged, _) = logged.get(second).copied().unwrap_or_default();
                row.lost = row.due.saturating_sub(row.finished.min(logged));
            }
        }
        let limit = scenario.fitness.cpu.fraction();
        fitness.short = fitness.cpu.iter().filter(|(_, share)| **share > limit).map(|(second, _)| *second).collect();
        flat_out(&plan.timeline).for_each(|second| _ = fitness.short.remove(&second));
        fitness.unfit = fitness.seconds.iter().map(|seconds| fitness.unfit_of(seconds)).collect();
        fitness.vitals = Vitals::read(evidence, &fitness.unfit.iter().flatten().copied().collect());
        fitness
    }

    /// Takes the processor time that a tick tells of.
    fn used(&mut self, tick: &Tick) {
        let mut used = |second: i64, share: f64| {
            let most = self.cpu.entry(second).or_default();
            *most = most.max(share);
        };
        for (second, share) in &tick.cpu {
            // It was measured over about a second that ended here, so it may be of the one before.
            used(second - 1, *share);
            used(*second, *share);
        }
        for health in &tick.health {
            for second in seconds(health.stretch()) {
                let start = Offset::from_millis(second * 1000);
                let whole = Span { start, end: Offset::from_millis(second * 1000 + 1000) };
                let covered = health.stretch().overlap(whole).map_or(0.0, |part| part.length().as_secs_f64());
                if covered >= COVERED {
                    used(second, health.cpu);
                }
            }
        }
    }

    /// Counts what waited for a connection while our own limit on descriptors kept us from opening more: ours, however
    /// long the target holds those that we have.
    fn held_up(&mut self, evidence: &Evidence, shots: &Shots<'_>) {
        for (who, interval) in shots.on(Timing::Wait) {
            let long = interval.cells.iter().filter(|(nanos, _)| *nanos > evidence.manifest.lag_limit);
            let waited: u64 = long.map(|(_, count)| count).sum();
            self.seconds[who.traffic].entry(second(interval.span.start)).or_default().ours += waited;
        }
        for (who, interval) in shots.on(Timing::Response).filter(|(w, _)| w.outcome == Outcome::NotSent(Why::Backlog)) {
            let count: u64 = interval.cells.iter().map(|(_, count)| count).sum();
            let row = self.seconds[who.traffic].entry(second(interval.span.start)).or_default();
            row.ours += count;
            row.not_sent += count;
        }
    }

    fn unfit_of(&self, seconds: &BTreeMap<i64, Second>) -> BTreeSet<i64> {
        let unfit = seconds.iter().filter(|(_, row)| row.is_unfit()).map(|(second, _)| *second);
        unfit.chain(self.short.iter().copied()).collect()
    }

    /// The seconds of some spans in which the generator was unfit for a traffic.
    pub fn unfit(&self, traffic: usize, spans: &[Span]) -> BTreeSet<i64> {
        let unfit = &self.unfit[traffic];
        spans.iter().flat_map(|span| unfit.range(seconds(*span))).copied().collect()
    }

    /// All seconds in which the generator was unfit for a traffic.
    pub fn unfit_seconds(&self, traffic: usize) -> &BTreeSet<i64> {
        &self.unfit[traffic]
    }

    /// What counts as failed in unfit seconds of a traffic. Seconds that a window cuts count as a whole.
    pub fn spoilt(&self, traffic: usize, unfit: &BTreeSet<i64>) -> Spoilt {
        let mut spoilt = Spoilt::default();
        for second in unfit {
            if self.short.contains(second) {
                spoilt.all.insert(*second);
            }
            if let Some(row) = self.seconds[traffic].get(second) {
                spoilt.shots += row.late + row.ours.saturating_sub(row.not_sent);
                spoilt.lost += row.lost;
            }
        }
        spoilt
    }

    /// Why a second was unfit for a traffic, as far as it is known.
    fn causes(&self, sum: &mut Sum, traffic: usize, second: i64) {
        let row = self.seconds[traffic].get(&second).copied().unwrap_or_default();
        sum.add(second, self.means.causes(&row, self.short.contains(&second), self.vitals.get(&second)));
    }

    /// Why seconds were unfit, in words: `3 s unfit: 40 of 600 shots late, 2 dropped by us (run-queue delay 340 ms)`.
    pub fn blame(&self, traffic: usize, unfit: &BTreeSet<i64>) -> String {
        let mut sum = Second::default();
        for row in unfit.iter().filter_map(|second| self.seconds[traffic].get(second)) {
            sum.due += row.due;
            sum.late += row.late;
            sum.ours += row.ours;
            sum.lost += row.lost;
        }
        let short = unfit.iter().filter(|second| self.short.contains(second)).count() as u64;
        let of = text::count(sum.due, "shot");
        let parts = [
            (sum.late, format!("{} of {of} taken up late by us", text::thousands(sum.late))),
            (sum.ours, format!("{} of {of} dropped or held up by us", text::thousands(sum.ours))),
            (sum.lost, format!("{} of {of} lost sight of", text::thousands(sum.lost))),
            (short, format!("{} without enough processor time", text::count(short, "second"))),
        ];
        let parts: Vec<&str> = parts.iter().filter(|(n, _)| *n > 0).map(|(_, text)| text.as_str()).collect();
        let mut causes = Sum::default();
        unfit.iter().for_each(|second| self.causes(&mut causes, traffic, *second));
        let causes = causes.brief().map_or(String::new(), |causes| format!(" ({causes})"));
        format!("{} unfit: {}{causes}", text::count(unfit.len() as u64, "second"), text::list(parts))
    }

    /// For reports, over a span.
    pub fn summary(&self, scenario: &Scenario, evidence: &Evidence, measured: Span) -> FitnessSummary {
        let within = seconds(measured);
        let mut sum = Second::default();
        for row in self.seconds.iter().flat_map(|s| s.range(within.clone())).map(|(_, row)| row) {
            sum.due += row.due;
            sum.late += row.late;
            sum.ours += row.ours;
            sum.lost += row.lost;
        }
        let mut unfit: Vec<Unfit> = Vec::new();
        let mut causes = Sum::default();
        for (traffic, seconds) in self.unfit.iter().enumerate() {
            for second in seconds.range(within.clone()) {
                let why = self.blame(traffic, &BTreeSet::from([*second]));
                let why = why.split_once(": ").map_or(why.clone(), |(_, why)| why.to_owned());
                unfit.push(Unfit { second: *second, traffic: scenario.traffic[traffic].name.clone(), why });
                self.causes(&mut causes, traffic, *second);
            }
        }
        unfit.sort_by_key(|u| u.second);
        FitnessSummary {
            lag_limit: evidence.manifest.lag_limit,
            cpu_limit: scenario.fitness.cpu.fraction(),
            cpu: self.cpu.range(within.clone()).map(|(_, share)| *share).reduce(f64::max),
            seconds: (within.end - within.start).max(0) as u64,
            unfit_seconds: unfit.iter().map(|u| u.second).collect::<BTreeSet<_>>().len() as u64,
            due: sum.due,
            late: sum.late,
            dropped: sum.ours,
            lost: sum.lost,
            unfit,
            causes: causes.summaries(),
            health: HealthSummary::read(evidence, measured),
        }
    }
}

impl Second {
    fn add(&mut self, row: &TickRow) {
        self.due += row.due;
        self.sent += row.sent;
        self.finished += row.finished;
        self.late += row.late;
        self.ours += row.ours;
    }

    /// Late is over one shot in a hundred; dropped or lost is any.
    fn is_unfit(&self) -> bool {
        self.is_late() || self.ours > 0 || self.lost > 0
    }

    /// Whether more than one shot in a hundred was taken up late.
    pub fn is_late(&self) -> bool {
        self.late * 100 > self.due
    }
}

/// The seconds of closed loops, which take what processor time there is: that is what they measure.
fn flat_out(timeline: &Timeline) -> impl Iterator<Item = i64> {
    timeline.phases.iter().filter(|phase| phase.saturate.is_some()).flat_map(|phase| seconds(phase.span))
}

/// The seconds that a span meets.
pub(super) fn seconds(span: Span) -> std::ops::Range<i64> {
    let last = if span.end == Offset::MAX { i64::MAX } else { span.end.nanos().div_euclid(1_000_000_000) };
    let partly = span.end.nanos().rem_euclid(1_000_000_000) > 0 && span.end != Offset::MAX;
    let start = second(span.start);
    start..(last + i64::from(partly)).max(start)
}

/// What the harness can be trusted with, over the measured phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FitnessSummary {
    /// Later than this a shot was late by our doing, in nanoseconds.
    pub lag_limit: u64,
    /// The most of a core that a sender may use.
    pub cpu_limit: f64,
    /// The most of a core that a sender used.
    pub cpu: Option<f64>,
    /// Seconds of the measured phase.
    pub seconds: u64,
    /// Of those, seconds in which the generator was unfit.
    pub unfit_seconds: u64,
    /// Shots taken up.
    pub due: u64,
    /// Of those, late.
    pub late: u64,
    /// Of those, dropped or held up for want of our own resources.
    pub dropped: u64,
    /// Of those, never seen again.
    pub lost: u64,
    /// The unfit seconds.
    pub unfit: Vec<Unfit>,
    /// Why they were unfit, as far as it is known, and what helps.
    pub causes: Vec<CauseSummary>,
    /// What the instrument took and lacked at the worst.
    pub health: HealthSummary,
}

/// A second in which the generator was unfit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    /// Seconds since the plan's zero.
    pub second: i64,
    /// For which traffic.
    pub traffic: String,
    /// In words.
    pub why: String,
}
