//! What an outage leaves to be caught up with, held against what an embedded Kafka cluster keeps of a partition.
//!
//! The worst case is assumed where the plan cannot know: that nothing is read from the beginning of a fault to its end,
//! and that each message is a batch of its own. That keys spread messages evenly over partitions is assumed too.

use std::time::Duration;

use super::Plan;
use crate::base::time::Span;
use crate::scenario::kafka::{KEPT_BATCHES, KEPT_BYTES};

/// What a batch adds to the message in it: its own head, and that of the record, in bytes.
const HEAD: u64 = 61 + 12;

/// The messages of a traffic to a topic of an embedded cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// Of the topic; at least 1.
    pub partitions: u32,
    /// Of a message: value, key and headers.
    pub bytes: u64,
}

/// What is left to be caught up with, in each partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Messages.
    pub messages: f64,
    /// And their bytes on the broker.
    pub bytes: f64,
}

impl Backlog {
    /// Whether the cluster drops some of it before it can be read.
    pub fn overflows(self) -> bool {
        self.messages > KEPT_BATCHES as f64 || self.bytes > KEPT_BYTES as f64
    }
}

impl Stream {
    /// What comes in a span, which nobody reads.
    pub fn backlog(self, plan: &Plan, span: Span) -> Backlog {
        let profile = &plan.traffic[self.traffic].profile;
        let due = profile.expected_by(span.end) - profile.expected_by(span.start);
        let messages = due / f64::from(self.partitions.max(1));
        Backlog { messages, bytes: messages * (self.bytes + HEAD) as f64 }
    }

    /// How far behind its readers may be at the peak; nothing where there is no rate beforehand.
    pub fn kept(self, plan: &Plan) -> Option<Duration> {
        let peak = plan.traffic[self.traffic].profile.peak() / f64::from(self.partitions.max(1));
        let most = (KEPT_BATCHES as f64).min(KEPT_BYTES as f64 / (self.bytes + HEAD) as f64);
        Duration::try_from_secs_f64(most / peak).ok().filter(|_| peak > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Offset;
    use crate::scenario::{Settings, read};

    fn plan(rate: &str) -> Plan {
        let text = format!(
            "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a: {{ flow: {{ steps: [{{ get: /x }}] }}, load: [{{ hold: {{ at: {rate}, for: 100s }} }}] }}\n"
        );
        Plan::new(&read("test", &text, &Settings::alone("test")).expect("valid"))
    }

    fn span(from: u64, to: u64) -> Span {
        Span { start: Offset::from_millis(from as i64 * 1000), end: Offset::from_millis(to as i64 * 1000) }
    }

    #[test]
    fn a_backlog_is_rate_times_length_in_each_partition() {
        let (plan, stream) = (plan("6000/s"), Stream { traffic: 0, partitions: 6, bytes: 27 });
        let backlog = stream.backlog(&plan, span(10, 20));
        assert!(
            (backlog.messages - 10_000.0).abs() < 1.0 && (backlog.bytes - 1_000_000.0).abs() < 100.0,
            "{backlog:?}"
        );
        assert!(!backlog.overflows());
        assert!(!stream.backlog(&plan, span(10, 60)).overflows(), "5 000 000 of 5 242 880 bytes");
        assert!(stream.backlog(&plan, span(10, 63)).overflows());
        let kept = stream.kept(&plan).expect("a rate").as_secs_f64();
        assert!((kept - 52.4288).abs() < 0.001, "{kept}");
    }

    #[test]
    fn small_messages_are_bound_by_their_number() {
        let (plan, stream) = (plan("20000/s"), Stream { traffic: 0, partitions: 1, bytes: 0 });
        let of = |seconds| stream.backlog(&plan, span(0, seconds));
        assert!(of(5).bytes > 5.0 * 1024.0 * 1024.0 && of(3).messages == 60_000.0, "{:?}", of(3));
        let wide = Stream { partitions: 1000, ..stream };
        assert!(!wide.backlog(&plan, span(0, 100)).overflows());
    }
}
