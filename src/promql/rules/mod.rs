//! Prometheus rules: files of them, read with the place of everything.

pub mod file;
mod group;
mod template;

pub use group::{Alert, Group, Kind, Label, Rule};
pub use template::Template;
