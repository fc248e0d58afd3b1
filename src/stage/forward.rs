//! Passing requests on to a real upstream: what the service says is said there, and what is answered there comes back, piece by
//! piece as it comes. Headers that are about a connection stay on theirs (RFC 9110, 7.6.1), and `Host` names the upstream.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::TlsConfig;
use crate::base::httpd::{self, Framing, Head, Request, Response, Unreadable, next_piece, read_begin, read_whole};
use crate::base::net::Address;
use crate::base::tls::{self, Trust};

/// How long an upstream may take from the first try to connect to the head of its reply, and for each piece of the body.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many pieces of a body wait for the service to take them; then the upstream waits.
const AHEAD: usize = 2;
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
    idle: Arc<Mutex<Vec<Line>>>,
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
    /// Who asked broke off within the request.
    #[error("whoever asked broke off within the request")]
    Left,
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, and what came on it that nobody has read.
struct Line {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

/// What a real upstream answers, as far as it has come.
pub struct Passed {
    /// Without its body; a length is said only where there is none.
    pub response: Response,
    framing: Framing,
    keep: bool,
    line: Line,
    idle: Arc<Mutex<Vec<Line>>>,
    address: String,
}

impl Forward {
    /// Passes on to an address; nothing is connected yet. `Err` says what keeps it from being one.
    pub fn new(url: &str, terms: Option<&TlsConfig>) -> Result<Forward, String> {
        let address = Address::parse(url)?;
        let tls = match address.tcp().filter(|_| address.is_tls()) {
            Some((host, _)) => {
                let named = terms.and_then(|terms| terms.name.as_deref()).unwrap_or(host);
                Some((connector(terms)?, tls::name(named)?))
            }
            None => None,
        };
        Ok(Forward { address, tls, idle: Arc::default(), told: Mutex::default() })
    }

    /// Passes a request on, and returns what is answered, whose body is still to come. The body of the request is in it, or
    /// comes as it comes.
    pub async fn pass(&self, request: &Request, body: Option<httpd::Stream>) -> Result<Passed, Trouble> {
        match body {
            Some(body) => self.upload(request, body).await,
            None => self.patiently(self.exchange(request)).await,
        }
    }

    /// What to say of a kind of trouble, the first time that it comes.
    pub fn first(&self, trouble: &Trouble) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(trouble.word())
            .then(|| format!("a real upstream fails, which is no fault of the scenario: {trouble}"))
    }

