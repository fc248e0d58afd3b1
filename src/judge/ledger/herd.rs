//! Synchronised herds: requests that were all told to wait, and come back at the same instant.
//!
//! Time is cut into hundredths of a second. Where a wait ends, the tenth of a second that begins there is a *release*;
//! one that begins within another is left out. If requests came when they liked, each of the N that came after the first
//! refusal would fall into a release with probability w, its part of that time. A release is a herd when it holds more
//! than is likely to happen by chance once in a thousand faults (the binomial bound at 1 − 0.001 / releases), at least
//! twice as many as usual, and at least ten. So of a thousand faults whose requests come independently of one another, at most one is
//! called a herd.
//!
//! By the same hundredths it is told how many requests came before a wait was over that their sender knew of. Counting does
//! not ask in which order requests are told of: a stage that passes a request on writes it down when the reply is there.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::stat;
use crate::base::time::{Offset, Span};

/// How finely time is cut.
const BIN: Duration = Duration::from_millis(10);
/// Bins after a refusal in which requests may come that left before it was known.
const ON_ITS_WAY: i64 = 10;
/// Bins of a release.
const RELEASE: i64 = 10;
/// A herd that is none is seen at most this often.
const FALSE_ALARM: f64 = 0.001;
/// A herd has at least so many times as many requests as is usual.
const FACTOR: f64 = 2.0;
/// And at least so many.
const LEAST: u64 = 10;

/// How many requests came when, and when waits ended.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    bins: BTreeMap<i64, Bin>,
    first: Option<i64>, // of the first refusal
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    requests: u32,
    is_release: bool,
    wait: Option<i64>, // up to this bin, by the refusals in this one
}

/// Whether what waited came back at once.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Herd {
    /// Tenths of a second that began where a wait ended.
    pub releases: u64,
    /// Of those, herds.
    pub herds: u64,
    /// The release with the most requests: when it began and how many there were.
    pub worst: Option<(Offset, u64)>,
    /// How many requests a tenth of a second has on average, since the first refusal.
    pub usual: f64,
    /// A herd has more than this.
    pub threshold: u64,
}

fn bin_of(at: Offset) -> i64 {
    at.nanos().div_euclid(BIN.as_nanos() as i64)
}

fn start_of(bin: i64) -> Offset {
    Offset::from_nanos(bin * BIN.as_nanos() as i64)
}

impl Arrivals {
    /// Counts a request, and the end of the wait that it was told; in any order.
    pub fn count(&mut self, at: Offset, wait: Option<Offset>) {
        let bin = self.bins.entry(bin_of(at)).or_default();
        bin.requests = bin.requests.saturating_add(1);
        if let Some(end) = wait {
            bin.wait = bin.wait.max(Some(bin_of(end)));
            self.first = Some(self.first.map_or(bin_of(at), |first| first.min(bin_of(at))));
            self.bins.entry(bin_of(end)).or_default().is_release = true;
        }
    }

    /// How many requests came when a refusal was known, and how many of them before a wait was over that was known: to
    /// a hundredth of a second, in favour of the service.
    pub fn early(&self) -> (u64, u64) {
        let mut news: VecDeque<(i64, i64)> = VecDeque::new(); // refusals that may not be known yet, and their waits
        let (mut known, mut early, mut until) = (0, 0, None);
        for (bin, of) in &self.bins {
            while let Some((_, end)) = news.front().filter(|(refused, _)| refused + ON_ITS_WAY < *bin).copied() {
                until = until.max(Some(end));
                news.pop_front();
            }
            if let Some(until) = until {
                known += u64::from(of.requests);
                early += if *bin < until { u64::from(of.requests) } else { 0 };
            }
            news.extend(of.wait.map(|end| (*bin, end)));
        }
        (known, early)
    }

