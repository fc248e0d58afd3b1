//! A small HTTP server whose manners a test chooses, request by request; plain, within TLS or on a unix socket. A thread
//! per connection; it ends when dropped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a server does with a request.
pub enum Answer {
    /// A whole reply: status, further header lines, body.
    Whole(u16, &'static str, Vec<u8>),
    /// A whole reply after a while.
    Late(Duration, Vec<u8>),
    /// Nothing, for as long as the client stays.
    Hang,
    /// Less of a body than was announced, and then the end.
    CutBody,
    /// A body of so many bytes.
    Long(u64),
    /// A body of chunks whose sizes are none.
    BadChunks,
    /// So many headers.
    Headers(usize),
    /// A whole reply as HTTP/1.0 gives it: its end is the end of the connection.
    Old(Vec<u8>),
    /// A byte of the body, and then nothing.
    SlowBody,
    /// A reset.
    Reset,
    /// Some of a body, and then a reset.
    ResetBody,
    /// Bytes that are no HTTP.
    Garbage,
    /// The end of what the server sends, while it goes on to read.
    HalfClose,
}

/// A request as it came.
pub struct Request<'a> {
    /// Its head, up to the empty line.
    pub head: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// How many requests the server had before it.
    pub nth: usize,
}

type Manners = dyn Fn(&Request<'_>) -> Answer + Send + Sync;

struct State {
    manners: Box<Manners>,
    stop: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    longest: AtomicUsize, // the most requests on one connection
    written: AtomicUsize, // bytes of long bodies
    heads: Mutex<Vec<String>>,
}

/// A server on a free port of this machine, or on a socket.
pub struct Server {
    place: Place,
    scheme: &'static str,
    state: Arc<State>,
    accepting: Option<thread::JoinHandle<()>>,
}

enum Place {
    Port(SocketAddr),
    Socket(PathBuf),
}

/// What a connection is spoken through.
trait Line: Read + Write {
    /// The TCP connection at the bottom of it, if there is one.
    fn tcp(&self) -> Option<&TcpStream>;
}

impl Line for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Line for UnixStream {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl Line for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(&self.sock)
    }
}

/// A quote as the service under test would give it.
pub const QUOTE: &[u8] = br#"{"outAmount":"12345","class":"fast"}"#;
/// A quote of the other class.
pub const SLOW_QUOTE: &[u8] = br#"{"outAmount":"12345","class":"slow"}"#;

/// A good quote.
pub fn quote() -> Answer {
    Answer::Whole(200, "Content-Type: application/json\r\n", QUOTE.to_vec())
}

/// A status with a short body.
pub fn status(status: u16) -> Answer {
    Answer::Whole(status, "", b"no".to_vec())
}

impl Server {
    /// Answers as `manners` says.
    pub fn new(manners: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Server {
        Server::on_port("http", manners, |_| None)
    }

    /// As [`new`](Server::new), within TLS; `tls` says how, connection by connection from 0: with none it is plain.
    pub fn secure(
        manners: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static,
        tls: impl Fn(usize) -> Option<Arc<ServerConfig>> + Send + 'static,
    ) -> Server {
        Server::on_port("https", manners, tls)
    }

    fn on_port(
        scheme: &'static str,
        manners: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static,
        tls: impl Fn(usize) -> Option<Arc<ServerConfig>> + Send + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let place = Place::Port(listener.local_addr().expect("an address"));
        Server::accepting(place, scheme, manners, move |nth, state| {
            let stream = listener.accept().ok()?.0;
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
            let tls = tls(nth);
            Some(thread::spawn(move || match tls.and_then(|config| ServerConnection::new(config).ok()) {
                Some(session) => serve(StreamOwned::new(session, stream), &state),
                None => serve(stream, &state),
            }))
        })
    }

    /// As [`new`](Server::new), on a unix socket.
    pub fn on_socket(path: &Path, manners: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Server {
        let listener = UnixListener::bind(path).expect("a socket");
        Server::accepting(Place::Socket(path.into()), "unix", manners, move |_, state| {
            let stream = listener.accept().ok()?.0;
            let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
            Some(thread::spawn(move || serve(stream, &state)))
        })
    }

    fn accepting(
        place: Place,
        scheme: &'static str,
        manners: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static,
        accept: impl Fn(usize, Arc<State>) -> Option<thread::JoinHandle<()>> + Send + 'static,
    ) -> Server {
        let state = Arc::new(State {
            manners: Box::new(manners),
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            longest: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            heads: Mutex::new(Vec::new()),
        });
        let shared = state.clone();
        let accepting = thread::spawn(move || {
            while !shared.stop.load(Ordering::SeqCst) {
                if accept(shared.connections.load(Ordering::SeqCst), shared.clone()).is_some() {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Server { place, scheme, state, accepting: Some(accepting) }
    }

    /// Accepts connections and never reads from them.
    pub fn deaf() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || listener.incoming().collect::<Vec<_>>());
        address
    }

    /// Accepts one connection, which is how a run finds out that its target is there, and refuses all others.
    pub fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || listener.accept().map(|_| ()));
        address
    }

    /// `http://127.0.0.1:PORT`, `https://127.0.0.1:PORT` or `unix:PATH`
    pub fn url(&self) -> String {
        match &self.place {
            Place::Port(address) => format!("{}://{address}", self.scheme),
            Place::Socket(path) => format!("unix:{}", path.display()),
        }
    }

    /// Its port; 0 on a socket.
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Port(address) => address.port(),
            Place::Socket(_) => 0,
        }
    }

