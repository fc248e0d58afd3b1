//! HTTP/1.1 on hyper's connection API: our own pool, and the instants of what crosses the wire.

pub mod exchange;
pub mod pool;
pub mod wire;
