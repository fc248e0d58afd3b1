use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::base::units::{ByteRate, Share, Size};
use crate::scenario::{Corruption, HttpFault, Keep, ResetAt};

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
    Request {
        method: method.into(),
        path: "/v6/quote".into(),
        query: "a=%20b".into(),
        headers,
        body,
        ..Request::default()
    }
}

/// Passes a request on, and waits for all that is answered.
async fn passed(forward: &Forward, request: Request) -> Result<Response, Trouble> {
    forward.pass(&request, None).await?.whole().await
}

#[tokio::test]
async fn what_is_about_the_connection_stays_and_the_rest_goes_on() {
    let reply =
        b"HTTP/1.1 203 Fine\r\nX-Odd: Case\r\nset-cookie: a\r\nSet-Cookie: b\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                  Keep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let (url, mut hear) = upstream(reply.to_vec(), false).await;
    let forward = Forward::new(&url, None).expect("an address");
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
    let answered = passed(&forward, request("POST", &headers, b"ok")).await.expect("a reply");
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
        let forward = Forward::new(&url, None).expect("an address");
        for _ in 0..3 {
            assert_eq!(passed(&forward, request("GET", &[], b"")).await.expect("a reply").status, 200);
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
    let forward = Forward::new(&url, None).expect("an address");
    let trouble = passed(&forward, request("GET", &[], b"")).await.expect_err("nobody is there");
    assert!(matches!(trouble, Trouble::Connect(..)), "{trouble}");
    let reply = trouble.reply();
    assert_eq!(reply.status, 502);
    assert!(reply.headers.contains(&("X-Proofload-Upstream".into(), "connect".into())));
    assert!(forward.first(&trouble).is_some_and(|note| note.contains("no fault")));
    assert_eq!(forward.first(&trouble), None);

    let (url, _hear) = upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi".to_vec(), true).await;
    let forward = Forward::new(&url, None).expect("an address");
    let trouble = passed(&forward, request("POST", &[], b"")).await.expect_err("torn");
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
        let end = asked.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        prop_assert_eq!(&asked[end..], &sent);
        prop_assert!(answered.starts_with(b"HTTP/1.1 200 OK\r\nX-Kept: yes\r\n"));
        // Where the length was not known beforehand it comes in chunks.
        let whole = runtime.block_on(httpd::read_reply(&mut answered.as_slice(), &mut BytesMut::new(), "POST"));
        let (whole, _) = whole.expect("a reply");
        prop_assert_eq!(whole.body.as_ref(), &back);
    }
}

/// How long a large body is: more than could be held.
const LARGE: usize = 48 * 1024 * 1024;

/// The byte of a large body at a place.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// An upstream with a large body, whole or in chunks; how much of it has been written comes out.
async fn large(chunked: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let _ = stream.read(&mut asked).await;
                let framing =
                    if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LARGE}") };
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes()).await;
                let mut at = 0;
                while at < LARGE {
                    let piece: Vec<u8> = (at..(at + 65_536).min(LARGE)).map(byte).collect();
                    let framed = if chunked {
                        [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat()
                    } else {
                        piece.clone()
                    };
                    if stream.write_all(&framed).await.is_err() {
                        return;
                    }
                    at += piece.len();
                    counted.store(at, Ordering::SeqCst);
                }
                let _ = stream.write_all(if chunked { b"0\r\n\r\n" } else { b"" }).await;
            });
        }
    });
    (url, written)
}

