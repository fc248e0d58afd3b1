//! `latency.hlog`: an HdrHistogram interval log (V2, compressed) that standard tools open.
//!
//! One line per interval and tag `traffic/class/outcome/clock` (`-` for no class). Intervals are keyed by **due** time
//! and cut at planned edges: 100 ms long for `response` and `earliest`, 1 s for the other clocks. A shot that finishes after its
//! interval was written appends another line with the same start; readers sum.

mod decode;
mod encode;
mod pending;
mod write;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry};

use decode::Decoder;
pub use write::Writer;

use super::reply::Outcome;
use super::tally::Tally;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;

/// How long an interval is, before edges cut it.
pub fn grid(timing: Timing) -> Duration {
    let is_fine = matches!(timing, Timing::Response | Timing::Earliest);
    if is_fine { Duration::from_millis(100) } else { Duration::from_secs(1) }
}

/// What the log of one run says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencyLog {
    /// Every tag that occurs.
    pub tags: Vec<Tag>,
    /// In order of their start.
    pub intervals: Vec<Interval>,
}

/// Who an interval is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The traffic.
    pub traffic: String,
    /// The class, if any.
    pub class: Option<String>,
    /// What became of the shots.
    pub outcome: Outcome,
    /// Which clock.
    pub timing: Timing,
}

/// Lengths of time of the shots due in a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// When the shots were due.
    pub span: Span,
    /// The position of its tag.
    pub tag: usize,
    /// The greatest length of a cell in nanoseconds, and how often; in order.
    pub cells: Box<[(u64, u64)]>,
}

impl LatencyLog {
    /// Everything due in a span under the tags that `wanted` accepts. Intervals that are cut by the span's ends count
    /// as a whole where they start within it.
    pub fn tally(&self, span: Span, wanted: impl Fn(&Tag) -> bool) -> Tally {
        let mut tally = Tally::default();
        for interval in self.within(span).filter(|i| wanted(&self.tags[i.tag])) {
            for (nanos, count) in &interval.cells {
                tally.add(*nanos, *count);
            }
        }
        tally
    }

    /// The intervals that start within a span.
    pub fn within(&self, span: Span) -> impl Iterator<Item = &Interval> {
        let first = self.intervals.partition_point(|i| i.span.start < span.start);
        self.intervals[first..].iter().take_while(move |i| i.span.start < span.end)
    }

    /// Reads a log. The second value says what was torn or unreadable, if anything; what is whole is kept.
    pub fn read(path: &Path) -> io::Result<(LatencyLog, Option<String>)> {
        let bytes = std::fs::read(path)?;
        // A line without its end was being written when the run died.
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let mut torn = (whole < bytes.len()).then(|| format!("{}: the last line is torn", path.display()));
        let mut log = LatencyLog::default();
        if let Err(why) = log.extend(&bytes[..whole], |_| true) {
            torn = Some(format!("{}: {why}", path.display()));
        }
        Ok((log, torn))
    }

    /// Appends whole lines of a log, those whose tags are wanted. The error says what could not be read; what stands before
    /// it is kept.
    pub fn extend(&mut self, lines: &[u8], wanted: impl Fn(&Tag) -> bool) -> Result<(), String> {
        let mut decoder = Decoder::new();
        // The position of each tag as it is written; of those that are not wanted none.
        let mut known = HashMap::new();
        let mut read = Ok(());
        for entry in IntervalLogIterator::new(lines) {
            read = match entry {
                Ok(LogEntry::Interval(interval)) => {
                    let text = interval.tag().map_or("", |tag| tag.as_str());
                    let tag = known.get(text).copied().map_or_else(|| self.tag(text, &wanted), Ok);
                    known.extend(tag.iter().map(|tag| (text, *tag)));
                    tag.and_then(|tag| tag.map_or(Ok(()), |tag| self.push(&interval, tag, &mut decoder)))
                }
                Ok(_) => Ok(()),
                Err(why) => Err(format!("{why:?}")),
            };
            if read.is_err() {
                break;
            }
        }
        self.intervals.sort_by_key(|i| i.span.start);
        read
    }

    /// Forgets what was due before an instant.
    pub fn forget(&mut self, before: Offset) {
        self.intervals.retain(|interval| interval.span.start >= before);
    }

    /// Joins the intervals of the response clock that end by an instant to seconds, cut at planned edges as those of the
    /// other clocks are. Counts stay, and so does what any window or slice of the plan holds.
    pub fn coarsen(&mut self, before: Offset, edges: &[Offset]) {
        let second = grid(Timing::Service);
        let mut joined: Vec<Interval> = Vec::with_capacity(self.intervals.len());
        let mut last: Vec<Option<usize>> = vec![None; self.tags.len()];
        for interval in self.intervals.drain(..) {
            let whole = write::interval(edges, Timing::Service, interval.span.start);
            let open = last[interval.tag].and_then(|n| joined.get_mut(n)).filter(|o| o.span.start == whole.start);
            let settled = whole.end <= before && interval.span.length() <= second;
            match open {
                Some(open) if settled => open.add(&interval),
                _ => {
                    last[interval.tag] = Some(joined.len());
                    let span = if settled { whole } else { interval.span };
                    joined.push(Interval { span, ..interval });
                }
            }
        }
        joined.sort_by_key(|i| i.span.start);
        self.intervals = joined;
    }

