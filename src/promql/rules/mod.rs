//! Prometheus rules: files of them, read with the place of everything, and what becomes of them over given samples.
//!
//! [`file::read`] reads a file; [`replay`] evaluates its groups at their ticks, with the alert states, the recorded
//! series and the texts that a Prometheus of the chosen [`Semantics`](super::Semantics) would come to.

mod alerting;
pub mod file;
mod group;
mod outcome;
mod recorded;
mod replay;
mod template;
#[cfg(test)]
mod tests;
pub mod unit;

pub use group::{Alert, Group, Kind, Label, Rule};
pub use outcome::{Failure, Outcome, Replayed, Spell, State};
pub use replay::{Replay, Setup, replay};
pub use template::{Data, Template};
