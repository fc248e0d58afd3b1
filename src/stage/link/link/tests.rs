use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::links::Links;
use super::super::toxic::{Delay, Kind};
use super::*;

const SOON: Duration = Duration::from_secs(5);

/// A link to `to`, and the links that it is one of.
async fn link(to: &str) -> (Links, Arc<Link>) {
    let links = Links::new(Seed(7), &[]).expect("a timer");
    let link = links.create("db", "127.0.0.1:0", to, true).await.expect("opens");
    (links, link)
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

/// A link to a server, a connection through it, and its other end.
async fn pair() -> (Links, Arc<Link>, TcpStream, TcpStream) {
    let (target, address) = listener().await;
    let (links, link) = link(&address).await;
    let client = TcpStream::connect(link.face().listen).await.expect("connects");
    let (server, _) = target.accept().await.expect("a client");
    (links, link, client, server)
}

fn toxic(kind: Kind, stream: Stream) -> Toxic {
    let name = format!("{}_{}", kind.word(), stream.word());
    Toxic { id: 0, name, kind, stream, toxicity: 1.0, watcher: None }
}

/// A byte from one side has come out on the other.
async fn passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"x").await.expect("writes");
    assert_eq!(timeout(SOON, to.read_u8()).await.expect("in time").expect("reads"), b'x');
}

#[tokio::test]
async fn every_byte_passes_both_ways_and_half_closing_works() {
    let (target, address) = listener().await;
    // Reads until the client is done sending, and only then answers.
    let server = tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.expect("a client");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("reads");
        heard.reverse();
        stream.write_all(&heard).await.expect("writes");
    });
    let mut stream = Seed(3).stream("bytes");
    let sent: Vec<u8> = (0..200_000).flat_map(|_| stream.bits().to_le_bytes()).collect();
    let (links, link) = link(&address).await;
    let mut client = TcpStream::connect(link.face().listen).await.expect("connects");
    client.write_all(&sent).await.expect("writes");
    client.shutdown().await.expect("half-closes");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("reads");
    answer.reverse();
    assert!(answer == sent, "every byte, in order");
    server.await.expect("served");
    let total = sent.len() as u64;
    for (_, _, count) in links.counted() {
        assert_eq!([&count.received, &count.sent].map(|n| n.load(Ordering::Relaxed)), [total, total]);
    }
}

