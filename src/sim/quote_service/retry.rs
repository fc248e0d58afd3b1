//! When a failed call is sent again, and when a quoter is left alone: backoff with jitter, a budget, and `Retry-After`.
//! It reads no clock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::seed::unit;
use crate::base::time::Offset;
use crate::base::units::Share;

/// The longest pause before a retry.
const LONGEST: Duration = Duration::from_secs(5);
/// Retries that are granted before the budget counts: a share of nothing is nothing.
const FLOOR: u64 = 3;

/// The pause before the retry after attempt `attempt` (from 1): uniform between nothing and a ceiling that begins at
/// `first` and doubles each time (full jitter, so that those who failed together do not come back together). `draw` is
/// the chance in it.
pub fn pause(first: Duration, attempt: u32, draw: u64) -> Duration {
    let ceiling = first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    ceiling.mul_f64(unit(draw))
}

/// When the quoter that says `Retry-After` may be asked again, in nanoseconds from now; `None` where it makes no sense.
/// `value` is a number of seconds or an HTTP date (RFC 9110, 10.2.3), `wall` the time in nanoseconds since the Unix epoch.
pub fn after(value: &str, wall: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let left = date.timestamp().as_nanosecond() - i128::from(wall);
    Some(Duration::from_nanos(u64::try_from(left.max(0)).unwrap_or(u64::MAX)))
}

/// What one quoter may still be sent.
#[derive(Default)]
pub struct Patience(Mutex<State>);

#[derive(Default)]
struct State {
    closed: Option<Offset>, // until then the quoter wants to be left alone
    calls: u64,
    retries: u64,
}

impl Patience {
    /// Counts a first attempt.
    pub fn call(&self) {
        self.lock().calls += 1;
    }

    /// Leaves the quoter alone for `length` from `now` on, or longer if it has been told so before.
    pub fn close(&self, now: Offset, length: Duration) {
        let mut state = self.lock();
        state.closed = state.closed.max(Some(now + length));
    }

    /// Whether the quoter wants to be left alone at `now`.
    pub fn is_closed(&self, now: Offset) -> bool {
        self.lock().closed.is_some_and(|until| now < until)
    }

    /// Takes one retry out of a budget of `share` of all calls; whether there was one.
    pub fn spend(&self, share: Share) -> bool {
        let mut state = self.lock();
        let granted = FLOOR + (u128::from(state.calls) * u128::from(share.0) / u128::from(Share::ALL.0)) as u64;
        let there = state.retries < granted;
        state.retries += u64::from(there);
        there
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Offset {
        Offset::from_millis(ms)
    }

    #[test]
    fn pauses_double_and_are_jittered_in_full() {
        let first = Duration::from_millis(50);
        assert_eq!(pause(first, 1, 0), Duration::ZERO);
        for (attempt, ceiling) in [(1, 50), (2, 100), (3, 200), (8, 5000), (u32::MAX, 5000)] {
            let longest = pause(first, attempt, u64::MAX);
            let ceiling = Duration::from_millis(ceiling);
            assert!(longest <= ceiling && longest > ceiling.mul_f64(0.999), "{attempt}: {longest:?}");
        }
        assert!((49..=51).contains(&pause(first, 2, u64::MAX / 2).as_millis()), "half of the ceiling");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wall = 784_111_777_000_000_000; // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(after("120", wall), Some(Duration::from_secs(120)));
        assert_eq!(after(" 0 ", wall), Some(Duration::ZERO));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:40 GMT", wall), Some(Duration::from_secs(3)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:30 GMT", wall), Some(Duration::ZERO), "that has been");
        for nonsense in ["", "soon", "-5", "1.5", "Sun, 06 Nov"] {
            assert_eq!(after(nonsense, wall), None, "{nonsense}");
        }
    }

    #[test]
    fn a_quoter_is_left_alone_for_as_long_as_it_says() {
        let patience = Patience::default();
        assert!(!patience.is_closed(at(0)));
        patience.close(at(1000), Duration::from_secs(2));
        patience.close(at(1500), Duration::from_secs(1));
        assert!(patience.is_closed(at(2999)), "the longer one holds");
        assert!(!patience.is_closed(at(3000)));
    }

    #[test]
    fn retries_are_a_share_of_calls() {
        let patience = Patience::default();
        let tenth = Share(100_000_000);
        let spent = |n: u32| (0..n).filter(|_| patience.spend(tenth)).count() as u64;
        assert_eq!(spent(10), FLOOR);
        (0..100).for_each(|_| patience.call());
        assert_eq!(spent(100), 10, "of a hundred calls a tenth");
    }
}
