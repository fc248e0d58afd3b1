//! What breaks, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inject::{HttpFault, Inject, KafkaFault};
use crate::base::time::{Offset, Span};
use crate::base::units::Share;

/// Something that breaks for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What windows call it.
    pub name: String,
    /// What it acts on.
    pub on: On,
    /// What it does; of the family that fits what it acts on.
    pub inject: Inject,
    /// The share of requests (of links and Kafka clusters: connections) that it strikes. With a ramp, the largest.
    pub share: Share,
    /// How the share changes, if it does.
    pub ramp: Option<Ramp>,
    /// Which requests come its way.
    pub matching: Match,
    /// Which of those may be struck, by their number.
    pub when: When,
    /// Whether replies that it struck carry its name.
    pub mark: bool,
    /// When it begins for the first time, from the plan's zero.
    pub at: Duration,
    /// How long it lasts each time.
    pub length: Duration,
    /// How often it comes back, if it does.
    pub repeat: Option<Repeat>,
    /// It is undone after this long, whatever happens.
    pub ttl: Duration,
    /// Where it is written, for messages.
    pub place: super::Place,
}

/// What a fault acts on. Positions are those of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// An HTTP upstream: a stub quoter, or one that requests are passed on to.
    Upstream(usize),
    /// A TCP proxy.
    Link(usize),
    /// A Kafka cluster whose clients come by the stage.
    Kafka {
        /// Which.
        cluster: usize,
        /// Which of its brokers; all when not given.
        broker: Option<u32>,
    },
    /// A process or a container.
    Process(Process),
    /// A hook.
    Hook(usize),
}

/// A process that a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Process {
    /// Anybody's, by its number; needs `--allow-pid`.
    Pid(u32),
    /// One that the run starts, by its position among `processes`.
    Named(usize),
    /// The practice target.
    Target,
    /// A docker container, by its name.
    Container(String),
}

/// A share that goes evenly from one to another, and stays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// When the fault begins.
    pub from: Share,
    /// In the end.
    pub to: Share,
    /// How long it takes; above zero.
    pub over: Duration,
}

impl Ramp {
    /// The share this long after the fault began.
    pub fn at(&self, since: Duration) -> Share {
        let (over, since) = (self.over.as_nanos().max(1), since.min(self.over).as_nanos());
        let (from, to) = (u128::from(self.from.0), u128::from(self.to.0));
        // Between two shares, and so within u32.
        Share(((from * (over - since) + to * since) / over) as u32)
    }
}

/// Again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// From one beginning to the next; longer than the fault.
    pub every: Duration,
    /// How many times in all; at least 2.
    pub times: u32,
}

/// Which requests come a fault's way: those that are as everything here says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Match {
    /// In upper case.
    pub method: Option<String>,
    /// Without the query; a `*` at its end stands for anything.
    pub path: Option<String>,
    /// Names in any case, and values; `*` stands for any.
    pub headers: Vec<(String, String)>,
    /// Names and decoded values; `*` stands for any.
    pub query: Vec<(String, String)>,
}

/// Which of the requests that come a fault's way may be struck, counted from 1 whenever it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every one.
    #[default]
    Always,
    /// The first so many.
    First(u64),
    /// Every so-manieth.
    Every(u64),
    /// That one alone.
    Nth(u64),
}

impl When {
    /// Whether the request of this number (from 1) may be struck.
    pub fn admits(self, number: u64) -> bool {
        match self {
            When::Always => true,
            When::First(n) => number <= n,
            When::Every(n) => n > 0 && number.is_multiple_of(n),
            When::Nth(n) => number == n,
        }
    }

    /// How many of so many requests may be struck.
    pub fn admitted(self, requests: f64) -> f64 {
        match self {
            When::Always => requests,
            When::First(n) => requests.min(n as f64),
            When::Every(n) => (requests / n.max(1) as f64).floor(),
            When::Nth(n) => f64::from(u8::from(requests >= n as f64)),
        }
    }
}

impl Fault {
    /// When it is planned: once, or as often as it repeats; in order, apart from each other.
    pub fn occurrences(&self) -> Vec<Span> {
        let begin = |n: u32| {
            let start = self.at + self.repeat.map_or(Duration::ZERO, |r| r.every.saturating_mul(n));
            Span { start: Offset::after_zero(start), end: Offset::after_zero(start + self.length) }
        };
        (0..self.repeat.map_or(1, |r| r.times)).map(begin).collect()
    }

    /// When it ends for the last time, from the plan's zero.
    pub fn end(&self) -> Duration {
        self.at
            + self.length
            + self.repeat.map_or(Duration::ZERO, |r| r.every.saturating_mul(r.times.saturating_sub(1)))
    }

    /// What it strikes one of at a time, in a word: `request`, `connection`, `reply`, or, where it strikes as a whole, the `shot` that
    /// felt it.
    pub fn unit(&self) -> &'static str {
        match (&self.on, &self.inject) {
            (On::Upstream(_), Inject::Http(HttpFault::Refuse)) | (On::Link(_), _) => "connection",
            (On::Kafka { .. }, Inject::Link(..) | Inject::Kafka(KafkaFault::BrokerDown { .. })) => "connection",
            (On::Kafka { .. }, Inject::Kafka(KafkaFault::TopicUnavailable { .. })) => "reply",
            (On::Upstream(_) | On::Kafka { .. }, _) => "request",
            (On::Process(_) | On::Hook(_), _) => "shot",
        }
    }

    /// The share that it strikes this long after it began.
    pub fn share_at(&self, since: Duration) -> Share {
        self.ramp.map_or(self.share, |ramp| ramp.at(since))
    }

    /// The share that it strikes on average while it lasts.
    pub fn mean_share(&self) -> f64 {
        let Some(ramp) = self.ramp else { return self.share.fraction() };
        let over = ramp.over.as_secs_f64() / self.length.as_secs_f64().max(1e-9);
        (ramp.from.fraction() + ramp.to.fraction()) / 2.0 * over + ramp.to.fraction() * (1.0 - over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn percent(n: u32) -> Share {
        Share(n * 10_000_000)
    }

    #[test]
    fn a_ramp_goes_evenly_both_ways_and_stays() {
        let up = Ramp { from: percent(10), to: percent(60), over: Duration::from_secs(10) };
        let down = Ramp { from: up.to, to: up.from, over: up.over };
        let at = |ramp: Ramp, s| ramp.at(Duration::from_secs(s));
        assert_eq!([0, 5, 10, 99].map(|s| at(up, s)), [10, 35, 60, 60].map(percent));
        assert_eq!([0, 5, 10, 99].map(|s| at(down, s)), [60, 35, 10, 10].map(percent));
    }

    #[test]
    fn numbers_are_counted_from_one() {
        let admitted = |when: When| (1..=7).filter(|n| when.admits(*n)).collect::<Vec<_>>();
        assert_eq!(admitted(When::Always).len(), 7);
        assert_eq!(admitted(When::First(2)), [1, 2]);
        assert_eq!(admitted(When::Every(3)), [3, 6]);
        assert_eq!(admitted(When::Nth(4)), [4]);
        for when in [When::Always, When::First(2), When::Every(3), When::Nth(4)] {
            assert_eq!(when.admitted(7.0), admitted(when).len() as f64);
        }
    }
}
