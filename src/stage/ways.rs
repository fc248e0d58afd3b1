//! The faults on what bytes go through: links, and the ways to Kafka clusters.

use super::kafka::faults::KafkaFaults;
use super::link::faults::LinkFaults;
use super::protocol::Report;
use crate::base::time::Offset;

/// The faults of a scenario on links and on Kafka clusters.
pub struct WayFaults {
    /// On links.
    pub links: LinkFaults,
    /// On Kafka clusters.
    pub kafka: KafkaFaults,
}

impl WayFaults {
    /// Whether the fault at this position of the scenario is one of them.
    pub fn has(&self, fault: usize) -> bool {
        self.links.has(fault) || self.kafka.has(fault)
    }

    /// Lets a fault begin. Applying twice is applying once.
    pub async fn apply(&mut self, fault: usize, at: Offset) -> Report {
        if self.kafka.has(fault) { self.kafka.apply(fault, at).await } else { self.links.apply(fault, at).await }
    }

    /// Lets a fault end. Clearing twice is clearing once; what could not be undone is still effective afterwards.
    pub async fn clear(&mut self, fault: usize, at: Offset) -> Report {
        if self.kafka.has(fault) { self.kafka.clear(fault, at).await } else { self.links.clear(fault, at).await }
    }

    /// Lets every fault end whose time to live is over by now; all of them when `at` is `None`. What became of them.
    pub async fn expire(&mut self, now: Offset, at: Option<Offset>) -> Vec<Report> {
        let mut reports = self.links.expire(now, at).await;
        reports.extend(self.kafka.expire(now, at).await);
        reports
    }

    /// When the next time to live is over.
    pub fn next_expiry(&self) -> Option<Offset> {
        self.links.next_expiry().into_iter().chain(self.kafka.next_expiry()).min()
    }
}
