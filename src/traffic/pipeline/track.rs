//! What is known of work that was started, and what it comes to: between which two instants it began, and was over.

use std::time::Duration;

use crate::base::time::Offset;
use crate::evidence::reply::{Opening, Outcome};
use crate::scenario::State;

/// What is known of work that was started. What says that it has not begun, or is not over, says so for the instant at
/// which that was asked; what says that it has, for the one at which the answer came.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// What it is called.
    pub id: Box<str>,
    /// The state that was told last.
    pub state: Box<str>,
    /// When the answer came that it was accepted.
    pub accepted: Offset,
    /// When it surely had not begun yet.
    pub waited: Offset,
    /// When it had surely begun, if it was seen running.
    pub began: Option<Offset>,
    /// When it surely was not over yet.
    pub ran: Offset,
    /// When it was over, where that was told.
    pub ended: Option<Offset>,
    /// When the present poll was sent.
    pub asked: Offset,
    /// How long after the last poll the present one was meant to follow.
    pub interval: Duration,
    /// How long opening the connection took on which it was started.
    pub opening: Opening,
    /// What became of the last poll, where nothing was learnt by it.
    pub trouble: Option<(Outcome, Box<str>)>,
}

/// A stretch of the way: when it began, when it was over, and before when it surely was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The earliest that it can have begun.
    pub from: Offset,
    /// The latest that it can have been over.
    pub to: Offset,
    /// `from` and the shortest that it can have lasted.
    pub not_before: Offset,
    /// What became of it.
    pub outcome: Outcome,
}

impl Track {
    /// Work whose start was sent at one instant and accepted at another.
    pub fn new(id: &str, sent: Offset, accepted: Offset) -> Track {
        // An answer that it was accepted says nothing of its state: it can have been over when the answer was sent.
        Track { id: id.into(), accepted, waited: sent, ran: sent, ..Track::default() }
    }

    /// It was told not to be over, as asked at one instant and answered at another.
    pub fn goes_on(&mut self, name: &str, state: State, asked: Offset, now: Offset) {
        if *self.state != *name {
            self.state = name.into();
        }
        self.trouble = None;
        self.ran = self.ran.max(asked);
        if state == State::Queued {
            self.waited = self.waited.max(asked);
        } else {
            self.began.get_or_insert(now);
        }
    }

    /// It was told at an instant to be in a state that is not the end, without being asked.
    pub fn is_told(&mut self, name: &str, state: State, at: Offset) {
        if state == State::Running && self.began.is_none() {
            self.waited = at;
        }
        self.goes_on(name, state, at, at);
    }