#[tokio::test]
async fn a_dead_end_breaks_the_connection() {
    let (unused, address) = listener().await;
    drop(unused);
    let (_links, link) = link(&address).await;
    let mut client = TcpStream::connect(link.face().listen).await.expect("connects");
    let error = client.read_u8().await.expect_err("nobody is there");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{error}");
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let (_links, _link, mut client, mut server) = pair().await;
    passes(&mut client, &mut server).await;
    server.set_zero_linger().expect("sets");
    drop(server);
    assert_eq!(client.read_u8().await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_that_is_open_is_reset_on_both_sides() {
    let (links, link, mut client, mut server) = pair().await;
    passes(&mut client, &mut server).await;
    let reset = toxic(Kind::ResetPeer { timeout: Duration::ZERO }, Stream::Upstream);
    links.add(&link, reset).expect("added");
    client.write_all(b"x").await.expect("writes");
    for side in [&mut client, &mut server] {
        let error = timeout(SOON, side.read_u8()).await.expect("in time").expect_err("reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_timeout_lets_nothing_through_and_its_end_closes() {
    let (links, link, mut client, mut server) = pair().await;
    passes(&mut client, &mut server).await;
    links.add(&link, toxic(Kind::Timeout { timeout: Duration::ZERO }, Stream::Downstream)).expect("added");
    server.write_all(b"x").await.expect("writes");
    assert!(timeout(Duration::from_millis(30), client.read_u8()).await.is_err(), "silent");
    passes(&mut client, &mut server).await;
    link.change(Vec::clear);
    for side in [&mut client, &mut server] {
        let end = timeout(SOON, side.read_u8()).await.expect("in time").expect_err("closed");
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "in order");
    }
}

#[tokio::test]
async fn half_a_connection_goes_silent_and_is_broken_off_in_the_end() {
    let (links, link, mut client, mut server) = pair().await;
    links.add(&link, toxic(Kind::DropHalf, Stream::Downstream)).expect("added");
    server.write_all(b"x").await.expect("writes");
    passes(&mut client, &mut server).await;
    assert!(timeout(Duration::from_millis(30), client.read_u8()).await.is_err(), "silent");
    link.change(Vec::clear);
    let error = timeout(SOON, client.read_u8()).await.expect("in time").expect_err("of no use");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_limit_ends_an_open_connection_after_its_bytes() {
    let (links, link, mut client, mut server) = pair().await;
    links.add(&link, toxic(Kind::LimitData { bytes: 5 }, Stream::Downstream)).expect("added");
    server.write_all(b"1234567").await.expect("writes");
    let mut got = Vec::new();
    timeout(SOON, client.read_to_end(&mut got)).await.expect("in time").expect("in order");
    assert_eq!(got, b"12345");
}

#[tokio::test]
async fn who_has_gone_on_both_sides_is_not_held_by_a_toxic() {
    let (links, link, mut client, mut server) = pair().await;
    links.add(&link, toxic(Kind::Timeout { timeout: Duration::ZERO }, Stream::Downstream)).expect("added");
    server.shutdown().await.expect("done");
    client.shutdown().await.expect("done");
    assert!(timeout(SOON, server.read_u8()).await.expect("in time").is_err(), "the other way the end passes");
    let gone = async {
        while !lock(&link.shared.open).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, gone).await.expect("forgotten");
}

#[tokio::test]
async fn down_refuses_closes_and_keeps_its_port() {
    let (target, address) = listener().await;
    let (links, link) = link(&address).await;
    let place = link.face().listen;
    let mut client = TcpStream::connect(&place).await.expect("connects");
    let (mut server, _) = target.accept().await.expect("a client");
    passes(&mut client, &mut server).await;
    assert_eq!(link.disable().await, [0]);
    assert!(timeout(SOON, client.read_u8()).await.expect("in time").is_err(), "closed");
    for _ in 0..20 {
        let refused = TcpStream::connect(&place).await.expect_err("down");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    assert!(link.disable().await.is_empty(), "twice is once");
    for _ in 0..3 {
        links.enable(&link).await.expect("the port is kept");
        links.enable(&link).await.expect("twice is once");
        assert_eq!(link.face().listen, place);
        let mut client = TcpStream::connect(&place).await.expect("connects");
        let (mut server, _) = target.accept().await.expect("a client");
        passes(&mut client, &mut server).await;
        link.disable().await;
    }
}

#[tokio::test]
async fn a_change_meets_what_is_sent_after_it() {
    let (links, link, mut client, mut server) = pair().await;
    for _ in 0..50 {
        passes(&mut client, &mut server).await;
        links.add(&link, toxic(Kind::DropHalf, Stream::Upstream)).expect("added");
        link.change(Vec::clear);
    }
    let delay = Delay::Jitter { latency: Duration::from_secs(3600), jitter: Duration::ZERO };
    links.add(&link, toxic(Kind::Latency(delay), Stream::Upstream)).expect("added");
    client.write_all(b"abc").await.expect("writes");
    assert!(timeout(Duration::from_millis(50), server.read_u8()).await.is_err(), "held");
    link.change(Vec::clear);
    let mut got = [0; 3];
    timeout(SOON, server.read_exact(&mut got)).await.expect("let go").expect("reads");
    assert_eq!(&got, b"abc");
}

/// Toxics come, change and go while bytes are under way and connections close: nothing hangs, nothing is lost.
#[tokio::test]
async fn a_thousand_changes_and_closes_under_traffic() {
    let (target, address) = listener().await;
    let (links, link) = link(&address).await;
    let echo = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = target.accept().await else { return };
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    let place = link.face().listen;
    let mut chance = Seed(11).stream("race");
    let kinds = [
        Kind::Noop,
        Kind::Latency(Delay::Jitter { latency: Duration::from_micros(500), jitter: Duration::from_micros(400) }),
        Kind::Bandwidth { rate: 50_000_000 },
        Kind::SlowClose { delay: Duration::from_micros(700) },
        Kind::Slicer { average_size: 900, size_variation: 300, delay: Duration::ZERO },
    ];
    for round in 0..1000usize {
        let sent: Vec<u8> = (0..2000 + round % 3000).map(|_| chance.bits() as u8).collect();
        let place = place.clone();
        let talk = tokio::spawn(async move {
            let mut client = TcpStream::connect(place).await.expect("connects");
            let (mut read, mut write) = client.split();
            let mut got = Vec::new();
            let say = async {
                for piece in sent.chunks(700) {
                    write.write_all(piece).await.expect("writes");
                    tokio::task::yield_now().await;
                }
                write.shutdown().await.expect("half-closes");
            };
            let (_, heard) = tokio::join!(say, read.read_to_end(&mut got));
            heard.expect("in order");
            assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
        });
        for _ in 0..4 {
            let kind = kinds[(chance.bits() % 5) as usize].clone();
            let stream = if chance.bits().is_multiple_of(2) { Stream::Upstream } else { Stream::Downstream };
            let _ = links.add(&link, toxic(kind, stream));
            tokio::task::yield_now().await;
            if chance.bits().is_multiple_of(2) {
                link.change(|toxics| {
                    if !toxics.is_empty() {
                        toxics.remove((chance.bits() % toxics.len() as u64) as usize);
                    }
                });
            }
        }
        timeout(SOON, talk).await.expect("nothing hangs").expect("no byte is lost");
        if round % 50 == 0 {
            link.change(Vec::clear);
        }
    }
    echo.abort();
}
