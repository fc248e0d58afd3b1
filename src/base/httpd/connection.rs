//! Connections: accepted, and answered request by request.

use std::cmp::Reverse;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::request::{self, Begun, Body};
use super::response::{write_head, write_stream_head};
use super::{Answer, Delivery, Framing, Handler, Response, Stream, next_piece};
use crate::base::time::monotonic;

/// Longer bodies are taken as they come, by whom that is for, in bytes.
const HELD: usize = 64 * 1024;
/// So many pieces of a body wait for who takes them; then the client waits.
const AHEAD: usize = 2;

/// Serves until dropped: open connections are then closed with it.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= handler.most() => {
                    reset(&stream);
                    handler.turned_away();
                }
                Ok((stream, peer)) if handler.admits(peer) => {
                    let handler = handler.clone();
                    connections.spawn(async move { converse(stream, peer, &*handler).await; });
                }
                Ok((stream, _)) => reset(&stream),
                // Out of file descriptors, or the peer left before we took the call: neither is fatal.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// What becomes of a connection after an answer.
enum Next {
    /// It waits for another request, if both sides wish so.
    Request,
    /// It is of no use any more.
    Close,
    /// It is held until the client leaves.
    Hang,
    /// It is held until the client leaves, or until the value turns true or its sender is gone.
    HangUntil(watch::Receiver<bool>),
}

impl Next {
    /// The same where no other request may follow.
    fn last(self) -> Next {
        match self {
            Next::Request => Next::Close,
            next => next,
        }
    }
}

/// One connection, request by request, until either side is done. Errors end it: there is nobody to tell.
async fn converse<H: Handler>(mut stream: TcpStream, peer: SocketAddr, handler: &H) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut out = Vec::with_capacity(1024);
    loop {
        match exchange(&mut stream, peer, handler, &mut buffer, &mut out).await {
            Ok(Next::Request) => {}
            Ok(Next::Close) => return,
            Ok(Next::Hang) => return until_left(&mut stream).await,
            Ok(Next::HangUntil(mut over)) => {
                tokio::select! {
                    () = until_left(&mut stream) => {}
                    _ = over.wait_for(|over| *over) => {}
                }
                return;
            }
            Err(status) => {
                handler.refused(status);
                out.clear();
                write_head(&mut out, &Response::text(status, ""), false);
                let _ = stream.write_all(&out).await;
                return;
            }
        }
    }
}

/// A request and its answer. `Err` is the status by which a request is refused that cannot be read.
async fn exchange<H: Handler>(
    stream: &mut TcpStream,
    peer: SocketAddr,
    handler: &H,
    buffer: &mut BytesMut,
    out: &mut Vec<u8>,
) -> Result<Next, u16> {
    let begun = match in_time(handler.patience(), request::read_begin(stream, buffer)).await {
        Err(408) if buffer.is_empty() => None,
        begun => begun?,
    };
    let Some(Begun { mut request, mut framing, keep_alive }) = begun else { return Ok(Next::Close) };
    request.peer = Some(peer.ip());
    let waits = request.header("expect").is_some_and(|what| what.eq_ignore_ascii_case("100-continue"));
    if waits && buffer.is_empty() && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
        return Ok(Next::Close);
    }
    let terms = Terms { keep_alive, head_only: request.method == "HEAD", takes_chunks: request.takes_chunks };
    let streams = framing != Framing::Done && handler.streams();
    let most = if streams { HELD } else { handler.longest() };
    let body = request::read_body(stream, buffer, &mut framing, most);
    let begun = match in_time(handler.patience(), body).await? {
        Body::Whole(body) => {
            request.body = body;
            let answer = handler.handle(request).await;
            let next = respond(answer, &mut stream.split().1, out, handler, terms).await;
            return Ok(if keep_alive { next } else { next.last() });
        }
        Body::Longer(_) if !streams => return Err(413),
        Body::Longer(begun) => begun,
    };
    let length = framing.length().map(|left| left + begun.iter().map(|piece| piece.len() as u64).sum::<u64>());
    let (say, pieces) = mpsc::channel(AHEAD);
    let (mut from, mut to) = stream.split();
    let bringing = bring(begun, &mut from, buffer, &mut framing, say);
    let answering = async {
        let answer = handler.handle_stream(request, Stream { length, pieces }).await;
        respond(answer, &mut to, out, handler, terms).await
    };
    tokio::pin!(bringing, answering);
    let (next, came) = tokio::select! {
        next = &mut answering => (next, None),
        whole = &mut bringing => (answering.as_mut().await, Some(whole)),
    };
    // Most clients hear an early answer only when they have said everything.
    let whole = match came {
        None if matches!(next, Next::Request) => bringing.await,
        came => came.unwrap_or(false),
    };
    Ok(if keep_alive && whole { next } else { next.last() })
}

