//! What became of a shot. Sending is infallible: failure is data.

use std::time::Duration;

use crate::base::time::Offset;

/// What became of a shot: its instants and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The position of the traffic in the scenario.
    pub traffic: u16,
    /// The number of the shot within its traffic.
    pub seq: u64,
    /// The position of its class among the traffic's, from the reply; `None` without a readable one.
    pub class: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
    /// The status that was answered, if any.
    pub status: Option<u16>,
    /// From the plan, before anything else.
    pub due: Offset,
    /// Our sender took it up.
    pub ready: Offset,
    /// The first byte was written.
    pub sent: Option<Offset>,
    /// The first byte came back.
    pub first_byte: Option<Offset>,
    /// It was over.
    pub done: Offset,
    /// How long opening the connection took, for a shot that opened one.
    pub connect: Option<Duration>,
    /// Why it was not ok, in words, for exemplars.
    pub why: Option<String>,
}

/// What can become of a shot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The expected status and a valid body.
    Ok,
    /// Another status.
    Rejected,
    /// The expected status, but not a valid body.
    Invalid,
    /// The work that was started failed.
    Failed,
    /// The work was rightly not done.
    Skipped,
    /// No connection.
    Unreachable(Reach),
    /// The connection broke, or what came was no HTTP.
    Broken(Stage),
    /// No reply within the timeout.
    TimedOut(Stage),
    /// Still open when the run ended.
    Unfinished,
    /// Never sent.
    NotSent(Why),
}

/// Where reaching a service failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// The name has no address.
    Dns,
    /// Refused, reset or timed out.
    Connect,
    /// The handshake failed.
    Tls,
}

/// Which part of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before the end of the reply's head.
    Head,
    /// After it.
    Body,
}

/// Why a shot was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It waited for a connection as long as a reply may take: the target held them all. The target's doing.
    Backlog,
    /// We could not open a connection for want of file descriptors or ports. Ours.
    Resources,
}

impl Outcome {
    /// All of them, in the order of reports.
    pub const ALL: [Outcome; 15] = [
        Outcome::Ok,
        Outcome::Rejected,
        Outcome::Invalid,
        Outcome::Failed,
        Outcome::Skipped,
        Outcome::Unreachable(Reach::Dns),
        Outcome::Unreachable(Reach::Connect),
        Outcome::Unreachable(Reach::Tls),
        Outcome::Broken(Stage::Head),
        Outcome::Broken(Stage::Body),
        Outcome::TimedOut(Stage::Head),
        Outcome::TimedOut(Stage::Body),
        Outcome::Unfinished,
        Outcome::NotSent(Why::Backlog),
        Outcome::NotSent(Why::Resources),
    ];

    /// The word for it in evidence and reports.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Rejected => "rejected",
            Outcome::Invalid => "invalid",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Unreachable(Reach::Dns) => "unreachable_dns",
            Outcome::Unreachable(Reach::Connect) => "unreachable_connect",
            Outcome::Unreachable(Reach::Tls) => "unreachable_tls",
            Outcome::Broken(Stage::Head) => "broken_head",
            Outcome::Broken(Stage::Body) => "broken_body",
            Outcome::TimedOut(Stage::Head) => "timed_out_head",
            Outcome::TimedOut(Stage::Body) => "timed_out_body",
            Outcome::Unfinished => "unfinished",
            Outcome::NotSent(Why::Backlog) => "not_sent_backlog",
            Outcome::NotSent(Why::Resources) => "not_sent_resources",
        }
    }

    /// The outcome of a word.
    pub fn from_word(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.word() == word)
    }

    /// Its position in [`ALL`](Outcome::ALL).
    pub fn code(self) -> u8 {
        Outcome::ALL.iter().position(|o| *o == self).unwrap_or_default() as u8
    }

    /// Whether it counts as a failure: neither ok nor skipped.
    pub fn is_failure(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::Skipped)
    }

    /// Whether it is our own doing and says nothing of the target.
    pub fn is_ours(self) -> bool {
        matches!(self, Outcome::NotSent(Why::Resources))
    }
}

impl Reply {
    /// done − due: what a user of the service waits.
    pub fn response(&self) -> Duration {
        self.done.since(self.due)
    }

    /// done − sent: what the service took. `None` when nothing was sent.
    pub fn service(&self) -> Option<Duration> {
        self.sent.map(|sent| self.done.since(sent))
    }

    /// ready − due: how late our sender was.
    pub fn lag(&self) -> Duration {
        self.ready.since(self.due)
    }

    /// sent − ready: waiting for a connection. `None` when nothing was sent.
    pub fn wait(&self) -> Option<Duration> {
        self.sent.map(|sent| sent.since(self.ready))
    }

    /// first byte − sent. `None` when nothing came.
    pub fn first_byte(&self) -> Option<Duration> {
        self.sent.zip(self.first_byte).map(|(sent, first)| first.since(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_word() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_word(outcome.word()), Some(outcome));
            assert_eq!(Outcome::ALL[usize::from(outcome.code())], outcome);
        }
        assert_eq!(Outcome::from_word("fine"), None);
    }
}
