//! The shots of a stretch of time: how many, what became of them, how long they took.

use std::collections::{BTreeMap, BTreeSet};

use super::missing::Missing;
use super::window::{Cut, FaultTimes};
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::{Interval, LatencyLog, grid};
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Bins, Tally, cell};
use crate::evidence::touches::{PartTouch, ShotTouch};
use crate::plan::Timeline;
use crate::scenario::{Scenario, Whose, part_name};

/// Whose shots, on which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// The position of the part, if only one.
    pub part: Option<usize>,
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
    /// Of the unfinished ones, how many rightly came to nothing: they count as skipped.
    pub excused: u64,
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

    /// The same shots, had those that we lost sight of come to no end.
    pub fn closed(&self) -> Population {
        let mut closed = self.clone();
        closed.outcomes[usize::from(Outcome::Unfinished.code())] += std::mem::take(&mut closed.lost);
        closed
    }

    /// Shots that failed.
    pub fn failures(&self) -> u64 {
        self.count(Outcome::is_failure).saturating_sub(self.excused)
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
    /// The position of the part; `None` for shots as a whole.
    pub part: Option<usize>,
    /// The position of the class, if any.
    pub class: Option<usize>,
    /// What became of the shots.
    pub outcome: Outcome,
    /// What the log says of it, which does not know what rightly came to nothing.
    pub told: Outcome,
    /// Which clock.
    pub timing: Timing,
}

/// One time that a fault struck.
struct Strike {
    span: Span,
    /// The shots and parts of shots under way when it began, by when the shots were due.
    under_way: Vec<Met>,
}

/// A shot that met a fault, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// When the shot was due.
    pub due: Offset,
    /// When the shot, or the part, was over.
    pub done: Offset,
    /// How long it took on the response clock, in nanoseconds.
    pub response: u64,
    /// How long it took on the service clock, in nanoseconds; `None` when nothing was sent.
    pub service: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    traffic: usize,
    part: Option<usize>,
    class: Option<usize>,
}

impl From<ShotTouch> for Met {
    fn from(shot: ShotTouch) -> Met {
        Met {
            due: shot.due,
            done: shot.done(),
            response: shot.response,
            service: shot.service,
            outcome: shot.outcome,
            traffic: shot.traffic.into(),
            part: None,
            class: shot.class.map(usize::from),
        }
    }
}

impl From<PartTouch> for Met {
    fn from(part: PartTouch) -> Met {
        Met {
            due: part.shot,
            done: part.done,
            response: part.response,
            service: part.service,
            outcome: part.outcome,
            traffic: part.traffic.into(),
            part: Some(part.part.into()),
            class: None,
        }
    }
}

/// All shots of a run, found by when they were due.
pub struct Shots<'e> {
    log: &'e LatencyLog,
    tags: Vec<Option<Who>>,
    strikes: Vec<Vec<Strike>>, // by fault
    timeline: &'e Timeline,
}

