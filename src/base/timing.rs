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
}

impl Timing {
    /// All of them.
    pub const ALL: [Timing; 9] = [
        Timing::Response,
        Timing::Service,
        Timing::Lag,
        Timing::Wait,
        Timing::Dns,
        Timing::Connect,
        Timing::Tls,
        Timing::FirstByte,
        Timing::Body,
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
        }
    }
}

impl Timing {
    /// The clock of a word.
    pub fn from_word(word: &str) -> Option<Timing> {
        Timing::ALL.into_iter().find(|t| t.word() == word)
    }
}
