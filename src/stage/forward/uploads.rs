//! Bodies of requests that are larger than anything here holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::testing;
use super::super::world::World;
use crate::base::httpd::{self, Framing, next_piece};
use crate::scenario::HttpFault;

/// How long a large body is.
const LARGE: usize = 24 * 1024 * 1024;

/// The byte of a large body at a place.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// What an upstream does with what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Says it back as it comes.
    Echoes,
    /// Refuses by the head, and hears the rest.
    Refuses,
    /// Closes after the head.
    Leaves,
    /// Waits until it is told.
    Waits,
}

/// What an upstream heard.
#[derive(Default)]
struct Heard {
    head: std::sync::Mutex<String>,
    bytes: AtomicUsize,
    wrong: AtomicUsize,
    whole: AtomicUsize,
    torn: AtomicUsize,
}

impl Heard {
    fn all(&self) -> [usize; 4] {
        [&self.bytes, &self.wrong, &self.whole, &self.torn].map(|count| count.load(Ordering::SeqCst))
    }

    /// Waits until a count is no longer nothing.
    async fn some(count: &AtomicUsize) {
        for _ in 0..1_000 {
            if count.load(Ordering::SeqCst) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 1, "it never came");
    }
}

async fn upstream(does: Does) -> (String, Arc<Heard>, mpsc::UnboundedSender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let heard = Arc::new(Heard::default());
    let (go, mut may) = mpsc::unbounded_channel();
    let theirs = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = theirs.clone();
            let mut buffer = BytesMut::new();
            let end = loop {
                if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
                stream.read_buf(&mut buffer).await.expect("reads");
            };
            let head = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
            let mut framing = if head.contains("Transfer-Encoding: chunked") {
                Framing::Chunks
            } else {
                let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                Framing::Length(length.unwrap_or(0))
            };
            *heard.head.lock().expect("no panic") = head;
            match does {
                Does::Leaves => continue,
                Does::Waits => _ = may.recv().await,
                Does::Refuses => {
                    let refusal = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
                    stream.write_all(refusal).await.expect("writes");
                }
                Does::Echoes => {
                    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(head).await.expect("writes");
                }
            }
            loop {
                let piece = match next_piece(&mut stream, &mut buffer, &mut framing).await {
                    Ok(Some(piece)) => piece,
                    Ok(None) => {
                        heard.whole.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    Err(_) => {
                        heard.torn.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                };
                let from = heard.bytes.fetch_add(piece.len(), Ordering::SeqCst);
                let wrong = piece.iter().enumerate().filter(|(at, b)| **b != byte(from + at)).count();
                heard.wrong.fetch_add(wrong, Ordering::SeqCst);
                if does == Does::Echoes {
                    let out = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                    if stream.write_all(&out).await.is_err() {
                        break;
                    }
                }
            }
            match does {
                Does::Echoes => _ = stream.write_all(b"0\r\n\r\n").await,
                Does::Waits => {
                    _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade").await;
                }
                Does::Refuses | Does::Leaves => {}
            }
        }
    });
    (url, heard, go)
}

/// A stage in front of it, with a fault that is effective; and a connection to it.
async fn before(url: String, fault: Option<HttpFault>) -> (TcpStream, World) {
    let mut config = testing::config();
    config.upstreams[0].forward = Some(url);
    config.faults = fault.iter().map(|inject| testing::fault("f", inject.clone())).collect();
    let world = World::open(&config, mpsc::unbounded_channel().0).await.expect("opens");
    if fault.is_some() {
        let mut scene = world.scene();
        let now = scene.now();
        scene.faults.apply(0, now);
    }
    let place = world.upstreams[0].1.trim_start_matches("http://").to_owned();
    (TcpStream::connect(place).await.expect("connects"), world)
}

/// Says a large body, up to a place; how much of it went out is counted.
async fn say(mut to: OwnedWriteHalf, chunked: bool, upto: usize, out: Arc<AtomicUsize>) -> OwnedWriteHalf {
    let framing = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LARGE}") };
    let head = format!("PUT /x HTTP/1.1\r\nHost: stub\r\n{framing}\r\n\r\n");
    to.write_all(head.as_bytes()).await.expect("writes");
    let mut at = 0;
    while at < upto {
        let piece: Vec<u8> = (at..(at + 60_000).min(upto)).map(byte).collect();
        let framed = match chunked {
            true => [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat(),
            false => piece.clone(),
        };
        to.write_all(&framed).await.expect("writes");
        at += piece.len();
        out.store(at, Ordering::SeqCst);
    }
    if chunked && upto == LARGE {
        to.write_all(b"0\r\n\r\n").await.expect("writes");
    }
    to
}

