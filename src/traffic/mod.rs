//! Sends the plan's shots when they are due, whatever becomes of earlier ones, and reports what became of each.

mod aside;
mod bearer;
mod closed;
mod drive;
pub mod effects;
mod errand;
mod flow;
mod health;
mod http;
mod kind;
mod merge;
mod pacer;
mod pick;
mod pipeline;
mod quote;
mod reply;
mod request;
mod resting;
pub mod signal;
mod worker;

pub use aside::{Answered, Aside};
pub use bearer::Keeper;
pub use drive::{Senders, Setup, spawn};
pub use pipeline::{Meeting, completions};

use crate::scenario::HeaderValue;

/// Headers with their secrets filled in. `secrets` gives the value of a name; a missing one is left out, which
/// [`check`](crate::scenario) has ruled out before.
pub fn resolve(headers: &[(String, HeaderValue)], secrets: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| match value {
            HeaderValue::Text(text) => Some((name.clone(), text.clone())),
            HeaderValue::Secret(secret) => secrets(secret).map(|value| (name.clone(), value)),
        })
        .collect()
}

/// The headers of a request: those that all have, but for what it says otherwise, and its own.
fn own_over(common: &[(String, String)], own: Vec<(String, String)>) -> Vec<(String, String)> {
    let overridden = |name: &str| own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut all: Vec<(String, String)> = common.iter().filter(|(n, _)| !overridden(n)).cloned().collect();
    all.extend(own);
    all
}
