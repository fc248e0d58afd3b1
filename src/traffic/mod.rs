//! Sends the plan's shots when they are due, whatever becomes of earlier ones, and reports what became of each.

mod aside;
mod closed;
mod drive;
mod errand;
mod flow;
mod health;
mod http;
mod kind;
mod merge;
mod pacer;
mod pick;
mod quote;
mod reply;
mod request;
mod worker;

pub use aside::{Answered, Aside};
pub use drive::{Senders, Setup, spawn};

use crate::base::net::Address;
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

/// The service that a name means among those of the target; the first without a name.
pub fn service<'a>(services: &'a [(String, Address)], name: Option<&str>) -> Option<&'a Address> {
    match name {
        Some(name) => services.iter().find(|(n, _)| n == name).map(|(_, a)| a),
        None => services.first().map(|(_, a)| a),
    }
}
