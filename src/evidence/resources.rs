//! What the target's processes took of the machine, where they run on this one: about once a second. What the system does
//! not tell is left out; nothing is not zero.

use serde::{Deserialize, Serialize};

use crate::base::time::{Offset, Span};

/// What processes took over a stretch of about a second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Where the stretch ended.
    pub at: Offset,
    /// How long the stretch was, in nanoseconds.
    pub over: u64,
    /// Each of them that was there.
    pub of: Vec<ProcessUse>,
}

/// What a process and all that come from it took, together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessUse {
    /// What the scenario calls it: `target`, or one of `processes`.
    pub name: String,
    /// The id of the process that the others come from.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot: a process that was started again is another.
    pub started: u64,
    /// How many processes these are.
    pub processes: u32,
    /// Processor time, in cores: 1.5 is one core and half of another.
    pub cpu: f64,
    /// Resident memory, in bytes. What processes share is counted in each.
    pub rss: u64,
    /// File descriptors that are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// How often threads gave their core away because they had to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voluntary: Option<u64>,
    /// How often their core was taken from threads that could have gone on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub involuntary: Option<u64>,
}

impl Resources {
    /// The stretch that this is about.
    pub fn stretch(&self) -> Span {
        Span { start: Offset::from_nanos(self.at.nanos().saturating_sub_unsigned(self.over)), end: self.at }
    }
}
