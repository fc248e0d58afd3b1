//! When each fault really was, and which stretches of time each promise is about.
//!
//! A shot belongs to the window in which it was due, except that one which was still under way when a fault began to
//! strike belongs to `during`, and to no other window of its time. Effective times are rounded outward to 100 ms, the
//! grid of the response intervals.

use std::time::Duration;

use super::recovery::Recovery;
use crate::base::time::{Offset, Span};
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::manifest::How;
use crate::evidence::reader::Evidence;
use crate::evidence::touches::{Effect, ShotTouch};
use crate::plan::Timeline;
use crate::scenario::{On, Scenario, Window};

/// The grid on which windows are cut.
pub const GRID: Duration = Duration::from_millis(100);

/// When a fault really was.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultTimes {
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
    /// Why it was not what the scenario describes, if so.
    pub trouble: Option<String>,
    /// Why it could not be undone, and what to type.
    pub stuck: Option<(String, String)>,
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
        let mut times = FaultTimes {
            planned: timeline.whole(fault),
            applied: None,
            touched: None,
            cleared: None,
            eligible: 0,
            injected: 0,
            effective: None,
            trouble: None,
            stuck: None,
        };
        let name = &scenario.faults[fault].name;
        let steps = evidence.events.iter().filter_map(|event| match event {
            Event::Fault { at, fault, step } if fault == name => Some((*at, step)),
            _ => None,
        });
        let mut stood: Vec<(Offset, Option<Offset>)> = Vec::new();
        let mut counted = false;
        let mut gone = None;
        for (at, step) in steps {
            match step {
                FaultStep::Applied => {
                    times.applied = times.applied.or(Some(at));
                    stood.push((at, None));
                }
                FaultStep::Touched => times.touched = Some(times.touched.map_or(at, |t| t.min(at))),
                FaultStep::Cleared { eligible, injected } => {
                    (times.eligible, times.injected, counted) = (*eligible, *injected, true);
                    times.cleared = Some(at);
                    stood.last_mut().into_iter().for_each(|(_, end)| *end = Some(at));
                    times.stuck = None;
                }
                FaultStep::Failed { why } if times.applied.is_none() => {
                    times.trouble = Some(format!("could not be applied: {why}"));
                }
                // Whatever struck is gone, and the fault with it.
                FaultStep::Failed { why } => {
                    times.trouble = Some(format!("failed: {why}"));
                    gone = Some(at);
                }
                FaultStep::Withheld { why } => times.trouble = Some(format!("was not applied: {why}")),
                FaultStep::Stuck { why, remedy } => times.stuck = Some((why.clone(), remedy.clone())),
            }
        }
        // The stage writes down each decision before it says that it was the first: after a sudden death the
        // decisions are what is left.
        let of_fault = evidence.decisions.iter().filter(|d| usize::from(d.fault) == fault);
        let injected = of_fault.clone().filter(|d| d.effect == Effect::Injected);
        if let Some(first) = injected.clone().map(|d| d.at).min() {
            times.touched = Some(times.touched.map_or(first, |t| t.min(first)));
        }
        if !counted {
            (times.eligible, times.injected) = (of_fault.count() as u64, injected.count() as u64);
        }
        if matches!(scenario.faults[fault].on, On::Process(_) | On::Hook(_)) {
            times.count_shots(&stood, gone.unwrap_or(seen.max(timeline.end)), &evidence.shots);
        }
        times.effective = times.effective_span(gone.unwrap_or(seen.max(timeline.end)));
        if times.trouble.is_none() {
            times.trouble = times.find_trouble(seen);
        }
        times
    }

    /// Of what strikes as a whole: every shot that was due or under way while it stood, each time that it did.
    fn count_shots(&mut self, stood: &[(Offset, Option<Offset>)], last: Offset, shots: &[ShotTouch]) {
        let meets = |shot: &ShotTouch, (from, to): &(Offset, Option<Offset>)| {
            let first = shot.due.max(*from);
            (shot.done() >= *from && shot.due <= to.unwrap_or(last)).then_some(first)
        };
        let touched: Vec<Offset> =
            shots.iter().filter_map(|shot| stood.iter().filter_map(|span| meets(shot, span)).min()).collect();
        (self.eligible, self.injected) = (touched.len() as u64, touched.len() as u64);
        self.touched = touched.into_iter().min();
    }

    /// First touch to end. What was counted but not seen to begin began when it was applied; what was not seen to end
    /// lasted.
    fn effective_span(&self, last: Offset) -> Option<Span> {
        let counted = (self.injected > 0).then_some(self.applied.unwrap_or(self.planned.start));
        let start = self.touched.or(counted)?.floor_to(GRID);
        let end = self.cleared.unwrap_or(last).ceil_to(GRID);
        (start < end).then_some(Span { start, end })
    }

    fn find_trouble(&self, seen: Offset) -> Option<String> {
        if self.effective.is_some() {
            return None;
        }
        Some(match self.applied {
            Some(_) if self.eligible == 0 => "touched nothing: no request came its way".into(),
            Some(_) => format!("touched nothing: {} requests came its way and none felt it", self.eligible),
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
    /// When each traffic had recovered from each fault: by fault, then by traffic.
    pub recoveries: Vec<Vec<Recovery>>,
}

impl Windows<'_> {
    /// What a window is about, for one traffic or, as far as the target is asked, for all together.
    pub fn cut(&self, window: Window, traffic: Option<usize>) -> Cut {
        let measured = self.timeline.measured(traffic);
        let others = |fault| (0..self.faults.len()).filter(|f| *f != fault).collect();
        match window {
            Window::Measured => Cut { parts: vec![measured], ..Cut::default() },
            Window::Outside => {
                let mut parts = vec![measured];
                for fault in 0..self.faults.len() {
                    for hole in [self.faults[fault].effective, self.recovery(fault, traffic)].into_iter().flatten() {
                        parts = parts.into_iter().flat_map(|part| part.without(hole)).collect();
                    }
                }
                Cut { parts, leaving: (0..self.faults.len()).collect(), joining: None }
            }
            // An earlier fault lies within: the promise says "up to", not "outside".
            Window::Before(fault) => {
                let effective = self.faults[fault].effective;
                let before = effective.map(|e| Span { start: Offset::from_nanos(i64::MIN), end: e.start });
                Cut { parts: within(measured, before), leaving: vec![fault], joining: None }
            }
            Window::During(fault) => {
                let parts = within(measured, self.faults[fault].effective);
                Cut { joining: (!parts.is_empty()).then_some(fault), parts, leaving: Vec::new() }
            }
            Window::Recovery(fault) => {
                Cut { parts: within(measured, self.recovery(fault, traffic)), leaving: others(fault), joining: None }
            }
            Window::After(fault) => {
                Cut { parts: within(measured, self.after(fault, traffic)), leaving: others(fault), joining: None }
            }
        }
    }

    /// Fault end to recovery instant; nothing when there was none to recover from, or when it took no time.
    fn recovery(&self, fault: usize, traffic: Option<usize>) -> Option<Span> {
        let start = self.faults[fault].effective?.end;
        let span = Span { start, end: self.recovered(fault, traffic) };
        (span.start < span.end).then_some(span)
    }

    /// From the recovery instant to the next fault or the end. While another fault strikes it is not yet after.
    fn after(&self, fault: usize, traffic: Option<usize>) -> Option<Span> {
        self.faults[fault].effective?;
        let mut start = self.recovered(fault, traffic);
        let mut effective: Vec<Span> =
            self.faults.iter().enumerate().filter(|(f, _)| *f != fault).filter_map(|(_, t)| t.effective).collect();
        effective.sort_unstable();
        for other in &effective {
            if other.contains(start) {
                start = other.end;
            }
        }
        let end = effective.iter().map(|e| e.start).find(|s| *s >= start).unwrap_or(Offset::MAX);
        (start < end).then_some(Span { start, end })
    }

    /// Where recovery from a fault ends for a traffic, or for the last of all.
    fn recovered(&self, fault: usize, traffic: Option<usize>) -> Offset {
        let all = &self.recoveries[fault];
        match traffic {
            Some(traffic) => all[traffic].ends,
            None => all.iter().map(|r| r.ends).max().unwrap_or(Offset::ZERO),
        }
    }

    /// The first fault to strike at or after an instant.
    pub fn next_strike(&self, from: Offset) -> Offset {
        let strikes = self.faults.iter().filter_map(|f| f.effective).map(|e| e.start);
        strikes.filter(|s| *s >= from).min().unwrap_or(Offset::MAX)
    }
}

fn within(measured: Span, part: Option<Span>) -> Vec<Span> {
    part.and_then(|part| measured.overlap(part)).into_iter().collect()
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
