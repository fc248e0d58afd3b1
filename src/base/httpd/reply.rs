//! Reading a reply, for those who pass requests on.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Response;
use super::request::{MAX_BODY, MAX_HEAD};

/// How much of a body is read at once, in bytes.
const PIECE: usize = 32 * 1024;

/// Why a reply could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The connection ended before any of it.
    #[error("the connection was closed without a reply")]
    Nothing,
    /// The connection ended within it.
    #[error("the connection was closed within a reply")]
    Torn,
    /// It is no HTTP/1.1.
    #[error("the reply is no HTTP/1.1")]
    Nonsense,
    /// Its head or its body is larger than we take.
    #[error("the reply is larger than 16 MB, or its head than 64 KiB")]
    TooLarge,
}

/// How the end of a body is known, and how much of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing is left.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of a chunk are left; after the last the end of it.
    Chunk(u64),
    /// The next chunk says how long it is.
    Chunks,
    /// It ends with the connection.
    ToEnd,
}

impl Framing {
    /// How long the body is, where that is known before it has come.
    pub fn length(self) -> Option<u64> {
        match self {
            Framing::Done => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunk(_) | Framing::Chunks | Framing::ToEnd => None,
        }
    }
}

/// A reply whose body has not been read yet.
#[derive(Debug, Clone)]
pub struct Head {
    /// The reply, without its body; headers as they came.
    pub response: Response,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection can be used again when it has.
    pub keep: bool,
}

/// Reads the head of the reply to a request of this method.
pub async fn read_begin<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    method: &str,
) -> Result<Head, Unreadable> {
    loop {
        let (response, head, minor) = read_head(stream, buffer).await?;
        buffer.advance(head);
        // Word that it will come, and not it.
        if (100..200).contains(&response.status) && response.status != 101 {
            continue;
        }
        let says = |name: &str| {
            let all = response.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            all.map(|(_, value)| value.to_ascii_lowercase()).collect::<Vec<_>>().join(",")
        };
        let (connection, length) = (says("connection"), says("content-length"));
        let mut keep = if minor == 1 { !connection.contains("close") } else { connection.contains("keep-alive") };
        let none = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
        let framing = if none {
            Framing::Done
        } else if says("transfer-encoding").ends_with("chunked") {
            Framing::Chunks
        } else if length.is_empty() {
            keep = false;
            Framing::ToEnd
        } else {
            Framing::Length(length.trim().parse().map_err(|_| Unreadable::Nonsense)?)
        };
        return Ok(Head { response, framing, keep });
    }
}

/// The next piece of a body, as much as has come; `None` at its end, with trailers read and dropped.
pub async fn next_piece<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    framing: &mut Framing,
) -> Result<Option<Bytes>, Unreadable> {
    loop {
        match *framing {
            Framing::Done | Framing::Length(0) => {
                *framing = Framing::Done;
                return Ok(None);
            }
            Framing::Length(left) | Framing::Chunk(left) if left > 0 => {
                if buffer.is_empty() && !further(stream, buffer).await? {
                    return Err(Unreadable::Torn);
                }
                let now = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - now as u64;
                *framing =
                    if matches!(*framing, Framing::Chunk(_)) { Framing::Chunk(left) } else { Framing::Length(left) };
                return Ok(Some(buffer.split_to(now).freeze()));
            }
            Framing::Length(_) | Framing::Chunk(_) => {
                // A chunk ends with a line's end of its own.
                fill(stream, buffer, 2).await?;
                buffer.advance(2);
                *framing = Framing::Chunks;
            }
            Framing::Chunks => {
                let (skip, size) = loop {
                    match httparse::parse_chunk_size(buffer) {
                        Ok(httparse::Status::Complete(found)) => break found,
                        Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => {}
                        _ => return Err(Unreadable::Torn),
                    }
                    if !further(stream, buffer).await? {
                        return Err(Unreadable::Torn);
                    }
                };
                buffer.advance(skip);
                if size == 0 {
                    trailers(stream, buffer).await?;
                    *framing = Framing::Done;
                    return Ok(None);
                }
                *framing = Framing::Chunk(size);
            }
            Framing::ToEnd => {
                if buffer.is_empty() && !further(stream, buffer).await? {
                    *framing = Framing::Done;
                    return Ok(None);
                }
                return Ok(Some(buffer.split().freeze()));
            }
        }
    }
}

