//! The rate limiter before the exchange: a token bucket that turns away rather than wait. It reads no clock.

use std::sync::{Mutex, PoisonError};

use crate::base::units::Rate;

/// A token bucket; instants are nanoseconds on any clock that goes forward.
#[derive(Debug)]
pub struct Bucket {
    rate: f64, // tokens per nanosecond
    burst: f64,
    state: Mutex<(u64, f64)>, // when it was last looked at, and what it held
}

impl Bucket {
    /// A full one. A rate of 0 lets everything pass.
    pub fn new(rate: Rate, burst: u32) -> Bucket {
        let burst = f64::from(burst.max(1));
        Bucket { rate: rate.hertz() / 1e9, burst, state: Mutex::new((0, burst)) }
    }

    /// Takes a token, if there is one.
    pub fn take(&self, now: u64) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, held) = *state;
        let held = (held + now.saturating_sub(at) as f64 * self.rate).min(self.burst);
        let taken = held >= 1.0;
        *state = (now.max(at), if taken { held - 1.0 } else { held });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let bucket = Bucket::new(Rate::per_second(10), 3);
        let second = 1_000_000_000;
        assert_eq!((0..10).filter(|_| bucket.take(second)).count(), 3);
        assert!(!bucket.take(second + 99_000_000) && bucket.take(second + 100_000_001));
        let passed = (0..6000).filter(|n| bucket.take(2 * second + n * 10_000_000)).count();
        assert!((600..=603).contains(&passed), "{passed} in a minute at 10/s");
        let free = Bucket::new(Rate::default(), 1);
        assert!((0..1000).all(|_| free.take(0)));
    }
}
