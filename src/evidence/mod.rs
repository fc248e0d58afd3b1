//! What a run leaves on disk: the contract between running and judging.
//!
//! A run is the only writer, through [`recorder`]; judging and reporting only read. Everything is written
//! continuously: after a sudden death, all but the last second is there.

mod append;
pub mod baseline;
pub mod board;
pub mod counters;
pub mod effects;
pub mod event;
pub mod folder;
pub mod follow;
pub mod followed;
pub mod health;
pub mod latency;
pub mod manifest;
pub mod page;
pub mod reader;
pub mod recorder;
pub mod reply;
pub mod reserve;
pub mod resources;
mod rows;
pub mod samples;
pub mod servers;
pub mod tally;
pub mod touches;
pub mod undo;
mod varint;
