//! Replies, and how their heads are written.

use bytes::Bytes;

/// A reply. `Content-Length` is added where it is not given, unless it says that there is no content (204); the connection is
/// kept alive if the client wishes so.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200, 429, …
    pub status: u16,
    /// Written as they are, in order.
    pub headers: Vec<(String, String)>,
    /// Written whole.
    pub body: Bytes,
}

impl Response {
    /// A reply with a body of the given media type.
    pub fn new(status: u16, media: &str, body: impl Into<Bytes>) -> Response {
        Response { status, headers: vec![("Content-Type".into(), media.into())], body: body.into() }
    }

    /// A JSON reply.
    pub fn json(status: u16, body: &serde_json::Value) -> Response {
        Response::new(status, "application/json", body.to_string())
    }

    /// A plain-text reply.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", body)
    }

    /// The same reply as a HEAD gets it: it says how long its body would be.
    pub fn without_body(self) -> Response {
        let length = self.body.len().to_string();
        let reply = Response { body: Bytes::new(), ..self };
        reply.with("Content-Length", length)
    }

    /// The same reply with one header more.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Writes what stands before the body.
pub(super) fn write_head(out: &mut Vec<u8>, response: &Response, keep_alive: bool) {
    use std::io::Write;
    let _ = write!(out, "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    // A reply without a body to a HEAD says how long it would be; one that never has a body says nothing.
    let given = response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !given && response.status >= 200 && response.status != 204 {
        let _ = write!(out, "Content-Length: {}\r\n", response.body.len());
    }
    out.extend_from_slice(if keep_alive { b"\r\n" } else { b"Connection: close\r\n\r\n" });
}

/// Writes what stands before a body that is not here yet; `framing` is the header that says how its end is known.
pub(super) fn write_stream_head(out: &mut Vec<u8>, response: &Response, framing: &str, keep_alive: bool) {
    use std::io::Write;
    let _ = write!(out, "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(out, "{framing}\r\n");
    let said = framing.starts_with("Connection");
    out.extend_from_slice(if keep_alive || said { b"\r\n" } else { b"Connection: close\r\n\r\n" });
}

/// The standard words for a status (RFC 9110).
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        418 => "I'm a teapot",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
