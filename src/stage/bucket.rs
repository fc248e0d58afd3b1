//! The token bucket behind rate limits: whole-number arithmetic, so that no allowance is lost or won by rounding.

use std::time::Duration;

use crate::base::httpd::Response;
use crate::base::time::Offset;
use crate::scenario::{RateLimit, RetryAfter};

/// One token. The unit is what a rate of a millionth per second yields in a nanosecond.
const TOKEN: u128 = 1_000_000_000_000_000;
/// What a client is told to wait where nothing is ever allowed.
const NEVER: Duration = Duration::from_secs(3600);

/// A bucket that fills at a rate, up to a burst, and gives a token to each request that it allows.
#[derive(Debug, Clone)]
pub struct Bucket {
    limit: RateLimit,
    level: u128, // in parts of a TOKEN, at most burst × TOKEN
    at: Offset,  // when `level` was right
}

/// What became of a request at a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether there was a token for it.
    pub granted: bool,
    /// The most tokens at once.
    pub limit: u32,
    /// Whole tokens left.
    pub remaining: u32,
    /// How long until there is a whole token again; zero when there is one.
    pub retry: Duration,
    /// How long until the bucket is full again.
    pub reset: Duration,
}

impl Bucket {
    /// A full bucket.
    pub fn full(limit: RateLimit, at: Offset) -> Bucket {
        Bucket { limit, level: u128::from(limit.burst) * TOKEN, at }
    }

    /// Whether it would be full at an instant: as good as a new one.
    pub fn is_full(&self, at: Offset) -> bool {
        let most = u128::from(self.limit.burst) * TOKEN;
        self.level + u128::from(self.limit.rate.0) * at.since(self.at).as_nanos() >= most
    }

    /// Takes a token if there is one. Instants before the last one count as the last one.
    pub fn take(&mut self, at: Offset) -> Taken {
        let rate = u128::from(self.limit.rate.0);
        let most = u128::from(self.limit.burst) * TOKEN;
        self.level = most.min(self.level + rate * at.since(self.at).as_nanos());
        self.at = self.at.max(at);
        let granted = self.level >= TOKEN;
        if granted {
            self.level -= TOKEN;
        }
        let until = |level: u128| match level.saturating_sub(self.level) {
            0 => Duration::ZERO,
            _ if rate == 0 => NEVER,
            missing => Duration::from_nanos(u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX)),
        };
        Taken {
            granted,
            limit: self.limit.burst,
            remaining: (self.level / TOKEN) as u32,
            retry: until(TOKEN),
            reset: until(most),
        }
    }
}

impl Taken {
    /// Adds the headers with which public quoters state their limits: `X-RateLimit-Limit` and `-Remaining` in
    /// requests, `-Reset` in seconds from now until the bucket is full, rounded up.
    pub fn state(&self, response: Response) -> Response {
        response
            .with("X-RateLimit-Limit", self.limit.to_string())
            .with("X-RateLimit-Remaining", self.remaining.to_string())
            .with("X-RateLimit-Reset", seconds(self.reset))
    }

    /// The reply to a request that found no token: 429 with `Retry-After` rounded up to a second. `wall` is now, in
    /// nanoseconds since the Unix epoch.
    pub fn refusal(&self, retry_after: RetryAfter, wall: i64) -> Response {
        let body = serde_json::json!({ "error": "rate limit exceeded", "code": 429 });
        let refused = self.state(Response::json(429, &body));
        match retry_after {
            RetryAfter::Seconds => refused.with("Retry-After", seconds(self.retry)),
            RetryAfter::HttpDate => {
                let again = wall.saturating_add(self.retry.as_nanos() as i64);
                refused.with(
                    "Retry-After",
                    http_date(again.div_euclid(1_000_000_000) + i64::from(again % 1_000_000_000 > 0)),
                )
            }
            RetryAfter::None => refused,
        }
    }
}

impl Taken {
    /// How long the `Retry-After` of a refusal tells to wait, from `wall` on; zero when it has none.
    pub fn wait(&self, retry_after: RetryAfter, wall: i64) -> Duration {
        const SECOND: i64 = 1_000_000_000;
        match retry_after {
            RetryAfter::Seconds => Duration::from_secs(self.retry.as_nanos().div_ceil(SECOND as u128) as u64),
            RetryAfter::HttpDate => {
                let again = wall.saturating_add(self.retry.as_nanos() as i64);
                let second = again.div_euclid(SECOND) + i64::from(again % SECOND > 0);
                Duration::from_nanos(u64::try_from(second.saturating_mul(SECOND) - wall).unwrap_or_default())
            }
            RetryAfter::None => Duration::ZERO,
        }
    }
}