    /// What a part of an exchange comes to, unless that takes too long.
    async fn patiently<T>(&self, part: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let silent = || Trouble::Silent(self.address.to_string());
        tokio::time::timeout(PATIENCE, part).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn exchange(&self, request: &Request) -> Result<Passed, Trouble> {
        let mut bytes = self.head(request, Some(request.body.len() as u64));
        bytes.extend_from_slice(&request.body);
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

    /// Passes a request on whose body is not here yet. It cannot be said a second time: so it goes on a connection of its own,
    /// which nobody uses before or after.
    async fn upload(&self, request: &Request, body: httpd::Stream) -> Result<Passed, Trouble> {
        let Line { stream, mut buffer } = self.patiently(self.connect()).await?;
        let (mut from, to) = tokio::io::split(stream);
        let head = self.head(request, body.length);
        let mut saying = Box::pin(say(to, head, body));
        let head = {
            let reading = read_begin(&mut from, &mut buffer, &request.method);
            tokio::pin!(reading);
            tokio::select! {
                // An upstream may answer before it has heard everything, and then hears the rest.
                head = &mut reading => {
                    tokio::spawn(saying);
                    head
                }
                said = &mut saying => match said {
                    Err(Cut::Client) => return Err(Trouble::Left),
                    Err(Cut::Silent) => return Err(Trouble::Silent(self.address.to_string())),
                    Ok(()) | Err(Cut::Upstream) => self.patiently(async { Ok(reading.await) }).await?,
                }
            }
        };
        let stream: Box<dyn Stream> = Box::new(tokio::io::join(from, tokio::io::sink()));
        let head = head.map_err(|why| self.broken(why))?;
        Ok(self.passed(Head { keep: false, ..head }, Line { stream, buffer }, &request.method))
    }

    async fn ask(&self, mut line: Line, bytes: &[u8], method: &str) -> Result<Passed, Unreadable> {
        // An upstream may refuse before it has read everything: what it says is read all the same.
        let written = line.stream.write_all(bytes).await;
        let flushed = line.stream.flush().await;
        let head = read_begin(&mut line.stream, &mut line.buffer, method).await?;
        let keep = head.keep && written.is_ok() && flushed.is_ok();
        Ok(self.passed(Head { keep, ..head }, line, method))
    }

    /// A reply of which the head has come.
    fn passed(&self, Head { mut response, framing, keep }: Head, line: Line, method: &str) -> Passed {
        // Only a reply without a body says itself how long the body is.
        let bodiless = method == "HEAD" || response.status == 304;
        response.headers = passed_on(&response.headers, |name| name != "content-length" || bodiless).collect();
        Passed { response, framing, keep, line, idle: self.idle.clone(), address: self.address.to_string() }
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
        let refused = |e: io::Error| Trouble::Connect(at(), e.to_string());
        let stream: Box<dyn Stream> = match (self.address.tcp(), self.address.socket(), &self.tls) {
            (Some(place), _, tls) => {
                let tcp = TcpStream::connect(place).await.map_err(refused)?;
                let _ = tcp.set_nodelay(true);
                match tls {
                    None => Box::new(tcp),
                    Some((connector, name)) => {
                        let agreed = connector.connect(name.clone(), tcp).await;
                        Box::new(agreed.map_err(|e| Trouble::Tls(at(), tls::refused(&e)))?)
                    }
                }
            }
            (None, socket, _) => Box::new(UnixStream::connect(socket.unwrap_or_default()).await.map_err(refused)?),
        };
        Ok(Line { stream, buffer: BytesMut::new() })
    }

    /// The head of the request as it is sent there; with a length, or in chunks.
    fn head(&self, request: &Request, length: Option<u64>) -> Vec<u8> {
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
        let _ = match length {
            Some(length) if said || length > 0 => write!(out, "Content-Length: {length}\r\n"),
            Some(_) => Ok(()),
            None => write!(out, "Transfer-Encoding: chunked\r\n"),
        };
        out.extend_from_slice(b"\r\n");
        out
    }

    fn broken(&self, why: Unreadable) -> Trouble {
        Trouble::Broken(self.address.to_string(), why.to_string())
    }
}

impl Passed {
    /// How long the body is, where that is known.
    pub fn length(&self) -> Option<u64> {
        self.framing.length()
    }

    /// Whether all of the body has come already, as small ones do.
    pub fn is_here(&self) -> bool {
        self.length().is_some_and(|length| length <= self.line.buffer.len() as u64)
    }

    /// The reply with its body, once it is here, up to 16 MB.
    pub async fn whole(mut self) -> Result<Response, Trouble> {
        let reading = read_whole(&mut self.line.stream, &mut self.line.buffer, &mut self.framing);
        let body = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(body) => body.map_err(|why| Trouble::Broken(self.address.clone(), why.to_string()))?,
            Err(_) => return Err(Trouble::Silent(self.address)),
        };
        let response = Response { body, ..self.response };
        give_back(&self.idle, self.line, self.keep);
        Ok(response)
    }

    /// The reply without its body, and the body as it comes. When nobody takes it any more, the connection ends.
    pub fn stream(self) -> (Response, httpd::Stream) {
        let (say, pieces) = mpsc::channel(AHEAD);
        let (length, response) = (self.length(), self.response);
        let (mut line, mut framing, keep, idle) = (self.line, self.framing, self.keep, self.idle);
        tokio::spawn(async move {
            loop {
                let reading = next_piece(&mut line.stream, &mut line.buffer, &mut framing);
                let read = tokio::select! {
                    read = tokio::time::timeout(PATIENCE, reading) => read,
                    () = say.closed() => return,
                };
                let piece = match read.unwrap_or(Err(Unreadable::Torn)) {
                    Ok(Some(piece)) => Ok(piece),
                    Ok(None) => {
                        give_back(&idle, line, keep);
                        _ = say.send(Ok(Bytes::new())).await;
                        return;
                    }
                    Err(why) => Err(io::Error::other(why)),
                };
                let is_over = piece.is_err();
                if say.send(piece).await.is_err() || is_over {
                    return;
                }
            }
        });
        (response, httpd::Stream { length, pieces })
    }
}

/// Why a request was not said to its end.
enum Cut {
    /// Who says it broke off.
    Client,
    /// The upstream hears no more.
    Upstream,
    /// The upstream hears nothing, for too long.
    Silent,
}

/// Says a request to an upstream as its body comes. One that breaks off is never ended in order: an upstream must not take a
/// part for the whole.
async fn say(mut to: impl AsyncWrite + Unpin, head: Vec<u8>, mut body: httpd::Stream) -> Result<(), Cut> {
    let (chunked, mut out) = (body.length.is_none(), head);
    loop {
        let piece = match body.pieces.recv().await {
            Some(Ok(piece)) => piece,
            Some(Err(_)) | None => return Err(Cut::Client),
        };
        let is_end = piece.is_empty();
        if chunked {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        out.extend_from_slice(&piece);
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        let writing = async {
            to.write_all(&out).await?;
            to.flush().await
        };
        match tokio::time::timeout(PATIENCE, writing).await {
            Ok(Ok(())) if is_end => return Ok(()),
            Ok(Ok(())) => out.clear(),
            Ok(Err(_)) => return Err(Cut::Upstream),
            Err(_) => return Err(Cut::Silent),
        }
    }
}

/// Keeps a connection for later that can be used again.
fn give_back(idle: &Mutex<Vec<Line>>, line: Line, keep: bool) {
    if keep && line.buffer.is_empty() {
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(line);
        }
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
            Trouble::Left => "left",
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

/// What TLS begins with.
fn connector(terms: Option<&TlsConfig>) -> Result<TlsConnector, String> {
    let bytes = |pem: &'_ Option<String>| pem.as_ref().map(|pem| pem.as_bytes().to_vec());
    let (ca, cert) = (terms.and_then(|terms| bytes(&terms.ca)), terms.and_then(|terms| bytes(&terms.cert)));
    let key = terms.and_then(|terms| terms.key.as_ref()).map(|key| key.0.as_bytes());
    let trust = Trust {
        ca: ca.as_deref(),
        identity: cert.as_deref().zip(key),
        insecure: terms.is_some_and(|terms| terms.insecure),
    };
    Ok(TlsConnector::from(tls::client(trust, &["http/1.1"])?))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod uploads;
