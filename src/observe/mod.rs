//! Watches the target from outside: scrapes its metrics on a steady cadence and writes them to the evidence; and the
//! machine under it and us.

pub mod exposition;
pub mod fetch;
mod host;
mod news;
pub mod probe;
mod scrape;

pub use host::HostMeter;
pub use news::Inspect;
pub use scrape::{Observer, Scraped, Watched};
