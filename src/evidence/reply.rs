//! What became of a shot. Sending is infallible: failure is data.

use std::fmt;
use std::time::Duration;

use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::base::trace::Shot;

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
    /// The first byte was written: an instant.
    pub sent: Maybe,
    /// The first byte came back: an instant.
    pub first_byte: Maybe,
    /// It was over, or was found to be.
    pub done: Offset,
    /// Before when it surely was not over: an instant, where that is not known better.
    pub not_before: Maybe,
    /// How long opening a connection took, for a shot that opened one.
    pub opening: Opening,
    /// Why it was not ok, in words, for exemplars.
    pub why: Option<Box<str>>,
}

/// What became of a part of a shot: a step of a flow, a stage of a pipeline. It belongs to where its shot was due, and
/// counts its time from when it was due itself: when what comes before it was over.
#[derive(Debug, Clone, PartialEq)]
pub struct PartReply {
    /// The position of the part among those of the traffic.
    pub part: u16,
    /// When its shot was due.
    pub shot: Offset,
    /// What became of it; without a class, and without words.
    pub reply: Reply,
}

impl PartReply {
    /// A part that is no exchange with a service: it began, and it was over.
    pub fn spell(shot: Shot, part: u16, shot_due: Offset, due: Offset, done: Offset, outcome: Outcome) -> PartReply {
        let reply = Reply {
            traffic: shot.traffic,
            seq: shot.seq,
            class: None,
            outcome,
            status: None,
            due,
            ready: due,
            sent: Maybe::NONE,
            first_byte: Maybe::NONE,
            done,
            not_before: Maybe::NONE,
            opening: Opening::default(),
            why: None,
        };
        PartReply { part, shot: shot_due, reply }
    }
}

// They come by the hundred thousand a second, and every one is written and read once.
const _: () = assert!(size_of::<Reply>() <= 96);

/// Nanoseconds, if any: an instant or a length of time in half the space of an `Option` of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Maybe(i64); // the least number is none

impl Maybe {
    /// Nothing.
    pub const NONE: Maybe = Maybe(i64::MIN);

    /// Whether there is one.
    pub fn is_some(self) -> bool {
        self != Maybe::NONE
    }

    /// The instant.
    pub fn instant(self) -> Option<Offset> {
        self.is_some().then_some(Offset::from_nanos(self.0))
    }

    /// The length of time, in nanoseconds.
    pub fn nanos(self) -> Option<u64> {
        self.is_some().then_some(self.0 as u64)
    }
}

impl From<Option<Offset>> for Maybe {
    fn from(instant: Option<Offset>) -> Maybe {
        instant.map_or(Maybe::NONE, |at| Maybe(at.nanos()))
    }
}

impl From<Option<Duration>> for Maybe {
    fn from(length: Option<Duration>) -> Maybe {
        length.map_or(Maybe::NONE, |length| Maybe(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_some() {
            true => write!(f, "{} ns", self.0),
            false => f.write_str("none"),
        }
    }
}

/// How long opening a connection took, part by part; nothing for a shot that found one open. Kept in microseconds: there
/// is one for each shot, and few shots open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    dns: u32, // in µs; 0 for a part that there was not
    connect: u32,
    tls: u32,
}

impl Opening {
    /// Of a connection: looking up its name, connecting, and agreeing on TLS, where there was something to look up or to
    /// agree on. Parts are counted in whole microseconds, and as one at least.
    pub fn new(dns: Option<Duration>, connect: Duration, tls: Option<Duration>) -> Opening {
        let micros = |part: Duration| u32::try_from(part.as_micros()).unwrap_or(u32::MAX).max(1);
        Opening { dns: dns.map_or(0, micros), connect: micros(connect), tls: tls.map_or(0, micros) }
    }

    /// Looking up the name.
    pub fn dns(self) -> Option<Duration> {
        Opening::part(self.dns)
    }

