//! Arrivals that come in bursts: a Hawkes process, in which each shot makes further ones more likely for a while, as
//! orders do in a market.
//!
//! It is made by its clusters (Hawkes and Oakes, 1974): of a rate λ(t) the part (1 − n)·λ(t) arrives independently, and
//! each arrival, of whatever generation, has a number of followers that is Poisson with mean n, each after an
//! exponential delay. So on average λ(t) shots are sent, n being the share that others brought about; the variance of
//! counts over long times is 1 / (1 − n)² of a Poisson process's. Nothing comes before the plan's zero, so that bursts take
//! a few delays to come up to the rate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::profile::Profile;
use crate::base::seed::Stream;
use crate::base::time::Offset;

/// Due times in bursts.
#[derive(Debug, Clone)]
pub struct Hawkes {
    branching: f64,
    decay: f64, // in seconds
    stream: Box<Stream>,
    reached: f64,
    piece: usize,
    next: Option<Offset>,                   // of those that come by themselves
    followers: BinaryHeap<Reverse<Offset>>, // of those that have come
    begun: bool,
}

impl Hawkes {
    /// With so many followers each on average, below 1, after `decay` on average.
    pub fn new(branching: f64, decay: Duration, stream: Stream) -> Hawkes {
        Hawkes {
            branching,
            decay: decay.as_secs_f64(),
            stream: Box::new(stream),
            reached: 0.0,
            piece: 0,
            next: None,
            followers: BinaryHeap::new(),
            begun: false,
        }
    }

    /// The next due time over a profile.
    pub fn next(&mut self, profile: &Profile) -> Option<Offset> {
        if !self.begun {
            self.begun = true;
            self.next = self.by_itself(profile);
        }
        let follower = self.followers.peek().map(|Reverse(at)| *at);
        let at = match (self.next, follower) {
            (Some(own), Some(follower)) if follower < own => self.followers.pop()?.0,
            (Some(own), _) => {
                self.next = self.by_itself(profile);
                own
            }
            (None, _) => self.followers.pop()?.0,
        };
        for _ in 0..self.count() {
            let delay = Duration::from_secs_f64(self.decay * self.stream.exponential());
            let after = at + delay;
            // Whoever would follow where nothing is sent, or when all is over, does not come.
            if profile.rate_at(after) > 0.0 {
                self.followers.push(Reverse(after));
            }
        }
        Some(at)
    }

    fn by_itself(&mut self, profile: &Profile) -> Option<Offset> {
        self.reached += self.stream.exponential() / (1.0 - self.branching);
        profile.due(self.reached, &mut self.piece)
    }

    /// How many follow one: Poisson, by inversion.
    fn count(&mut self) -> u32 {
        let u = self.stream.unit();
        let (mut count, mut part) = (0, libm::exp(-self.branching));
        let mut sum = part;
        while u >= sum && count < 100 {
            count += 1;
            part *= self.branching / f64::from(count);
            sum += part;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::units::Rate;
    use crate::scenario::Segment;

    fn profile(rate: u64, seconds: u64) -> Profile {
        let (from, to) = (Rate::per_second(rate), Rate::per_second(rate));
        let length = Duration::from_secs(seconds);
        Profile::new(&[Segment { word: "hold", from, to, length, measured: true, saturate: None }])
    }

    fn due(branching: f64, decay_ms: u64, profile: &Profile) -> Vec<Offset> {
        let mut hawkes = Hawkes::new(branching, Duration::from_millis(decay_ms), Seed(2).stream("arrivals"));
        std::iter::from_fn(|| hawkes.next(profile)).collect()
    }

    #[test]
    fn as_many_come_as_the_rate_says_in_order_and_within_the_load() {
        let profile = profile(200, 200);
        let times = due(0.6, 50, &profile);
        assert!((38_000..42_000).contains(&times.len()), "{}", times.len());
        assert!(times.windows(2).all(|w| w[0] <= w[1]));
        assert!(times.last().is_some_and(|last| *last < profile.end()));
        assert_eq!(due(0.6, 50, &profile), times, "the same seed gives the same");
    }

    /// Of a rate that changes every part has its own: what comes late of one is a delay's worth, which is short.
    #[test]
    fn each_part_of_a_load_has_its_own_rate() {
        let part = |from, to| {
            let (from, to) = (Rate::per_second(from), Rate::per_second(to));
            let length = Duration::from_secs(100);
            Segment { word: "ramp", from, to, length, measured: true, saturate: None }
        };
        let profile = Profile::new(&[part(100, 100), part(100, 500), part(500, 500)]);
        let times = due(0.6, 50, &profile);
        for (nth, wanted) in [10_000.0, 30_000.0, 50_000.0].into_iter().enumerate() {
            let within = |at: &&Offset| at.nanos() / 100_000_000_000 == nth as i64;
            let count = times.iter().filter(within).count() as f64;
            // Four standard deviations: a count's variance is its mean over (1 − 0.6)².
            assert!((count - wanted).abs() < 4.0 * wanted.sqrt() / 0.4, "{nth}: {count}, wanted {wanted}");
        }
    }

    /// The variance of counts over times much longer than the delay, over their mean, is 1 / (1 − n)².
    #[test]
    fn counts_vary_as_the_theory_says() {
        for (branching, wanted) in [(0.0, 1.0), (0.5, 4.0), (0.8, 25.0)] {
            let times = due(branching, 10, &profile(100, 4_000));
            let mut counts = vec![0.0_f64; 2_000]; // of two seconds each
            for at in &times {
                counts[(at.nanos() / 2_000_000_000) as usize] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
            let ratio = variance / mean;
            assert!((wanted * 0.85..wanted * 1.15).contains(&ratio), "{branching}: {ratio}, wanted {wanted}");
        }
    }
}