    /// The position of a tag, a new one where it is wanted.
    fn tag(&mut self, text: &str, wanted: &impl Fn(&Tag) -> bool) -> Result<Option<usize>, String> {
        let tag = Tag::parse(text).ok_or_else(|| format!("`{text}` is no tag"))?;
        if !wanted(&tag) {
            return Ok(None);
        }
        let known = self.tags.iter().position(|t| *t == tag);
        Ok(Some(known.unwrap_or_else(|| {
            self.tags.push(tag);
            self.tags.len() - 1
        })))
    }

    fn push(&mut self, of: &IntervalLogHistogram<'_>, tag: usize, decoder: &mut Decoder) -> Result<(), String> {
        let cells = decoder.cells(of.encoded_histogram())?;
        let start = Offset::from_millis((of.start_timestamp().as_secs_f64() * 1e3).round() as i64);
        let length = Duration::from_millis((of.duration().as_secs_f64() * 1e3).round() as u64);
        self.intervals.push(Interval { span: Span { start, end: start + length }, tag, cells });
        Ok(())
    }
}

impl Interval {
    /// Counts what another interval of the same tag holds.
    fn add(&mut self, other: &Interval) {
        let mut cells: Tally = self.cells.iter().copied().collect();
        other.cells.iter().for_each(|(nanos, count)| cells.add(*nanos, *count));
        self.cells = cells.cells().collect();
    }
}

impl Tag {
    fn parse(text: &str) -> Option<Tag> {
        let mut parts = text.split('/');
        let (traffic, class, outcome, timing) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Tag {
            traffic: traffic.into(),
            class: (class != "-").then(|| class.into()),
            outcome: Outcome::from_word(outcome)?,
            timing: Timing::from_word(timing)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::{Maybe, Opening, Reply};
    use super::*;

    fn reply(due_ms: i64, response_ms: u64) -> Reply {
        let due = Offset::from_millis(due_ms);
        Reply {
            traffic: 0,
            seq: 0,
            class: Some(0),
            outcome: Outcome::Ok,
            status: Some(200),
            due,
            ready: due,
            sent: Some(due).into(),
            first_byte: Maybe::NONE,
            done: due + Duration::from_millis(response_ms),
            opening: Opening::default(),
            not_before: Maybe::NONE,
            why: None,
        }
    }

    fn written(
        edges: &[i64],
        batches: &[&[Reply]],
    ) -> (LatencyLog, Option<String>, std::path::PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("latency.hlog");
        let edges = edges.iter().map(|e| Offset::from_millis(*e)).collect();
        let mut writer =
            Writer::create(&path, vec![("quotes".into(), vec!["hit".into()])], edges, 1_700_000_000_000_000_000)
                .expect("creates");
        for batch in batches {
            batch.iter().for_each(|r| writer.record(r));
            writer.flush().expect("flushes");
        }
        let (log, torn) = LatencyLog::read(&path).expect("reads");
        (log, torn, path, folder)
    }

    fn response(tag: &Tag) -> bool {
        tag.timing == Timing::Response
    }

    #[test]
    fn late_finishers_are_summed_by_their_due_time() {
        let (log, torn, _, _folder) = written(&[0], &[&[reply(50, 10), reply(60, 20)], &[reply(55, 900)]]);
        assert_eq!(torn, None);
        let first = Span { start: Offset::ZERO, end: Offset::from_millis(100) };
        let tally = log.tally(first, response);
        assert_eq!(tally.count(), 3);
        assert!(tally.max().is_some_and(|m| m.as_millis() == 900));
        assert_eq!(log.tally(Span { start: first.end, end: Offset::MAX }, response).count(), 0);
    }

    #[test]
    fn intervals_are_cut_at_planned_edges() {
        let (log, ..) = written(&[0, 150], &[&[reply(149, 1), reply(150, 2), reply(199, 3), reply(200, 4)]]);
        let spans: Vec<(i64, u128)> = log
            .intervals
            .iter()
            .filter(|i| response(&log.tags[i.tag]))
            .map(|i| (i.span.start.nanos() / 1_000_000, i.span.length().as_millis()))
            .collect();
        assert_eq!(spans, [(100, 50), (150, 50), (200, 100)]);
    }

    #[test]
    fn a_torn_last_line_costs_only_itself() {
        let (log, _, path, _folder) = written(&[0], &[&[reply(50, 10)], &[reply(250, 10)]]);
        let whole = std::fs::read(&path).expect("reads");
        std::fs::write(&path, &whole[..whole.len() - 7]).expect("writes");
        let (torn_log, torn) = LatencyLog::read(&path).expect("reads");
        assert!(torn.is_some_and(|t| t.contains("torn")));
        assert_eq!(torn_log.intervals.len(), log.intervals.len() - 1);
    }

    /// Shots of every length, some over only after their interval was written.
    #[test]
    fn memory_does_not_grow_with_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = vec![("quotes".into(), vec!["hit".into()])];
        let mut writer =
            Writer::create(&folder.path().join("latency.hlog"), names, vec![Offset::ZERO], 0).expect("creates");
        let mut early = 0;
        for second in 1..=300 {
            for n in 0..700 {
                let length = (n * n * 7_919) % 4_000;
                writer.record(&reply(second * 1_000 + n - length, length as u64));
            }
            writer.flush().expect("flushes");
            if second == 10 {
                early = writer.held();
            }
        }
        assert!(early > 0);
        assert_eq!(writer.held(), early);
    }
}
