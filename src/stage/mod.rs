//! The outside world of the service under test: stub quoters, links, and what can be broken in them.
//!
//! It lives in a process of its own, where its work does not disturb the run's timing and the run's death does not
//! leave the service with dead ports. The run holds it by a lease over a pipe ([`protocol`]); when the lease breaks,
//! every fault is cleared at once and traffic is passed on cleanly for a while ([`serve`]).
//!
//! - [`config`]: what a run tells its stage · [`client`]: the run's side of the lease
//! - [`child`]: the process · [`by_hand`]: without a run · [`serve`]: its life · `world`: what is open · `link`: TCP proxies
//! - `kafka`: clusters, embedded or behind a proxy
//! - `stub`, `quoter`, `quote`, `template`, `price`, `bucket`: how a stub answers
//! - `front`: how an upstream hears and answers · `forward`: how requests are passed on to a real one
//! - `warden`: undoes what is broken outside the stage when the run no longer can · [`keeper`]: the run's side of that ·
//!   [`mend`]: how it is done
//! - `pulse`: what the stage takes for itself, and whether it keeps up
//! - `ways`: the faults on links and on the ways to Kafka clusters
//! - `faults`, `filter`, `throttle`, [`decide`]: whom a fault strikes, and the record of it · `effect`: what it does

mod bucket;
pub mod by_hand;
pub mod child;
pub mod client;
pub mod config;
pub mod decide;
mod effect;
mod faults;
mod filter;
mod forward;
mod front;
pub mod kafka;
pub mod keeper;
mod link;
pub mod mend;
mod price;
pub mod protocol;
mod pulse;
pub mod quote;
pub mod quoter;
pub mod serve;
pub mod stub;
mod template;
#[cfg(test)]
pub(crate) mod testing;
mod throttle;
mod warden;
mod ways;
#[cfg(test)]
mod wire;
mod world;