/// A service that asks for it through a stage with this fault effective.
async fn asking(url: String, fault: Option<HttpFault>) -> (TcpStream, super::super::world::World) {
    let mut config = super::super::testing::config();
    config.upstreams[0].forward = Some(url);
    config.faults = fault.iter().map(|inject| super::super::testing::fault("f", inject.clone())).collect();
    let world = super::super::world::World::open(&config, mpsc::unbounded_channel().0).await.expect("opens");
    if fault.is_some() {
        let mut scene = world.scene();
        let now = scene.now();
        scene.faults.apply(0, now);
    }
    let place = world.upstreams[0].1.trim_start_matches("http://").to_owned();
    let mut service = TcpStream::connect(place).await.expect("connects");
    service.write_all(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n").await.expect("writes");
    (service, world)
}

/// What comes of the body until it ends, and how that was.
async fn hear(service: &mut TcpStream) -> (Vec<u8>, Result<(), io::ErrorKind>) {
    let (mut raw, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let ended = loop {
        match service.read(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(n) => raw.extend_from_slice(&buffer[..n]),
            Err(e) => break Err(e.kind()),
        }
    };
    let (mut rest, mut buffer) = (raw.as_slice(), BytesMut::new());
    let Head { mut framing, .. } = read_begin(&mut rest, &mut buffer, "GET").await.expect("a head");
    let mut body = Vec::new();
    loop {
        match next_piece(&mut rest, &mut buffer, &mut framing).await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => return (body, ended),
            Err(_) => return (body, ended.and(Err(io::ErrorKind::UnexpectedEof))),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_goes_through_as_it_comes_and_waits_for_who_takes_it() {
    for chunked in [false, true] {
        let (url, written) = large(chunked).await;
        let (mut service, _world) = asking(url, None).await;
        // Nobody takes it: sockets hold some megabytes, and nothing else does.
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let now = written.load(Ordering::SeqCst);
            if now == last && now > 0 {
                break;
            }
            last = now;
        }
        assert!(last < LARGE, "all of it was taken although nobody reads");
        let (body, end) = hear(&mut service).await;
        assert_eq!((body.len(), end), (LARGE, Ok(())));
        assert!(body.iter().enumerate().all(|(at, b)| *b == byte(at)), "every byte in its place");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_within_a_body_that_streams_are_exact() {
    let closed = Err(io::ErrorKind::UnexpectedEof);
    let reset = Err(io::ErrorKind::ConnectionReset);
    for (chunked, fault, kept, end) in [
        (false, HttpFault::Truncate(Keep::Bytes(Size(100_001))), 100_001, closed),
        (true, HttpFault::Truncate(Keep::Bytes(Size(100_001))), 100_001, closed),
        (false, HttpFault::Truncate(Keep::Share(Share(250_000_000))), LARGE / 4, closed),
        (false, HttpFault::Reset(ResetAt::MidBody), LARGE / 2, reset),
        (true, HttpFault::Reset(ResetAt::AfterHeaders), 0, reset),
    ] {
        let (url, _written) = large(chunked).await;
        let (mut service, _world) = asking(url, Some(fault.clone())).await;
        let (body, ended) = hear(&mut service).await;
        // A reset may overtake bytes that were sent before it.
        let whole = if end == reset { body.len() <= kept } else { body.len() == kept };
        assert!(whole && ended == end, "{fault:?}: {} of {kept}, {ended:?}", body.len());
        assert!(body.iter().enumerate().all(|(at, b)| *b == byte(at)), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_body_is_slowed_and_what_needs_all_of_one_refuses_it() {
    let (url, written) = large(false).await;
    let slow = HttpFault::SlowBody { rate: ByteRate(50_000) };
    let (mut service, world) = asking(url, Some(slow)).await;
    let mut some = vec![0; 20_000];
    service.read_exact(&mut some).await.expect("some of it");
    assert!(written.load(Ordering::SeqCst) < LARGE);
    {
        let mut scene = world.scene();
        let now = scene.now();
        scene.faults.clear_all(now);
    }
    let mut rest = Vec::new();
    service.read_to_end(&mut rest).await.expect("the rest at once");
    assert!(rest.len() + some.len() > LARGE);

    let (url, _written) = large(false).await;
    let (mut service, _world) = asking(url, Some(HttpFault::Corrupt(Corruption::Bits(1)))).await;
    let mut answered = String::new();
    service.read_to_string(&mut answered).await.expect("text");
    assert!(answered.starts_with("HTTP/1.1 502 ") && answered.contains("larger than 16 MB"), "{answered}");
}

/// Seven hundred pieces of a body wait once for all of them; each by itself would take minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_body_is_delayed_once_and_not_piece_by_piece() {
    let short = Duration::from_millis(300);
    for chunked in [false, true] {
        let (url, _written) = large(chunked).await;
        let late = HttpFault::Latency { law: crate::base::law::Law::Fixed(short), replace: false };
        let began = crate::base::time::timer();
        let (mut service, world) = asking(url, Some(late)).await;
        let heard = tokio::time::timeout(Duration::from_secs(60), hear(&mut service)).await;
        let (body, end) = heard.expect("not piece by piece");
        assert!(began.elapsed() + Duration::from_millis(1) >= short, "it was not delayed at all");
        assert_eq!((body.len(), end), (LARGE, Ok(())));
        assert!(body.iter().enumerate().all(|(at, b)| *b == byte(at)));
        drop(world);
    }
}
