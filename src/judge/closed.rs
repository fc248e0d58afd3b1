//! Closed loops in what is judged. A closed loop asks a slow target less, so its latencies leave out what would have
//! queued: they are told apart from those of planned shots, and never make up for them.

use super::shots::Stretch;
use crate::base::text;
use crate::plan::Timeline;

/// The stretches of a window, by whether their shots were planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Divided {
    /// Those of planned shots.
    pub planned: Vec<Stretch>,
    /// Those in closed loops.
    pub closed: Vec<Stretch>,
    connections: Vec<u32>, // of those loops, each number once
}

impl Divided {
    /// Divides stretches of one traffic.
    pub fn new(timeline: &Timeline, traffic: usize, stretches: &[Stretch]) -> Divided {
        let mut divided = Divided { planned: stretches.to_vec(), ..Divided::default() };
        for (span, connections) in timeline.closed_loops(traffic) {
            let inside = |s: &Stretch| s.span.overlap(span).map(|span| Stretch { span, ..*s });
            let before = divided.closed.len();
            divided.closed.extend(stretches.iter().filter_map(inside));
            if divided.closed.len() > before && !divided.connections.contains(&connections) {
                divided.connections.push(connections);
            }
            let outside = |s: Stretch| s.span.without(span).into_iter().map(move |span| Stretch { span, ..s });
            divided.planned = divided.planned.into_iter().flat_map(outside).collect();
        }
        divided
    }

    /// Whether some shots were planned and some not.
    pub fn is_mixed(&self) -> bool {
        !self.planned.is_empty() && !self.closed.is_empty()
    }

    /// What a window is called for it: `in a closed loop of 64 connections`; nothing where all shots were planned.
    pub fn label(&self) -> Option<String> {
        let connections: Vec<String> = self.connections.iter().map(u32::to_string).collect();
        let part = if self.planned.is_empty() { "" } else { "partly " };
        let noun = if connections == ["1"] { "connection" } else { "connections" };
        let of = text::list(connections.iter().map(String::as_str));
        (!self.closed.is_empty()).then(|| format!("{part}in a closed loop of {of} {noun}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::{Offset, Span};
    use crate::plan::Plan;
    use crate::scenario::{Settings, read};

    #[test]
    fn a_window_is_divided_at_the_edges_of_its_loops() {
        let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a:\n    flow: { steps: [{ get: / }] }\n    load:\n      \
             - hold: { at: 1/s, for: 10s }\n      - saturate: { connections: 8, for: 10s }\n      \
             - saturate: { connections: 2, for: 5s }\n      - hold: { at: 1/s, for: 5s }\n";
        let settings = Settings::alone("divided");
        let timeline = Plan::new(&read("divided", text, &settings).expect("valid")).timeline;
        let divided = |start: i64, end: i64| {
            let part = Span { start: Offset::from_millis(start), end: Offset::from_millis(end) };
            let divided = Divided::new(&timeline, 0, &[Stretch::whole(part)]);
            let ends = |of: &[Stretch]| {
                of.iter()
                    .map(|s| (s.span.start.nanos() / 1_000_000, s.span.end.nanos() / 1_000_000))
                    .collect::<Vec<_>>()
            };
            (ends(&divided.planned), ends(&divided.closed), divided.label())
        };
        let label = |text: &str| Some(text.to_owned());
        assert_eq!(divided(2_000, 9_000), (vec![(2_000, 9_000)], vec![], None));
        assert_eq!(
            divided(5_000, 30_000),
            (
                vec![(5_000, 10_000), (25_000, 30_000)],
                vec![(10_000, 20_000), (20_000, 25_000)],
                label("partly in a closed loop of 8, 2 connections")
            )
        );
        assert_eq!(divided(21_000, 22_000).2, label("in a closed loop of 2 connections"));
    }
}
