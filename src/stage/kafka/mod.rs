//! Kafka clusters whose clients come by the stage.

pub mod embedded;
