//! Arguments, and what is printed.

pub mod args;
pub mod print;