/// What a client says, unless it takes too long to say it.
async fn in_time<T>(patience: Option<Duration>, said: impl Future<Output = Result<T, u16>>) -> Result<T, u16> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, said).await.unwrap_or(Err(408)),
        None => said.await,
    }
}

/// Brings a body to who takes it; what nobody takes is dropped. Whether all of it came.
async fn bring(
    begun: Vec<Bytes>,
    from: &mut ReadHalf<'_>,
    buffer: &mut BytesMut,
    framing: &mut Framing,
    say: mpsc::Sender<io::Result<Bytes>>,
) -> bool {
    for piece in begun {
        let _ = say.send(Ok(piece)).await;
    }
    loop {
        // An empty piece is the end.
        let piece = next_piece(from, buffer, framing).await.map(Option::unwrap_or_default);
        let (is_over, is_whole) = (!matches!(&piece, Ok(piece) if !piece.is_empty()), piece.is_ok());
        let _ = say.send(piece.map_err(io::Error::other)).await;
        if is_over {
            return is_whole;
        }
    }
}

/// How a client wishes to be answered.
#[derive(Debug, Clone, Copy)]
struct Terms {
    keep_alive: bool,
    head_only: bool,
    takes_chunks: bool,
}

/// Answers as the handler says.
async fn respond<H: Handler>(
    answer: Answer,
    stream: &mut WriteHalf<'_>,
    out: &mut Vec<u8>,
    handler: &H,
    Terms { keep_alive, head_only, takes_chunks }: Terms,
) -> Next {
    out.clear();
    let next = |may: bool| if may { Next::Request } else { Next::Close };
    match answer {
        Answer::Reply(response) => next(send(stream, out, &response, keep_alive, head_only).await),
        Answer::Due(response, due) => {
            let went = send(stream, out, &response, keep_alive, head_only).await;
            if went {
                handler.sent(Duration::from_nanos(monotonic().saturating_sub(due)));
            }
            next(went)
        }
        Answer::Amiss(response, delivery) => {
            write_head(out, &response, keep_alive);
            let body: &[u8] = if head_only { &[] } else { &response.body };
            let went = deliver(stream, out, body, &delivery).await;
            if delivery.cut.is_some_and(|cut| cut.reset) {
                reset(stream.as_ref());
            }
            next(went.is_ok() && delivery.cut.is_none())
        }
        Answer::Stream(response, body, delivery) => {
            let framing = match body.length {
                Some(length) => format!("Content-Length: {length}"),
                None if takes_chunks => "Transfer-Encoding: chunked".into(),
                None => "Connection: close".into(), // it ends with the connection
            };
            write_stream_head(out, &response, &framing, keep_alive);
            let whole = relay(stream, out, body, &delivery, takes_chunks, head_only).await;
            if delivery.cut.is_some_and(|cut| cut.reset) {
                reset(stream.as_ref());
            }
            next(whole && !framing.starts_with("Connection"))
        }
        Answer::Hang => Next::Hang,
        Answer::HangUntil(over) => Next::HangUntil(over),
        Answer::Close => Next::Close,
        Answer::Reset => {
            reset(stream.as_ref());
            Next::Close
        }
    }
}

