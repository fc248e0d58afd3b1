//! What the metrics of the service can lie about, for whoever wants to see a liar caught. One at a time: a lie has a name,
//! and whoever catches it should say that name.

use crate::base::text::suggest;

/// A lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// None: what the page says is so.
    #[default]
    None,
    /// The counter of HTTP requests has no label `status`.
    DroppedLabel,
    /// The histogram of HTTP requests holds milliseconds, and its name says seconds.
    MsAsSeconds,
    /// The last bucket of the histogram of HTTP requests is far below what requests take.
    LowCeiling,
    /// The counter of HTTP requests leaves out those that took longer than a second.
    TimeoutsUncounted,
    /// A cache hit is counted twice.
    HitsTwice,
    /// After a hundred requests every counter is back at zero, and the process is the same.
    Reset,
    /// Requests are timed from a stamp of another clock, and the process says that it begins in an hour.
    ClockSkew,
}

impl Lie {
    /// All of them.
    pub const ALL: [Lie; 8] = [
        Lie::None,
        Lie::DroppedLabel,
        Lie::MsAsSeconds,
        Lie::LowCeiling,
        Lie::TimeoutsUncounted,
        Lie::HitsTwice,
        Lie::Reset,
        Lie::ClockSkew,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Lie::None => "none",
            Lie::DroppedLabel => "dropped-label",
            Lie::MsAsSeconds => "ms-as-seconds",
            Lie::LowCeiling => "low-ceiling",
            Lie::TimeoutsUncounted => "timeouts-uncounted",
            Lie::HitsTwice => "hits-twice",
            Lie::Reset => "reset",
            Lie::ClockSkew => "clock-skew",
        }
    }

    /// The lie of a word.
    pub fn parse(text: &str) -> Result<Lie, String> {
        let words = Lie::ALL.map(Lie::word);
        let found = Lie::ALL.into_iter().find(|lie| lie.word() == text);
        found.ok_or_else(|| format!("`{text}` is no lie: {}", suggest(text, words)))
    }
}
