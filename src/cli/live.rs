//! The run as it goes on.
