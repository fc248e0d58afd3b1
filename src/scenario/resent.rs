//! Faults across which an embedded cluster may itself have a signal twice.
//!
//! A producer sends again what was not acknowledged when its connection broke, or what was not acknowledged in time. A real
//! cluster knows by the numbers of an idempotent producer that it has it already. The embedded one does not: what it had
//! taken by then stands there twice, and the target, which is handed it twice, is not to blame.

use std::time::Duration;

use super::signal::{Acks, Way};
use super::{Fault, Inject, KafkaFault, On, Scenario, Toxic};

/// A reply that comes so late may have been given up, and the request made again.
const LATE: Duration = Duration::from_secs(10);

impl Scenario {
    /// The faults, by position, across which the cluster that signals of a traffic go to may itself have some of them
    /// twice. None where the cluster is a real one, where nothing is sent again, or for other traffic.
    pub fn resending(&self, traffic: usize) -> impl Iterator<Item = usize> + '_ {
        let signal = self.traffic[traffic].kind.signal().filter(|signal| signal.how.acks == Acks::All);
        let to = signal.and_then(|signal| match &signal.how.way {
            Way::Kafka { on, .. } => self.kafka.iter().position(|kafka| kafka.name == *on && kafka.is_embedded()),
            Way::Nats { .. } => None,
        });
        let breaks = move |fault: &Fault| match fault.on {
            On::Kafka { cluster, .. } => to == Some(cluster) && loses_replies(&fault.inject),
            _ => false,
        };
        self.faults.iter().enumerate().filter(move |(_, fault)| breaks(fault)).map(|(position, _)| position)
    }
}

/// Whether a reply can be lost, or be as good as lost.
fn loses_replies(inject: &Inject) -> bool {
    match inject {
        Inject::Kafka(KafkaFault::BrokerDown { .. }) => true,
        Inject::Kafka(KafkaFault::RequestErrors { error, .. }) => error == "_TRANSPORT",
        Inject::Kafka(KafkaFault::RoundTrip { add }) => *add >= LATE,
        Inject::Kafka(KafkaFault::TopicUnavailable { .. }) => false,
        Inject::Link(Toxic::Slicer { .. }, _) => false,
        Inject::Link(Toxic::Latency { law }, _) => law.at(0.999) >= LATE,
        Inject::Link(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Settings, read};

    /// Whether signals may be there twice by the cluster's own doing.
    fn twice(cluster: &str, acks: &str, inject: &str) -> bool {
        let text = format!(
            "proofload: 1
target: {{ sim: trading-platform }}
kafka: {{ trading: {{ {cluster} }} }}
traffic:
  s:
    signal:
      kafka: {{ on: trading, topic: signals, acks: {acks} }}
      json: {{ id: '{{{{uuid}}}}' }}
      id: '{{{{uuid}}}}'
      effects: {{ kafka: {{ on: trading, topic: effects, id: $.id }} }}
    load: [ {{ hold: {{ at: 10/s, for: 60s }} }} ]
faults:
  f: {{ on: kafka/trading, inject: {inject}, at: 10s, for: 20s }}
"
        );
        let scenario = read("test", &text, &Settings::alone("test")).expect("valid");
        scenario.resending(0).eq([0])
    }

    #[test]
    fn what_breaks_a_connection_to_an_embedded_cluster_may_double_what_is_sent_again() {
        let (own, real) = ("cluster: { topics: { signals: {}, effects: {} } }", "brokers: ['127.0.0.1:1'], proxy: {}");
        for inject in [
            "{ broker_down: {} }",
            "{ request_errors: { api: produce, error: _TRANSPORT } }",
            "{ timeout: {} }",
            "{ down: {} }",
            "{ round_trip: { add: 40s } }",
            "{ latency: { latency: 40s } }",
        ] {
            assert!(twice(own, "all", inject), "{inject}");
            assert!(!twice(own, "1", inject), "nothing is sent again: {inject}");
        }
        for inject in [
            "{ request_errors: { api: produce, error: NOT_LEADER_FOR_PARTITION } }",
            "{ topic_unavailable: { topic: signals } }",
            "{ round_trip: { add: 200ms } }",
            "{ latency: { latency: 200ms } }",
        ] {
            assert!(!twice(own, "all", inject), "{inject}");
        }
        assert!(!twice(real, "all", "{ down: {} }"), "a real one knows what it has");
    }
}
