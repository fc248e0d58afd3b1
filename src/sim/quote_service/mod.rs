//! `sim:quote-service`: quotes for swaps on Solana, from a cache of prices, from a calculation over the pools of three
//! protocols, and from external quoters. Nothing about its answers is diced: hits come from the cache, misses really
//! do the work or really ask, and latency is the sum of its parts.
//!
//! `GET /quote` and `GET /quote/hybrid` with `input`, `output`, `amount`; `/health`, `/health/live`, `/health/ready`,
//! `/ready`, `/metrics`. Its metrics can be made to lie (`lie`, `processes`), for practice in catching it.

mod cache;
mod dialect;
mod freshness;
mod instruments;
mod knobs;
mod lies;
mod limiter;
mod options;
mod pages;
mod pairs;
mod pools;
mod prices;
mod quoters;
mod retry;
mod service;
mod truth;
mod twist;
mod work;
mod workers;

#[cfg(test)]
mod tests;

pub use instruments::QuoteError;
pub use lies::Lie;
pub use options::{External, Options};
pub use quoters::{Call, Outcome};
pub use service::start;
pub use truth::{Ledger, Record, Source, Truth};
pub use twist::{Readiness, Twist};
