//! Requests, and reading one from a connection.

use std::net::IpAddr;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::percent::decode;
use super::reply::{Framing, next_piece};

/// Larger heads are refused with 431.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// Larger bodies are refused with 413, except where they are taken as they come.
pub const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Upper case, as sent.
    pub method: String,
    /// Without the query, still percent-encoded.
    pub path: String,
    /// After the `?`, still percent-encoded; empty when there is none.
    pub query: String,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    /// Decoded from chunks where it came in chunks; empty where it is taken as it comes.
    pub body: Bytes,
    /// Who sent it, where that is known.
    pub peer: Option<IpAddr>,
    /// Whether who sent it takes a reply in chunks, as HTTP/1.1 has it.
    pub takes_chunks: bool,
}

impl Request {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The first query parameter of this name, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

/// A request whose body has not been read yet.
pub(super) struct Begun {
    /// The request, without its body.
    pub request: Request,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection can be used again when it has.
    pub keep_alive: bool,
}

/// How much of a body was read.
pub(super) enum Body {
    /// All of it.
    Whole(Bytes),
    /// As much as was asked for; there is more.
    Longer(Vec<Bytes>),
}

/// Reads the head of a request; `None` when the client closed between requests, an error status when it cannot be read.
pub(super) async fn read_begin<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
) -> Result<Option<Begun>, u16> {
    loop {
        if let Some((begun, head)) = parse_head(buffer)? {
            buffer.advance(head);
            return Ok(Some(begun));
        }
        if buffer.len() > MAX_HEAD {
            return Err(431);
        }
        if stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(400) };
        }
    }
}

/// Reads a body, if it is no longer than `most`; else about as much of it. An error status when it cannot be read.
pub(super) async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    framing: &mut Framing,
    most: usize,
) -> Result<Body, u16> {
    if framing.length().is_some_and(|length| length > most as u64) {
        return Ok(Body::Longer(Vec::new()));
    }
    let (mut pieces, mut length) = (Vec::new(), 0);
    while length <= most {
        match next_piece(stream, buffer, framing).await.map_err(|_| 400u16)? {
            Some(piece) => {
                length += piece.len();
                pieces.push(piece);
            }
            None if pieces.len() == 1 => return Ok(Body::Whole(pieces.remove(0))),
            None => return Ok(Body::Whole(pieces.concat().into())),
        }
    }
    Ok(Body::Longer(pieces))
}

/// The request without its body, and how long its head is.
fn parse_head(buffer: &[u8]) -> Result<Option<(Begun, usize)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let mut framing = Framing::Done;
    let mut keep_alive = parsed.version == Some(1);
    let mut request = Request {
        method: parsed.method.unwrap_or_default().into(),
        takes_chunks: parsed.version == Some(1),
        ..Request::default()
    };
    let (path, query) = parsed.path.unwrap_or("/").split_once('?').unwrap_or((parsed.path.unwrap_or("/"), ""));
    request.path = path.into();
    request.query = query.into();
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        if header.name.eq_ignore_ascii_case("content-length") {
            // Chunks say themselves where they end.
            let length = value.trim().parse().map_err(|_| 400u16)?;
            framing = if framing == Framing::Chunks { framing } else { Framing::Length(length) };
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunks;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep_alive = if value.eq_ignore_ascii_case("close") {
                false
            } else {
                keep_alive || value.eq_ignore_ascii_case("keep-alive")
            };
        }
        request.headers.push((header.name.into(), value));
    }
    Ok(Some((Begun { request, framing, keep_alive }, head)))
}
