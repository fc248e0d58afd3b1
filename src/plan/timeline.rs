//! Phases, faults and windows on one axis.

use crate::base::time::{Offset, Span};
use crate::base::units::Rate;
use crate::scenario::{Scenario, Window};

/// A load segment of one traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// The word for it in the scenario.
    pub word: &'static str,
    /// When.
    pub span: Span,
    /// The rate at its start.
    pub from: Rate,
    /// The rate at its end.
    pub to: Rate,
    /// Whether promises count it.
    pub measured: bool,
    /// The connections of a closed loop; `None` where shots are planned.
    pub saturate: Option<u32>,
}

/// Everything that has a planned time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Load segments, traffic by traffic.
    pub phases: Vec<Phase>,
    /// Planned times of the faults, in the order of the scenario: of each at least one, in order, apart from each other.
    pub faults: Vec<Vec<Span>>,
    /// Where the last load ends.
    pub end: Offset,
    measured: Vec<Span>, // per traffic
    edges: Vec<Offset>,
}

impl Timeline {
    /// The timeline of a scenario.
    pub fn new(scenario: &Scenario) -> Timeline {
        let mut phases = Vec::new();
        let mut measured = Vec::new();
        for (traffic, t) in scenario.traffic.iter().enumerate() {
            let mut start = Offset::ZERO;
            let mut warm = Offset::ZERO;
            for segment in &t.load {
                let span = Span { start, end: start + segment.length };
                phases.push(Phase {
                    traffic,
                    word: segment.word,
                    span,
                    from: segment.from,
                    to: segment.to,
                    measured: segment.measured,
                    saturate: segment.saturate,
                });
                start = span.end;
                if !segment.measured {
                    warm = span.end;
                }
            }
            measured.push(Span { start: warm, end: start });
        }
        let faults = scenario.faults.iter().map(crate::scenario::Fault::occurrences).collect();
        let end = measured.iter().map(|m| m.end).max().unwrap_or(Offset::ZERO);
        let mut timeline = Timeline { phases, faults, end, measured, edges: Vec::new() };
        timeline.edges = timeline.find_edges(scenario);
        timeline
    }

    /// The measured phase of a traffic; of all together (from the last warm-up to the last end) without one.
    pub fn measured(&self, traffic: Option<usize>) -> Span {
        match traffic.and_then(|t| self.measured.get(t)) {
            Some(span) => *span,
            None => Span { start: self.measured.iter().map(|m| m.start).max().unwrap_or(Offset::ZERO), end: self.end },
        }
    }

    /// From a fault's first beginning to its last end.
    pub fn whole(&self, fault: usize) -> Span {
        let start = self.faults[fault].first().map_or(Offset::ZERO, |s| s.start);
        Span { start, end: self.faults[fault].last().map_or(start, |s| s.end) }
    }

    /// When the closed loops of a traffic are, and their connections.
    pub fn closed_loops(&self, traffic: usize) -> impl Iterator<Item = (Span, u32)> + '_ {
        let of = move |phase: &&Phase| phase.traffic == traffic;
        self.phases.iter().filter(of).filter_map(|phase| phase.saturate.map(|connections| (phase.span, connections)))
    }

    /// Every planned instant at which intervals are cut, in order, each once: phases, faults, and the slices of
    /// promises whose window is planned.
    pub fn edges(&self) -> &[Offset] {
        &self.edges
    }

    fn find_edges(&self, scenario: &Scenario) -> Vec<Offset> {
        let mut edges: Vec<Offset> = vec![Offset::ZERO];
        edges.extend(self.phases.iter().flat_map(|p| [p.span.start, p.span.end]));
        edges.extend(self.faults.iter().flatten().flat_map(|f| [f.start, f.end]));
        let sliced = scenario
            .promises
            .iter()
            .filter(|p| matches!(p.window, Window::Measured | Window::Outside | Window::Before(_)));
        for each in sliced.filter_map(|p| p.each) {
            for span in &self.measured {
                let mut at = span.start + each;
                while at < span.end {
                    edges.push(at);
                    at = at + each;
                }
            }
        }
        edges.retain(|e| *e <= self.end);
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}
