//! Reading a reply, for those who pass requests on.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Response;
use super::request::{MAX_BODY, MAX_HEAD, read_chunks};

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

/// Reads the reply to a request of this method, with its body whole; headers as they came. The second value says whether
/// the connection can be used again.
pub async fn read_reply<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    method: &str,
) -> Result<(Response, bool), Unreadable> {
    loop {
        let (mut response, head, minor) = read_head(stream, buffer).await?;
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
        response.body = if none {
            Bytes::new()
        } else if says("transfer-encoding").ends_with("chunked") {
            read_chunks(stream, buffer).await.map_err(|status| match status {
                413 | 431 => Unreadable::TooLarge,
                _ => Unreadable::Torn,
            })?
        } else if length.is_empty() {
            keep = false;
            while more(stream, buffer).await? {}
            buffer.split().freeze()
        } else {
            let length: usize = length.trim().parse().map_err(|_| Unreadable::Nonsense)?;
            if length > MAX_BODY {
                return Err(Unreadable::TooLarge);
            }
            while buffer.len() < length {
                if !more(stream, buffer).await? {
                    return Err(Unreadable::Torn);
                }
            }
            buffer.split_to(length).freeze()
        };
        return Ok((response, keep));
    }
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
