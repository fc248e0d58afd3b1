//! The small HTTP/1.1 server that stage, practice targets and listeners share. It answers what a handler says, and can
//! do what ordinary servers refuse: never answer, hang up, reset.

use std::future::Future;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Larger heads are refused with 431.
const MAX_HEAD: usize = 64 * 1024;
/// Larger bodies are refused with 413.
const MAX_BODY: usize = 16 * 1024 * 1024;

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

/// A reply. `Content-Length` is added; the connection is kept alive if the client wishes so.
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

    /// The same reply with one header more.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Send a reply.
    Reply(Response),
    /// Never answer; hold the connection until the client leaves.
    Hang,
    /// Never answer; hold the connection until the client leaves, or until the value turns true or its sender is gone:
    /// then close. For a fault whose end must let go of what it holds.
    HangUntil(watch::Receiver<bool>),
    /// Close without an answer.
    Close,
    /// Reset the connection (RST).
    Reset,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Reply(response)
    }
}

/// Answers requests. One handler serves all connections.
pub trait Handler: Send + Sync + 'static {
    /// Decides what to do with a request.
    fn handle(&self, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Serves until dropped: open connections are then closed with it.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let handler = handler.clone();
                    connections.spawn(async move { converse(stream, &*handler).await; });
                }
                // Out of file descriptors, or the peer left before we took the call: neither is fatal.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection, request by request, until either side is done. Errors end it: there is nobody to tell.
async fn converse<H: Handler>(mut stream: TcpStream, handler: &H) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut out = Vec::with_capacity(1024);
    loop {
        let (request, keep_alive) = match read_request(&mut stream, &mut buffer).await {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(status) => {
                write_head(&mut out, &Response::text(status, ""), false);
                let _ = stream.write_all(&out).await;
                return;
            }
        };
        let head_only = request.method == "HEAD";
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
            Answer::Hang => return until_left(&mut stream).await,
            Answer::HangUntil(mut over) => {
                tokio::select! {
                    () = until_left(&mut stream) => {}
                    _ = over.wait_for(|over| *over) => {}
                }
                return;
            }
            Answer::Close => return,
            Answer::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// Waits until the client closes its side; what it still sends is dropped.
async fn until_left(stream: &mut TcpStream) {
    let mut sink = [0; 1024];
    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
}

/// Reads one request; `None` when the client closed between requests, an error status when it cannot be read.
async fn read_request(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<(Request, bool)>, u16> {
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
    let mut request = Request { method: parsed.method.unwrap_or_default().into(), ..Request::default() };
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
async fn read_chunks(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Bytes, u16> {
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

fn write_head(out: &mut Vec<u8>, response: &Response, keep_alive: bool) {
    use std::io::Write;
    let _ = write!(out, "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(out, "Content-Length: {}\r\n", response.body.len());
    out.extend_from_slice(if keep_alive { b"\r\n" } else { b"Connection: close\r\n\r\n" });
}

/// The standard words for a status (RFC 9110).
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// Undoes percent-encoding and `+` for space; what is no valid escape stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        match (escape, bytes[i]) {
            (Some(byte), _) => {
                out.push(byte);
                i += 2;
            }
            (None, b'+') => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes everything but unreserved characters (RFC 3986).
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Held(watch::Receiver<bool>);
    impl Handler for Held {
        async fn handle(&self, _: Request) -> Answer {
            Answer::HangUntil(self.0.clone())
        }
    }

    #[tokio::test]
    async fn what_hangs_can_be_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (over, held) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(Held(held))));
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("writes");
        let mut reply = Vec::new();
        let wait = std::time::Duration::from_millis(30);
        assert!(tokio::time::timeout(wait, stream.read_to_end(&mut reply)).await.is_err(), "it hangs");
        over.send_replace(true);
        stream.read_to_end(&mut reply).await.expect("closed in order");
        assert!(reply.is_empty());
    }

    struct Echo;
    impl Handler for Echo {
        async fn handle(&self, request: Request) -> Answer {
            match request.path.as_str() {
                "/hang" => Answer::Hang,
                "/close" => Answer::Close,
                "/reset" => Answer::Reset,
                _ => Response::text(
                    200,
                    format!(
                        "{} {} [{}]",
                        request.method,
                        request.param("q").unwrap_or_default(),
                        String::from_utf8_lossy(&request.body)
                    ),
                )
                .into(),
            }
        }
    }

    async fn server() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(serve(listener, Arc::new(Echo)));
        address
    }

    async fn talk(raw: &str) -> String {
        let mut stream = TcpStream::connect(server().await).await.expect("connects");
        stream.write_all(raw.as_bytes()).await.expect("writes");
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8_lossy(&reply).into_owned()
    }

    #[tokio::test]
    async fn two_requests_share_a_connection() {
        let reply =
            talk("GET /a?q=x%20y HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                .await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2, "{reply}");
        assert!(reply.contains("GET x y []") && reply.contains("POST  [hi]"), "{reply}");
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        let reply = talk("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
        assert!(reply.ends_with("[abcde]"), "{reply}");
    }

    #[tokio::test]
    async fn nonsense_is_refused_and_hanging_up_is_possible() {
        assert!(talk("what is this\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        assert_eq!(talk("GET /close HTTP/1.1\r\n\r\n").await, "");
        assert_eq!(talk("GET /reset HTTP/1.1\r\n\r\n").await, "");
    }

    #[test]
    fn what_is_encoded_decodes() {
        assert_eq!(decode(&encode("a b/ü+%")), "a b/ü+%");
        assert_eq!(decode("100%"), "100%");
    }
}
