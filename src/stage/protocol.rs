//! What a run and its stage say to each other: JSON, one line each way at a time. The pipe that carries it is the
//! lease: when it breaks, every fault is over.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::config::Config;
use crate::base::time::Offset;
use crate::evidence::health::{Called, StageHealth};
use crate::evidence::undo::Recipe;

/// Longer lines are not ours; the other side cannot be followed any more.
const LONGEST: usize = 64 * 1024 * 1024;

/// What the toxic of a fault is called, on links of ours and on servers of others.
pub fn toxic_of(fault: &str) -> String {
    format!("{TOXICS}{fault}")
}

/// What the names of our toxics begin with.
pub const TOXICS: &str = "proofload-";

/// From the run to the stage. A fault is named by its position in the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Open stubs and links; answered by [`Report::Ready`]. The first order.
    Open(Box<Config>),
    /// Let a fault begin; answered by [`Report::Applied`]. Applying twice is applying once.
    Apply {
        /// Which.
        fault: usize,
    },
    /// Let a fault end; answered by [`Report::Cleared`]. Clearing twice is clearing once.
    Clear {
        /// Which.
        fault: usize,
    },
    /// Let a link lead to a place that was not known when it was opened; answered by [`Report::Led`].
    Lead {
        /// Its name.
        link: String,
        /// HOST:PORT.
        to: String,
    },
    /// Hold how to undo something that the run is about to do; answered by [`Report::Held`], or [`Report::Stuck`].
    Hold {
        /// How.
        recipe: Box<Recipe>,
        /// Undo it after this long, whatever the run says; not before the run is gone where there is none.
        ttl: Option<Duration>,
    },
    /// Follow a recipe; answered by [`Report::Undone`] or [`Report::Stuck`].
    Undo {
        /// Which.
        id: u64,
    },
    /// Forget a recipe: there is nothing to undo.
    Release {
        /// Which.
        id: u64,
    },
    /// Clear everything and go: the end of an orderly run.
    Close,
}

/// From the stage to the run. Instants are on the run's axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Everything is open.
    Ready {
        /// Where each upstream answers: name and URL, in the order of the scenario.
        upstreams: Vec<(String, String)>,
        /// Where each link listens: name and HOST:PORT, in the order of the scenario.
        links: Vec<(String, String)>,
        /// Where clients find each Kafka cluster that comes by the stage: name and HOST:PORT, separated by commas.
        kafka: Vec<(String, String)>,
        /// The stage's process, for whoever has to stop it by hand.
        pid: u32,
    },
    /// A link leads where it should.
    Led {
        /// Its name.
        link: String,
    },
    /// From this instant on requests can be struck.
    Applied {
        /// Which.
        fault: usize,
        /// When.
        at: Offset,
    },
    /// The first request was struck.
    Touched {
        /// Which.
        fault: usize,
        /// When.
        at: Offset,
    },
    /// From this instant on no request is struck, and none is held any more. Unasked for when the ttl ran out.
    Cleared {
        /// Which.
        fault: usize,
        /// When.
        at: Offset,
        /// How many requests could have been struck.
        eligible: u64,
        /// How many were.
        injected: u64,
    },
    /// How the stage did, about once a second.
    Health(StageHealth),
    /// How often each upstream has been called, in the order of the scenario: whenever a fault begins or ends, and once a
    /// second.
    Calls {
        /// When.
        at: Offset,
        /// By upstream.
        upstreams: Vec<Called>,
    },
    /// A recipe is held: it will be followed even if the run dies now.
    Held {
        /// Which.
        id: u64,
    },
    /// A recipe was followed. Unasked for when its ttl ran out.
    Undone {
        /// Which.
        id: u64,
    },
    /// A recipe is not held, or could not be followed.
    Stuck {
        /// Which.
        id: u64,
        /// In words.
        why: String,
    },
    /// Something could not be done.
    Failed {
        /// The fault it concerns, if any.
        fault: Option<usize>,
        /// In words.
        why: String,
    },
}

/// Reads lines of JSON. Dropping a half-done [`Lines::next`] loses nothing.
pub struct Lines<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads from here on.
    pub fn new(from: R) -> Lines<R> {
        Lines { from, buffer: BytesMut::with_capacity(1024) }
    }

    /// The next line: what it says, or why it says nothing. `None` when there will be no more, whatever the reason.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T, String>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(searched + end);
                self.buffer.advance(1);
                return Some(serde_json::from_slice(&line).map_err(|e| format!("a line that is no message: {e}")));
            }
            searched = self.buffer.len();
            if searched > LONGEST || !matches!(self.from.read_buf(&mut self.buffer).await, Ok(n) if n > 0) {
                return None;
            }
        }
    }
}

/// Writes a message as a line.
pub async fn write<W: AsyncWrite + Unpin>(to: &mut W, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_nonsense_says_so() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Order::Apply { fault: 3 }).await.expect("writes");
        bytes.extend(b"{\"what\":1}\n\xff\xfe\n\n");
        write(&mut bytes, &Order::Close).await.expect("writes");
        bytes.extend(b"\"clo");
        let mut lines = Lines::new(bytes.as_slice());
        assert_eq!(lines.next::<Order>().await, Some(Ok(Order::Apply { fault: 3 })));
        for _ in 0..3 {
            assert!(matches!(lines.next::<Order>().await, Some(Err(_))));
        }
        assert_eq!(lines.next::<Order>().await, Some(Ok(Order::Close)));
        assert_eq!(lines.next::<Order>().await, None, "a torn line is the end");
    }

    #[test]
    fn reports_travel() {
        for report in [
            Report::Ready {
                upstreams: vec![("a".into(), "http://x".into())],
                links: Vec::new(),
                kafka: Vec::new(),
                pid: 1,
            },
            Report::Cleared { fault: 1, at: Offset::from_millis(-5), eligible: 9, injected: 2 },
            Report::Failed { fault: None, why: "x".into() },
        ] {
            let line = serde_json::to_string(&report).expect("serialises");
            assert_eq!(serde_json::from_str::<Report>(&line).expect("reads back"), report);
        }
    }
}
