//! When each fault really was, and which stretches of time each promise is about.
//!
//! A shot belongs to the window in which it was due, except that one which was still under way when a fault began to
//! strike belongs to `during`, and to no other window of its time. Effective times are rounded outward to 100 ms, the
//! grid of the response intervals.

use std::time::Duration;

use super::recovery::Recovery;
use super::verdict::instant;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::manifest::How;
use crate::evidence::reader::Evidence;
use crate::evidence::touches::Effect;
use crate::plan::Timeline;
use crate::scenario::{On, Scenario, Window};

/// The grid on which windows are cut.
pub const GRID: Duration = Duration::from_millis(100);

/// When a fault really was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FaultTimes {
    /// Each time that it was planned, in order.
    pub occurrences: Vec<Occurrence>,
    /// Requests that it could have struck.
    pub eligible: u64,
    /// Requests that it struck.
    pub injected: u64,
    /// Why it was not what the scenario describes, if so.
    pub trouble: Option<String>,
    /// Whether it was not applied on purpose.
    pub withheld: bool,
    /// Why it could not be undone, and what to type.
    pub stuck: Option<(String, String)>,
}

/// When a fault really was, one time of perhaps several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occurrence {
    /// When it should have been.
    pub planned: Span,
    /// From here on requests could be struck.
    pub applied: Option<Offset>,
    /// It struck its first request.
    pub touched: Option<Offset>,
    /// From here on no request was struck.
    pub cleared: Option<Offset>,
    /// Requests that it could have struck.
    pub eligible: u64,
    /// Requests that it struck.
    pub injected: u64,
    /// First touch to end, rounded outward; nothing when it touched nothing.
    pub effective: Option<Span>,
    /// When it was told to begin, and to end.
    pub told: [Option<Offset>; 2],
    counted: bool,        // by whoever struck; otherwise from what it wrote down
    gone: Option<Offset>, // whatever struck was gone from here on
}

/// Whether the run took its planned course.
pub fn is_complete(evidence: &Evidence) -> bool {
    evidence.manifest.end.as_ref().is_some_and(|end| end.how == How::Complete)
}

/// Up to where the run took up its shots: the planned end unless it was cut short.
pub fn seen(timeline: &Timeline, evidence: &Evidence) -> Offset {
    if is_complete(evidence) {
        return timeline.end;
    }
    let through = evidence.events.iter().filter_map(|e| match e {
        Event::Tick(tick) => Some(tick.through),
        _ => None,
    });
    through.max().unwrap_or(Offset::ZERO).min(timeline.end).max(Offset::ZERO)
}

impl FaultTimes {
    /// The times of a fault, by its position in the scenario.
    pub fn read(fault: usize, scenario: &Scenario, timeline: &Timeline, evidence: &Evidence, seen: Offset) -> Self {
        let occurrences = timeline.faults[fault].iter().map(|planned| Occurrence::new(*planned)).collect();
        let mut times = FaultTimes { occurrences, ..FaultTimes::default() };
        let name = &scenario.faults[fault].name;
        let mut nth = 0;
        for event in &evidence.events {
            match event {
                Event::Fault { at, fault, step } if fault == name => {
                    if matches!(step, FaultStep::Applied | FaultStep::Failed { .. }) {
                        nth = times.at(*at).max(nth);
                    }
                    times.step(nth, *at, step);
                }
                Event::Order { at, fault, end, planned } if fault == name => {
                    let of = times.occurrences.iter_mut().find(|o| {
                        let edge = if *end { o.planned.end } else { o.planned.start };
                        edge == *planned
                    });
                    of.into_iter().for_each(|of| of.told[usize::from(*end)] = Some(*at));
                }
                _ => {}
            }
        }
        // The stage writes down each decision before it says that it was the first: after a sudden death the
        // decisions are what is left.
        for decision in evidence.decisions.iter().filter(|d| usize::from(d.fault) == fault) {
            let nth = times.at(decision.at);
            let Some(occurrence) = times.occurrences.get_mut(nth) else { continue };
            let injected = decision.effect == Effect::Injected;
            if injected {
                occurrence.touched = Some(occurrence.touched.map_or(decision.at, |t| t.min(decision.at)));
            }
            if !occurrence.counted {
                occurrence.eligible += 1;
                occurrence.injected += u64::from(injected);
            }
        }
        if matches!(scenario.faults[fault].on, On::Process(_) | On::Hook(_)) {
            times.count_shots(seen.max(timeline.end), evidence);
        }
        // What stands while a run goes on, or stood when it died, ends as planned unless it is seen not to: what comes after is
        // not its, and was not seen either.
        let lasts = is_complete(evidence) || times.stuck.is_some();
        for occurrence in &mut times.occurrences {
            let last = if lasts { seen.max(timeline.end) } else { occurrence.planned.end.max(seen) };
            occurrence.effective = occurrence.effective_span(occurrence.gone.unwrap_or(last));
        }
        times.eligible = times.occurrences.iter().map(|o| o.eligible).sum();
        times.injected = times.occurrences.iter().map(|o| o.injected).sum();
        if times.trouble.is_none() {
            times.trouble = times.find_trouble(seen, scenario.faults[fault].unit());
        }
        times
    }

