//! How many replicas a load needs: from studies at one number of replicas or at several.
//!
//! The answer is the least number whose capacity is at least what is needed, by the lower end of its interval; spare ones come
//! on top, so that as many may be down. What was not measured and is only foretold is said to be so, and without leave it is no
//! answer.

mod answer;
mod promised;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Asked, Measured, plan};
pub use promised::{Promised, Refused};
