//! The lengths of a run's shots as promises count them, without a promise: what `proofload histogram` shows.

use std::time::Duration;

use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::evidence::latency::{LatencyLog, Tag};
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Tally, cell};
use crate::scenario::Filter;

/// Whose shots, and which of their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the traffic.
    pub traffic: String,
    /// The name of the class, if only one.
    pub class: Option<String>,
    /// What became of the shots.
    pub outcome: Filter,
    /// The clock.
    pub clock: Timing,
}

/// Lengths of time, of one run or of several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// The lengths.
    pub lengths: Tally,
    /// How many of them are failures that count at the timeout because they were shorter, or had no length.
    pub raised: u64,
}

impl Distribution {
    /// The lengths of the shots due in some spans. On the response and service clocks a failure counts at least at the
    /// `timeout`, as it does in promises; the other clocks are as they were.
    pub fn of(log: &LatencyLog, spans: &[Span], wanted: &Wanted, timeout: Duration) -> Distribution {
        let mut all = Distribution::default();
        spans.iter().for_each(|span| all.merge(&Distribution::within(log, *span, wanted, timeout)));
        all
    }

    fn within(log: &LatencyLog, span: Span, wanted: &Wanted, timeout: Duration) -> Distribution {
        let tally = |clock: Timing, outcomes: &dyn Fn(Outcome) -> bool| {
            log.tally(span, |tag| wanted.is_about(tag) && tag.timing == clock && outcomes(tag.outcome))
        };
        let mut all = Distribution::default();
        if wanted.outcome != Filter::Failed {
            all.lengths = tally(wanted.clock, &|outcome| outcome == Outcome::Ok);
        }
        if wanted.outcome != Filter::Ok {
            let failed = tally(wanted.clock, &Outcome::is_failure);
            if matches!(wanted.clock, Timing::Response | Timing::Service) {
                // Every shot has a response; one that was never sent has no service.
                let failures = tally(Timing::Response, &Outcome::is_failure).count();
                let without = failures.saturating_sub(failed.count());
                let timeout = cell(timeout.as_nanos() as u64);
                let shorter: u64 = failed.cells().filter(|(nanos, _)| *nanos < timeout).map(|(_, count)| count).sum();
                all.lengths.merge(&failed.at_least(Duration::from_nanos(timeout)));
                all.lengths.add(timeout, without);
                all.raised = shorter + without;
            } else {
                all.lengths.merge(&failed);
            }
        }
        all
    }

    /// Adds another run's. Nothing is lost, and the order does not matter.
    pub fn merge(&mut self, other: &Distribution) {
        self.lengths.merge(&other.lengths);
        self.raised += other.raised;
    }
}

impl Wanted {
    fn is_about(&self, tag: &Tag) -> bool {
        tag.traffic == self.traffic && (self.class.is_none() || tag.class == self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Offset;
    use crate::evidence::latency::Interval;
    use crate::evidence::reply::{Stage, Why};

    const MS: u64 = 1_000_000;

    /// One interval a tag, each of one length.
    fn log(lengths: &[(&str, Option<&str>, Outcome, Timing, u64)]) -> LatencyLog {
        let span = Span { start: Offset::ZERO, end: Offset::from_millis(100) };
        let mut log = LatencyLog::default();
        for (tag, (traffic, class, outcome, timing, ms)) in lengths.iter().enumerate() {
            let class = class.map(str::to_owned);
            log.tags.push(Tag { traffic: (*traffic).into(), class, outcome: *outcome, timing: *timing });
            log.intervals.push(Interval { span, tag, cells: [(cell(ms * MS), 1)].into() });
        }
        log
    }

    fn milliseconds(log: &LatencyLog, outcome: Filter, clock: Timing, class: Option<&str>) -> (Vec<u64>, u64) {
        let wanted = Wanted { traffic: "q".into(), class: class.map(str::to_owned), outcome, clock };
        let span = Span { start: Offset::ZERO, end: Offset::MAX };
        let found = Distribution::of(log, &[span], &wanted, Duration::from_secs(2));
        (found.lengths.cells().flat_map(|(nanos, n)| (0..n).map(move |_| nanos / MS)).collect(), found.raised)
    }

    #[test]
    fn failures_count_at_the_timeout_or_more_as_in_promises() {
        use Timing::{Lag, Response, Service};
        let (timed_out, never_sent) = (Outcome::TimedOut(Stage::Head), Outcome::NotSent(Why::Backlog));
        let log = log(&[
            ("q", Some("hit"), Outcome::Ok, Response, 10),
            ("q", Some("hit"), Outcome::Ok, Service, 8),
            ("q", None, Outcome::Rejected, Response, 1),
            ("q", None, Outcome::Rejected, Service, 1),
            ("q", None, Outcome::Rejected, Lag, 1),
            ("q", None, timed_out, Response, 2_501),
            ("q", None, timed_out, Service, 2_001),
            ("q", None, never_sent, Response, 2_100),
            ("q", None, Outcome::Skipped, Response, 5),
            ("other", None, Outcome::Ok, Response, 77),
        ]);
        assert_eq!(milliseconds(&log, Filter::All, Response, None), (vec![10, 2_000, 2_100, 2_501], 1));
        assert_eq!(milliseconds(&log, Filter::All, Service, None), (vec![8, 2_000, 2_000, 2_001], 2));
        assert_eq!(milliseconds(&log, Filter::Failed, Response, None), (vec![2_000, 2_100, 2_501], 1));
        assert_eq!(milliseconds(&log, Filter::Ok, Response, None), (vec![10], 0));
        assert_eq!(milliseconds(&log, Filter::All, Lag, None), (vec![1], 0));
        assert_eq!(milliseconds(&log, Filter::All, Response, Some("hit")), (vec![10], 0));
    }
}
