//! Whether a fault struck the share that it should. A stage that strikes 75 of 100 where a half was declared is no
//! experiment: the count must lie where it would in 999 of 1000 runs.

use super::super::stat;
use crate::base::text;
use crate::base::units::{self, Share};
use crate::evidence::touches::Effect;

/// The count must lie where it would with this probability.
const CONFIDENCE: f64 = 0.999;

/// How many requests a fault chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// Requests that it could have chosen.
    pub eligible: u64,
    /// Requests that it chose: those that it struck, and those that a rate limit let pass.
    pub chosen: u64,
    /// Of those, requests that it struck.
    pub injected: u64,
    wanted: u128, // the sum of the shares at each decision, in billionths
}

impl Shares {
    /// Counts a decision that was taken with this share.
    pub fn count(&mut self, share: Share, effect: Effect) {
        self.eligible += 1;
        self.chosen += u64::from(effect != Effect::Spared);
        self.injected += u64::from(effect == Effect::Injected);
        self.wanted += u128::from(share.0);
    }

    /// The share that should have been chosen, on average over the requests; nothing where there was none.
    pub fn expected(&self) -> Option<f64> {
        (self.eligible > 0).then(|| self.wanted as f64 / (self.eligible as f64 * 1e9))
    }

    /// Between which counts, both included, the chosen must be.
    pub fn interval(&self) -> (u64, u64) {
        stat::binomial_interval(self.eligible, self.expected().unwrap_or_default().min(1.0), CONFIDENCE)
    }

    /// What is said of a count that lies outside.
    pub fn trouble(&self) -> Option<String> {
        let (low, high) = self.interval();
        let expected = self.expected().filter(|_| !(low..=high).contains(&self.chosen))?;
        let between = if low == high {
            text::thousands(low)
        } else {
            format!("{} to {}", text::thousands(low), text::thousands(high))
        };
        Some(format!(
            "chose {} of {}, which is not the share of {} that was declared: {between} would be",
            text::thousands(self.chosen),
            text::count(self.eligible, "request"),
            units::percent(expected)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::{Seed, unit};

    /// How many of a thousand seeds raise the alarm when each of `n` requests is chosen with a probability of its own,
    /// although it was declared to be another.
    fn alarms(n: u64, chosen: impl Fn(u64) -> f64, declared: impl Fn(u64) -> f64) -> usize {
        let is_alarm = |seed: u64| {
            let mut stream = Seed(seed).stream("share");
            let mut shares = Shares { eligible: n, ..Shares::default() };
            for nth in 0..n {
                shares.chosen += u64::from(unit(stream.bits()) < chosen(nth));
                shares.wanted += (declared(nth) * 1e9) as u128;
            }
            shares.trouble().is_some()
        };
        (0..1_000).filter(|seed| is_alarm(*seed)).count()
    }

    /// Of a thousand runs 99.9 % allow one alarm; 99.9 % of a thousand times a thousand runs allow five of them.
    #[test]
    fn a_share_that_is_kept_raises_no_more_alarms_than_it_may() {
        for n in [20, 100, 1_000] {
            for share in [0.01, 0.5, 0.9, 1.0] {
                let alarms = alarms(n, |_| share, |_| share);
                assert!(alarms <= 5, "{alarms} alarms for {share} of {n}");
            }
        }
    }

    /// Shares that change as a ramp does spread the count less than their mean would: the interval is wide enough.
    #[test]
    fn a_ramp_raises_no_more_alarms_than_it_may() {
        let ramp = |nth: u64| 0.1 + 0.8 * nth as f64 / 400.0;
        assert!(alarms(400, ramp, ramp) <= 5);
        assert!(alarms(400, |_| 0.9, ramp) > 990, "at the end of the ramp from its beginning");
    }

    #[test]
    fn a_half_that_is_three_quarters_is_seen() {
        assert!(alarms(200, |_| 0.75, |_| 0.5) >= 999);
        assert_eq!(alarms(1_000, |_| 0.75, |_| 0.5), 1_000);
    }

    #[test]
    fn all_is_all_and_what_is_off_says_so_in_numbers() {
        let shares = |eligible, chosen, share: u128| Shares {
            eligible,
            chosen,
            injected: chosen,
            wanted: share * u128::from(eligible),
        };
        assert_eq!(shares(100, 100, 1_000_000_000).trouble(), None);
        assert!(shares(100, 99, 1_000_000_000).trouble().is_some());
        assert_eq!(shares(0, 0, 0).trouble(), None, "nothing came its way");
        let why = shares(100, 75, 500_000_000).trouble().expect("off");
        assert_eq!(
            why,
            "chose 75 of 100 requests, which is not the share of 50 % that was declared: 34 to 66 would be"
        );
    }
}