    /// Connecting. Every shot that opened a connection has it.
    pub fn connect(self) -> Option<Duration> {
        Opening::part(self.connect)
    }

    /// Agreeing on TLS.
    pub fn tls(self) -> Option<Duration> {
        Opening::part(self.tls)
    }

    fn part(micros: u32) -> Option<Duration> {
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }
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
        match self {
            Outcome::Ok => 0,
            Outcome::Rejected => 1,
            Outcome::Invalid => 2,
            Outcome::Failed => 3,
            Outcome::Skipped => 4,
            Outcome::Unreachable(reach) => 5 + reach as u8,
            Outcome::Broken(stage) => 8 + stage as u8,
            Outcome::TimedOut(stage) => 10 + stage as u8,
            Outcome::Unfinished => 12,
            Outcome::NotSent(why) => 13 + why as u8,
        }
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
    /// How long it took on a clock, in nanoseconds. `None` when it never came to that.
    pub fn nanos(&self, timing: Timing) -> Option<u64> {
        match timing {
            Timing::Response => Some(self.done.nanos_since(self.due)),
            Timing::Service => self.sent.instant().map(|sent| self.done.nanos_since(sent)),
            Timing::Lag => Some(self.ready.nanos_since(self.due)),
            Timing::Wait => self.sent.instant().map(|sent| sent.nanos_since(self.ready)),
            Timing::Dns => self.opening.dns().map(|part| part.as_nanos() as u64),
            Timing::Connect => self.opening.connect().map(|part| part.as_nanos() as u64),
            Timing::Tls => self.opening.tls().map(|part| part.as_nanos() as u64),
            Timing::FirstByte => {
                self.sent.instant().zip(self.first_byte.instant()).map(|(sent, first)| first.nanos_since(sent))
            }
            Timing::Earliest => self.not_before.instant().map(|least| least.nanos_since(self.due)),
            Timing::Gap => self.not_before.instant().map(|least| self.done.nanos_since(least)),
            Timing::Body => self.first_byte.instant().map(|first| self.done.nanos_since(first)),
        }
    }

    /// done − due: what a user of the service waits.
    pub fn response(&self) -> Duration {
        self.done.since(self.due)
    }

    /// done − sent: what the service took. `None` when nothing was sent.
    pub fn service(&self) -> Option<Duration> {
        self.nanos(Timing::Service).map(Duration::from_nanos)
    }

    /// ready − due: how late our sender was.
    pub fn lag(&self) -> Duration {
        self.ready.since(self.due)
    }

    /// sent − ready: waiting for a connection. `None` when nothing was sent.
    pub fn wait(&self) -> Option<Duration> {
        self.nanos(Timing::Wait).map(Duration::from_nanos)
    }

    /// first byte − sent. `None` when nothing came.
    pub fn first_byte(&self) -> Option<Duration> {
        self.nanos(Timing::FirstByte).map(Duration::from_nanos)
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

    #[test]
    fn what_may_be_there_reads_back() {
        for at in [None, Some(Offset::ZERO), Some(Offset::from_millis(-3)), Some(Offset::MAX)] {
            assert_eq!(Maybe::from(at).instant(), at);
        }
        for length in [None, Some(Duration::ZERO), Some(Duration::from_millis(3))] {
            assert_eq!(Maybe::from(length).nanos().map(Duration::from_nanos), length);
        }
    }

    #[test]
    fn an_opening_has_the_parts_that_there_were() {
        let none = Opening::default();
        assert_eq!((none.dns(), none.connect(), none.tls()), (None, None, None));
        let (quick, slow) = (Duration::from_nanos(300), Duration::from_secs(7_200));
        let opening = Opening::new(None, quick, Some(slow));
        assert_eq!((opening.dns(), opening.connect()), (None, Some(Duration::from_micros(1))));
        assert_eq!(opening.tls(), Some(Duration::from_micros(u32::MAX.into())), "as long as can be told");
    }
}