impl<'e> Shots<'e> {
    /// The shots of a run. Tags of traffic that the scenario does not know are left out.
    ///
    /// What rightly came to nothing, all of it, is skipped.
    pub fn new(
        scenario: &Scenario,
        timeline: &'e Timeline,
        evidence: &'e Evidence,
        faults: &[FaultTimes],
        missing: &[Missing],
    ) -> Self {
        let excused = |traffic: usize, part: Option<usize>, outcome: Outcome| match missing.get(traffic) {
            Some(Missing::Skipped) if part.is_none() && outcome == Outcome::Unfinished => Outcome::Skipped,
            _ => outcome,
        };
        let mut named: BTreeMap<String, Whose> = BTreeMap::new();
        for (position, traffic) in scenario.traffic.iter().enumerate() {
            named.insert(traffic.name.clone(), Whose::whole(position));
            for (nth, part) in traffic.parts().iter().enumerate() {
                named.insert(part_name(&traffic.name, &part.name), Whose { traffic: position, part: Some(nth) });
            }
        }
        let who = |tag: &crate::evidence::latency::Tag| {
            let Whose { traffic, part } = *named.get(&tag.traffic)?;
            let classes = &scenario.traffic[traffic].classes;
            let class = tag.class.as_ref().and_then(|name| classes.iter().position(|c| c.name == *name));
            let outcome = excused(traffic, part, tag.outcome);
            Some(Who { traffic, part, class, outcome, told: tag.outcome, timing: tag.timing })
        };
        let strike = |span: Span| {
            let met = evidence.shots.iter().map(Met::from).chain(evidence.parts.iter().map(Met::from));
            let met = met.map(|shot| Met { outcome: excused(shot.traffic, shot.part, shot.outcome), ..shot });
            let mut under_way: Vec<Met> = met.filter(|shot| is_under_way(shot, span.start)).collect();
            under_way.sort_by_key(|shot| shot.due);
            Strike { span, under_way }
        };
        Shots {
            log: &evidence.latency,
            tags: evidence.latency.tags.iter().map(who).collect(),
            strikes: faults.iter().map(|fault| fault.strikes().map(strike).collect()).collect(),
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
                && who.part == subject.part
                && (subject.class.is_none() || who.class == subject.class)
                && (who.timing == subject.clock || who.timing == Timing::Response);
            wanted.then_some((who, interval))
        })
    }

    /// Every interval of whole shots on a clock; every shot is on that of the response.
    pub fn on(&self, clock: Timing) -> impl Iterator<Item = (&Who, &'e Interval)> {
        let who = |interval: &'e Interval| self.tags[interval.tag].as_ref().map(|who| (who, interval));
        self.log.intervals.iter().filter_map(who).filter(move |(who, _)| who.timing == clock && who.part.is_none())
    }

    /// Shots that change sides in a stretch, and whether they come in. Only the response and service clocks move
    /// single shots; the others use whole seconds.
    pub fn moving(&self, subject: Subject, cut: &Cut, stretch: Stretch, span: Span) -> Vec<(Met, bool)> {
        if !matches!(subject.clock, Timing::Response | Timing::Service) {
            return Vec::new();
        }
        let ours = |shot: &&Met| {
            (shot.traffic, shot.part) == (subject.traffic, subject.part)
                && (subject.class.is_none() || shot.class == subject.class)
        };
        let measured = self.timeline.measured(Some(subject.traffic));
        let mut moving: Vec<(Met, bool)> = Vec::new();
        let begins = stretch.span.start == stretch.part.start;
        for (nth, strike) in cut.joining.filter(|_| begins).iter().flat_map(|f| self.strikes[*f].iter().enumerate()) {
            // Those of another time join there; one that is due in an earlier time, or joined it, is in already.
            let earlier = |shot: &&Met| {
                let fault = cut.joining.unwrap_or_default();
                self.strikes[fault][..nth].iter().any(|e| e.span.contains(shot.due) || is_under_way(shot, e.span.start))
            };
            if strike.span.overlap(stretch.part).is_some() {
                let joins = |shot: &&Met| shot.due < span.start && measured.contains(shot.due);
                let joining = strike.under_way.iter().filter(ours).filter(joins).filter(|shot| !earlier(shot));
                moving.extend(joining.map(|shot| (*shot, true)));
            }
        }
        let strikes: Vec<&Strike> = cut.leaving.iter().flat_map(|fault| &self.strikes[*fault]).collect();
        for (nth, strike) in strikes.iter().enumerate() {
            let shots = &strike.under_way;
            let first = shots.partition_point(|shot| shot.due < span.start);
            let end = shots.partition_point(|shot| shot.due < span.end);
            // A shot that two faults take away leaves once.
            let earlier = |shot: &&Met| strikes[..nth].iter().any(|other| is_under_way(shot, other.span.start));
            let leaving = shots[first..end.max(first)].iter().filter(ours).filter(|shot| !earlier(shot));
            moving.extend(leaving.map(|shot| (*shot, false)));
        }
        moving
    }

    /// A stretch on the grid of a clock. The response clock is on the grid of windows already. Other clocks are kept by
    /// the second, and cut at planned edges: `during` takes in the seconds at its ends, all other windows leave them
    /// out, so that no second in which a fault struck counts as calm.
    pub fn aligned(&self, clock: Timing, cut: &Cut, Stretch { span, part }: Stretch) -> Option<Span> {
        if matches!(clock, Timing::Response | Timing::Earliest) {
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
fn is_under_way(shot: &Met, strike: Offset) -> bool {
    shot.due < strike && shot.done >= strike
}

/// The second that an instant lies in.
pub fn second(at: Offset) -> i64 {
    at.nanos().div_euclid(1_000_000_000)
}
