//! Effects: what the system under test does because of something that we sent, and where that is seen.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::mistake::Place;
use super::nats::Nats;

/// Where effects are seen, and what their states mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// Where.
    pub seen: Seen,
    /// What states mean.
    pub states: States,
}

/// Where effects are seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// On a topic of a Kafka cluster.
    Kafka {
        /// The name of the cluster.
        on: String,
        /// The topic.
        topic: String,
        /// Where a message says what.
        reading: Reading,
    },
    /// On a subject of NATS.
    Nats {
        /// The server.
        server: Nats,
        /// The subject, wild cards included.
        subject: String,
        /// Where a message says what.
        reading: Reading,
    },
    /// In what the target posts to us.
    Webhook(Webhook),
    /// In the reply to a request that is repeated.
    Poll(Poll),
    /// In a counter of the target's metrics: how many, not which.
    Metric(Metric),
}

/// A place to which the target posts what it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// HOST:PORT on which the run listens.
    pub listen: String,
    /// The path of its posts.
    pub path: String,
    /// Where a post says what.
    pub reading: Reading,
}

/// A request whose reply says which effects there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// The path.
    pub path: String,
    /// Which service; the first when unnamed.
    pub service: Option<String>,
    /// How often.
    pub every: Duration,
    /// Where the list of effects stands; the whole body is one effect where nothing is said.
    pub list: Option<JsonPath>,
    /// Where each says what.
    pub reading: Reading,
}

/// A metric of the target's, as PromQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The expression. Where it counts something, its elements are added up, and what they rise by over the run counts.
    pub expr: String,
    /// Where it is written.
    pub place: Place,
}

/// Where a message says what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The id of what we sent.
    pub id: JsonPath,
    /// Which pipeline took effect, where one signal may start several.
    pub pipeline: Option<JsonPath>,
    /// The state that it came to.
    pub state: Option<JsonPath>,
    /// Its number in the order in which the system did things, by key.
    pub sequence: Option<JsonPath>,
}

/// What the states of effects mean, by the words for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct States {
    /// It is done.
    pub ok: Vec<String>,
    /// It failed.
    pub failed: Vec<String>,
    /// It was rightly not done.
    pub skipped: Vec<String>,
}

/// What a state means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It is done.
    Ok,
    /// It failed.
    Failed,
    /// It was rightly not done.
    Skipped,
}

impl Seen {
    /// Where it is said of each effect what it is; nothing where they are only counted.
    pub fn reading(&self) -> Option<&Reading> {
        match self {
            Seen::Kafka { reading, .. } | Seen::Nats { reading, .. } => Some(reading),
            Seen::Webhook(webhook) => Some(&webhook.reading),
            Seen::Poll(poll) => Some(&poll.reading),
            Seen::Metric(_) => None,
        }
    }
}

impl States {
    /// What a state means: any is the end of it where none is named, and one that is not named is not the end.
    pub fn fate(&self, state: Option<&str>) -> Option<Fate> {
        if *self == States::default() {
            return Some(Fate::Ok);
        }
        let state = state?;
        let is = |words: &[String]| words.iter().any(|word| word == state);
        [(&self.ok, Fate::Ok), (&self.failed, Fate::Failed), (&self.skipped, Fate::Skipped)]
            .into_iter()
            .find_map(|(words, fate)| is(words).then_some(fate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_named_is_not_the_end() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let states =
            States { ok: words(&["COMPLETED"]), failed: words(&["FAILED", "LOST"]), skipped: words(&["SKIPPED"]) };
        assert_eq!(states.fate(Some("COMPLETED")), Some(Fate::Ok));
        assert_eq!(states.fate(Some("LOST")), Some(Fate::Failed));
        assert_eq!(states.fate(Some("SKIPPED")), Some(Fate::Skipped));
        assert_eq!((states.fate(Some("RUNNING")), states.fate(None)), (None, None));
        assert_eq!(States::default().fate(None), Some(Fate::Ok));
    }
}
