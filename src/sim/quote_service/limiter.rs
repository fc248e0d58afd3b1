//! A client-side rate limiter that waits: calls leave at an even pace, the next in line no earlier than one interval
//! after the last. Whoever would have to wait too long is turned away instead.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::time::Offset;
use crate::base::units::Rate;

/// Paces calls. It reads no clock.
pub struct Limiter {
    interval: Duration,
    patience: Duration,
    free: Mutex<Offset>, // when the next call may leave
}

impl Limiter {
    /// Lets `rate` calls pass, and none wait for longer than `patience`. A rate of 0 lets everything pass.
    pub fn new(rate: Rate, patience: Duration) -> Limiter {
        let interval = match rate.hertz() {
            0.0 => Duration::ZERO,
            hertz => Duration::from_secs_f64(1.0 / hertz),
        };
        Limiter { interval, patience, free: Mutex::new(Offset::from_nanos(i64::MIN)) }
    }

    /// Takes the next place in line and says how long to wait for it; `None`, and no place taken, when that is too
    /// long.
    pub fn reserve(&self, now: Offset) -> Option<Duration> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = free.since(now);
        if wait > self.patience {
            return None;
        }
        *free = now + wait + self.interval;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn calls_leave_at_the_pace_and_the_impatient_are_turned_away() {
        let limiter = Limiter::new(Rate::per_second(20), ms(100));
        let at = |n| Offset::from_millis(n);
        assert_eq!(limiter.reserve(at(0)), Some(ms(0)));
        assert_eq!(limiter.reserve(at(0)), Some(ms(50)));
        assert_eq!(limiter.reserve(at(0)), Some(ms(100)));
        assert_eq!(limiter.reserve(at(0)), None);
        assert_eq!(limiter.reserve(at(49)), None, "whoever is turned away takes no place");
        assert_eq!(limiter.reserve(at(50)), Some(ms(100)));
        assert_eq!(limiter.reserve(at(1000)), Some(ms(0)), "an unused pace is not saved up");
        assert_eq!(limiter.reserve(at(1000)), Some(ms(50)));
    }

    #[test]
    fn no_more_than_the_rate_ever_leave() {
        let limiter = Limiter::new(Rate::per_second(10), ms(120));
        let left = (0..60_000).filter(|n| limiter.reserve(Offset::from_millis(*n)).is_some()).count();
        assert!((600..=602).contains(&left), "{left} in a minute at 10/s");
        let free = Limiter::new(Rate(0), ms(0));
        assert!((0..1000).all(|_| free.reserve(Offset::ZERO) == Some(ms(0))));
    }
}
