//! Writes the log while the run goes on.

use std::io;
use std::io::Write as _;
use std::path::Path;

use super::super::append::Appender;
use super::super::reply::{Outcome, Reply};
use super::encode::Encoder;
use super::grid;
use super::pending::{Blocks, Chain, Open};
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;

/// The clocks that have intervals of a second.
const SLOW: [Timing; 9] = [
    Timing::Service,
    Timing::Lag,
    Timing::Wait,
    Timing::Dns,
    Timing::Connect,
    Timing::Tls,
    Timing::FirstByte,
    Timing::Body,
    Timing::Gap,
];
/// Those that have finer ones.
const FINE: [Timing; 2] = [Timing::Response, Timing::Earliest];

/// Writes the log. Memory is bounded by the shots of one flush period, at two bytes for each of their clocks, and does
/// not grow with the run.
#[derive(Debug)]
pub struct Writer {
    out: Appender,
    names: Vec<(String, Vec<String>)>, // traffic and its classes
    edges: Vec<Offset>,
    series: Vec<Series>,
    first: Vec<usize>, // where each traffic's series begin: by class, then outcome
    blocks: Blocks,
    encoder: Encoder,
    lines: Vec<Line>,
}

/// Shots of one traffic, class and outcome.
#[derive(Debug)]
struct Series {
    traffic: usize,
    class: Option<usize>,
    outcome: Outcome,
    fine: Open<2>,
    slow: Open<9>,
}

/// What becomes a line. In the order of the log: by start, then series, then clock.
type Line = (Offset, usize, Timing, Offset, Chain);

impl Writer {
    /// Creates the file. `names` are the kinds of traffic, each with its classes, and then whatever else is measured; `edges` the planned edges, in order.
    pub fn create(
        path: &Path,
        names: Vec<(String, Vec<String>)>,
        edges: Vec<Offset>,
        wall_zero: i64,
    ) -> io::Result<Writer> {
        let mut out = Appender::create(path)?;
        let base = wall_zero as f64 / 1e9;
        let head = format!(
            "#[Interval lengths by due time; tags: traffic/class/outcome/clock; values in nanoseconds]\n\
             #[Histogram log format version 1.3]\n\
             #[StartTime: {base:.3} (seconds since epoch)]\n\
             #[BaseTime: {base:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        out.waiting().extend(head.as_bytes());
        out.flush()?;
        let (mut series, mut first) = (Vec::new(), Vec::new());
        for (traffic, (_, classes)) in names.iter().enumerate() {
            first.push(series.len());
            for class in std::iter::once(None).chain((0..classes.len()).map(Some)) {
                let one = |outcome| Series { traffic, class, outcome, fine: Open::new(), slow: Open::new() };
                series.extend(Outcome::ALL.map(one));
            }
        }
        let (blocks, encoder) = (Blocks::new(), Encoder::new());
        Ok(Writer { out, names, edges, series, first, blocks, encoder, lines: Vec::new() })
    }

    /// Counts a shot on each of its clocks.
    pub fn record(&mut self, reply: &Reply) {
        self.count(usize::from(reply.traffic), reply.due, reply);
    }

    /// Counts what became of something under the name at a position, where what was due at an instant belongs.
    pub fn count(&mut self, name: usize, due: Offset, reply: &Reply) {
        let class = reply.class.map_or(0, |class| usize::from(class) + 1);
        let place = self.first[name] + class * Outcome::ALL.len() + usize::from(reply.outcome.code());
        let (series, blocks, edges) = (&mut self.series[place], &mut self.blocks, &self.edges);
        let fine = series.fine.at(due, || interval(edges, Timing::Response, due));
        for (chain, timing) in fine.iter_mut().zip(FINE) {
            if let Some(nanos) = reply.nanos(timing) {
                blocks.push(chain, nanos);
            }
        }
        let slow = series.slow.at(due, || interval(edges, Timing::Service, due));
        for (chain, timing) in slow.iter_mut().zip(SLOW) {
            if let Some(nanos) = reply.nanos(timing) {
                blocks.push(chain, nanos);
            }
        }
    }

    /// Writes what is pending.
    pub fn flush(&mut self) -> io::Result<()> {
        for (n, series) in self.series.iter_mut().enumerate() {
            for (span, chains) in series.fine.drain() {
                let lines =
                    FINE.into_iter().zip(chains).map(|(timing, chain)| (span.start, n, timing, span.end, chain));
                self.lines.extend(lines.filter(|(.., chain)| !chain.is_empty()));
            }
            for (span, chains) in series.slow.drain() {
                let lines =
                    SLOW.into_iter().zip(chains).map(|(timing, chain)| (span.start, n, timing, span.end, chain));
                self.lines.extend(lines.filter(|(.., chain)| !chain.is_empty()));
            }
        }
        self.lines.sort_unstable_by_key(|(start, series, timing, ..)| (*start, *series, *timing));
        for (start, n, timing, end, chain) in self.lines.drain(..) {
            self.blocks.empty(chain, |place| self.encoder.count(place));
            let series = &self.series[n];
            let (name, classes) = &self.names[series.traffic];
            let class = series.class.map_or("-", |class| classes[class].as_str());
            let longest = self.encoder.longest() as f64 / 1e6;
            let histogram = self.encoder.take()?;
            let (outcome, timing) = (series.outcome.word(), timing.word());
            let (start, length) = (start.secs(), end.since(start).as_secs_f64());
            // A vector takes everything.
            let _ = writeln!(
                self.out.waiting(),
                "Tag={name}/{class}/{outcome}/{timing},{start:.3},{length:.3},{longest:.3},{histogram}"
            );
        }
        self.out.flush()
    }

    /// Bytes of memory that it holds for shots, whether it needs them now or not.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.blocks.held()
    }
}

/// The interval of a due time.
pub(super) fn interval(edges: &[Offset], timing: Timing, due: Offset) -> Span {
    let step = grid(timing);
    let mut span = Span { start: due.floor_to(step), end: due.floor_to(step) + step };
    let next = edges.partition_point(|e| *e <= due);
    if let Some(edge) = next.checked_sub(1).map(|i| edges[i]) {
        span.start = span.start.max(edge);
    }
    if let Some(edge) = edges.get(next) {
        span.end = span.end.min(*edge);
    }
    span
}