/// Reads some more of a body; `false` at the end.
async fn further<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<bool, Unreadable> {
    // As much at once as there is: what is passed on is passed on in as few pieces as it comes in.
    buffer.reserve(PIECE);
    more(stream, buffer).await.map_err(|why| if why == Unreadable::Nothing { Unreadable::Torn } else { why })
}

/// Reads until there are so many bytes.
async fn fill<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, bytes: usize) -> Result<(), Unreadable> {
    while buffer.len() < bytes {
        if !further(stream, buffer).await? {
            return Err(Unreadable::Torn);
        }
    }
    Ok(())
}

/// Reads what follows the last chunk, up to an empty line.
async fn trailers<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<(), Unreadable> {
    loop {
        if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
            buffer.advance(end + 2);
            if end == 0 {
                return Ok(());
            }
            continue;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Unreadable::TooLarge);
        }
        fill(stream, buffer, buffer.len() + 1).await?;
    }
}

/// Reads the reply to a request of this method, with its body whole; headers as they came. The second value says whether
/// the connection can be used again.
pub async fn read_reply<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    method: &str,
) -> Result<(Response, bool), Unreadable> {
    let Head { mut response, mut framing, keep } = read_begin(stream, buffer, method).await?;
    response.body = read_whole(stream, buffer, &mut framing).await?;
    Ok((response, keep))
}

/// Reads a body whole, up to 16 MB.
pub async fn read_whole<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    framing: &mut Framing,
) -> Result<Bytes, Unreadable> {
    if framing.length().is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Unreadable::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(piece) = next_piece(stream, buffer, framing).await? {
        if body.len() + piece.len() > MAX_BODY {
            return Err(Unreadable::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The reply without its body, how long its head is, and the minor version of HTTP.
async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
) -> Result<(Response, usize, u8), Unreadable> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 96];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(buffer) {
            Ok(httparse::Status::Complete(head)) => {
                let pair =
                    |h: &httparse::Header<'_>| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned());
                let headers = parsed.headers.iter().map(pair).collect();
                let status = parsed.code.ok_or(Unreadable::Nonsense)?;
                let minor = parsed.version.ok_or(Unreadable::Nonsense)?;
                return Ok((Response { status, headers, body: Bytes::new() }, head, minor));
            }
            Ok(httparse::Status::Partial) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::TooLarge),
            Err(_) => return Err(Unreadable::Nonsense),
        }
        if buffer.len() > MAX_HEAD {
            return Err(Unreadable::TooLarge);
        }
        if !more(stream, buffer).await? {
            return Err(if buffer.is_empty() { Unreadable::Nothing } else { Unreadable::Torn });
        }
    }
}

/// Reads some more; `false` at the end.
async fn more<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<bool, Unreadable> {
    if buffer.len() > MAX_BODY + MAX_HEAD {
        return Err(Unreadable::TooLarge);
    }
    let torn = if buffer.is_empty() { Unreadable::Nothing } else { Unreadable::Torn };
    stream.read_buf(buffer).await.map(|n| n > 0).map_err(|_| torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut raw: &[u8], method: &str) -> Result<(Response, bool), Unreadable> {
        read_reply(&mut raw, &mut BytesMut::new(), method).await
    }

    async fn body(raw: &str) -> (u16, String, bool) {
        let (reply, keep) = read(raw.as_bytes(), "GET").await.expect("readable");
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned(), keep)
    }

    #[tokio::test]
    async fn a_body_ends_as_its_head_says() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiXX").await, (200, "hi".into(), true));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
        assert_eq!(body(chunked).await, (200, "abc".into(), true));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nto the end").await, (200, "to the end".into(), false));
        assert_eq!(body("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na").await, (200, "a".into(), false));
        assert_eq!(body("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await, (204, String::new(), false));
        assert_eq!(body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.0, 201);
        let (head, keep) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD").await.expect("readable");
        assert!(head.body.is_empty() && keep);
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_why() {
        for (raw, why) in [
            ("", Unreadable::Nothing),
            ("HTTP/1.1 200 OK\r\nConte", Unreadable::Torn),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", Unreadable::Torn),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", Unreadable::Torn),
            ("SSH-2.0-OpenSSH\r\n", Unreadable::Nonsense),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Unreadable::Nonsense),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", Unreadable::TooLarge),
        ] {
            assert_eq!(read(raw.as_bytes(), "GET").await.map(|r| r.0.status), Err(why), "{raw}");
        }
    }
}
