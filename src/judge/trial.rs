//! A run laid out for judging: its windows, its shots by due time, and how fit the generator was.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fitness::{Fitness, Spoilt};
use super::measure::{self, Ruling};
use super::missing::{self, Missing};
use super::recovery;
use super::shots::{Population, Shots, Stretch, Subject};
use super::verdict::Verdict;
use super::window::{self, Cut, FaultTimes, Windows};
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::plan::{Plan, Timeline};
use crate::scenario::{Expectation, Scenario, Whose};

/// How seconds in which the generator was unfit are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Like any other.
    AsItWas,
    /// Not at all.
    WithoutUnfit,
    /// Their late, dropped and lost shots count as failed; all shots, where processor time was short.
    Worst,
}

/// A run laid out for judging.
pub struct Trial<'a> {
    /// What was wanted.
    pub scenario: &'a Scenario,
    /// What was planned.
    pub plan: &'a Plan,
    /// Its phases and faults.
    pub timeline: &'a Timeline,
    /// What happened.
    pub evidence: &'a Evidence,
    /// Which stretches of time promises are about.
    pub windows: Windows<'a>,
    /// The shots by due time.
    pub shots: Shots<'a>,
    /// How fit the generator was.
    pub fitness: Fitness,
    /// What is to be made of signals without effect, by traffic.
    missing: Vec<Missing>,
    /// The target's timeout.
    timeout: Duration,
}

