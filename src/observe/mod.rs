//! Watches the target from outside: scrapes its metrics on a steady cadence and writes them to the evidence; asks the
//! servers that watch it for its owners; and the machine under it and us. A source of samples is a file or a folder here,
//! and a word of [`Source`](crate::scenario::Source).

pub mod alertmanager;
pub mod api;
mod beat;
pub mod exposition;
pub mod fetch;
mod host;
pub mod lag;
mod news;
pub mod oracle;
pub mod probe;
pub mod prometheus;
mod resources;
mod scrape;

pub use host::HostMeter;
pub use news::Inspect;
pub use resources::{Process, ResourceMeter};
pub use scrape::{Observer, Scraped, Watched};
