//! Finds what is wrong with what a platform says of itself before anybody is paged by it. Pure: text in, findings out.

pub mod metrics;
