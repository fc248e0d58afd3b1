//! What became of rules in a replay.

use crate::base::series::{Labels, Series};

/// What became of every rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// One for each rule, in the order of groups and rules.
    pub rules: Vec<Outcome>,
    /// The series that rules recorded, `ALERTS` and `ALERTS_FOR_STATE` among them, sorted by name and labels.
    pub series: Vec<Series>,
}

/// What became of a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Which group, by its place.
    pub group: usize,
    /// Which rule of the group, by its place.
    pub rule: usize,
    /// How often it was evaluated.
    pub ticks: usize,
    /// How often the answer was empty; that is how an alert is silent, and how it is blind.
    pub empty: usize,
    /// What went wrong, in order of time.
    pub failures: Vec<Failure>,
    /// Every time that an alert was pending or fired, in the order in which they began.
    pub spells: Vec<Spell>,
}

/// An evaluation that went wrong, and those right after it that went wrong in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When first, in milliseconds.
    pub from_ms: i64,
    /// When last, in milliseconds.
    pub to_ms: i64,
    /// How often.
    pub ticks: usize,
    /// Why, as Prometheus words it where it has words.
    pub why: String,
}

/// A time in which an alert was pending, or pending and then firing. All instants are evaluations, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Spell {
    /// Who: `alertname`, the labels of the rule, those of the element.
    pub labels: Labels,
    /// What was said of it when it fired; or when it was first pending, if it never did.
    pub annotations: Vec<(String, String)>,
    /// The value at that time.
    pub value: f64,
    /// When it was first found.
    pub pending_at: i64,
    /// When it fired first; without `for` that is when it was found.
    pub fired_at: Option<i64>,
    /// When it was first neither pending nor firing; `None` when it was until the end.
    pub ended_at: Option<i64>,
}

/// What an alert is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not there.
    Inactive,
    /// There, for less than `for`.
    Pending,
    /// Firing.
    Firing,
}

impl Spell {
    pub(super) fn pending(labels: Labels, at: i64) -> Spell {
        Spell { labels, annotations: Vec::new(), value: 0.0, pending_at: at, fired_at: None, ended_at: None }
    }

    /// What the alert is at an instant, as far as this spell says.
    pub fn state(&self, at_ms: i64) -> State {
        let over = self.ended_at.is_some_and(|end| at_ms >= end);
        match self.fired_at {
            _ if over || at_ms < self.pending_at => State::Inactive,
            Some(fired) if at_ms >= fired => State::Firing,
            _ => State::Pending,
        }
    }
}

impl Outcome {
    /// The highest state that any alert of it came to.
    pub fn highest(&self) -> State {
        let of = |spell: &Spell| if spell.fired_at.is_some() { State::Firing } else { State::Pending };
        self.spells.iter().map(of).max().unwrap_or(State::Inactive)
    }

    pub(super) fn fail(&mut self, at: i64, why: String) {
        let follows = |last: &&mut Failure| last.why == why;
        match self.failures.last_mut().filter(follows) {
            Some(last) => {
                last.to_ms = at;
                last.ticks += 1;
            }
            None => self.failures.push(Failure { from_ms: at, to_ms: at, ticks: 1, why }),
        }
    }
}