impl<'a> Trial<'a> {
    /// Lays out a run.
    pub fn new(scenario: &'a Scenario, plan: &'a Plan, evidence: &'a Evidence) -> Trial<'a> {
        Trial::knowing(scenario, plan, evidence, vec![Missing::Failed; scenario.traffic.len()])
    }

    /// Lays out a run of which is known what is to be made of signals without effect, by traffic.
    pub fn knowing(scenario: &'a Scenario, plan: &'a Plan, evidence: &'a Evidence, missing: Vec<Missing>) -> Trial<'a> {
        let timeline = &plan.timeline;
        let seen = window::seen(timeline, evidence);
        let faults: Vec<FaultTimes> =
            (0..scenario.faults.len()).map(|f| FaultTimes::read(f, scenario, timeline, evidence, seen)).collect();
        let shots = Shots::new(scenario, timeline, evidence, &faults, &missing);
        let fitness = Fitness::read(scenario, plan, evidence, &shots);
        let windows = Windows { timeline, faults, seen, recoveries: Vec::new() };
        let timeout = Duration::from_nanos(evidence.manifest.timeout);
        let mut trial = Trial { scenario, plan, timeline, evidence, windows, shots, fitness, missing, timeout };
        let of_strike = |fault, strike| {
            (0..scenario.traffic.len()).map(|traffic| recovery::locate(&trial, fault, strike, traffic)).collect()
        };
        let of_fault = |fault: usize| {
            let strikes = trial.windows.faults[fault].strikes();
            strikes.map(|strike| of_strike(fault, strike)).collect::<Vec<Vec<_>>>()
        };
        let recoveries = (0..scenario.faults.len()).map(of_fault).collect();
        trial.windows.recoveries = recoveries;
        trial
    }

    /// Holds some stretches of a window against a promise.
    pub fn rule(
        &self,
        expectation: &Expectation,
        confidence: Option<f64>,
        cut: &Cut,
        stretches: &[Stretch],
        reading: Reading,
    ) -> Ruling {
        let subject = subject(expectation);
        let timed = expectation.measure.is_timed();
        let unfit = match reading {
            Reading::AsItWas => BTreeSet::new(),
            Reading::WithoutUnfit | Reading::Worst => self.unfit(subject, cut, stretches),
        };
        let population = self.population(subject, cut, stretches, reading, timed);
        let left_out = if reading == Reading::WithoutUnfit { unfit.clone() } else { BTreeSet::new() };
        let mut length: Duration = stretches.iter().map(|s| self.clipped(s.span)).sum();
        if reading == Reading::WithoutUnfit {
            for second in unfit {
                let second = Offset::from_millis(second * 1000);
                let second = Span { start: second, end: second + Duration::from_secs(1) };
                let gone = stretches.iter().filter_map(|s| s.span.overlap(second)).map(|s| self.clipped(s)).sum();
                length = length.saturating_sub(gone);
            }
        }
        let floor = self.floor(expectation.whose());
        let rule = |population: &Population| measure::rule(expectation, confidence, population, floor, length);
        let ruling = self.excused(expectation, &population, rule);
        match self.sooner(subject, cut, stretches, &left_out, population).filter(|_| timed) {
            Some(least) => {
                let least = self.excused(expectation, &least, rule);
                ruling.or_sooner(least, &measure::label(expectation))
            }
            None => ruling,
        }
    }

    /// The shots of some stretches of a window; without their lengths unless they are wanted.
    pub fn population(
        &self,
        subject: Subject,
        cut: &Cut,
        stretches: &[Stretch],
        reading: Reading,
        timed: bool,
    ) -> Population {
        let unfit = || self.unfit(subject, cut, stretches);
        match reading {
            Reading::AsItWas => self.shots.population(subject, cut, stretches, &BTreeSet::new(), timed),
            Reading::WithoutUnfit => self.shots.population(subject, cut, stretches, &unfit(), timed),
            Reading::Worst => self.worst(subject, cut, stretches, &unfit(), timed),
        }
    }

    /// Rules on shots some of which may rightly have come to nothing.
    fn excused(&self, expectation: &Expectation, shots: &Population, rule: impl Fn(&Population) -> Ruling) -> Ruling {
        let traffic = &self.scenario.traffic[expectation.traffic];
        let missing = &self.missing[expectation.traffic];
        if expectation.part.is_some() || traffic.kind.signal().is_none() {
            return rule(shots);
        }
        // What is not over while a run goes on may rightly have come to nothing as well as what is.
        let shots = if matches!(missing, Missing::SoFar { .. }) { shots.closed() } else { shots.clone() };
        let unfinished = shots.of(Outcome::Unfinished);
        if unfinished == 0 {
            return rule(&shots);
        }
        let (fewest, most) = missing.skipped(unfinished);
        let ruling = |excused| rule(&Population { excused, ..shots.clone() });
        let mut decided = match fewest == most {
            true => ruling(fewest),
            false => missing.either(ruling(fewest), ruling(most), &measure::label(expectation)),
        };
        let nobody_counts = traffic.kind.signal().is_some_and(|signal| signal.unmatched.is_empty());
        if nobody_counts && decided.verdict == Verdict::Fail && ruling(unfinished).verdict != Verdict::Fail {
            decided.why.push_str(&missing::waited_for(unfinished));
        }
        decided
    }

    /// How long a failure counts at least: for what is one exchange the timeout, for what is followed its deadline.
    pub fn floor(&self, whose: Whose) -> Duration {
        let traffic = &self.scenario.traffic[whose.traffic];
        let is_exchange = whose.part.is_some_and(|part| traffic.parts().get(part).is_some_and(|p| p.is_exchange));
        traffic.deadline().filter(|_| !is_exchange).unwrap_or(self.timeout)
    }

    /// The same shots, each as early as it can have been over; nothing where that is known to the instant.
    fn sooner(
        &self,
        subject: Subject,
        cut: &Cut,
        stretches: &[Stretch],
        left_out: &BTreeSet<i64>,
        mut shots: Population,
    ) -> Option<Population> {
        let on = |clock| self.shots.population(Subject { clock, ..subject }, cut, stretches, left_out, true);
        match subject.clock {
            Timing::Response => {
                let Population { mut ok, failed, .. } = on(Timing::Earliest);
                if ok.count() + failed.count() == 0 {
                    return None;
                }
                // Of those that joined from another window it is not known; that they took no time is the least.
                ok.add(0, shots.ok.count().saturating_sub(ok.count()));
                if failed.count() >= shots.failed.count() {
                    shots.failed = failed;
                }
                shots.ok = ok;
            }
            Timing::Service | Timing::Body => {
                let gap = on(Timing::Gap).ok.max().filter(|gap| !gap.is_zero())?.as_nanos() as u64;
                shots.ok = shots.ok.cells().map(|(nanos, count)| (nanos.saturating_sub(gap), count)).collect();
            }
            _ => return None,
        }
        Some(shots)
    }

    /// The seconds of stretches in which the generator was unfit.
    pub fn unfit(&self, subject: Subject, cut: &Cut, stretches: &[Stretch]) -> BTreeSet<i64> {
        let spans: Vec<Span> = stretches.iter().filter_map(|s| self.shots.aligned(subject.clock, cut, *s)).collect();
        self.fitness.unfit(subject.traffic, &spans)
    }

    /// The shots of stretches, those that we spoilt counted as failed.
    fn worst(
        &self,
        subject: Subject,
        cut: &Cut,
        stretches: &[Stretch],
        unfit: &BTreeSet<i64>,
        timed: bool,
    ) -> Population {
        let mut population = self.shots.population(subject, cut, stretches, &BTreeSet::new(), timed);
        let Spoilt { shots, lost, all } = self.fitness.spoilt(subject.traffic, unfit);
        let ok = population.of(Outcome::Ok);
        let elsewhere = match all.is_empty() {
            true => ok,
            false => self.shots.population(subject, cut, stretches, &all, false).of(Outcome::Ok),
        };
        population.spoilt = (shots + ok - elsewhere.min(ok)).min(ok);
        population.lost = lost;
        population
    }

    /// Up to where what became of shots is known: the end of the last second before the first that is open. A second of which
    /// shots are under way is open no more once they are of an age at which they are beyond the bound.
    pub fn settled(&self, traffic: usize, age: Option<Duration>, now: Offset) -> Offset {
        let through = self.windows.seen.floor_to(Duration::from_secs(1));
        let rows = self.fitness.seconds[traffic].iter();
        let is_open = |second: i64, lost: u64| {
            let end = Offset::from_millis(second * 1000 + 1000);
            lost > 0 && age.is_none_or(|age| now < end + age)
        };
        let first = rows.filter(|(s, row)| is_open(**s, row.lost)).map(|(s, _)| Offset::from_millis(s * 1000)).min();
        through.min(first.unwrap_or(Offset::MAX))
    }

    /// How much of a span the run saw.
    fn clipped(&self, span: Span) -> Duration {
        span.end.min(self.windows.seen).since(span.start)
    }
}

/// Whose shots a promise is about.
pub fn subject(expectation: &Expectation) -> Subject {
    let timed = expectation.measure.is_timed();
    let clock = if timed { expectation.clock } else { Timing::Response };
    Subject { traffic: expectation.traffic, part: expectation.part, class: expectation.class, clock }
}
