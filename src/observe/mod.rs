//! Watches the target from outside: scrapes its metrics on a steady cadence and writes them to the evidence; and the
//! machine under it and us.

pub mod exposition;
mod host;
pub mod oracle;
mod scrape;

pub use host::HostMeter;
pub use scrape::{Observer, Scraped, Watched};
