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
