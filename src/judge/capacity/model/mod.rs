//! What probes and studies say about loads and numbers of replicas that nobody tried: laws with parameters, each with an
//! interval, and what they cannot say.

mod budget;
mod fit;
mod little;
mod models;
mod queue;
mod scaling;

pub use budget::{Budget, Reached, budgets};
pub use little::{Off, holds, off};
pub use models::{Concurrency, Cost, Headroom, Models};
pub use queue::{Point as Latency, Queue};
pub use scaling::{CONFIDENCE, Foretold, Law, Parameters, Point, Scaling};
