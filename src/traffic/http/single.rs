//! One request on a connection of its own, which closes after it. For what is not measured.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::codec::{Answer, Decoder, Progress};
use super::http2::{self, Session};
use super::open::{Opener, Spoken};
use super::stream::Stream;
use super::tls;
use crate::base::time::Clock;
use crate::base::units;

/// What is read at once, in bytes.
const ROOM: usize = 16 * 1024;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The head as it came.
    pub head: Vec<u8>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether it is longer than that.
    pub too_long: bool,
}

impl Got {
    fn of(answer: &Answer<'_>) -> Got {
        let (head, body) = (answer.head.to_vec(), answer.body.to_vec());
        Got { status: answer.status, head, body, too_long: answer.too_long }
    }
}

/// Sends a request and waits for its reply, within the timeout from first to last. At most `max_body` bytes of a body
/// are read.
pub async fn ask(
    opener: &Opener,
    request: &[u8],
    max_body: usize,
    clock: Clock,
    timeout: Duration,
) -> Result<Got, String> {
    let asked = async {
        let opened = opener.open(clock, timeout).await.map_err(|refusal| refusal.why)?;
        let got = match opened.spoken {
            Spoken::One(stream) => one(stream, request, max_body).await,
            Spoken::Two(session) => two(session, request, opener.address().scheme.word(), max_body).await,
        };
        got.map_err(|why| format!("{}: {why}", opener.address()))
    };
    let late = || format!("{}: no reply within {}", opener.address(), units::duration(timeout));
    tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| Err(late()))
}

async fn two(session: Session, request: &[u8], scheme: &str, max_body: usize) -> Result<Got, String> {
    let Session { mut sender, mut driver } = session;
    let (request, body) = http2::request(request, scheme)?;
    let (response, mut stream) = sender.send_request(request, body.is_empty()).map_err(|e| http2::words(&e))?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(|e| http2::words(&e))?;
    }
    let mut reply = pin!(http2::reply(response, max_body, |_| {}));
    let mut over = false;
    let reply = poll_fn(|cx| {
        over = over || Pin::new(driver.as_mut()).poll(cx).is_ready();
        reply.as_mut().poll(cx)
    });
    reply.await.map(|reply| Got::of(&reply.answer())).map_err(|broken| broken.why)
}

async fn one(mut stream: Stream, request: &[u8], max_body: usize) -> Result<Got, String> {
    let said = |e: io::Error| e.to_string();
    let sent = match stream.write_all(request).await {
        Ok(()) => stream.flush().await,
        failed => failed,
    };
    let mut decoder = Decoder::default();
    let mut room = vec![0; ROOM];
    loop {
        // What the other side said before it closed may tell more than that we could not write.
        let n = stream.read(&mut room).await.map_err(|e| said(sent.as_ref().err().map_or(e, |e| e.kind().into())))?;
        let progress = if n == 0 { decoder.end() } else { decoder.decode(&mut &room[..n], max_body) };
        match progress {
            Ok(Progress::Partial) => {}
            Ok(Progress::Whole { answer, .. }) => return Ok(Got::of(&answer)),
            Err(_) if tls::is_record(&room[..n]) => return Err(tls::UNASKED.into()),
            Err(why) => return Err(why),
        }
    }
}
