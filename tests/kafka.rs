//! Kafka clusters of the stage and what can be broken in them, as a client of librdkafka meets it: embedded ones, and one
//! that somebody else runs, behind the proxy. What is asserted is what was delivered, refused and counted; never how long
//! anything took, but that what is made slower is no faster than that.

#![allow(clippy::panic, reason = "a test fails by panicking")]

#[path = "kafka/ground.rs"]
mod ground;

#[path = "kafka/embedded.rs"]
mod embedded;

#[path = "kafka/proxy.rs"]
mod proxy;

#[path = "kafka/clients.rs"]
mod clients;
