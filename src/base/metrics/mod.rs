//! The words of the metrics contract, which whoever writes one, checks one and reports on one share: what can be found on a
//! page, and how metrics may be called.

pub mod rule;
mod template;

pub use rule::{Check, Gravity, Rule};
pub use template::Template;