    /// Of what strikes as a whole: every shot that was due or under way while it stood, counted once, the first time that
    /// it did.
    fn count_shots(&mut self, last: Offset, evidence: &Evidence) {
        for occurrence in &mut self.occurrences {
            (occurrence.eligible, occurrence.injected, occurrence.touched) = (0, 0, None);
        }
        for shot in evidence.shots.iter() {
            let stood = |o: &&mut Occurrence| {
                o.applied.is_some_and(|from| shot.done() >= from && shot.due <= o.cleared.or(o.gone).unwrap_or(last))
            };
            let Some(occurrence) = self.occurrences.iter_mut().find(stood) else { continue };
            let first = occurrence.applied.map_or(shot.due, |from| shot.due.max(from));
            occurrence.eligible += 1;
            occurrence.injected += 1;
            occurrence.touched = Some(occurrence.touched.map_or(first, |t| t.min(first)));
        }
    }

    /// Which of its times an instant belongs to.
    fn at(&self, at: Offset) -> usize {
        self.occurrences.iter().rposition(|o| o.planned.start <= at).unwrap_or(0)
    }

    fn step(&mut self, nth: usize, at: Offset, step: &FaultStep) {
        let Some(occurrence) = self.occurrences.get_mut(nth) else { return };
        match step {
            FaultStep::Applied => occurrence.applied = occurrence.applied.or(Some(at)),
            FaultStep::Touched => occurrence.touched = Some(occurrence.touched.map_or(at, |t| t.min(at))),
            FaultStep::Cleared { eligible, injected } => {
                (occurrence.eligible, occurrence.injected, occurrence.counted) = (*eligible, *injected, true);
                occurrence.cleared = Some(at);
                self.stuck = None;
            }
            FaultStep::Failed { why } if occurrence.applied.is_none() => {
                self.trouble = Some(format!("could not be applied: {why}"));
            }
            // Whatever struck is gone, and the fault with it.
            FaultStep::Failed { why } => {
                self.trouble = Some(format!("failed: {why}"));
                occurrence.gone = Some(at);
            }
            FaultStep::Withheld { why } => {
                self.withheld = true;
                self.trouble = Some(format!("was not applied: {why}"));
            }
            FaultStep::Stuck { why, remedy } => self.stuck = Some((why.clone(), remedy.clone())),
        }
    }

    /// When it struck: first touch to end of each of its times, rounded outward, in order.
    pub fn strikes(&self) -> impl Iterator<Item = Span> + '_ {
        self.occurrences.iter().filter_map(|o| o.effective)
    }

    fn find_trouble(&self, seen: Offset, unit: &str) -> Option<String> {
        let troubles = self.occurrences.iter().enumerate();
        let (nth, trouble) = troubles.into_iter().find_map(|(n, o)| Some((n, o.find_trouble(seen, unit)?)))?;
        Some(match self.occurrences.len() {
            1 => trouble,
            n => format!("{trouble} ({} of {n} times, at {})", nth + 1, instant(self.occurrences[nth].planned.start)),
        })
    }
}

impl Occurrence {
    fn new(planned: Span) -> Occurrence {
        Occurrence {
            planned,
            applied: None,
            touched: None,
            cleared: None,
            eligible: 0,
            injected: 0,
            effective: None,
            told: [None; 2],
            counted: false,
            gone: None,
        }
    }

    /// First touch to end. What was counted but not seen to begin began when it was applied; what was not seen to end
    /// lasted.
    fn effective_span(&self, last: Offset) -> Option<Span> {
        let counted = (self.injected > 0).then_some(self.applied.unwrap_or(self.planned.start));
        let start = self.touched.or(counted)?.floor_to(GRID);
        let end = self.cleared.unwrap_or(last).ceil_to(GRID);
        (start < end).then_some(Span { start, end })
    }

    fn find_trouble(&self, seen: Offset, unit: &str) -> Option<String> {
        if self.effective.is_some() {
            return None;
        }
        Some(match self.applied {
            Some(_) if self.eligible == 0 => format!("touched nothing: no {unit} came its way"),
            Some(_) => {
                format!("touched nothing: {} came its way and none felt it", text::count(self.eligible, unit))
            }
            None if self.planned.start >= seen => "was not reached: the run ended before it".into(),
            None => "was never applied".into(),
        })
    }
}

/// The stretches of time a promise is about, and which shots change sides at their edges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// In order, apart from each other.
    pub parts: Vec<Span>,
    /// Faults that take away the shots which were under way when they began to strike.
    pub leaving: Vec<usize>,
    /// The fault whose first touch brings in the shots which were under way.
    pub joining: Option<usize>,
}

