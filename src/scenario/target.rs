//! What is under test.

use std::time::Duration;

use super::flow::Step;
use super::wire::Wire;
use crate::base::net::Address;

/// What is under test and how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Who starts it and where it answers.
    pub system: System,
    /// Its process on this machine, which is watched; of a practice target it is known without.
    pub pid: Option<u32>,
    /// What must answer before anything is sent.
    pub ready: Option<Ready>,
    /// The most connections; `None` leaves it to the plan.
    pub connections: Option<u32>,
    /// How long a reply may take from the first byte sent.
    pub timeout: Duration,
    /// How connections are made and kept.
    pub wire: Wire,
    /// Sent with every request.
    pub headers: Vec<(String, HeaderValue)>,
    /// Sent once before the load; each must succeed.
    pub before: Vec<Step>,
    /// Sent once after the drain.
    pub after: Vec<Step>,
}

impl Target {
    /// How many places share the load of its one service: of a practice target its replicas, of what stands already its addresses;
    /// of several services the most that one has.
    pub fn replicas(&self) -> u32 {
        match &self.system {
            System::Sim { with, .. } => {
                let set = with.iter().rfind(|(key, _)| key == "replicas");
                set.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(1).max(1)
            }
            System::Services(services) => services.iter().map(|s| s.addresses.len() as u32).max().unwrap_or(1),
        }
    }
}

/// Who starts the target and where it answers.
#[derive(Debug, Clone, PartialEq)]
pub enum System {
    /// A practice target that the run starts and stops, with its settings.
    Sim {
        /// Which.
        name: String,
        /// Its settings.
        with: Vec<(String, String)>,
    },
    /// Services that stand already; at least one.
    Services(Vec<Service>),
}

/// A service that stands already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What traffic and jobs call it.
    pub name: String,
    /// Where it answers; at least one, and connections are spread evenly over them.
    pub addresses: Vec<Address>,
}

/// What must answer before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// On which service; the first when unnamed.
    pub service: Option<String>,
    /// Must answer 2xx.
    pub path: String,
    /// How long to wait.
    pub within: Duration,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// Sent as it is.
    Text(String),
    /// The name of the environment variable that holds it.
    Secret(String),
}
