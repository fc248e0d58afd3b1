//! Passing requests on to a real upstream: what the service says is said there, and what is answered there comes back.
//! Headers that are about a connection stay on theirs (RFC 9110, 7.6.1), and `Host` names the upstream.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::base::httpd::{Request, Response, Unreadable, read_reply};
use crate::base::net::Address;

/// How long an upstream may take for a reply, from the first try to connect to the end of the body.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most connections that are kept for later.
const IDLE: usize = 256;
/// Headers that are about one connection.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A real upstream.
pub struct Forward {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Line>>,
    told: Mutex<BTreeSet<&'static str>>,
}

/// Why there is no reply from a real upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers there.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    /// TLS could not be agreed on.
    #[error("no TLS with {0}: {1}")]
    Tls(String, String),
    /// The connection broke, or what came is no reply.
    #[error("{0}: {1}")]
    Broken(String, String),
    /// It took too long.
    #[error("{0}: no reply within a minute")]
    Silent(String),
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, and what came on it that nobody has read.
struct Line {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

impl Forward {
    /// Passes on to an address; nothing is connected yet. `Err` says what keeps it from being one.
    pub fn new(url: &str) -> Result<Forward, String> {
        let address = Address::parse(url)?;
        let tls = match address.tcp().filter(|_| address.is_tls()) {
            Some((host, _)) => Some((connector()?, name(host)?)),
            None => None,
        };
        Ok(Forward { address, tls, idle: Mutex::default(), told: Mutex::default() })
    }

    /// Passes a request on, and returns what is answered.
    pub async fn pass(&self, request: &Request) -> Result<Response, Trouble> {
        let silent = || Trouble::Silent(self.address.to_string());
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.unwrap_or_else(|_| Err(silent()))
    }

    /// What to say of a kind of trouble, the first time that it comes.
    pub fn first(&self, trouble: &Trouble) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(trouble.word())
            .then(|| format!("a real upstream fails, which is no fault of the scenario: {trouble}"))
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Trouble> {
        let bytes = self.written(request);
        // A connection that was kept may close just as we speak: who may ask twice does, on a new one.
        let repeatable = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(&request.method.as_str());
        if let Some(line) = self.kept() {
            match self.ask(line, &bytes, &request.method).await {
                Err(Unreadable::Nothing) if repeatable => {}
                Err(why) => return Err(self.broken(why)),
                Ok(reply) => return Ok(reply),
            }
        }
        let line = self.connect().await?;
        self.ask(line, &bytes, &request.method).await.map_err(|why| self.broken(why))
    }

    async fn ask(&self, mut line: Line, bytes: &[u8], method: &str) -> Result<Response, Unreadable> {
        // An upstream may refuse before it has read everything: what it says is read all the same.
        let written = line.stream.write_all(bytes).await;
        let flushed = line.stream.flush().await;
        let (mut reply, keep) = read_reply(&mut line.stream, &mut line.buffer, method).await?;
        if keep && line.buffer.is_empty() && written.is_ok() && flushed.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(line);
            }
        }
        // Only a reply without a body says itself how long the body is.
        let bodiless = method == "HEAD" || reply.status == 304;
        reply.headers = passed_on(&reply.headers, |name| name != "content-length" || bodiless).collect();
        Ok(reply)
    }

    /// A connection that was kept and is still open.
    fn kept(&self) -> Option<Line> {
        loop {
            let mut line = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let mut byte = [0];
            let mut read = ReadBuf::new(&mut byte);
            // Nothing may come unasked: neither an end nor a byte.
            let stream = Pin::new(&mut line.stream);
            if stream.poll_read(&mut Context::from_waker(Waker::noop()), &mut read).is_pending() {
                return Some(line);
            }
        }
    }

    async fn connect(&self) -> Result<Line, Trouble> {
        let at = || self.address.to_string();
        let refused = |e: std::io::Error| Trouble::Connect(at(), e.to_string());
        let stream: Box<dyn Stream> = match (self.address.tcp(), self.address.socket(), &self.tls) {
            (Some(place), _, tls) => {
                let tcp = TcpStream::connect(place).await.map_err(refused)?;
                let _ = tcp.set_nodelay(true);
                match tls {
                    None => Box::new(tcp),
                    Some((connector, name)) => {
                        let agreed = connector.connect(name.clone(), tcp).await;
                        Box::new(agreed.map_err(|e| Trouble::Tls(at(), e.to_string()))?)
                    }
                }
            }
            (None, socket, _) => Box::new(UnixStream::connect(socket.unwrap_or_default()).await.map_err(refused)?),
        };
        Ok(Line { stream, buffer: BytesMut::new() })
    }

    /// The request as it is sent there.
    fn written(&self, request: &Request) -> Vec<u8> {
        use std::io::Write;
        let mut out = Vec::with_capacity(512 + request.body.len());
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let _ = write!(out, "{} {}{}{query} HTTP/1.1\r\n", request.method, self.address.base, request.path);
        let _ = write!(out, "Host: {}\r\n", self.address.authority());
        let ours = ["host", "content-length", "expect"];
        for (name, value) in passed_on(&request.headers, |name| !ours.contains(&name)) {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        let said = request.header("content-length").or(request.header("transfer-encoding")).is_some();
        if said || !request.body.is_empty() {
            let _ = write!(out, "Content-Length: {}\r\n", request.body.len());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&request.body);
        out
    }

    fn broken(&self, why: Unreadable) -> Trouble {
        Trouble::Broken(self.address.to_string(), why.to_string())
    }
}