/// Everything that windows are cut from.
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    /// What was planned.
    pub timeline: &'a Timeline,
    /// When the faults really were, in the order of the scenario.
    pub faults: Vec<FaultTimes>,
    /// Up to where the run took up its shots.
    pub seen: Offset,
    /// When each traffic had recovered: by fault, then by strike, then by traffic.
    pub recoveries: Vec<Vec<Vec<Recovery>>>,
}

impl Windows<'_> {
    /// What a window is about, for one traffic or, as far as the target is asked, for all together.
    pub fn cut(&self, window: Window, traffic: Option<usize>) -> Cut {
        let measured = self.timeline.measured(traffic);
        let all = || (0..self.faults.len()).collect();
        match window {
            Window::Measured => Cut { parts: vec![measured], ..Cut::default() },
            Window::Outside => {
                let mut parts = vec![measured];
                for fault in 0..self.faults.len() {
                    for hole in self.faults[fault].strikes().chain(self.recovery(fault, traffic)) {
                        parts = parts.into_iter().flat_map(|part| part.without(hole)).collect();
                    }
                }
                Cut { parts, leaving: all(), joining: None }
            }
            // An earlier fault lies within: the promise says "up to", not "outside".
            Window::Before(fault) => {
                let first = self.faults[fault].strikes().next();
                let before = first.map(|strike| Span { start: Offset::from_nanos(i64::MIN), end: strike.start });
                Cut { parts: within(measured, before), leaving: vec![fault], joining: None }
            }
            Window::During(fault) => {
                let parts = within(measured, self.faults[fault].strikes());
                Cut { joining: (!parts.is_empty()).then_some(fault), parts, leaving: Vec::new() }
            }
            Window::Recovery(fault) => {
                Cut { parts: within(measured, self.recovery(fault, traffic)), leaving: all(), joining: None }
            }
            Window::After(fault) => {
                Cut { parts: within(measured, self.after(fault, traffic)), leaving: all(), joining: None }
            }
        }
    }

    /// Fault end to recovery instant, each time; nothing when there was none to recover from, or when it took no time.
    fn recovery(&self, fault: usize, traffic: Option<usize>) -> Vec<Span> {
        let strikes = self.faults[fault].strikes().enumerate();
        let spans = strikes.map(|(nth, strike)| Span { start: strike.end, end: self.recovered(fault, nth, traffic) });
        spans.filter(|span| span.start < span.end).collect()
    }

    /// From the recovery instant to the next fault or the end, each time. While another fault strikes it is not yet
    /// after.
    fn after(&self, fault: usize, traffic: Option<usize>) -> Vec<Span> {
        let mut effective: Vec<Span> = self.faults.iter().flat_map(FaultTimes::strikes).collect();
        effective.sort_unstable();
        let after = |(nth, strike): (usize, Span)| {
            let mut start = self.recovered(fault, nth, traffic);
            for other in effective.iter().filter(|other| **other != strike) {
                if other.contains(start) {
                    start = other.end;
                }
            }
            let end = effective.iter().map(|e| e.start).find(|s| *s >= start).unwrap_or(Offset::MAX);
            (start < end).then_some(Span { start, end })
        };
        let mut spans: Vec<Span> = self.faults[fault].strikes().enumerate().filter_map(after).collect();
        // Where it had not recovered before it struck again, what came after is the same.
        spans.dedup();
        spans
    }

    /// Where recovery from a strike of a fault ends for a traffic, or for the last of all.
    pub fn recovered(&self, fault: usize, strike: usize, traffic: Option<usize>) -> Offset {
        let all = &self.recoveries[fault][strike];
        match traffic {
            Some(traffic) => all[traffic].ends,
            None => all.iter().map(|r| r.ends).max().unwrap_or(Offset::ZERO),
        }
    }

    /// The first strike of a fault at or after an instant.
    pub fn next_strike(&self, from: Offset) -> Offset {
        let strikes = self.faults.iter().flat_map(FaultTimes::strikes).map(|strike| strike.start);
        strikes.filter(|s| *s >= from).min().unwrap_or(Offset::MAX)
    }
}

fn within(measured: Span, parts: impl IntoIterator<Item = Span>) -> Vec<Span> {
    parts.into_iter().filter_map(|part| measured.overlap(part)).collect()
}

/// The window in words.
pub fn name(window: Window, each: Option<Duration>, scenario: &Scenario) -> String {
    let fault = |f: usize| scenario.faults[f].name.as_str();
    let mut name = match window {
        Window::Measured => "whole run".to_owned(),
        Window::Outside => "outside faults".to_owned(),
        Window::Before(f) => format!("before {}", fault(f)),
        Window::During(f) => format!("during {}", fault(f)),
        Window::Recovery(f) => format!("recovery from {}", fault(f)),
        Window::After(f) => format!("after {}", fault(f)),
    };
    if let Some(each) = each {
        name.push_str(&format!(", each {}", crate::base::units::duration(each)));
    }
    name
}
