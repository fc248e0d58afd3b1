//! Watches the target from outside: scrapes its metrics on a steady cadence and writes them to the evidence.

pub mod exposition;
mod scrape;

pub use scrape::{Observer, Scraped, Watched};
