//! Work that is started by a request and followed to its end.

use std::time::Duration;

use super::effects::Seen;
use super::flow::Flow;
use super::part::Part;
use crate::base::units::Rate;

/// Where what a pipeline starts is called something, among what its flow captures.
pub const ID: usize = 0;

/// Work that is started by a request and followed to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The start and, where it is polled, the poll: what their templates can name, and what is captured: its
    /// [`ID`] first.
    pub flow: Flow,
    /// How its end is learnt.
    pub follow: Follow,
    /// What each state means.
    pub states: StateNames,
    /// What is not over so long after it was due is unfinished.
    pub deadline: Duration,
    /// How long it is expected to take, where somebody knows.
    pub takes: Option<Duration>,
}

/// How the end of what was started is learnt.
#[derive(Debug, Clone, PartialEq)]
pub enum Follow {
    /// By asking again and again: the second step of the flow.
    Poll(Polling),
    /// By what the target tells of it, without being asked: in messages that name a state.
    Told(Box<Seen>),
}

/// How often is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polling {
    /// The shortest time from one poll to the next, above 0.
    pub from: Duration,
    /// The longest; not below `from`.
    pub to: Duration,
    /// So many polls the target can bear, of all shots together; above 0.
    pub budget: Rate,
    /// Where its reply names the state, among what the flow captures.
    pub state: usize,
}

impl Polling {
    /// How long after a poll the next one follows, given how long it was since the one before; where nothing is known of
    /// how long such work takes.
    pub fn grown(&self, last: Duration) -> Duration {
        last.mul_f64(1.5).clamp(self.from, self.to)
    }

    /// How many polls are made until something has taken so long.
    pub fn polls_within(&self, length: Duration) -> u64 {
        let (mut at, mut interval, mut polls) = (self.from, self.from, 1);
        while at < length && interval < self.to {
            interval = self.grown(interval);
            at += interval;
            polls += 1;
        }
        let rest = length.saturating_sub(at).as_secs_f64();
        polls + (rest / self.to.as_secs_f64()).ceil() as u64
    }
}

/// What each state means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateNames {
    /// Each name once.
    pub all: Vec<(String, State)>,
}

/// What a state means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits to be begun.
    Queued,
    /// It has begun.
    Running,
    /// It came to a good end.
    Ok,
    /// It failed.
    Failed,
    /// It was rightly not done.
    Skipped,
}

impl State {
    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, State::Ok | State::Failed | State::Skipped)
    }
}

impl StateNames {
    /// What a name means; `None` for one that is not known.
    pub fn of(&self, name: &str) -> Option<State> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, state)| *state)
    }

    /// Whether waiting and running can be told apart.
    pub fn tell_queue(&self) -> bool {
        self.all.iter().any(|(_, state)| *state == State::Queued)
    }
}

/// What is measured of a piece of a pipeline's shot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Until the start was answered.
    Accept,
    /// From then until it began.
    Queue,
    /// From then until it was over.
    Run,
}

impl Leg {
    /// What promises call it.
    pub fn word(self) -> &'static str {
        match self {
            Leg::Accept => "accept",
            Leg::Queue => "queue",
            Leg::Run => "run",
        }
    }
}

impl Pipeline {
    /// The legs that are measured, in order: without a state for what waits, `run` begins with the answer.
    pub fn legs(&self) -> Vec<Leg> {
        match self.states.tell_queue() {
            true => vec![Leg::Accept, Leg::Queue, Leg::Run],
            false => vec![Leg::Accept, Leg::Run],
        }
    }

    /// The same as parts of its traffic.
    pub fn parts(&self) -> Vec<Part> {
        let part = |leg: Leg| Part { name: leg.word().into(), is_exchange: leg == Leg::Accept };
        self.legs().into_iter().map(part).collect()
    }

    /// How polls are made, where they are.
    pub fn polling(&self) -> Option<&Polling> {
        match &self.follow {
            Follow::Poll(polling) => Some(polling),
            Follow::Told(_) => None,
        }
    }

    /// Where states are told without being asked for, where they are.
    pub fn told(&self) -> Option<&Seen> {
        match &self.follow {
            Follow::Poll(_) => None,
            Follow::Told(seen) => Some(seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polling(from: u64, to: u64) -> Polling {
        let ms = Duration::from_millis;
        Polling { from: ms(from), to: ms(to), budget: Rate(1), state: 1 }
    }

    #[test]
    fn polls_get_rarer_until_the_longest_interval() {
        let ms = Duration::from_millis;
        // At 100, 250, 475, 812.5, 1318.75, 2078.1, 3078.1 and every second from there.
        for (length, polls) in
            [(50, 1), (100, 1), (101, 2), (800, 4), (2_100, 7), (3_100, 8), (13_000, 17), (13_100, 18)]
        {
            assert_eq!(polling(100, 1_000).polls_within(ms(length)), polls, "{length}");
        }
        assert_eq!(polling(100, 100).polls_within(ms(1_000)), 10);
    }

    #[test]
    fn without_a_state_for_what_waits_there_is_no_queue() {
        let states =
            |names: &[(&str, State)]| StateNames { all: names.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect() };
        let pipeline = |states| Pipeline {
            flow: Flow::default(),
            follow: Follow::Poll(polling(1, 1_000)),
            states,
            deadline: Duration::from_secs(1),
            takes: None,
        };
        let words = |p: &Pipeline| p.legs().into_iter().map(Leg::word).collect::<Vec<_>>();
        let both = pipeline(states(&[("PENDING", State::Queued), ("DONE", State::Ok)]));
        assert_eq!(words(&both), ["accept", "queue", "run"]);
        assert_eq!(words(&pipeline(states(&[("DONE", State::Ok)]))), ["accept", "run"]);
        assert_eq!((both.states.of("DONE"), both.states.of("done")), (Some(State::Ok), None));
    }
}
