//! A shot on its way: what is known of it so far.

use crate::base::time::Offset;
use crate::evidence::reply::Opening;
use crate::plan::Shot;

/// A shot on its way.
#[derive(Debug, Clone, Copy)]
pub struct Errand {
    /// The position of its traffic in the scenario.
    pub traffic: usize,
    /// Which shot.
    pub shot: Shot,
    /// The step of a flow that it has come to; 0 for a quote.
    pub step: u32,
    /// The closed loop that it belongs to, by position among the worker's: its due time is when it is sent.
    pub looped: Option<u32>,
    /// When our sender took it up.
    pub ready: Offset,
    /// When its present step began to wait for a connection.
    pub since: Offset,
    /// When the first byte of its first step was written.
    pub sent: Option<Offset>,
    /// When the first byte of the first reply came back.
    pub first_byte: Option<Offset>,
    /// How long opening its connection took, if it is the first on it.
    pub opening: Opening,
    /// The status that was answered last.
    pub status: Option<u16>,
    /// The number of the token that its present request carries, where it carries one.
    pub token: u64,
    /// Whether its present step was sent again with another token.
    pub renewed: bool,
    /// Where a flow keeps what its templates say; means nothing for a quote.
    pub bag: u32,
    /// On how many connections it was put that had closed unnoticed.
    pub stale: u8,
}

impl Errand {
    /// A shot that was taken up just now.
    pub fn new(traffic: usize, shot: Shot, ready: Offset) -> Errand {
        Errand {
            traffic,
            shot,
            step: 0,
            looped: None,
            ready,
            since: ready,
            sent: None,
            first_byte: None,
            opening: Opening::default(),
            status: None,
            token: 0,
            renewed: false,
            bag: 0,
            stale: 0,
        }
    }
}
