//! HTTP/1.1 at the cost of little more than its system calls: a codec, connections that belong to one worker, and a
//! pool of them per service.

pub mod codec;
mod connection;
mod open;
pub mod pool;
