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
mod tests;
