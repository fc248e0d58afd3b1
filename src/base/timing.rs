//! The clocks of a shot: between which two of its instants time is taken.

/// Between which two instants of a shot time is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// done − due
    Response,
    /// done − sent
    Service,
    /// ready − due
    Lag,
    /// sent − ready
    Wait,
    /// Looking up the name, for shots that opened a connection.
    Dns,
    /// Connecting, for shots that opened a connection.
    Connect,
    /// Agreeing on TLS, for shots that opened a connection.
    Tls,
    /// first byte − sent
    FirstByte,
    /// done − first byte
    Body,
    /// How long it took at the least, where it is not known to the instant when it was over: not before − due.
    Earliest,
    /// Within how long it was over, where that is not known to the instant: done − not before.
    Gap,
}

impl Timing {
    /// All of them.
    pub const ALL: [Timing; 11] = [
        Timing::Response,
        Timing::Service,
        Timing::Lag,
        Timing::Wait,
        Timing::Dns,
        Timing::Connect,
        Timing::Tls,
        Timing::FirstByte,
        Timing::Body,
        Timing::Earliest,
        Timing::Gap,
    ];
    /// Those that a promise can be about. The others explain.
    pub const PROMISED: [Timing; 6] =
        [Timing::Response, Timing::Service, Timing::Lag, Timing::Wait, Timing::Connect, Timing::FirstByte];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Timing::Response => "response",
            Timing::Service => "service",
            Timing::Lag => "lag",
            Timing::Wait => "wait",
            Timing::Dns => "dns",
            Timing::Connect => "connect",
            Timing::Tls => "tls",
            Timing::FirstByte => "first_byte",
            Timing::Body => "body",
            Timing::Earliest => "earliest",
            Timing::Gap => "gap",
        }
    }
}

impl Timing {
    /// Whether a shot is on it only where it is not known to the instant when it was over.
    pub fn is_doubt(self) -> bool {
        matches!(self, Timing::Earliest | Timing::Gap)
    }

    /// The clock of a word.
    pub fn from_word(word: &str) -> Option<Timing> {
        Timing::ALL.into_iter().find(|t| t.word() == word)
    }
}
