//! Decisions: pure functions of the seed, what decides, and which call it is. No shared stream of random numbers, so
//! that neither another fault nor another order of arrival can shift a decision.

use std::collections::HashMap;

use crate::base::seed::{Seed, unit};
use crate::base::trace::Shot;
use crate::base::units::Share;
use crate::evidence::health::Called;

/// Which call of an upstream this is: what decisions are made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A call that belongs to a shot of the run.
    Call {
        /// Whose call.
        shot: Shot,
        /// How many calls of that shot this upstream had seen before.
        attempt: u32,
    },
    /// A call without our trace context: its ordinal among such calls of the upstream, from 0.
    Arrival(u64),
}

impl Key {
    /// As it enters a decision.
    pub fn bytes(self) -> [u8; 15] {
        let mut bytes = [0; 15];
        let (kind, traffic, number, attempt) = match self {
            Key::Call { shot, attempt } => (0, shot.traffic, shot.seq, attempt),
            Key::Arrival(ordinal) => (1, 0, ordinal, 0),
        };
        bytes[0] = kind;
        bytes[1..3].copy_from_slice(&traffic.to_le_bytes());
        bytes[3..11].copy_from_slice(&number.to_le_bytes());
        bytes[11..].copy_from_slice(&attempt.to_le_bytes());
        bytes
    }

    /// What the touches record as the attempt: the ordinal for a call without our trace context.
    pub fn attempt(self) -> u32 {
        match self {
            Key::Call { attempt, .. } => attempt,
            Key::Arrival(ordinal) => ordinal as u32,
        }
    }
}

/// A number uniform in [0, 1) for `purpose` (such as "latency") of an upstream's call.
pub fn draw(seed: Seed, purpose: &str, upstream: &str, key: Key) -> f64 {
    unit(seed.decide(&[purpose.as_bytes(), upstream.as_bytes(), &key.bytes()]))
}

/// Whether a fault strikes a call.
pub fn strikes(seed: Seed, fault: &str, share: Share, upstream: &str, key: Key) -> bool {
    unit(seed.decide(&[b"fault", fault.as_bytes(), upstream.as_bytes(), &key.bytes()])) < share.fraction()
}

