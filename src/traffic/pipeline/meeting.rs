//! Where what is told of work meets the shots that started it. Work is known by what the target calls it, which a shot
//! learns from the answer to its start: what is told before that is kept for a while, and what is told of something that
//! is over, or that nobody started, is counted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::time::Offset;
use crate::evidence::followed::Followed;

/// What was told of something that nobody has started yet is kept for so long, and for so many names; the names of what
/// is over likewise.
const KEPT: Duration = Duration::from_secs(60);
const MOST: usize = 100_000;

/// All work of one traffic that is under way, by what the target calls it; shared by all workers and whoever hears of it.
#[derive(Debug, Default)]
pub struct Meeting(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    open: HashMap<Box<str>, Option<Waits>>,
    early: HashMap<Box<str>, Vec<(Box<str>, Offset)>>,
    early_since: VecDeque<(Offset, Box<str>)>,
    over: HashSet<Box<str>>,
    over_since: VecDeque<(Offset, Box<str>)>,
    counts: Followed,
    missed: Option<Box<str>>,
}

/// Who waits for something to be told.
#[derive(Debug, Clone)]
pub struct Waits {
    /// The worker.
    pub worker: mpsc::UnboundedSender<News>,
    /// Where it finds the shot.
    pub place: u64,
    /// Which state was told last.
    pub last: Option<Box<str>>,
}

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Where the worker finds the shot.
    pub place: u64,
    /// The state that the work is in.
    pub state: Box<str>,
    /// When it was told.
    pub at: Offset,
}

impl Meeting {
    /// Work was started that is called so; whoever waits hears of it from now on. What was told before, in order; nothing
    /// where something under way is called so already.
    pub fn open(&self, id: &str, waits: Option<Waits>) -> Option<Vec<(Box<str>, Offset)>> {
        let mut all = self.all();
        if all.open.contains_key(id) {
            return None;
        }
        let early = all.early.remove(id).unwrap_or_default();
        // What was told early has been told: the same once more is told again.
        let last = early.last().map(|(state, _)| state.clone());
        all.open.insert(id.into(), waits.map(|waits| Waits { last, ..waits }));
        Some(early)
    }

    /// Work is over.
    pub fn close(&self, id: &str, now: Offset) {
        let mut all = self.all();
        // Where nobody is told anything nothing can come again.
        if let Some(Some(_)) = all.open.remove(id)
            && all.over.insert(id.into())
        {
            all.over_since.push_back((now, id.into()));
            while all.over_since.len() > MOST {
                all.forget();
            }
        }
    }

    /// A state is told of work that is called so.
    pub fn hear(&self, id: &str, state: &str, at: Offset) {
        let mut all = self.all();
        all.expire(at);
        if let Some(waits) = all.open.get_mut(id) {
            let Some(waits) = waits else { return };
            // What is told again and again is told once: a flood reaches no worker.
            if waits.last.as_deref() == Some(state) {
                all.counts.again += 1;
                return;
            }
            waits.last = Some(state.into());
            let _ = waits.worker.send(News { place: waits.place, state: state.into(), at });
        } else if all.over.contains(id) {
            all.counts.again += 1;
        } else if let Some(told) = all.early.get_mut(id) {
            if told.last().is_some_and(|(last, _)| **last == *state) || told.len() >= 8 {
                all.counts.again += 1;
            } else {
                told.push((state.into(), at));
            }
        } else if all.early.len() < MOST {
            all.early.insert(id.into(), vec![(state.into(), at)]);
            all.early_since.push_back((at, id.into()));
        } else {
            all.counts.strange += 1;
        }
    }

    /// Something was told that could not be read.
    pub fn unreadable(&self) {
        self.all().counts.unreadable += 1;
    }

    /// Something was told faster than it could be taken.
    pub fn refused(&self) {
        let mut all = self.all();
        all.counts.refused += 1;
        all.missed.get_or_insert_with(|| "more came at once than are taken".into());
    }

    /// Something may have been told that nobody heard.
    pub fn miss(&self, why: &str) {
        self.all().missed = Some(why.into());
    }

    /// Why something may have been told that nobody heard, if so.
    pub fn missed(&self) -> Option<Box<str>> {
        self.all().missed.clone()
    }