impl Trouble {
    /// The word for it.
    fn word(&self) -> &'static str {
        match self {
            Trouble::Connect(..) => "connect",
            Trouble::Tls(..) => "tls",
            Trouble::Broken(..) => "broken",
            Trouble::Silent(_) => "silent",
        }
    }

    /// What the service is told: 502, or 504 when it took too long, with a header that no fault writes.
    pub fn reply(&self) -> Response {
        let status = if matches!(self, Trouble::Silent(_)) { 504 } else { 502 };
        let body = serde_json::json!({ "error": self.to_string(), "code": status });
        Response::json(status, &body).with("X-Proofload-Upstream", self.word())
    }
}

/// Headers that go further than one connection, and that are wanted (by their name in lower case).
fn passed_on<'a>(
    headers: &'a [(String, String)],
    wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = (String, String)> + 'a {
    let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named: Vec<String> =
        named.flat_map(|(_, value)| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let goes = move |name: &String| {
        let name = name.to_ascii_lowercase();
        !HOP_BY_HOP.contains(&name.as_str()) && !named.contains(&name) && wanted(&name)
    };
    headers.iter().filter(move |(name, _)| goes(name)).cloned()
}

/// What TLS begins with: the system's certificates are trusted.
fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this system trusts no certificate at all: install its ca-certificates, or name them by SSL_CERT_FILE"
                .into(),
        );
    }
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` is no name that a certificate can have"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    /// An upstream that answers every request with these bytes, and closes if told; what it was asked comes out.
    async fn upstream(reply: Vec<u8>, close: bool) -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/base", listener.local_addr().expect("bound"));
        let (asked, hear) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (reply, asked) = (reply.clone(), asked.clone());
                tokio::spawn(async move {
                    let mut buffer = BytesMut::new();
                    loop {
                        let text = String::from_utf8_lossy(&buffer).into_owned();
                        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, _)| {
                            let length =
                                head.split("\r\nContent-Length: ").nth(1).and_then(|l| l.lines().next()?.parse().ok());
                            buffer.len() >= head.len() + 4 + length.unwrap_or(0)
                        });
                        if whole {
                            let _ = asked.send(buffer.split().to_vec());
                            let _ = stream.write_all(&reply).await;
                            if close {
                                return;
                            }
                        } else if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                });
            }
        });
        (url, hear)
    }

    fn request(method: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let body = Bytes::copy_from_slice(body);
        Request { method: method.into(), path: "/v6/quote".into(), query: "a=%20b".into(), headers, body, peer: None }
    }

    #[tokio::test]
    async fn what_is_about_the_connection_stays_and_the_rest_goes_on() {
        let reply =
            b"HTTP/1.1 203 Fine\r\nX-Odd: Case\r\nset-cookie: a\r\nSet-Cookie: b\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                      Keep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let (url, mut hear) = upstream(reply.to_vec(), false).await;
        let forward = Forward::new(&url).expect("an address");
        let headers = [
            ("Host", "stub"),
            ("traceparent", "00-aa-bb-01"),
            ("X-A", "1"),
            ("x-a", "2"),
            ("Connection", "close, X-Mine"),
            ("x-mine", "3"),
            ("TE", "trailers"),
            ("Content-Length", "2"),
        ];
        let answered = forward.pass(&request("POST", &headers, b"ok")).await.expect("a reply");
        let asked = String::from_utf8(hear.recv().await.expect("asked")).expect("text");
        let host = url.trim_start_matches("http://").trim_end_matches("/base");
        let expected = format!(
            "POST /base/v6/quote?a=%20b HTTP/1.1\r\nHost: {host}\r\ntraceparent: 00-aa-bb-01\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nok"
        );
        assert_eq!(asked, expected);
        let pairs = [("X-Odd", "Case"), ("set-cookie", "a"), ("Set-Cookie", "b")];
        assert_eq!(answered.headers, pairs.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!((answered.status, answered.body.as_ref()), (203, b"hi".as_slice()));
    }

    #[tokio::test]
    async fn connections_are_kept_and_those_that_closed_are_replaced() {
        for close in [false, true] {
            let (url, mut hear) = upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec(), close).await;
            let forward = Forward::new(&url).expect("an address");
            for _ in 0..3 {
                assert_eq!(forward.pass(&request("GET", &[], b"")).await.expect("a reply").status, 200);
                hear.recv().await.expect("asked");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(forward.idle.lock().expect("no panic").len(), 1);
        }
    }

    #[tokio::test]
    async fn an_upstream_that_fails_is_told_apart_and_once() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", nobody.local_addr().expect("bound"));
        drop(nobody);
        let forward = Forward::new(&url).expect("an address");
        let trouble = forward.pass(&request("GET", &[], b"")).await.expect_err("nobody is there");
        assert!(matches!(trouble, Trouble::Connect(..)), "{trouble}");
        let reply = trouble.reply();
        assert_eq!(reply.status, 502);
        assert!(reply.headers.contains(&("X-Proofload-Upstream".into(), "connect".into())));
        assert!(forward.first(&trouble).is_some_and(|note| note.contains("no fault")));
        assert_eq!(forward.first(&trouble), None);

        let (url, _hear) = upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi".to_vec(), true).await;
        let forward = Forward::new(&url).expect("an address");
        let trouble = forward.pass(&request("POST", &[], b"")).await.expect_err("torn");
        assert!(matches!(trouble, Trouble::Broken(..)), "{trouble}");
        assert!(forward.first(&trouble).is_some(), "another kind");
    }

    /// Bodies in the three ways in which HTTP/1.1 frames them.
    fn framed(body: &[u8], how: u8, piece: usize) -> Vec<u8> {
        let mut reply = b"HTTP/1.1 200 OK\r\nX-Kept: yes\r\n".to_vec();
        match how {
            0 => {
                reply.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
                reply.extend_from_slice(body);
            }
            1 => {
                reply.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(piece) {
                    reply.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    reply.extend_from_slice(chunk);
                    reply.extend_from_slice(b"\r\n");
                }
                reply.extend_from_slice(b"0\r\n\r\n");
            }
            _ => {
                reply.extend_from_slice(b"\r\n");
                reply.extend_from_slice(body);
            }
        }
        reply
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Through the whole stage, when no fault is on: every byte of a body, both ways.
        #[test]
        fn what_is_passed_on_is_passed_on_to_the_byte(
            sent in proptest::collection::vec(any::<u8>(), 0..5000),
            back in proptest::collection::vec(any::<u8>(), 0..70_000),
            how in 0u8..3,
            piece in 1usize..9000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let (asked, answered) = runtime.block_on(async {
                let (url, mut hear) = upstream(framed(&back, how, piece), how == 2).await;
                let mut config = super::super::testing::config();
                config.upstreams[0].forward = Some(url);
                let world = super::super::world::World::open(&config, mpsc::unbounded_channel().0).await.expect("opens");
                let place = world.upstreams[0].1.trim_start_matches("http://").to_owned();
                let mut service = TcpStream::connect(place).await.expect("connects");
                let head = format!("POST /x HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", sent.len());
                service.write_all(head.as_bytes()).await.expect("writes");
                service.write_all(&sent).await.expect("writes");
                let mut answered = Vec::new();
                service.read_to_end(&mut answered).await.expect("reads");
                (hear.recv().await.expect("asked"), answered)
            });
            let body = |bytes: &[u8]| {
                let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
                bytes[end..].to_vec()
            };
            prop_assert_eq!(body(&asked), sent);
            prop_assert!(answered.starts_with(b"HTTP/1.1 200 OK\r\nX-Kept: yes\r\n"));
            prop_assert_eq!(body(&answered), back);
        }
    }
}
