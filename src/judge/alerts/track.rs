//! What one alert did at one phase of its group's evaluations: the state machine's answer, laid on the run's own axis.

use std::time::Duration;

use crate::base::series::Labels;
use crate::base::time::{Offset, Span};

/// What an alert is, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its condition was not met.
    Never,
    /// It was met, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Never => "never",
            State::Pending => "pending",
            State::Firing => "firing",
        }
    }
}

/// A time in one state without a break.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Stint {
    /// Pending or firing.
    pub state: State,
    /// The first evaluation at which it was so.
    pub from: Offset,
    /// The first at which it no longer was; nothing when it was to the end.
    pub to: Option<Offset>,
}

impl Stint {
    /// From its first evaluation up to the one that ended it; without end when none did.
    pub fn span(&self) -> Span {
        Span { start: self.from, end: self.to.unwrap_or(Offset::MAX) }
    }
}

/// One element of an alert: its labels and what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// With `alertname`, and what the rule adds.
    pub labels: Labels,
    /// The annotations filled in, as they were when it was last active.
    pub annotations: Vec<(String, String)>,
    /// In order.
    pub stints: Vec<Stint>,
}

/// What one alert did at one phase.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    /// When its group was evaluated.
    pub ticks: Vec<Offset>,
    /// Its elements, sorted by labels.
    pub instances: Vec<Instance>,
    /// Evaluations that failed, in order.
    pub failures: Vec<Failed>,
}

/// Evaluations in a row that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// From the first to just behind the last.
    pub span: Span,
    /// Why.
    pub why: String,
}

impl Track {
    /// The stretches in which an element with these labels was in a state, in order and joined where they meet.
    pub fn spans(&self, state: State, labels: &[(String, String)]) -> Vec<Span> {
        let carries = |i: &&Instance| labels.iter().all(|(name, value)| i.labels.get(name) == value);
        let stints = self.instances.iter().filter(carries).flat_map(|i| &i.stints);
        let mut spans: Vec<Span> = stints.filter(|s| s.state == state).map(Stint::span).collect();
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::new();
        for span in spans {
            match joined.last_mut().filter(|last| span.start <= last.end) {
                Some(last) => last.end = last.end.max(span.end),
                None => joined.push(span),
            }
        }
        joined
    }

    /// The evaluations that fall into some stretches of time.
    pub fn ticks_in<'t>(&'t self, parts: &'t [Span]) -> impl Iterator<Item = Offset> + 't {
        self.ticks.iter().copied().filter(|at| parts.iter().any(|part| part.contains(*at)))
    }

    /// The first evaluation of some stretches that failed, and why.
    pub fn failure_in(&self, parts: &[Span]) -> Option<(Offset, &str)> {
        let first = |failed: &Failed| parts.iter().filter_map(|part| part.overlap(failed.span)).map(|s| s.start).min();
        self.failures.iter().find_map(|failed| Some((first(failed)?, failed.why.as_str())))
    }

    /// At how many evaluations of some stretches it was in a state.
    pub fn count(&self, state: State, labels: &[(String, String)], parts: &[Span]) -> u64 {
        let spans = self.spans(state, labels);
        self.ticks_in(parts).filter(|at| spans.iter().any(|span| span.contains(*at))).count() as u64
    }

    /// The worst that it was in some stretches of time.
    pub fn worst(&self, parts: &[Span]) -> State {
        let is = |state| self.count(state, &[], parts) > 0;
        match (is(State::Firing), is(State::Pending)) {
            (true, _) => State::Firing,
            (false, true) => State::Pending,
            (false, false) => State::Never,
        }
    }

    /// The longest time that it was pending without firing, in some stretches.
    pub fn longest_pending(&self, labels: &[(String, String)], parts: &[Span]) -> Duration {
        let last = self.ticks.last().copied().unwrap_or(Offset::ZERO);
        let within = |span: Span| {
            parts.iter().filter_map(move |part| span.overlap(*part)).map(move |s| s.end.min(last).since(s.start))
        };
        self.spans(State::Pending, labels).into_iter().flat_map(within).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Offset {
        Offset::from_millis(s * 1000)
    }

    fn stint(state: State, from: i64, to: Option<i64>) -> Stint {
        Stint { state, from: at(from), to: to.map(at) }
    }

    fn track() -> Track {
        let instance =
            |pod: &str, stints| Instance { labels: Labels::new([("pod", pod)]), annotations: vec![], stints };
        Track {
            ticks: (0..=6).map(|i| at(i * 15)).collect(),
            instances: vec![
                instance("a", vec![stint(State::Pending, 15, Some(30)), stint(State::Firing, 30, Some(60))]),
                instance("b", vec![stint(State::Firing, 60, Some(75)), stint(State::Pending, 75, None)]),
            ],
            failures: vec![Failed {
                span: Span { start: at(45), end: at(45) + Duration::from_nanos(1) },
                why: "twice".into(),
            }],
        }
    }

    #[test]
    fn elements_are_taken_together_unless_labels_say_otherwise() {
        let all = track().spans(State::Firing, &[]);
        assert_eq!(all, [Span { start: at(30), end: at(75) }]);
        let b = track().spans(State::Firing, &[("pod".into(), "b".into())]);
        assert_eq!(b, [Span { start: at(60), end: at(75) }]);
        assert!(track().spans(State::Firing, &[("pod".into(), "c".into())]).is_empty());
    }

    #[test]
    fn states_are_counted_by_evaluations() {
        let whole = [Span { start: at(0), end: at(100) }];
        assert_eq!(track().count(State::Firing, &[], &whole), 3);
        assert_eq!(track().worst(&[Span { start: at(0), end: at(30) }]), State::Pending);
        assert_eq!(track().worst(&[Span { start: at(0), end: at(15) }]), State::Never);
        assert_eq!(track().worst(&[Span { start: at(31), end: at(44) }]), State::Never, "no evaluation falls into it");
        assert_eq!(track().longest_pending(&[], &whole), Duration::from_secs(15));
        assert_eq!(track().failure_in(&whole), Some((at(45), "twice")));
        assert_eq!(track().failure_in(&[Span { start: at(0), end: at(45) }]), None);
    }
}