    /// The most requests on one connection.
    pub fn longest(&self) -> usize {
        self.state.longest.load(Ordering::SeqCst)
    }

    /// How many bytes of long bodies were taken off its hands.
    pub fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.state.heads.lock().expect("no panic").clone()
    }

    /// How many requests began with a method and a path.
    pub fn count(&self, request: &str) -> usize {
        self.heads().iter().filter(|head| head.starts_with(request)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        match &self.place {
            Place::Port(address) => drop(TcpStream::connect(address)), // wakes it
            Place::Socket(path) => drop(UnixStream::connect(path)),
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(mut stream: impl Line, state: &State) {
    let mut unread = Vec::new();
    for served in 1.. {
        let Some((head, body)) = read_request(&mut stream, &mut unread, state) else { return };
        state.longest.fetch_max(served, Ordering::SeqCst);
        let nth = state.requests.fetch_add(1, Ordering::SeqCst);
        let answer = (state.manners)(&Request { head: &head, body: &body, nth });
        state.heads.lock().expect("no panic").push(head);
        if !give(&mut stream, answer, state) {
            return;
        }
    }
}

/// Gives an answer; whether the connection goes on.
fn give(stream: &mut impl Line, answer: Answer, state: &State) -> bool {
    match answer {
        Answer::Whole(status, headers, body) => whole(stream, status, headers, &body),
        Answer::Late(after, body) => {
            thread::sleep(after);
            whole(stream, 200, "", &body)
        }
        Answer::Hang => {
            linger(stream, state);
            false
        }
        Answer::CutBody => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"out");
            false
        }
        Answer::Long(bytes) => {
            let mut sent = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes());
            for _ in 0..bytes / 10_000 {
                sent = sent.and_then(|()| stream.write_all(&[b' '; 10_000]));
                if sent.is_err() {
                    break;
                }
                state.written.fetch_add(10_000, Ordering::SeqCst);
            }
            sent.is_ok()
        }
        Answer::BadChunks => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n!\r\n");
            linger(stream, state);
            false
        }
        Answer::Headers(count) => {
            let headers = "X-A: 1\r\n".repeat(count);
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes());
            false
        }
        Answer::Old(body) => {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n");
            let _ = stream.write_all(&body);
            false
        }
        Answer::SlowBody => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
            linger(stream, state);
            false
        }
        Answer::Reset => {
            reset(stream);
            false
        }
        Answer::ResetBody => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"out");
            thread::sleep(Duration::from_millis(50)); // until that has been read
            reset(stream);
            false
        }
        Answer::Garbage => {
            let _ = stream.write_all(b"\x00\x01\xff no HTTP at all \r\n\r\n");
            false
        }
        Answer::HalfClose => {
            let _ = stream.tcp().map(|tcp| tcp.shutdown(Shutdown::Write));
            linger(stream, state);
            false
        }
    }
}

/// Lets the end of the connection be a reset.
fn reset(stream: &impl Line) {
    if let Some(tcp) = stream.tcp() {
        let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
    }
}

fn whole(stream: &mut impl Line, status: u16, headers: &str, body: &[u8]) -> bool {
    let head = format!("HTTP/1.1 {status} Some\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    let mut reply = head.into_bytes();
    reply.extend(body);
    stream.write_all(&reply).is_ok()
}

/// Stays until the client goes or the server ends.
fn linger(stream: &mut impl Line, state: &State) {
    let mut unread = Vec::new();
    while more(stream, &mut unread, state) {
        unread.clear();
    }
}

/// Reads on; whether there is more to come.
fn more(stream: &mut impl Line, unread: &mut Vec<u8>, state: &State) -> bool {
    let mut bytes = [0; 4096];
    loop {
        if state.stop.load(Ordering::SeqCst) {
            return false;
        }
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(n) => {
                unread.extend(&bytes[..n]);
                return true;
            }
            Err(why) if matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return false,
        }
    }
}

/// The head and the body of the next request. What is no HTTP at all is told so.
fn read_request(stream: &mut impl Line, unread: &mut Vec<u8>, state: &State) -> Option<(String, Vec<u8>)> {
    let end = loop {
        if unread.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return None;
        }
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(stream, unread, state) {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + length.unwrap_or(0);
    while unread.len() < whole {
        if !more(stream, unread, state) {
            return None;
        }
    }
    let body = unread.drain(..whole).skip(end).collect();
    Some((head, body))
}
