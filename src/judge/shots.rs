//! The shots of a stretch of time: how many, what became of them, how long they took.

use std::collections::BTreeSet;

use super::window::{Cut, FaultTimes};
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::{Interval, LatencyLog, grid};
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Bins, Tally, cell};
use crate::evidence::touches::ShotTouch;
use crate::plan::Timeline;
use crate::scenario::Scenario;

/// Whose shots, on which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// The position of the class, if only one.
    pub class: Option<usize>,
    /// The clock.
    pub clock: Timing,
}

/// A stretch of a window: all of one of its parts, or a slice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// From when to when.
    pub span: Span,
    /// The part that it belongs to.
    pub part: Span,
}

impl Stretch {
    /// All of a part.
    pub fn whole(part: Span) -> Stretch {
        Stretch { span: part, part }
    }
}

/// The shots of a stretch of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Population {
    /// How many came to which outcome, by its code.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// How long those took that were ok.
    pub ok: Tally,
    /// How long those took that failed, as it was, for as many as have a length on this clock.
    pub failed: Tally,
    /// Of the ok ones, how many count as failed because we spoilt them.
    pub spoilt: u64,
    /// Shots that we lost sight of: due, and nowhere else.
    pub lost: u64,
}

impl Population {
    /// Shots that were due.
    pub fn due(&self) -> u64 {
        self.outcomes.iter().sum::<u64>() + self.lost
    }

    /// Shots that came to an outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[usize::from(outcome.code())]
    }

    /// Shots that came to an outcome for which `wanted` holds.
    pub fn count(&self, wanted: impl Fn(Outcome) -> bool) -> u64 {
        Outcome::ALL.into_iter().filter(|o| wanted(*o)).map(|o| self.of(o)).sum()
    }
}

/// Who an interval is about.
pub struct Who {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// The position of the class, if any.
    pub class: Option<usize>,
    /// What became of the shots.
    pub outcome: Outcome,
    /// Which clock.
    pub timing: Timing,
}

/// All shots of a run, found by when they were due.
pub struct Shots<'e> {
    log: &'e LatencyLog,
    tags: Vec<Option<Who>>,
    /// For each fault, the shots under way when it began to strike, by due time.
    straddlers: Vec<Vec<ShotTouch>>,
    /// For each fault, when it began to strike.
    strikes: Vec<Option<Offset>>,
    timeline: &'e Timeline,
}

impl<'e> Shots<'e> {
    /// The shots of a run. Tags of traffic that the scenario does not know are left out.
    pub fn new(scenario: &Scenario, timeline: &'e Timeline, evidence: &'e Evidence, faults: &[FaultTimes]) -> Self {
        let who = |tag: &crate::evidence::latency::Tag| {
            let traffic = scenario.traffic.iter().position(|t| t.name == tag.traffic)?;
            let classes = &scenario.traffic[traffic].classes;
            let class = tag.class.as_ref().and_then(|name| classes.iter().position(|c| c.name == *name));
            Some(Who { traffic, class, outcome: tag.outcome, timing: tag.timing })
        };
        let straddlers = |fault: &FaultTimes| {
            let Some(span) = fault.effective else { return Vec::new() };
            let mut shots: Vec<ShotTouch> =
                evidence.shots.iter().filter(|shot| is_under_way(shot, span.start)).collect();
            shots.sort_by_key(|shot| shot.due);
            shots
        };
        Shots {
            log: &evidence.latency,
            tags: evidence.latency.tags.iter().map(who).collect(),
            straddlers: faults.iter().map(straddlers).collect(),
            strikes: faults.iter().map(|fault| fault.effective.map(|span| span.start)).collect(),
            timeline,
        }
    }

    /// The shots of a subject in stretches of a window, without those due in seconds that `leave_out` holds. Lengths
    /// are left empty unless they are wanted.
    pub fn population(
        &self,
        subject: Subject,
        cut: &Cut,
        stretches: &[Stretch],
        leave_out: &BTreeSet<i64>,
        lengths: bool,
    ) -> Population {
        let mut population = Population::default();
        let mut bins = [Bins::default(), Bins::default()]; // ok, failed
        for stretch in stretches {
            let Some(span) = self.aligned(subject.clock, cut, *stretch) else { continue };
            for (who, interval) in self.intervals(subject, span) {
                if leave_out.contains(&second(interval.span.start)) {
                    continue;
                }
                let is_clock = who.timing == subject.clock;
                for (nanos, count) in &interval.cells {
                    if who.timing == Timing::Response {
                        population.outcomes[usize::from(who.outcome.code())] += count;
                    }
                    if lengths && is_clock && who.outcome != Outcome::Skipped {
                        bins[usize::from(who.outcome.is_failure())].add(*nanos, *count);
                    }
                }
            }
            for (shot, joins) in self.moving(subject, cut, *stretch, span) {
                if leave_out.contains(&second(shot.due)) {
                    continue;
                }
                let count = &mut population.outcomes[usize::from(shot.outcome.code())];
                *count = if joins { *count + 1 } else { count.saturating_sub(1) };
                let nanos = match subject.clock {
                    Timing::Response => Some(shot.response),
                    _ => shot.service,
                };
                if let Some(nanos) = nanos.filter(|_| lengths && shot.outcome != Outcome::Skipped) {
                    let bins = &mut bins[usize::from(shot.outcome.is_failure())];
                    if joins { bins.add(cell(nanos), 1) } else { bins.remove(cell(nanos), 1) }
                }
            }
        }
        let [ok, failed] = &mut bins;
        (population.ok, population.failed) = (ok.take(), failed.take());
        population
    }

