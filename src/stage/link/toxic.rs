//! What can be wrong with a link: toxiproxy's kinds, in its words, and two of our own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::law::Law;
use crate::base::seed::{Seed, unit};
use crate::scenario;

/// One thing that is wrong with a link, in one direction.
#[derive(Clone)]
pub struct Toxic {
    /// Tells it from every other of its link, also from one that had its name before.
    pub id: u64,
    /// What it is called; what its decisions depend on.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// In which direction.
    pub stream: Stream,
    /// The share of connections that it strikes, 0 to 1.
    pub toxicity: f64,
    /// Who wants to know what it touches.
    pub watcher: Option<Arc<dyn Watch>>,
}

/// A direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

/// What a toxic does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing.
    Noop,
    /// What comes is passed on later; how much later is drawn once for what comes together.
    Latency(Delay),
    /// So many bytes a second; 0 lets nothing through.
    Bandwidth {
        /// Bytes a second.
        rate: u64,
    },
    /// The end of the data is passed on later.
    SlowClose {
        /// How much later.
        delay: Duration,
    },
    /// What comes is dropped. When it is removed the connection is closed.
    Timeout {
        /// The connection is closed after so long; zero is never.
        timeout: Duration,
    },
    /// What comes is dropped, and the connection is reset.
    ResetPeer {
        /// So long after the first that comes.
        timeout: Duration,
    },
    /// What comes is passed on in small pieces.
    Slicer {
        /// Bytes in a piece, on average; at least 1.
        average_size: u64,
        /// So many more or less, each equally likely; less than the average.
        size_variation: u64,
        /// From one piece to the next.
        delay: Duration,
    },
    /// The connection is closed after so much.
    LimitData {
        /// Bytes.
        bytes: u64,
    },
    /// Bits are flipped.
    Corrupt {
        /// So many different ones; at least 1.
        bits: u32,
        /// Of so many bytes; at least 1.
        every: u64,
    },
    /// What comes vanishes, the end too, and nobody is told. When it is removed, connections that lost something are
    /// reset: they can be no use to anybody.
    DropHalf,
}

/// How much later.
#[derive(Debug, Clone, PartialEq)]
pub enum Delay {
    /// Anything from `latency - jitter` to `latency + jitter`, not below zero.
    Jitter {
        /// The middle.
        latency: Duration,
        /// As much more or less.
        jitter: Duration,
    },
    /// By a law.
    Law(Law),
}

/// Hears what a toxic touches.
pub trait Watch: Send + Sync {
    /// A connection, by its number on the link, carried something in the toxic's direction: once for each connection.
    /// `chosen` says whether it is one of those that the toxic strikes.
    fn met(&self, connection: u64, chosen: bool);
    /// The toxic changed something on a chosen connection: once for each.
    fn struck(&self, connection: u64);
}

/// The words of all kinds.
pub const WORDS: [&str; 10] = [
    "noop",
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "corrupt",
    "drop_half",
];

impl Toxic {
    /// Whether it strikes a connection: a pure function of the seed, the link, the toxic's name and the connection's
    /// number, so that no other toxic and no change of its settings ever draws again.
    pub fn strikes(&self, seed: Seed, link: &str, connection: u64) -> bool {
        let parts: [&[u8]; 4] = [b"toxicity", link.as_bytes(), self.name.as_bytes(), &connection.to_le_bytes()];
        unit(seed.decide(&parts)) < self.toxicity
    }
}

impl fmt::Debug for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {} {:?}", self.name, self.stream, self.toxicity, self.kind)
    }
}

impl Stream {
    /// The direction of a fault.
    pub fn of(stream: scenario::Stream) -> Stream {
        match stream {
            scenario::Stream::Upstream => Stream::Upstream,
            scenario::Stream::Downstream => Stream::Downstream,
        }
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Stream::Upstream => "upstream",
            Stream::Downstream => "downstream",
        }
    }
}

impl Kind {
    /// The kind of a fault on a link; `None` for `down`, which is no toxic but a link that takes no connections.
    pub fn of(toxic: &scenario::Toxic) -> Option<Kind> {
        Some(match toxic {
            scenario::Toxic::Latency { law } => Kind::Latency(Delay::of(law)),
            scenario::Toxic::Bandwidth { rate } => Kind::Bandwidth { rate: rate.0 },
            scenario::Toxic::SlowClose { delay } => Kind::SlowClose { delay: *delay },
            scenario::Toxic::Timeout { timeout } => Kind::Timeout { timeout: *timeout },
            scenario::Toxic::ResetPeer { timeout } => Kind::ResetPeer { timeout: *timeout },
            scenario::Toxic::Slicer { average_size, size_variation, delay } => {
                Kind::Slicer { average_size: average_size.0, size_variation: size_variation.0, delay: *delay }
            }
            scenario::Toxic::LimitData { bytes } => Kind::LimitData { bytes: bytes.0 },
            scenario::Toxic::Corrupt { bits, every } => Kind::Corrupt { bits: *bits, every: every.0 },
            scenario::Toxic::DropHalf => Kind::DropHalf,
            scenario::Toxic::Down => return None,
        })
    }

    /// As it is written.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Noop => "noop",
            Kind::Latency(_) => "latency",
            Kind::Bandwidth { .. } => "bandwidth",
            Kind::SlowClose { .. } => "slow_close",
            Kind::Timeout { .. } => "timeout",
            Kind::ResetPeer { .. } => "reset_peer",
            Kind::Slicer { .. } => "slicer",
            Kind::LimitData { .. } => "limit_data",
            Kind::Corrupt { .. } => "corrupt",
            Kind::DropHalf => "drop_half",
        }
    }
}

impl Delay {
    /// By a law; one that toxiproxy can say too, in its words.
    fn of(law: &Law) -> Delay {
        match law {
            Law::Fixed(latency) => Delay::Jitter { latency: *latency, jitter: Duration::ZERO },
            Law::Uniform(low, high) => {
                Delay::Jitter { latency: (*low + *high) / 2, jitter: high.saturating_sub(*low) / 2 }
            }
            other => Delay::Law(other.clone()),
        }
    }

    /// The delay at `u`, uniform in [0, 1).
    pub fn at(&self, u: f64) -> Duration {
        match self {
            Delay::Law(law) => law.at(u),
            Delay::Jitter { latency, jitter } => {
                let seconds = latency.as_secs_f64() + (2.0 * u - 1.0) * jitter.as_secs_f64();
                Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
            }
        }
    }
}
