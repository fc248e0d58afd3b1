//! How often the service called an upstream for one shot, before, during and after a fault: a service that retries more
//! when it is failed makes the failure worse.

use serde::Serialize;

use super::super::trial::Trial;
use crate::base::time::Offset;
use crate::evidence::event::Event;
use crate::evidence::health::Called;

/// Calls of one upstream around a fault. A shot counts where it called first: one that was tried again across an edge has
/// calls on both sides of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Around {
    /// Up to where the fault began for the first time.
    pub before: Called,
    /// While it was effective, every time.
    pub during: Called,
    /// From its last end on.
    pub after: Called,
}

/// Calls over some time, and for how many shots.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalledSummary {
    /// Calls that carried a trace of ours, retries included.
    pub calls: u64,
    /// The shots that they were for.
    pub shots: u64,
    /// Calls for each shot; nothing without a shot.
    pub calls_per_shot: Option<f64>,
}

impl Around {
    /// What the stage counted at an upstream around a fault; nothing where it did not say, or where the fault neither began
    /// nor ended.
    pub fn read(trial: &Trial<'_>, fault: usize, upstream: usize) -> Option<Around> {
        let mut told: Vec<(Offset, Called)> = Vec::new();
        for event in &trial.evidence.events {
            if let Event::Calls { at, upstreams } = event {
                told.extend(upstreams.get(upstream).map(|called| (*at, *called)));
            }
        }
        told.sort_by_key(|(at, called)| (*at, called.calls));
        let times = trial.windows.faults[fault].occurrences.iter();
        let edges: Vec<(Offset, Offset)> = times.filter_map(|time| Some((time.applied?, time.cleared?))).collect();
        Around::between(&told, &edges)
    }

    /// From counts that only grow, in order, and when a fault was effective, in order.
    fn between(told: &[(Offset, Called)], edges: &[(Offset, Offset)]) -> Option<Around> {
        let by = |at: Offset| told[..told.partition_point(|(told, _)| *told <= at)].last().map(|(_, called)| *called);
        let (first, last) = (edges.first()?.0, edges.last()?.1);
        let mut around = Around { before: by(first)?, after: less(told.last()?.1, by(last)?), ..Around::default() };
        for (from, to) in edges {
            let more = less(by(*to)?, by(*from)?);
            around.during.calls += more.calls;
            around.during.shots += more.shots;
        }
        Some(around)
    }

    /// How many times more often the service called for a shot than before; nothing where it did not call before, or not
    /// for a new shot since.
    pub fn amplification(&self) -> Option<f64> {
        Some(per_shot(self.during)? / per_shot(self.before)?)
    }
}

impl From<Called> for CalledSummary {
    fn from(called: Called) -> CalledSummary {
        CalledSummary { calls: called.calls, shots: called.shots, calls_per_shot: per_shot(called) }
    }
}

fn per_shot(called: Called) -> Option<f64> {
    (called.shots > 0).then(|| called.calls as f64 / called.shots as f64)
}

fn less(more: Called, by: Called) -> Called {
    Called { calls: more.calls.saturating_sub(by.calls), shots: more.shots.saturating_sub(by.shots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(i64, u64, u64)]) -> Vec<(Offset, Called)> {
        all.iter()
            .map(|(ms, calls, shots)| (Offset::from_millis(*ms), Called { calls: *calls, shots: *shots }))
            .collect()
    }

    fn edge(from: i64, to: i64) -> (Offset, Offset) {
        (Offset::from_millis(from), Offset::from_millis(to))
    }

    #[test]
    fn a_storm_is_told_from_what_is_usual() {
        let told = told(&[(0, 0, 0), (1_000, 110, 100), (2_000, 220, 200), (3_000, 520, 300), (4_000, 630, 400)]);
        let around = Around::between(&told, &[edge(2_000, 3_000)]).expect("known");
        assert_eq!(around.before, Called { calls: 220, shots: 200 });
        assert_eq!(around.during, Called { calls: 300, shots: 100 });
        assert_eq!(around.after, Called { calls: 110, shots: 100 });
        assert!(around.amplification().is_some_and(|times| (times - 3.0 / 1.1).abs() < 1e-9));
    }

    #[test]
    fn every_time_that_it_was_effective_counts() {
        let told = told(&[(0, 10, 10), (10, 30, 20), (20, 40, 30), (30, 70, 40), (40, 75, 45)]);
        let around = Around::between(&told, &[edge(0, 10), edge(20, 30)]).expect("known");
        assert_eq!((around.during, around.after), (Called { calls: 50, shots: 20 }, Called { calls: 5, shots: 5 }));
    }

    #[test]
    fn nothing_is_made_up() {
        assert_eq!(Around::between(&[], &[edge(0, 1)]), None);
        assert_eq!(Around::between(&told(&[(0, 1, 1)]), &[]), None);
        assert_eq!(Around::between(&told(&[(5, 1, 1)]), &[edge(0, 10)]), None, "not told when it began");
        let silent = Around::between(&told(&[(0, 0, 0), (9, 5, 2)]), &[edge(0, 9)]).expect("known");
        assert_eq!(silent.amplification(), None, "no call before");
    }
}
