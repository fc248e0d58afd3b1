//! A few struck requests by name, so that a reader can look them up: the earliest of each account.

use std::collections::BTreeMap;

use super::Account;
use crate::base::time::Offset;
use crate::base::trace::TraceId;
use crate::evidence::touches::{Decision, ShotTouch};

/// At most so many are shown of one fault.
const SHOWN: usize = 10;

/// A struck request, and what the client saw.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// What was decided.
    pub decision: Decision,
    /// What became of its shot, if that is known.
    pub shot: Option<ShotTouch>,
}

impl Example {
    fn order(&self) -> (Offset, TraceId, u32) {
        (self.decision.at, self.decision.trace, self.decision.attempt)
    }
}

/// The earliest of each account.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    kept: BTreeMap<Account, Vec<Example>>,
    unsigned: Vec<Example>, // of whose account nothing is known yet
}

impl Examples {
    /// Takes a struck request, in any order.
    pub fn keep(&mut self, account: Account, decision: &Decision, shot: Option<&ShotTouch>) {
        insert(self.kept.entry(account).or_default(), Example { decision: *decision, shot: shot.copied() });
    }

    /// Takes one that does not say whose it is.
    pub fn unsigned(&mut self, decision: &Decision) {
        insert(&mut self.unsigned, Example { decision: *decision, shot: None });
    }

    /// Enters those that do not say whose they are.
    pub fn sign(&mut self, account: Account) {
        if !self.unsigned.is_empty() {
            self.kept.insert(account, std::mem::take(&mut self.unsigned));
        }
    }

    /// A few to show: of each account as many as there are, by turns; then account by account, what hurt first.
    pub fn shown(&self) -> Vec<(Account, Example)> {
        let mut taken: BTreeMap<Account, usize> = BTreeMap::new();
        let mut left = SHOWN;
        for nth in 0..SHOWN {
            for (account, _) in self.kept.iter().filter(|(_, kept)| kept.len() > nth) {
                if left > 0 {
                    *taken.entry(*account).or_default() += 1;
                    left -= 1;
                }
            }
        }
        let of = |(account, count): (&Account, &usize)| {
            let account = *account;
            self.kept[&account][..*count].iter().map(move |example| (account, *example)).collect::<Vec<_>>()
        };
        taken.iter().flat_map(of).collect()
    }
}

/// Keeps the earliest, in order.
fn insert(kept: &mut Vec<Example>, example: Example) {
    if kept.len() == SHOWN && kept.last().is_some_and(|last| last.order() <= example.order()) {
        return;
    }
    let place = kept.partition_point(|other| other.order() <= example.order());
    kept.insert(place, example);
    kept.truncate(SHOWN);
}

#[cfg(test)]
mod tests {
    use super::super::Harm;
    use super::*;
    use crate::evidence::touches::Effect;

    fn decision(ms: i64) -> Decision {
        let at = Offset::from_millis(ms);
        Decision { trace: TraceId([1; 16]), at, fault: 0, attempt: 0, effect: Effect::Injected, retry_after: 0 }
    }

    #[test]
    fn the_earliest_of_each_are_shown_whatever_came_when() {
        let mut examples = Examples::default();
        for ms in (0..100).rev() {
            examples.keep(Account::Absorbed, &decision(ms), None);
        }
        for ms in [7, 3] {
            examples.keep(Account::Surfaced(Harm::Late), &decision(ms), None);
        }
        examples.unsigned(&decision(5));
        examples.sign(Account::Background);
        let shown: Vec<(Account, i64)> =
            examples.shown().iter().map(|(a, e)| (*a, e.decision.at.nanos() / 1_000_000)).collect();
        let mut expected = vec![(Account::Surfaced(Harm::Late), 3), (Account::Surfaced(Harm::Late), 7)];
        expected.extend((0..7).map(|ms| (Account::Absorbed, ms)));
        expected.push((Account::Background, 5));
        assert_eq!(shown, expected);
        assert!(Examples::default().shown().is_empty());
    }
}
