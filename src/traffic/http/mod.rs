//! HTTP/1.1 at the cost of little more than its system calls: a codec, connections that belong to one worker, and a
//! pool of them for each address of a service. HTTP/2 beside it, with several requests on a connection.

pub mod codec;
mod connection;
mod http2;
pub mod open;
pub mod pool;
pub mod service;
mod shared;
pub mod single;
mod stream;
mod tls;
