//! Links: TCP proxies between the service under test and what it depends on, with toxiproxy's toxics and its API.
//!
//! ```text
//!             ┌ connection ─────────────────────────────┐
//! client ──▶  │ pipe:  chain ─ hop ─ hop ─▶  upstream    │ ──▶ server
//!        ◀──  │ pipe:  ◀─ hop ─ chain        downstream  │ ◀──
//!             └─────────────────────────────────────────┘
//! ```
//!
//! - [`toxic`]: what can be wrong · `hop`: one toxic at work on one direction · `chain`: all of them · `spoil`: flipped bits
//! - `pipe`: a direction with its sockets · `connection`: two of them · [`link`]: a proxy · [`links`]: all of a stage
//! - [`api`]: toxiproxy's REST API · `remote`: somebody else's · [`faults`]: those of a scenario

pub mod api;
mod chain;
mod connection;
pub mod faults;
mod hop;
#[allow(clippy::module_inception, reason = "a link is a link")]
pub mod link;
pub mod links;
pub mod pipe;
pub mod remote;
mod spoil;
pub mod toxic;