    /// The intervals of a subject that begin in a span: those of its clock, and those of the response clock, on which
    /// every shot is.
    pub fn intervals(&self, subject: Subject, span: Span) -> impl Iterator<Item = (&Who, &'e Interval)> {
        // A shot of a closed loop is due when it is sent: it cannot be late, nor wait.
        let absent = matches!(subject.clock, Timing::Lag | Timing::Wait);
        let closed: Vec<Span> = match absent {
            true => self.timeline.closed_loops(subject.traffic).map(|(span, _)| span).collect(),
            false => Vec::new(),
        };
        self.log.within(span).filter_map(move |interval| {
            let who = self.tags[interval.tag].as_ref()?;
            let wanted = !closed.iter().any(|span| span.contains(interval.span.start))
                && who.traffic == subject.traffic
                && (subject.class.is_none() || who.class == subject.class)
                && (who.timing == subject.clock || who.timing == Timing::Response);
            wanted.then_some((who, interval))
        })
    }

    /// Every interval of a clock; every shot is on that of the response.
    pub fn on(&self, clock: Timing) -> impl Iterator<Item = (&Who, &'e Interval)> {
        let who = |interval: &'e Interval| self.tags[interval.tag].as_ref().map(|who| (who, interval));
        self.log.intervals.iter().filter_map(who).filter(move |(who, _)| who.timing == clock)
    }

    /// Shots that change sides in a stretch, and whether they come in. Only the response and service clocks move
    /// single shots; the others use whole seconds.
    pub fn moving(&self, subject: Subject, cut: &Cut, stretch: Stretch, span: Span) -> Vec<(ShotTouch, bool)> {
        if !matches!(subject.clock, Timing::Response | Timing::Service) {
            return Vec::new();
        }
        let ours = |shot: &&ShotTouch| {
            usize::from(shot.traffic) == subject.traffic
                && (subject.class.is_none() || shot.class.map(usize::from) == subject.class)
        };
        let measured = self.timeline.measured(Some(subject.traffic));
        let mut moving: Vec<(ShotTouch, bool)> = Vec::new();
        if let Some(fault) = cut.joining.filter(|_| stretch.span.start == stretch.part.start) {
            let joins = |shot: &&ShotTouch| shot.due < span.start && measured.contains(shot.due);
            moving.extend(self.straddlers[fault].iter().filter(ours).filter(joins).map(|shot| (*shot, true)));
        }
        for (nth, fault) in cut.leaving.iter().enumerate() {
            let shots = &self.straddlers[*fault];
            let first = shots.partition_point(|shot| shot.due < span.start);
            let end = shots.partition_point(|shot| shot.due < span.end);
            // A shot that two faults take away leaves once.
            let earlier = |shot: &&ShotTouch| {
                cut.leaving[..nth].iter().filter_map(|f| self.strikes[*f]).any(|strike| is_under_way(shot, strike))
            };
            let leaving = shots[first..end.max(first)].iter().filter(ours).filter(|shot| !earlier(shot));
            moving.extend(leaving.map(|shot| (*shot, false)));
        }
        moving
    }

    /// A stretch on the grid of a clock. The response clock is on the grid of windows already. Other clocks are kept by
    /// the second, and cut at planned edges: `during` takes in the seconds at its ends, all other windows leave them
    /// out, so that no second in which a fault struck counts as calm.
    pub fn aligned(&self, clock: Timing, cut: &Cut, Stretch { span, part }: Stretch) -> Option<Span> {
        if clock == Timing::Response {
            return Some(span);
        }
        let edges = self.timeline.edges();
        let up = |at: Offset| {
            let next = edges.get(edges.partition_point(|e| *e < at)).copied();
            next.unwrap_or(Offset::MAX).min(at.ceil_to(grid(clock)))
        };
        let down = |at: Offset| {
            let last = edges.partition_point(|e| *e <= at).checked_sub(1).map(|i| edges[i]);
            last.unwrap_or(Offset::ZERO).max(at.floor_to(grid(clock)))
        };
        let start = if span.start == part.start && cut.joining.is_some() { down(span.start) } else { up(span.start) };
        let end = if span.end == part.end && cut.joining.is_none() { down(span.end) } else { up(span.end) };
        (start < end).then_some(Span { start, end })
    }
}

/// Whether a shot was due before a fault began to strike, and over at the earliest then.
fn is_under_way(shot: &ShotTouch, strike: Offset) -> bool {
    shot.due < strike && shot.done() >= strike
}

/// The second that an instant lies in.
pub fn second(at: Offset) -> i64 {
    at.nanos().div_euclid(1_000_000_000)
}
