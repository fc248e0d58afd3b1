//! What is shown of a run while it goes on.

use std::time::Duration;

use crate::base::time::Offset;

/// How a run does, once a second.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Now.
    pub at: Offset,
    /// Where the load ends.
    pub end: Offset,
    /// Shots taken up so far.
    pub taken: u64,
    /// Shots taken up that are not over.
    pub in_flight: u64,
    /// Shots that were over in the last second.
    pub finished: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Median response of the last second.
    pub p50: Option<Duration>,
    /// 99th percentile of the last second.
    pub p99: Option<Duration>,
    /// Shots taken up late by our doing, so far.
    pub late: u64,
    /// Faults that are effective.
    pub faults: Vec<String>,
    /// What is going on.
    pub phase: String,
}
