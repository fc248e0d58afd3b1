//! What was found of a target's capacity.

mod text;

pub use text::{capacity, probe};
