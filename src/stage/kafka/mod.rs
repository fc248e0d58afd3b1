//! Kafka clusters whose clients come by the stage: embedded ones, and real ones behind the proxy.
//!
//! ```text
//!            ┌ cluster ──────────────────────────────────────────┐
//! client ──▶ │ talk: requests ─▶ link (toxics) ─▶                 │ ──▶ broker, embedded or real
//!        ◀── │ ◀─ link (toxics) ◀─ replies, rewritten: rewrite    │ ◀──
//!            └───────────────────────────────────────────────────┘
//! ```
//!
//! - [`cluster`]: its brokers, each behind a link · `talk`: one connection · `rewrite`: replies that name brokers
//! - `apis`: what is understood at all · `wire`: how values are written
//! - [`embedded`]: librdkafka's brokers · [`ask`]: who is in a cluster · [`faults`]: those of a scenario

mod apis;
pub mod ask;
pub mod cluster;
pub mod embedded;
pub mod faults;
pub mod rewrite;
mod talk;
mod wire;

#[cfg(test)]
mod tests;
