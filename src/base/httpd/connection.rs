//! Connections: accepted, and answered request by request.

use std::cmp::Reverse;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::response::{write_head, write_stream_head};
use super::{Answer, Delivery, Handler, Response, Stream, request};
use crate::base::time::monotonic;

/// Serves until dropped: open connections are then closed with it.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
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

/// One connection, request by request, until either side is done. Errors end it: there is nobody to tell.
async fn converse<H: Handler>(mut stream: TcpStream, peer: SocketAddr, handler: &H) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut out = Vec::with_capacity(1024);
    loop {
        let (mut request, keep_alive) = match request::read(&mut stream, &mut buffer).await {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(status) => {
                write_head(&mut out, &Response::text(status, ""), false);
                let _ = stream.write_all(&out).await;
                return;
            }
        };
        request.peer = Some(peer.ip());
        let (head_only, takes_chunks) = (request.method == "HEAD", request.takes_chunks);
        match handler.handle(request).await {
            Answer::Reply(response) => {
                out.clear();
                write_head(&mut out, &response, keep_alive);
                if !head_only {
                    out.extend_from_slice(&response.body);
                }
                if stream.write_all(&out).await.is_err() || !keep_alive {
                    return;
                }
            }
            Answer::Due(response, due) => {
                out.clear();
                write_head(&mut out, &response, keep_alive);
                if !head_only {
                    out.extend_from_slice(&response.body);
                }
                if stream.write_all(&out).await.is_err() {
                    return;
                }
                handler.sent(Duration::from_nanos(monotonic().saturating_sub(due)));
                if !keep_alive {
                    return;
                }
            }
            Answer::Amiss(response, delivery) => {
                out.clear();
                write_head(&mut out, &response, keep_alive);
                let body: &[u8] = if head_only { &[] } else { &response.body };
                let went = deliver(&mut stream, &mut out, body, &delivery).await;
                if delivery.cut.is_some_and(|cut| cut.reset) {
                    reset(&stream);
                }
                if went.is_err() || delivery.cut.is_some() || !keep_alive {
                    return;
                }
            }
            Answer::Stream(response, body, delivery) => {
                out.clear();
                let framing = match body.length {
                    Some(length) => format!("Content-Length: {length}"),
                    None if takes_chunks => "Transfer-Encoding: chunked".into(),
                    None => "Connection: close".into(), // it ends with the connection
                };
                write_stream_head(&mut out, &response, &framing, keep_alive);
                let whole = relay(&mut stream, &mut out, body, &delivery, takes_chunks, head_only).await;
                if delivery.cut.is_some_and(|cut| cut.reset) {
                    reset(&stream);
                }
                if !whole || !keep_alive || framing.starts_with("Connection") {
                    return;
                }
            }
            Answer::Hang => return until_left(&mut stream).await,
            Answer::HangUntil(mut over) => {
                tokio::select! {
                    () = until_left(&mut stream) => {}
                    _ = over.wait_for(|over| *over) => {}
                }
                return;
            }
            Answer::Close => return,
            Answer::Reset => return reset(&stream),
        }
    }
}

/// Sends a head, and a body up to where it is cut, no faster than it may come.
async fn deliver(stream: &mut TcpStream, out: &mut Vec<u8>, body: &[u8], delivery: &Delivery) -> io::Result<()> {
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
    stream: &mut TcpStream,
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
            Some(Ok(piece)) => piece,
            Some(Err(_)) => return false,
            None => {
                let end: &[u8] = if chunked { b"0\r\n\r\n" } else { b"" };
                return stream.write_all(end).await.is_ok();
            }
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