    /// What is new of what was told; at the end of a run what nobody started by then is strange.
    pub fn take(&self, traffic: &str, now: Offset, is_last: bool) -> Option<Followed> {
        let mut all = self.all();
        all.expire(now);
        if is_last {
            all.counts.strange += all.early.len() as u64;
            all.early.clear();
            all.early_since.clear();
        }
        traffic.clone_into(&mut all.counts.traffic);
        all.counts.take(now)
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Forgets what is old.
    fn expire(&mut self, now: Offset) {
        while self.early_since.front().is_some_and(|(since, _)| now.since(*since) > KEPT) {
            if let Some((_, id)) = self.early_since.pop_front()
                && self.early.remove(&id).is_some()
            {
                self.counts.strange += 1;
            }
        }
        while self.over_since.front().is_some_and(|(since, _)| now.since(*since) > KEPT) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some((_, id)) = self.over_since.pop_front() {
            self.over.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Offset {
        Offset::from_millis(ms)
    }

    fn waits(place: u64) -> (Waits, mpsc::UnboundedReceiver<News>) {
        let (worker, news) = mpsc::unbounded_channel();
        (Waits { worker, place, last: None }, news)
    }

    fn counts(meeting: &Meeting, now: i64) -> (u64, u64) {
        meeting.take("t", at(now), false).map_or((0, 0), |told| (told.again, told.strange))
    }

    #[test]
    fn what_is_told_reaches_who_waits_once_and_in_order() {
        let meeting = Meeting::default();
        let (first, mut news) = waits(7);
        assert_eq!(meeting.open("a", Some(first)), Some(vec![]));
        for (state, ms) in [("RUNNING", 1), ("RUNNING", 2), ("DONE", 3), ("DONE", 4)] {
            meeting.hear("a", state, at(ms));
        }
        let heard = std::iter::from_fn(|| news.try_recv().ok()).map(|n| (n.place, n.state, n.at)).collect::<Vec<_>>();
        assert_eq!(heard, [(7, "RUNNING".into(), at(1)), (7, "DONE".into(), at(3))]);
        meeting.close("a", at(5));
        meeting.hear("a", "DONE", at(6));
        assert_eq!(counts(&meeting, 7), (3, 0));
        assert!(news.try_recv().is_err());
    }

    #[test]
    fn what_was_told_early_and_comes_once_more_is_told_again() {
        let meeting = Meeting::default();
        meeting.hear("a", "DONE", at(1));
        let (first, mut news) = waits(1);
        assert_eq!(meeting.open("a", Some(first)), Some(vec![("DONE".into(), at(1))]));
        meeting.hear("a", "DONE", at(2));
        assert!(news.try_recv().is_err());
        assert_eq!(counts(&meeting, 3), (1, 0));
    }

    #[test]
    fn what_is_told_too_early_waits_for_who_started_it() {
        let meeting = Meeting::default();
        meeting.hear("a", "RUNNING", at(1));
        meeting.hear("a", "DONE", at(2));
        meeting.hear("b", "DONE", at(2));
        let (first, _news) = waits(1);
        assert_eq!(meeting.open("a", Some(first)), Some(vec![("RUNNING".into(), at(1)), ("DONE".into(), at(2))]));
        assert_eq!(counts(&meeting, 3), (0, 0));
        meeting.hear("c", "DONE", at(60_003));
        assert_eq!(counts(&meeting, 60_003), (0, 1), "nobody started b");
        assert_eq!(meeting.take("t", at(60_004), true).map(|told| told.strange), Some(1), "nor c");
    }

    #[test]
    fn a_name_is_given_once_at_a_time() {
        let meeting = Meeting::default();
        assert!(meeting.open("a", None).is_some());
        assert_eq!(meeting.open("a", None), None);
        meeting.close("a", at(1));
        assert!(meeting.open("a", None).is_some());
    }

    #[test]
    fn a_flood_of_strange_names_fills_no_memory() {
        let meeting = Meeting::default();
        for n in 0..(MOST as u64 + 50) {
            meeting.hear(&n.to_string(), "DONE", at(1));
        }
        assert_eq!(counts(&meeting, 2), (0, 50));
        let (first, _news) = waits(1);
        for n in 0..(MOST + 50) {
            let id = format!("x{n}");
            meeting.open(&id, Some(first.clone()));
            meeting.close(&id, at(2));
        }
        assert_eq!(meeting.all().over.len(), MOST);
    }
}
