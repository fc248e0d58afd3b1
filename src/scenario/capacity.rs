//! How a scenario's capacity is searched, and what is promised of it.
//!
//! ```text
//! promise := "capacity" "(" traffic ")" ( ">=" | ">" ) rate
//! ```

use std::time::Duration;

use super::claim::Compare;
use super::fault::Fault;
use super::promise::{NO_TRAFFIC, Refusal, split_compare};
use crate::base::text;
use crate::base::units::{self, Rate, Share};

/// How the capacity of a scenario is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// The traffic at this position of the scenario: its rate is searched.
    pub traffic: usize,
    /// The first rate that is tried; that at which its load begins when not given.
    pub from: Option<Rate>,
    /// The highest rate that is tried; whatever the generator can do when not given.
    pub up_to: Option<Rate>,
    /// How close the search comes to the knee.
    pub resolution: Share,
    /// How long a probe is measured at least.
    pub probe: Duration,
    /// How long a probe warms up before.
    pub warm_up: Duration,
    /// How long the search may take; as long as it takes when not given.
    pub max_time: Option<Duration>,
    /// What is taken away, one at a time, when it is repeated.
    pub without: Vec<Without>,
}

/// What a search goes without from the beginning of every probe to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// What the fault at this position of the scenario takes away.
    Fault(usize),
    /// One replica: the others share the load, as behind a balancer that has noticed.
    Replica,
}

impl Without {
    /// How one replica less is asked for.
    pub const REPLICA: &str = "replica";

    /// The fault, if it is one.
    pub fn fault(self) -> Option<usize> {
        match self {
            Without::Fault(fault) => Some(fault),
            Without::Replica => None,
        }
    }

    /// In words.
    pub fn name(self, faults: &[Fault]) -> String {
        match self {
            Without::Fault(fault) => faults.get(fault).map(|f| f.name.clone()).unwrap_or_default(),
            Without::Replica => "one replica gone".into(),
        }
    }
}

impl Capacity {
    /// How close a search comes to the knee unless it is said.
    pub const RESOLUTION: Share = Share(50_000_000);
    /// How long a probe is measured at least unless it is said.
    pub const PROBE: Duration = Duration::from_secs(10);
    /// How long a probe warms up unless it is said.
    pub const WARM_UP: Duration = Duration::from_secs(3);

    /// The search for a traffic, with nothing said about it.
    pub fn of(traffic: usize) -> Capacity {
        Capacity {
            traffic,
            from: None,
            up_to: None,
            resolution: Capacity::RESOLUTION,
            probe: Capacity::PROBE,
            warm_up: Capacity::WARM_UP,
            max_time: None,
            without: Vec::new(),
        }
    }
}

/// A claim about how much a target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityClaim {
    /// Of the traffic at this position of the scenario.
    pub traffic: usize,
    /// `>=` or `>`.
    pub compare: Compare,
    /// The least that it takes.
    pub bound: Rate,
}

/// Reads a promise about capacity; `None` when it is about something else. `known` are the names of all traffics.
pub(super) fn parse(promise: &str, known: &[&str]) -> Option<Result<CapacityClaim, Refusal>> {
    let (measure, _) = promise.split_once('(')?;
    (measure.trim() == "capacity").then(|| read(promise, known))
}

fn read(promise: &str, known: &[&str]) -> Result<CapacityClaim, Refusal> {
    let example = || "write it like `capacity(quotes) >= 500/s`".to_owned();
    let (call, compare, bound) = split_compare(promise)?;
    let subject = call.trim().strip_suffix(')').and_then(|call| call.split_once('(')).map(|(_, rest)| rest.trim());
    let subject = subject.ok_or_else(|| (format!("`{promise}` lacks its `)`"), example()))?;
    if subject.contains(',') {
        return Err(("`capacity` takes no clock, outcome or class".into(), example()));
    }
    let traffic = known.iter().position(|name| *name == subject);
    let traffic =
        traffic.ok_or_else(|| (format!("`{subject}`{NO_TRAFFIC}"), text::suggest(subject, known.iter().copied())))?;
    if !matches!(compare, Compare::AtLeast | Compare::Greater) {
        return Err(("a capacity is promised from below".into(), "use >= or >".into()));
    }
    let bound = units::parse_rate(bound).map_err(|why| match why.split_once(": ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (why, example()),
    })?;
    Ok(CapacityClaim { traffic, compare, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_promised_from_below() {
        let parse = |text| parse(text, &["quotes", "orders"]);
        let claim = CapacityClaim { traffic: 1, compare: Compare::AtLeast, bound: Rate::per_second(500) };
        assert_eq!(parse("capacity( orders ) >= 500/s"), Some(Ok(claim)));
        assert_eq!(parse("p95(quotes) < 1s"), None);
        for (bad, what) in [
            ("capacity(qoutes) >= 5/s", "no traffic"),
            ("capacity(quotes) < 5/s", "from below"),
            ("capacity(quotes) >= 5", "not a rate"),
            ("capacity(quotes, ok) >= 5/s", "takes no clock"),
            ("capacity(quotes >= 5/s", "lacks its"),
        ] {
            let (said, remedy) = parse(bad).expect("about capacity").expect_err(bad);
            assert!(said.contains(what) && !remedy.is_empty(), "{bad}: {said}: {remedy}");
        }
    }
}
