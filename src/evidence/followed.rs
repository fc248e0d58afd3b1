//! How the shots of a pipeline were followed: polls, states, and completions that came by themselves. Told by every worker
//! about once a second, each time what is new.

use serde::{Deserialize, Serialize};

use crate::base::time::Offset;

/// Of so many states each is told; what else was named is told together.
const STATES: usize = 30;
/// The name under which others are told.
pub const OTHERS: &str = "…";

/// What is new of how the shots of a traffic were followed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Followed {
    /// Until when.
    pub at: Offset,
    /// The traffic.
    pub traffic: String,
    /// Polls that were sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub polls: u64,
    /// Of them, polls that were sent late, so that the target's budget was kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u64,
    /// By how much, in nanoseconds, in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_for: u64,
    /// Polls by which nothing was learnt, by the word for what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vain: Vec<(String, u64)>,
    /// Shots by the state that was told of them last, once they were over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<(String, u64)>,
    /// Completions that came before we knew what was started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub early: u64,
    /// Completions of what was over already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u64,
    /// Completions of what we never started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strange: u64,
    /// Completions that could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Completions that came faster than they could be taken, and were refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Followed {
    /// Nothing yet.
    pub fn of(traffic: &str) -> Followed {
        Followed { traffic: traffic.to_owned(), ..Followed::default() }
    }

    /// Nothing was learnt by a poll.
    pub fn in_vain(&mut self, word: &str) {
        count(&mut self.vain, word, 1);
    }

    /// A shot is over that was in a state last.
    pub fn ended_in(&mut self, state: &str) {
        let known = self.states.iter().any(|(name, _)| name == state);
        let name = if known || self.states.len() < STATES { state } else { OTHERS };
        count(&mut self.states, name, 1);
    }

    /// Takes what is new; `None` where nothing is.
    pub fn take(&mut self, at: Offset) -> Option<Followed> {
        let empty = Followed::of(&self.traffic);
        let is_new = *self != empty;
        let new = std::mem::replace(self, empty);
        is_new.then_some(Followed { at, ..new })
    }

    /// Adds what another tells.
    pub fn add(&mut self, other: &Followed) {
        self.at = self.at.max(other.at);
        for (mine, more) in [
            (&mut self.polls, other.polls),
            (&mut self.held, other.held),
            (&mut self.held_for, other.held_for),
            (&mut self.early, other.early),
            (&mut self.again, other.again),
            (&mut self.strange, other.strange),
            (&mut self.unreadable, other.unreadable),
            (&mut self.refused, other.refused),
        ] {
            *mine += more;
        }
        other.vain.iter().for_each(|(word, n)| count(&mut self.vain, word, *n));
        other.states.iter().for_each(|(state, n)| count(&mut self.states, state, *n));
    }
}

fn count(counts: &mut Vec<(String, u64)>, name: &str, more: u64) {
    match counts.iter_mut().find(|(known, _)| known == name) {
        Some((_, count)) => *count += more,
        None => counts.push((name.to_owned(), more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_piece_by_piece_adds_up() {
        let (mut new, mut all) = (Followed::of("t"), Followed::of("t"));
        for round in 0..3 {
            new.polls += 10;
            new.in_vain("timed_out_head");
            new.ended_in("COMPLETED");
            new.ended_in(if round == 0 { "FAILED" } else { "COMPLETED" });
            all.add(&new.take(Offset::from_millis(round)).expect("something is new"));
            assert_eq!(new.take(Offset::ZERO), None);
        }
        assert_eq!(
            (all.polls, all.at, all.vain.as_slice()),
            (30, Offset::from_millis(2), &[("timed_out_head".into(), 3)][..])
        );
        assert_eq!(all.states, [("COMPLETED".to_owned(), 5), ("FAILED".to_owned(), 1)]);
        let line = serde_json::to_string(&all).expect("JSON");
        assert_eq!(serde_json::from_str::<Followed>(&line).expect("reads back"), all);
        assert!(!line.contains("early"), "{line}");
    }

    #[test]
    fn a_target_that_names_a_state_for_each_shot_fills_no_memory() {
        let mut followed = Followed::of("t");
        (0..1_000).for_each(|n| followed.ended_in(&format!("S{n}")));
        assert_eq!(followed.states.len(), STATES + 1);
        assert_eq!(followed.states[STATES], (OTHERS.to_owned(), 1_000 - STATES as u64));
    }
}
