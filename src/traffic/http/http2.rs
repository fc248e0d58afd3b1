//! HTTP/2, by RFC 9113: what a connection begins with, our requests in its form, and its replies in the form of HTTP/1.1,
//! so that whoever judges them need not know.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use hyper::http;

use super::codec::{Answer, MAX_HEAD, MAX_HEADERS};
use super::stream::Stream;
use crate::evidence::reply::Stage;

/// So many bytes of a body may be under way before we have to say that we took them: enough not to hold a server up.
const WINDOW: u32 = 1 << 20;
/// As much for all requests of a connection together.
const ALL_WINDOWS: u32 = 16 << 20;

/// So many requests that we gave up are remembered, so that what still comes of them is no mistake of the server's.
const MAX_RESETS: usize = 1_000;

/// A connection that both sides have agreed on.
pub struct Session {
    /// Begins requests.
    pub sender: SendRequest<Bytes>,
    /// Moves what is written and read; ends with the connection.
    pub driver: Box<Driver>,
}

/// Moves what is written and read.
pub type Driver = Connection<Stream, Bytes>;

/// Begins to speak, and waits for the other side's settings: only they say how many requests it takes at once.
pub async fn begin(stream: Stream) -> Result<Session, String> {
    let begun = Builder::new()
        .initial_max_send_streams(0) // until it has said so itself
        .initial_window_size(WINDOW)
        .initial_connection_window_size(ALL_WINDOWS)
        .max_header_list_size(MAX_HEAD as u32)
        .enable_push(false)
        .max_concurrent_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(None)
        .handshake(stream);
    let (sender, driver) = begun.await.map_err(|e| words(&e))?;
    let mut driver = Box::new(driver);
    poll_fn(|cx| match Pin::new(driver.as_mut()).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err("the connection closed before HTTP/2 was agreed on".to_owned())),
        Poll::Ready(Err(why)) if why.is_io() => Poll::Ready(Err(words(&why))),
        Poll::Ready(Err(_)) => Poll::Ready(Err("what answers does not speak HTTP/2: write `http: 1.1`".to_owned())),
        Poll::Pending if driver.max_concurrent_send_streams() == 0 => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    })
    .await?;
    Ok(Session { sender, driver })
}

/// One of our own requests, as it was put together, in the form of HTTP/2; and its body.
pub fn request(bytes: &[u8], scheme: &str) -> Result<(http::Request<()>, Bytes), String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err("a request without an end".into()),
        Err(why) => return Err(format!("a request that cannot be sent: {why}")),
    };
    let host = parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case("host")).map_or(&b""[..], |h| h.value);
    let uri = format!("{scheme}://{}{}", String::from_utf8_lossy(host), parsed.path.unwrap_or("/"));
    let mut request = http::Request::builder().method(parsed.method.unwrap_or("GET")).uri(uri);
    for header in parsed.headers.iter() {
        // What says whom it is for stands in the URI, and how long the connection lasts in neither.
        if !["host", "connection"].iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            request = request.header(header.name, header.value);
        }
    }
    let request = request.body(()).map_err(|why| format!("a request that cannot be sent: {why}"))?;
    Ok((request, Bytes::copy_from_slice(&bytes[length..])))
}

/// A reply, read whole.
pub struct Reply {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    too_long: bool,
}

impl Reply {
    /// It, as HTTP/1.1 would have it.
    pub fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, head: &self.head, body: &self.body, too_long: self.too_long }
    }
}

/// Why there is no reply.
pub struct Broken {
    /// How far it had come.
    pub stage: Stage,
    /// In words.
    pub why: String,
    /// Whether the connection was about to close and the request was never looked at.
    pub unread: bool,
}

/// Reads a reply. `heard` is told whenever some of it comes, and its status. At most `max_body` bytes of a body are kept;
/// where it is longer, the rest is declined.
pub async fn reply(response: ResponseFuture, max_body: usize, mut heard: impl FnMut(u16)) -> Result<Reply, Broken> {
    let broken = |stage: Stage, why: h2::Error| {
        let closing = why.is_go_away() && why.is_remote() && why.reason() == Some(h2::Reason::NO_ERROR);
        Broken { stage, unread: closing && stage == Stage::Head, why: words(&why) }
    };
    let (parts, mut stream) = response.await.map_err(|why| broken(Stage::Head, why))?.into_parts();
    let status = parts.status.as_u16();
    heard(status);
    if parts.headers.len() > MAX_HEADERS {
        return Err(Broken { stage: Stage::Head, why: format!("more than {MAX_HEADERS} headers"), unread: false });
    }
    let mut head = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for (name, value) in &parts.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let (mut body, mut too_long) = (Vec::new(), false);
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(|why| broken(Stage::Body, why))?;
        heard(status);
        let _ = stream.flow_control().release_capacity(piece.len());
        let room = max_body - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            too_long = true;
            break;
        }
    }
    Ok(Reply { status, head, body, too_long })
}

/// What went wrong, in words.
pub fn words(why: &h2::Error) -> String {
    let reason = why.reason();
    let reason = reason.as_ref().map_or("no reason", |reason| reason.description());
    match why {
        _ if why.is_io() => why.to_string(),
        _ if why.is_go_away() && why.is_remote() => format!("the server closed the HTTP/2 connection: {reason}"),
        _ if why.is_reset() && why.is_remote() => format!("the server reset the HTTP/2 stream: {reason}"),
        _ if why.is_library() => format!("what came is no HTTP/2: {reason}"),
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_the_same_in_both_forms() {
        let bytes = b"POST /v1/x?n=1 HTTP/1.1\r\nHost: [::1]:80\r\nUser-Agent: us\r\nX-A: 1\r\nConnection: close\r\n\
                      Content-Length: 2\r\ntraceparent: 00-1\r\n\r\n{}";
        let (request, body) = request(bytes, "https").expect("a request");
        assert_eq!((request.method().as_str(), &body[..]), ("POST", &b"{}"[..]));
        assert_eq!(request.uri().to_string(), "https://[::1]:80/v1/x?n=1");
        let headers: Vec<(&str, &[u8])> = request.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("user-agent", b"us"), ("x-a", b"1"), ("content-length", b"2"), ("traceparent", b"00-1")];
        assert_eq!(headers, expected);
    }
}