    /// Looks for herds while the fault was effective.
    pub fn herd(&self, effective: &[Span]) -> Herd {
        let Some(first) = self.first else { return Herd::default() };
        let bins = |span: &Span| (bin_of(span.start).max(first), bin_of(span.end));
        let stretches: Vec<(i64, i64)> = effective.iter().map(bins).filter(|(start, end)| start < end).collect();
        let within =
            |start: i64, end: i64| -> u64 { self.bins.range(start..end).map(|(_, b)| u64::from(b.requests)).sum() };
        let (mut length, mut all, mut releases) = (0, 0, Vec::new());
        for (start, end) in stretches {
            length += end - start;
            all += within(start, end);
            let mut free = start;
            for (bin, _) in self.bins.range(start..end).filter(|(_, bin)| bin.is_release) {
                if *bin >= free && bin + RELEASE <= end {
                    releases.push((*bin, within(*bin, bin + RELEASE)));
                    free = bin + RELEASE;
                }
            }
        }
        if releases.is_empty() {
            return Herd::default();
        }
        let part = (RELEASE as f64 / length as f64).min(1.0);
        let usual = all as f64 * part;
        let chance = stat::binomial_bound(all, part, 1.0 - FALSE_ALARM / releases.len() as f64);
        let threshold = chance.max((usual * FACTOR).ceil() as u64 - 1).max(LEAST - 1);
        let worst = releases.iter().copied().max_by_key(|(bin, requests)| (*requests, -bin));
        Herd {
            releases: releases.len() as u64,
            herds: releases.iter().filter(|(_, requests)| *requests > threshold).count() as u64,
            worst: worst.map(|(bin, requests)| (start_of(bin), requests)),
            usual,
            threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    const EFFECTIVE: Span = Span { start: Offset::ZERO, end: Offset::from_millis(15_000) };

    /// Requests that come when they like at a rate, five of which are let pass each second.
    fn independent(seed: u64, rate: f64) -> Arrivals {
        let mut stream = Seed(seed).stream("herd");
        let (mut arrivals, mut at, mut tokens, mut last) = (Arrivals::default(), 0.0, 5.0, 0.0);
        loop {
            at += stream.exponential() / rate;
            if at >= 15.0 {
                return arrivals;
            }
            tokens = f64::min(tokens + (at - last) * 5.0, 5.0);
            last = at;
            let now = Offset::from_nanos((at * 1e9) as i64);
            let passes = tokens >= 1.0;
            tokens -= f64::from(u8::from(passes));
            arrivals.count(now, (!passes).then(|| now + Duration::from_secs(1)));
        }
    }

    /// 99.9 % of a thousand times a thousand runs raise at most five alarms each.
    #[test]
    fn requests_that_come_when_they_like_are_no_herd() {
        for rate in [8.0, 40.0, 200.0] {
            let alarms = (0..1_000).filter(|seed| independent(*seed, rate).herd(&[EFFECTIVE]).herds > 0).count();
            assert!(alarms <= 5, "{alarms} alarms at {rate}/s");
        }
    }

    /// One in five waits for the very end of its second; the others come when they like.
    #[test]
    fn those_that_come_back_at_once_are_a_herd() {
        for seed in 0..100 {
            let mut arrivals = independent(seed, 40.0);
            for second in 2..14 {
                let end = Offset::from_millis(second * 1_000);
                arrivals.count(end - Duration::from_millis(999), Some(end));
                (0..30).for_each(|n| arrivals.count(end + Duration::from_millis(n), None));
            }
            let herd = arrivals.herd(&[EFFECTIVE]);
            assert!(herd.herds >= 6, "seed {seed}: {herd:?}");
            assert!(herd.worst.is_some_and(|(_, requests)| requests >= 30), "{herd:?}");
        }
    }

    #[test]
    fn few_are_no_herd_and_nothing_is_nothing() {
        assert_eq!(Arrivals::default().herd(&[EFFECTIVE]), Herd::default());
        let mut few = Arrivals::default();
        few.count(Offset::ZERO, Some(Offset::from_millis(1_000)));
        (0..9).for_each(|_| few.count(Offset::from_millis(1_001), None));
        let herd = few.herd(&[EFFECTIVE]);
        assert_eq!((herd.releases, herd.herds, herd.worst), (1, 0, Some((Offset::from_millis(1_000), 9))));
        few.count(Offset::from_millis(1_001), None);
        assert_eq!(few.herd(&[EFFECTIVE]).herds, 1, "ten are");
        assert_eq!(few.herd(&[]), Herd::default());
    }

    #[test]
    fn what_comes_while_the_fault_is_away_does_not_count() {
        let mut arrivals = Arrivals::default();
        arrivals.count(Offset::ZERO, Some(Offset::from_millis(2_000)));
        (0..50).for_each(|_| arrivals.count(Offset::from_millis(2_001), None));
        let away = Span { start: Offset::ZERO, end: Offset::from_millis(1_500) };
        assert_eq!(arrivals.herd(&[away]).releases, 0);
    }
}
