//! A small HTTP server whose manners a test chooses, request by request. A thread per connection; it ends when dropped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

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
    /// A body of 10 MB.
    Long,
    /// A byte of the body, and then nothing.
    SlowBody,
    /// A reset.
    Reset,
    /// Bytes that are no HTTP.
    Garbage,
    /// The end of what the server sends, while it goes on to read.
    HalfClose,
}

/// A request as it came.
pub struct Request<'a> {
    /// Its head, up to the empty line.
    pub head: &'a str,
    /// How many requests the server had before it.
    pub nth: usize,
}

type Manners = dyn Fn(&Request<'_>) -> Answer + Send + Sync;

struct State {
    manners: Box<Manners>,
    stop: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

/// A server on a free port of this machine.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<thread::JoinHandle<()>>,
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
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            manners: Box::new(manners),
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            heads: Mutex::new(Vec::new()),
        });
        let shared = state.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Server { address, state, accepting: Some(accepting) }
    }

    /// Accepts one connection, which is how a run finds out that its target is there, and refuses all others.
    pub fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || listener.accept().map(|_| ()));
        address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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
        let _ = TcpStream::connect(self.address); // wakes it
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let mut unread = Vec::new();
    while let Some(head) = read_request(&mut stream, &mut unread, state) {
        let nth = state.requests.fetch_add(1, Ordering::SeqCst);
        let answer = (state.manners)(&Request { head: &head, nth });
        state.heads.lock().expect("no panic").push(head);
        if !give(&mut stream, answer, state) {
            return;
        }
    }
}

/// Gives an answer; whether the connection goes on.
fn give(stream: &mut TcpStream, answer: Answer, state: &State) -> bool {
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
        Answer::Long => {
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
            for _ in 0..1_000 {
                sent = sent.and_then(|()| stream.write_all(&[b' '; 10_000]));
            }
            sent.is_ok()
        }
        Answer::SlowBody => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
            linger(stream, state);
            false
        }
        Answer::Reset => {
            let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
            false
        }
        Answer::Garbage => {
            let _ = stream.write_all(b"\x00\x01\xff no HTTP at all \r\n\r\n");
            false
        }
        Answer::HalfClose => {
            let _ = stream.shutdown(Shutdown::Write);
            linger(stream, state);
            false
        }
    }
}

fn whole(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> bool {
    let head = format!("HTTP/1.1 {status} Some\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    let mut reply = head.into_bytes();
    reply.extend(body);
    stream.write_all(&reply).is_ok()
}

/// Stays until the client goes or the server ends.
fn linger(stream: &mut TcpStream, state: &State) {
    let mut unread = Vec::new();
    while more(stream, &mut unread, state) {
        unread.clear();
    }
}

/// Reads on; whether there is more to come.
fn more(stream: &mut TcpStream, unread: &mut Vec<u8>, state: &State) -> bool {
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

/// The head of the next request; its body is read and dropped.
fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>, state: &State) -> Option<String> {
    let end = loop {
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
    unread.drain(..whole);
    Some(head)
}
