//! What an outage leaves to be caught up with, held against what an embedded Kafka cluster keeps of a partition.
//!
//! The worst case is assumed where the plan cannot know: that nothing is read from the beginning of a fault to its end,
//! and that each message is a batch of its own. That keys spread messages evenly over partitions is assumed too.

use std::time::Duration;

use super::Plan;
use crate::base::text;
use crate::base::time::Span;
use crate::base::units;
use crate::scenario::kafka::{KEPT_BATCHES, KEPT_BYTES};
use crate::scenario::{
    Fault, Inject, KafkaFault, Kind, Mistake, On, Piece, ProcessFault, Scenario, Template, Toxic, Traffic, Way,
};

/// What a batch adds to the message in it: its own head, and that of the record, in bytes.
const HEAD: u64 = 61 + 12;
/// How long a value is taken to be that is filled in, in bytes.
const VALUE: u64 = 24;

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

/// The signals that go to topics of embedded clusters.
pub fn streams(scenario: &Scenario) -> Vec<Stream> {
    let of = |(traffic, t): (usize, &Traffic)| {
        let Kind::Signal(signal) = &t.kind else { return None };
        let Way::Kafka { on, topic, partition } = &signal.how.way else { return None };
        let topic = scenario.kafka.iter().find(|kafka| kafka.name == *on)?.topic(topic)?;
        let to = &signal.how;
        let written = to.written.iter().map(|(name, value)| name.len() as u64 + length(value));
        let headers = to.headers.iter().map(|(name, _)| name.len() as u64 + VALUE);
        let bytes = length(&signal.message) + to.key.as_ref().map_or(0, length) + written.chain(headers).sum::<u64>();
        // A partition of their own gets them all.
        Some(Stream { traffic, partitions: if partition.is_some() { 1 } else { topic.partitions }, bytes })
    };
    scenario.traffic.iter().enumerate().filter_map(of).collect()
}

/// About how long a text will be, in bytes.
fn length(template: &Template) -> u64 {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.len() as u64,
        Piece::Value(..) | Piece::Secret(..) => VALUE,
    };
    template.pieces.iter().map(piece).sum()
}

/// Whether nobody reads a topic while a fault lasts: its cluster cannot be reached, or whoever reads may be stopped.
fn stops(scenario: &Scenario, fault: &Fault, stream: Stream) -> bool {
    let Kind::Signal(signal) = &scenario.traffic[stream.traffic].kind else { return false };
    let Way::Kafka { on, topic: to, .. } = &signal.how.way else { return false };
    match (&fault.on, &fault.inject) {
        (On::Kafka { cluster, .. }, inject) if scenario.kafka[*cluster].name == *on => match inject {
            Inject::Kafka(KafkaFault::TopicUnavailable { topic }) => topic == to,
            Inject::Kafka(KafkaFault::BrokerDown { .. } | KafkaFault::RequestErrors { count: None, .. }) => true,
            Inject::Link(Toxic::Down | Toxic::Timeout { .. }, _) => true,
            _ => false,
        },
        (On::Process(_), Inject::Process(ProcessFault::Pause | ProcessFault::Kill { .. })) => true,
        _ => false,
    }
}

/// Outages that leave more than an embedded cluster keeps.
pub fn overflows(scenario: &Scenario, plan: &Plan) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for fault in &scenario.faults {
        for stream in streams(scenario).into_iter().filter(|stream| stops(scenario, fault, *stream)) {
            let worst = fault.occurrences().into_iter().map(|span| stream.backlog(plan, span));
            let Some(worst) = worst.max_by(|a, b| a.messages.total_cmp(&b.messages)).filter(|b| b.overflows()) else {
                continue;
            };
            let what = format!(
                "`{}` may leave {} messages ({:.1} MB) of `{}` in each partition to be caught up with, and an embedded cluster keeps {} or 5 MB: what is older is gone, and would count as lost",
                fault.name,
                text::thousands(worst.messages as u64),
                worst.bytes / (1 << 20) as f64,
                scenario.traffic[stream.traffic].name,
                text::thousands(KEPT_BATCHES),
            );
            let kept =
                stream.kept(plan).map_or(String::new(), |kept| format!(" to {} at this rate", units::measured(kept)));
            let remedy = format!("shorten it{kept}, add partitions, lower the load, or use a real cluster");
            mistakes.push(Mistake { at: fault.place, path: format!("faults.{}", fault.name), what, remedy });
        }
    }
    mistakes
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

    /// Signals of 100 B and a bit in six partitions, and a fault on what `on` says.
    fn outage(cluster: &str, fault: &str) -> Vec<String> {
        let filler = "x".repeat(100);
        let text = format!(
            "proofload: 1
target: {{ sim: trading-platform }}
kafka: {{ trading: {{ cluster: {cluster} }} }}
traffic:
  s:
    signal:
      kafka: {{ on: trading, topic: signals }}
      json: {{ id: '{{{{uuid}}}}', filler: {filler} }}
      id: '{{{{uuid}}}}'
      effects: {{ kafka: {{ on: trading, topic: effects, id: $.id }} }}
    load: [ {{ hold: {{ at: 6000/s, for: 60s }} }} ]
faults:
  f: {{ on: kafka/trading, {fault}, at: 10s, for: 40s }}
"
        );
        let scenario = read("test", &text, &Settings::alone("test")).expect("valid");
        overflows(&scenario, &Plan::new(&scenario))
            .into_iter()
            .map(|m| format!("{}: {}; {}", m.path, m.what, m.remedy))
            .collect()
    }

    const SIX: &str = "{ brokers: 1, topics: { signals: { partitions: 6 }, effects: {} } }";

    #[test]
    fn an_outage_that_leaves_more_than_is_kept_is_refused_with_the_figure_and_the_remedy() {
        let said = outage(SIX, "inject: { broker_down: {} }");
        let [said] = said.as_slice() else { panic!("{said:?}") };
        let figure = format!("faults.f: `f` may leave {} messages (8.2 MB) of `s`", text::thousands(40_000));
        assert!(said.starts_with(&figure), "{said}");
        assert!(said.contains("in each partition") && said.contains("shorten it to 24.3 s"), "{said}");
    }

    #[test]
    fn faults_during_which_signals_are_read_leave_no_backlog() {
        let none: Vec<String> = Vec::new();
        assert_eq!(outage(SIX, "inject: { round_trip: { add: 5ms } }"), none);
        assert_eq!(outage(SIX, "inject: { topic_unavailable: { topic: effects } }"), none);
        assert_eq!(outage(SIX, "inject: { topic_unavailable: { topic: signals } }").len(), 1);
        let wide = SIX.replace("signals: { partitions: 6 }", "signals: { partitions: 60 }");
        assert_eq!(outage(&wide, "inject: { broker_down: {} }"), none);
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