/// `count` different numbers below `below`, all of them where there are no more; in no order.
pub fn spread(seed: Seed, count: u64, below: u64) -> Vec<u64> {
    if count >= below {
        return (0..below).collect();
    }
    // Floyd's way (1987): no number is drawn in vain.
    let mut chosen = std::collections::BTreeSet::new();
    for last in below - count..below {
        let drawn = seed.decide(&[b"spread", &last.to_le_bytes()]) % (last + 1);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

/// Counts the calls that an upstream saw of each shot.
///
/// Memory is bounded: counts live in two generations of at most `GENERATION` shots; when the younger is full, the
/// older is forgotten. A shot's later call is taken for its first only after that many other shots called in between
/// (23 s at 5 000 shots a second), which no retry waits for.
#[derive(Debug, Default)]
pub struct Calls {
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
    arrivals: u64,
    called: Called,
}

/// Just under the load at which a hash map of 2^17 slots would grow.
const GENERATION: usize = 7 << 14;

impl Calls {
    /// The key of the call that arrived just now; `shot` is `None` without our trace context.
    pub fn next(&mut self, shot: Option<Shot>) -> Key {
        let Some(shot) = shot else {
            self.arrivals += 1;
            return Key::Arrival(self.arrivals - 1);
        };
        let id = u64::from(shot.traffic) << 48 | shot.seq;
        let attempt = self.young.get(&id).or_else(|| self.old.get(&id)).copied().unwrap_or(0);
        if self.young.len() >= GENERATION && !self.young.contains_key(&id) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(id, attempt.saturating_add(1));
        if shot.traffic != Shot::CANARY {
            self.called.calls += 1;
            self.called.shots += u64::from(attempt == 0);
        }
        Key::Call { shot, attempt }
    }

    /// How many there were so far that say whose they are.
    pub fn called(&self) -> Called {
        self.called
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seq: u64, attempt: u32) -> Key {
        Key::Call { shot: Shot { traffic: 0, seq }, attempt }
    }

    #[test]
    fn a_decision_depends_on_nothing_but_its_key() {
        let share = Share(300_000_000);
        let decide = |seq| strikes(Seed(7), "hang", share, "jupiter", key(seq, 0));
        let forwards: Vec<bool> = (0..500).map(decide).collect();
        let mut backwards: Vec<bool> = (0..500).rev().map(decide).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);
        let other = |seq| strikes(Seed(7), "another", share, "jupiter", key(seq, 0));
        assert_ne!(forwards, (0..500).map(other).collect::<Vec<_>>(), "faults decide independently");
        let elsewhere = |seq| strikes(Seed(7), "hang", share, "dflow", key(seq, 0));
        assert_ne!(forwards, (0..500).map(elsewhere).collect::<Vec<_>>(), "and so do upstreams");
        let again = |seq| strikes(Seed(7), "hang", share, "jupiter", key(seq, 1));
        assert_ne!(forwards, (0..500).map(again).collect::<Vec<_>>(), "and retries");
        let untraced = |seq| strikes(Seed(7), "hang", share, "jupiter", Key::Arrival(seq));
        assert_ne!(forwards, (0..500).map(untraced).collect::<Vec<_>>());
    }

    #[test]
    fn a_tenth_is_a_tenth_over_a_hundred_seeds() {
        // The 99.9 % interval of a binomial (1000, 0.1) is about 71…132; of 100 seeds one may leave it, and
        // the total of 100 000 must lie in its own: 10 000 ± 3.29 · √9000.
        let share = Share(100_000_000);
        let count = |seed| (0..1000).filter(|n| strikes(Seed(seed), "f", share, "u", key(*n, 0))).count();
        let counts: Vec<usize> = (0..100).map(count).collect();
        assert!(counts.iter().filter(|n| !(71..=132).contains(*n)).count() <= 1, "{counts:?}");
        let total: usize = counts.iter().sum();
        assert!((9_688..=10_312).contains(&total), "{total}");
    }

    #[test]
    fn all_is_all_and_nothing_is_nothing() {
        assert!((0..2000).all(|n| strikes(Seed(1), "f", Share::ALL, "u", key(n, 0))));
        assert!((0..2000).all(|n| !strikes(Seed(1), "f", Share::NONE, "u", key(n, 0))));
    }

    #[test]
    fn calls_of_a_shot_are_told_apart() {
        let mut calls = Calls::default();
        let shot = |traffic| Some(Shot { traffic, seq: 5 });
        let attempts: Vec<u32> = [0, 0, 1, 0].map(|t| calls.next(shot(t)).attempt()).into();
        assert_eq!(attempts, [0, 1, 0, 2]);
        assert_eq!([calls.next(None), calls.next(None)], [Key::Arrival(0), Key::Arrival(1)]);
        assert_eq!(calls.next(shot(1)).attempt(), 1, "untraced calls shift nothing");
    }

    #[test]
    fn counts_outlive_a_generation_and_memory_stays_bounded() {
        let mut calls = Calls::default();
        let mut call = |seq| calls.next(Some(Shot { traffic: 0, seq })).attempt();
        assert_eq!(call(0), 0);
        for seq in 1..GENERATION as u64 + 1 {
            assert_eq!(call(seq), 0);
        }
        assert_eq!(call(0), 1, "remembered across one generation");
        for seq in 0..3 * GENERATION as u64 {
            call(1_000_000 + seq);
        }
        assert_eq!(call(0), 0, "forgotten after two");
        assert!(calls.young.len() <= GENERATION && calls.old.len() <= GENERATION);
    }
}