/// Sends a reply as it should be; whether it went out.
async fn send(
    stream: &mut WriteHalf<'_>,
    out: &mut Vec<u8>,
    response: &Response,
    keep_alive: bool,
    head_only: bool,
) -> bool {
    write_head(out, response, keep_alive);
    if !head_only {
        out.extend_from_slice(&response.body);
    }
    stream.write_all(out).await.is_ok()
}

/// Sends a head, and a body up to where it is cut, no faster than it may come.
async fn deliver(stream: &mut WriteHalf<'_>, out: &mut Vec<u8>, body: &[u8], delivery: &Delivery) -> io::Result<()> {
    let mut body = &body[..delivery.cut.map_or(body.len(), |cut| cut.after.min(body.len()))];
    let mut paces = delivery.paces.clone();
    paces.sort_unstable_by_key(|pace| Reverse(pace.rate));
    while let Some(mut slowest) = paces.pop().filter(|_| !body.is_empty()) {
        // The head is no part of the body: it goes at once.
        stream.write_all(out).await?;
        out.clear();
        let (size, every) = piece(slowest.rate);
        let mut ticks = tokio::time::interval(every);
        ticks.tick().await;
        while !body.is_empty() {
            tokio::select! {
                biased;
                _ = slowest.over.wait_for(|over| *over) => break,
                _ = ticks.tick() => {}
            }
            let (now, rest) = body.split_at(size.min(body.len()));
            stream.write_all(now).await?;
            body = rest;
        }
    }
    out.extend_from_slice(body);
    stream.write_all(out).await
}

/// Sends a head, and a body as it comes, up to where it is cut, no faster than it may. Whether it went out whole: else the
/// connection is of no use any more.
async fn relay(
    stream: &mut WriteHalf<'_>,
    out: &mut Vec<u8>,
    mut body: Stream,
    delivery: &Delivery,
    takes_chunks: bool,
    head_only: bool,
) -> bool {
    // What was cut is over wherever the body is: nobody waits for the rest of it.
    let mut left = delivery.cut.map(|cut| cut.after);
    let mut paces = Delivery { cut: None, paces: delivery.paces.clone() };
    let chunked = body.length.is_none() && takes_chunks;
    if stream.write_all(out).await.is_err() || head_only {
        return head_only;
    }
    while left != Some(0) {
        let mut piece = match body.pieces.recv().await {
            Some(Ok(piece)) if piece.is_empty() => {
                let end: &[u8] = if chunked { b"0\r\n\r\n" } else { b"" };
                return stream.write_all(end).await.is_ok();
            }
            Some(Ok(piece)) => piece,
            Some(Err(_)) | None => return false,
        };
        if let Some(left) = &mut left {
            piece.truncate(*left);
            *left -= piece.len();
        }
        out.clear();
        if chunked {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        if deliver(stream, out, &piece, &paces).await.is_err() {
            return false;
        }
        // A pace that is over stays over.
        paces.paces.retain(|pace| !*pace.over.borrow());
        if chunked && stream.write_all(b"\r\n").await.is_err() {
            return false;
        }
    }
    false
}

/// Pieces in which bytes come at a rate: their size, and the time from one to the next. About a hundred a second, and
/// never less than a byte.
fn piece(rate: u64) -> (usize, Duration) {
    let size = (rate / 100).max(1);
    let every = u128::from(size) * 1_000_000_000 / u128::from(rate.max(1));
    (size as usize, Duration::from_nanos(every.max(1) as u64))
}

/// Lets a connection end by a reset when it is dropped.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Waits until the client closes its side; what it still sends is dropped.
async fn until_left(stream: &mut TcpStream) {
    let mut sink = [0; 1024];
    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
}
