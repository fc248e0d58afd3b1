//! Load over time.

use std::time::Duration;

use crate::base::units::Rate;

/// How shots are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other.
    Poisson,
    /// At equal distances.
    Even,
}

/// A stretch of load: open, during which the rate is a straight line, or a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The word for it in the scenario.
    pub word: &'static str,
    /// The rate at its start; 0 in a closed loop.
    pub from: Rate,
    /// The rate at its end; 0 in a closed loop.
    pub to: Rate,
    /// How long.
    pub length: Duration,
    /// Whether promises count it.
    pub measured: bool,
    /// A closed loop: so many connections, each of which sends as soon as it has its reply. Nothing in it is planned, and
    /// each shot is due when it is sent.
    pub saturate: Option<u32>,
}
