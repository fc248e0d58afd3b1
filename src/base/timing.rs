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
    /// Opening the connection, for shots that opened one.
    Connect,
    /// first byte − sent
    FirstByte,
}

impl Timing {
    /// All of them.
    pub const ALL: [Timing; 6] =
        [Timing::Response, Timing::Service, Timing::Lag, Timing::Wait, Timing::Connect, Timing::FirstByte];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Timing::Response => "response",
            Timing::Service => "service",
            Timing::Lag => "lag",
            Timing::Wait => "wait",
            Timing::Connect => "connect",
            Timing::FirstByte => "first_byte",
        }
    }
}

impl Timing {
    /// The clock of a word.
    pub fn from_word(word: &str) -> Option<Timing> {
        Timing::ALL.into_iter().find(|t| t.word() == word)
    }
}
