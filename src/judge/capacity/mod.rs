//! How much load a target takes: the probes of a search, the knee that they show, and what that says of a promise.
//!
//! A *probe* is a run of the scenario at one rate. The *knee* is the rate at which a probe is as likely to break a critical
//! promise as to keep them all. A *study* is a search, and another under each fault of a list. All of it is pure: a search
//! is a folder of runs, and whoever has them can judge it again.

mod claim;
mod estimate;
mod knee;
pub mod model;
pub mod plan;
mod probe;
mod read;
mod study;
mod verdict;

pub(super) use claim::finding;
pub use estimate::Estimate;
pub use knee::{Break, Hysteresis, Knee, Metastable, Warming, generator_limit, is_same, weigh};
pub use probe::{Approach, Borne, Held, Lengths, Probe, Role, UpstreamUse};
pub use read::{Made, ended_by, needed};
pub use study::{Claimed, Ended, FILE, FORMAT, Newer, Search, Study};
pub use verdict::{claim, verdict};