    /// How long it waited to begin, and how long it ran, given what became of the whole `now`; where waiting is told apart.
    /// Each may be shorter than it says, and never is longer. What ended badly before it was seen to begin never ran.
    pub fn stretches(&self, tells_queue: bool, outcome: Outcome, now: Offset) -> (Option<Stretch>, Option<Stretch>) {
        // It may be over before we heard that it was accepted.
        let (accepted, now) = (self.accepted, now.max(self.accepted));
        if !tells_queue {
            let run = Stretch { from: accepted, to: now, not_before: self.ran.clamp(accepted, now), outcome };
            return (None, Some(run));
        }
        let ended = matches!(outcome, Outcome::Ok | Outcome::Failed | Outcome::Skipped);
        if self.began.is_none() && !ended {
            let not_before = self.waited.clamp(accepted, now);
            return (Some(Stretch { from: accepted, to: now, not_before, outcome }), None);
        }
        let begun = self.began.unwrap_or(now).clamp(accepted, now);
        let waited = self.waited.clamp(accepted, begun);
        let queue = Stretch { from: accepted, to: begun, not_before: waited, outcome: Outcome::Ok };
        let least = self.ran.max(begun).since(begun);
        let run = Stretch { from: waited, to: now, not_before: (waited + least).min(now), outcome };
        (Some(queue), Some(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> Offset {
        Offset::from_millis(n)
    }

    fn stretch(from: i64, to: i64, not_before: i64, outcome: Outcome) -> Stretch {
        Stretch { from: ms(from), to: ms(to), not_before: ms(not_before), outcome }
    }

    /// Sent at 0, accepted at 10; polled at 100, 200, 300 and 400, each answered 10 ms later.
    fn track() -> Track {
        let mut track = Track::new("e-1", ms(0), ms(10));
        track.goes_on("PENDING", State::Queued, ms(100), ms(110));
        track
    }

    #[test]
    fn what_was_seen_waiting_and_running_is_bounded_on_both_sides() {
        let mut track = track();
        track.goes_on("RUNNING", State::Running, ms(200), ms(210));
        track.goes_on("RUNNING", State::Running, ms(300), ms(310));
        let (queue, run) = track.stretches(true, Outcome::Failed, ms(410));
        // It began after 100 and by 210; it was over after 300 and by 410.
        assert_eq!(queue, Some(stretch(10, 210, 100, Outcome::Ok)));
        assert_eq!(run, Some(stretch(100, 410, 190, Outcome::Failed)), "90 to 310 ms");
    }

    #[test]
    fn what_was_never_seen_running_may_have_run_all_the_time_or_none() {
        let (queue, run) = track().stretches(true, Outcome::Ok, ms(210));
        assert_eq!(queue, Some(stretch(10, 210, 100, Outcome::Ok)));
        assert_eq!(run, Some(stretch(100, 210, 100, Outcome::Ok)));
        let (queue, run) = Track::new("e-1", ms(0), ms(10)).stretches(true, Outcome::Skipped, ms(50));
        assert_eq!((queue, run), (Some(stretch(10, 50, 10, Outcome::Ok)), Some(stretch(10, 50, 10, Outcome::Skipped))));
    }

    #[test]
    fn what_never_ended_is_where_it_was_seen_last() {
        let (queue, run) = track().stretches(true, Outcome::Unfinished, ms(900));
        assert_eq!((queue, run), (Some(stretch(10, 900, 100, Outcome::Unfinished)), None));
        let mut begun = track();
        begun.goes_on("RUNNING", State::Running, ms(200), ms(210));
        let (queue, run) = begun.stretches(true, Outcome::Unfinished, ms(900));
        assert_eq!(queue.map(|q| q.outcome), Some(Outcome::Ok));
        assert_eq!(run.map(|r| r.outcome), Some(Outcome::Unfinished));
    }

    #[test]
    fn what_is_told_as_it_happens_is_known_to_the_instant() {
        let mut track = Track::new("e-1", ms(0), ms(10));
        track.is_told("RUNNING", State::Running, ms(50));
        track.ran = ms(90);
        let (queue, run) = track.stretches(true, Outcome::Ok, ms(90));
        assert_eq!(queue, Some(stretch(10, 50, 50, Outcome::Ok)));
        assert_eq!(run, Some(stretch(50, 90, 90, Outcome::Ok)));
        // Told before we heard that it was accepted.
        let mut early = Track::new("e-1", ms(0), ms(100));
        early.is_told("RUNNING", State::Running, ms(50));
        early.ran = ms(90);
        let (queue, run) = early.stretches(true, Outcome::Ok, ms(90));
        let none = |stretch: Option<Stretch>| stretch.map(|s| (s.from, s.to, s.not_before));
        assert_eq!((none(queue), none(run)), (Some((ms(100), ms(100), ms(100))), Some((ms(100), ms(100), ms(100)))));
    }

    #[test]
    fn without_a_state_for_what_waits_it_runs_from_the_start() {
        let mut track = Track::new("e-1", ms(0), ms(10));
        track.goes_on("RUNNING", State::Running, ms(100), ms(110));
        assert_eq!(track.stretches(false, Outcome::Ok, ms(210)), (None, Some(stretch(10, 210, 100, Outcome::Ok))));
    }
}