/// A second since the Unix epoch as HTTP writes dates (RFC 9110, 5.6.7).
fn http_date(second: i64) -> String {
    let date = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn seconds(length: Duration) -> String {
    (length.as_nanos().div_ceil(1_000_000_000)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Rate;

    fn bucket(rate: Rate, burst: u32) -> Bucket {
        Bucket::full(RateLimit { rate, burst }, Offset::ZERO)
    }

    fn at(ms: i64) -> Offset {
        Offset::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = bucket(Rate::per_second(20), 5);
        let granted = (0..8).filter(|_| bucket.take(at(0)).granted).count();
        assert_eq!(granted, 5);
        assert!(!bucket.take(at(49)).granted, "1/20 s is 50 ms");
        assert!(bucket.take(at(50)).granted);
        assert!(!bucket.take(at(50)).granted);
        // From 50 ms to 10.05 s exactly 200 tokens flow, asked for each millisecond.
        let granted = (51..=10_050).filter(|ms| bucket.take(at(*ms)).granted).count();
        assert_eq!(granted, 200);
    }

    #[test]
    fn a_rate_that_no_nanosecond_divides_loses_nothing() {
        let mut polled = bucket(Rate::per_second(3), 2);
        assert!(polled.take(Offset::ZERO).granted);
        // One token is left, and 1000.006 s at 3/s bring 3000 more; with room for two none overflows between polls.
        let granted = (1..=142_858).filter(|n| polled.take(at(n * 7)).granted).count();
        assert_eq!(granted, 3_001);
        let mut exact = bucket(Rate::per_second(3), 1);
        exact.take(Offset::ZERO);
        let retry = exact.take(Offset::ZERO).retry;
        assert_eq!(retry, Duration::from_nanos(333_333_334));
        assert!(!exact.take(Offset::ZERO + retry - Duration::from_nanos(1)).granted);
        assert!(exact.take(Offset::ZERO + retry).granted);
    }

    #[test]
    fn a_long_silence_fills_no_more_than_the_burst() {
        let mut bucket = bucket(Rate::per_second(1_000_000), 2);
        bucket.take(at(0));
        let granted = (0..5).filter(|_| bucket.take(at(3_600_000)).granted).count();
        assert_eq!(granted, 2);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let mut bucket = bucket(Rate::per_second(1), 1);
        assert!(bucket.take(at(1000)).granted);
        assert!(!bucket.take(at(0)).granted);
        assert!(!bucket.take(at(1999)).granted);
        assert!(bucket.take(at(2000)).granted);
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let mut bucket = bucket(Rate(500_000), 2); // one in two seconds
        bucket.take(at(0));
        let last = bucket.take(at(0));
        assert_eq!((last.granted, last.remaining, last.reset), (true, 0, Duration::from_secs(4)));
        let refused = bucket.take(at(500));
        assert_eq!((refused.granted, refused.retry), (false, Duration::from_millis(1500)));
        let reply = refused.refusal(RetryAfter::Seconds, 0);
        let header = |name: &str| reply.headers.iter().find(|h| h.0 == name).map(|h| h.1.as_str());
        assert_eq!(reply.status, 429);
        assert_eq!(header("Retry-After"), Some("2"), "rounded up");
        assert_eq!(header("X-RateLimit-Limit"), Some("2"));
        assert_eq!(header("X-RateLimit-Remaining"), Some("0"));
        assert_eq!(header("X-RateLimit-Reset"), Some("4"));
        // The example date of RFC 9110: a second and a half on, and rounded up.
        let dated = refused.refusal(RetryAfter::HttpDate, 784_111_775_400_000_000);
        assert!(dated.headers.contains(&("Retry-After".into(), "Sun, 06 Nov 1994 08:49:37 GMT".into())), "{dated:?}");
        let silent = refused.refusal(RetryAfter::None, 0);
        assert!(silent.headers.iter().all(|h| h.0 != "Retry-After") && silent.headers.len() == 4);
    }

    #[test]
    fn the_wait_of_a_refusal_is_what_its_header_says() {
        let mut bucket = bucket(Rate(500_000), 1); // one in two seconds
        bucket.take(at(0));
        let refused = bucket.take(at(500));
        let ms = |retry_after, wall_ms: i64| refused.wait(retry_after, wall_ms * 1_000_000).as_millis();
        assert_eq!(ms(RetryAfter::Seconds, 77), 2_000);
        assert_eq!(ms(RetryAfter::None, 77), 0);
        // 1.5 s from 10.2 s is 11.7 s, and the date says 12 s.
        assert_eq!(ms(RetryAfter::HttpDate, 10_200), 1_800);
        assert_eq!(ms(RetryAfter::HttpDate, 10_500), 1_500);
    }

    #[test]
    fn a_rate_of_nothing_never_refills() {
        let mut bucket = bucket(Rate(0), 1);
        assert!(bucket.take(at(0)).granted);
        let refused = bucket.take(at(1_000_000_000));
        assert_eq!((refused.granted, refused.retry), (false, NEVER));
    }
}
