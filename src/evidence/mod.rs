//! What a run leaves on disk: the contract between running and judging.

pub mod samples;
