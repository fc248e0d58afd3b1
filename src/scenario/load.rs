//! Load over time.

use std::sync::Arc;
use std::time::Duration;

use super::recording::Recording;
use super::traffic::Traffic;
use crate::base::units::{Rate, Share};

/// How shots are spread over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// Independent of each other.
    Poisson,
    /// At equal distances.
    Even,
    /// In bursts: each shot makes others more likely for a while.
    Hawkes {
        /// The share of shots that others brought about, below 100%.
        branching: Share,
        /// How long after another one comes, on average.
        decay: Duration,
    },
    /// As they were recorded elsewhere.
    Replay(Arc<Recording>),
}

/// A stretch of load: open, during which the rate is a straight line, or a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The word for it in the scenario.
    pub word: &'static str,
    /// The rate at its start; 0 in a closed loop.
    pub from: Rate,
    /// The rate at its end; 0 in a closed loop.
    pub to: Rate,
    /// How long.
    pub length: Duration,
    /// Whether promises count it.
    pub measured: bool,
    /// A closed loop: so many connections, each of which sends as soon as it has its reply. Nothing in it is planned, and
    /// each shot is due when it is sent.
    pub saturate: Option<u32>,
}

/// The most connections that closed loops have open at once, over all kinds of traffic.
pub fn closed_connections(traffic: &[Traffic]) -> u32 {
    let mut edges: Vec<(Duration, i64)> = Vec::new();
    for one in traffic {
        let mut at = Duration::ZERO;
        for segment in &one.load {
            let end = at + segment.length;
            if let Some(connections) = segment.saturate {
                edges.extend([(at, i64::from(connections)), (end, -i64::from(connections))]);
            }
            at = end;
        }
    }
    edges.sort_unstable(); // at one instant, what ends comes before what begins
    let (mut open, mut most) = (0, 0);
    for (_, change) in edges {
        open += change;
        most = most.max(open);
    }
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Settings, closed_connections, read};

    #[test]
    fn loops_count_together_only_while_they_run_together() {
        let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  \
             a: { flow: { steps: [{ get: / }] }, load: [{ saturate: { connections: 5, for: 10s } }, { hold: { at: 1/s, for: 5s } }] }\n  \
             b: { flow: { steps: [{ get: / }] }, load: [{ hold: { at: 1/s, for: 10s } }, { saturate: { connections: 7, for: 10s } }] }\n  \
             c: { flow: { steps: [{ get: / }] }, load: [{ hold: { at: 1/s, for: 15s } }, { saturate: { connections: 2, for: 1s } }] }\n";
        let settings = Settings::alone("loops");
        let scenario = read("loops", text, &settings).expect("valid");
        assert_eq!(closed_connections(&scenario.traffic), 9);
        assert_eq!(closed_connections(&scenario.traffic[..2]), 7);
        assert_eq!(closed_connections(&[]), 0);
    }
}