/// A reply on a connection that stays open.
async fn reply(from: &mut OwnedReadHalf) -> httpd::Response {
    let (reply, keep) = httpd::read_reply(from, &mut BytesMut::new(), "PUT").await.expect("a reply");
    assert!(keep, "the connection is of use again");
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_goes_there_and_back_as_it_comes() {
    for chunked in [false, true] {
        let (url, heard, _go) = upstream(Does::Echoes).await;
        let (service, _world) = before(url, None).await;
        let (mut from, to) = service.into_split();
        let saying = tokio::spawn(say(to, chunked, LARGE, Arc::default()));
        let (mut buffer, mut at) = (BytesMut::new(), 0);
        let begun = httpd::read_begin(&mut from, &mut buffer, "PUT").await.expect("a head");
        assert_eq!(begun.response.status, 200);
        let mut framing = begun.framing;
        while let Some(piece) = next_piece(&mut from, &mut buffer, &mut framing).await.expect("whole") {
            assert!(piece.iter().enumerate().all(|(n, b)| *b == byte(at + n)), "every byte in its place");
            at += piece.len();
        }
        saying.await.expect("all of it was said");
        assert_eq!((at, heard.all()), (LARGE, [LARGE, 0, 1, 0]), "chunked: {chunked}");
        let head = heard.head.lock().expect("no panic").clone();
        let framed = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LARGE}") };
        assert!(head.starts_with("PUT /x HTTP/1.1\r\n") && head.contains(&framed), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_it_waits_for_who_hears_it() {
    let (url, heard, go) = upstream(Does::Waits).await;
    let (service, _world) = before(url, None).await;
    let (mut from, to) = service.into_split();
    let out = Arc::new(AtomicUsize::new(0));
    let saying = tokio::spawn(say(to, false, LARGE, out.clone()));
    // Nobody hears it: sockets hold some megabytes, and nothing else does.
    let mut last = usize::MAX;
    while out.load(Ordering::SeqCst) != last || last == 0 {
        last = out.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(last < LARGE, "all of it was taken although nobody hears");
    go.send(()).expect("it waits");
    let made = reply(&mut from).await;
    saying.await.expect("all of it was said");
    assert_eq!((made.status, made.body.as_ref(), heard.all()), (201, b"made".as_slice(), [LARGE, 0, 1, 0]));
}

/// What a fault answers, or an upstream before it has heard everything, is heard by who says it; and the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_is_heard_and_the_connection_goes_on() {
    let status = HttpFault::Status { code: 503, headers: Vec::new(), body: None };
    for (fault, expected, reached) in [(Some(status), 503, 0), (None, 403, LARGE)] {
        for chunked in [false, true] {
            let (url, heard, _go) = upstream(Does::Refuses).await;
            let (service, world) = before(url, fault.clone()).await;
            let (mut from, to) = service.into_split();
            let to = say(to, chunked, LARGE, Arc::default()).await;
            assert_eq!(reply(&mut from).await.status, expected, "chunked: {chunked}");
            if reached > 0 {
                Heard::some(&heard.whole).await;
            }
            assert_eq!(heard.all()[0], reached);
            let _to = say(to, false, LARGE, Arc::default()).await;
            assert_eq!(reply(&mut from).await.status, expected, "a second time, on the same connection");
            drop(world);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_never_taken_for_the_whole() {
    for chunked in [false, true] {
        let (url, heard, go) = upstream(Does::Waits).await;
        let (service, _world) = before(url, None).await;
        let (from, to) = service.into_split();
        let to = say(to, chunked, 1_000_000, Arc::default()).await;
        go.send(()).expect("it waits");
        drop((from, to));
        Heard::some(&heard.torn).await;
        let [_, wrong, whole, torn] = heard.all();
        assert_eq!((wrong, whole, torn), (0, 0, 1), "chunked: {chunked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_leaves_is_said_to() {
    let (url, _heard, _go) = upstream(Does::Leaves).await;
    let (service, _world) = before(url, None).await;
    let (mut from, to) = service.into_split();
    let saying = tokio::spawn(say(to, false, LARGE, Arc::default()));
    let reply = reply(&mut from).await;
    saying.await.expect("all of it was said");
    assert_eq!(reply.status, 502, "{reply:?}");
}
