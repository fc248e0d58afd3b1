//! Requests, and reading one from a connection.

use std::net::IpAddr;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::percent::decode;

/// Larger heads are refused with 431.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// Larger bodies are refused with 413.
pub const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request, read whole.
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
    /// Decoded from chunks where it came in chunks.
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

/// Reads one request; `None` when the client closed between requests, an error status when it cannot be read.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<(Request, bool)>, u16> {
    let (mut request, head, length, keep_alive) = loop {
        if let Some(parsed) = parse_head(buffer)? {
            break parsed;
        }
        if buffer.len() > MAX_HEAD {
            return Err(431);
        }
        if stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(400) };
        }
    };
    buffer.advance(head);
    request.body = match length {
        Length::Fixed(n) if n > MAX_BODY => return Err(413),
        Length::Fixed(n) => {
            while buffer.len() < n {
                if stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
                    return Err(400);
                }
            }
            buffer.split_to(n).freeze()
        }
        Length::Chunked => read_chunks(stream, buffer).await?,
    };
    Ok(Some((request, keep_alive)))
}

enum Length {
    Fixed(usize),
    Chunked,
}

/// The request without its body, how long its head is, how long the body, and whether to keep the connection.
fn parse_head(buffer: &[u8]) -> Result<Option<(Request, usize, Length, bool)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let mut length = Length::Fixed(0);
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
            length = Length::Fixed(value.trim().parse().map_err(|_| 400u16)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep_alive = if value.eq_ignore_ascii_case("close") {
                false
            } else {
                keep_alive || value.eq_ignore_ascii_case("keep-alive")
            };
        }
        request.headers.push((header.name.into(), value));
    }
    Ok(Some((request, head, length, keep_alive)))
}

/// Reads a chunked body; trailers are read and dropped.
pub(super) async fn read_chunks<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<Bytes, u16> {
    let mut body = BytesMut::new();
    loop {
        let (skip, size) = loop {
            match httparse::parse_chunk_size(buffer) {
                Ok(httparse::Status::Complete(found)) => break found,
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(400),
            }
            if stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
                return Err(400);
            }
        };
        let size = usize::try_from(size).map_err(|_| 413u16)?;
        if body.len() + size > MAX_BODY {
            return Err(413);
        }
        buffer.advance(skip);
        if size == 0 {
            loop {
                if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
                    buffer.advance(end + 2);
                    if end == 0 {
                        return Ok(body.freeze());
                    }
                    continue;
                }
                if buffer.len() > MAX_HEAD || stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
                    return Err(400);
                }
            }
        }
        while buffer.len() < size + 2 {
            if stream.read_buf(buffer).await.map_err(|_| 400u16)? == 0 {
                return Err(400);
            }
        }
        body.extend_from_slice(&buffer[..size]);
        buffer.advance(size + 2);
    }
}
