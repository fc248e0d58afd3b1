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

/// A stretch of load during which the rate is a straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The word for it in the scenario.
    pub word: &'static str,
    /// The rate at its start.
    pub from: Rate,
    /// The rate at its end.
    pub to: Rate,
    /// How long.
    pub length: Duration,
    /// Whether promises count it.
    pub measured: bool,
}
