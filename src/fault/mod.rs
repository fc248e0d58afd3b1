//! When things break, who breaks them, and that every fault ends.
//!
//! - [`conduct`]: walks the planned times · requests and links are struck in the stage
//! - [`local`]: what the run breaks itself · [`deed`]: one of the kinds · `pause`, `kill`, `pressure`, `container`, `hook`
//! - [`guard`]: how to undo it is written down and handed over before it is done · [`member`]: a process that the run
//!   started · `victim`: whichever process a fault acts on

pub mod conduct;
mod container;
pub mod deed;
pub mod gate;
pub mod guard;
mod hook;
mod kill;
pub mod local;
pub mod member;
mod pause;
mod pressure;
#[cfg(test)]
mod tests;
pub mod victim;
