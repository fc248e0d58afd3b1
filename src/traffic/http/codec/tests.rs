use proptest::prelude::*;

use super::*;

const CAP: usize = 1_000;

/// What came of a stream that then ends: the replies, and why it went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    replies: Vec<(u16, Vec<u8>, bool, bool)>, // status, body, too long, reusable
    why: Option<String>,
}

/// Reads a stream that arrives in pieces that end at the given places.
fn read(bytes: &[u8], cuts: &[usize]) -> Read {
    let mut decoder = Decoder::default();
    let mut read = Read { replies: Vec::new(), why: None };
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let mut start = 0;
    for end in ends {
        let mut input = &bytes[start..end.max(start)];
        start = end.max(start);
        while !input.is_empty() {
            match decoder.decode(&mut input, CAP) {
                Ok(Progress::Partial) => {}
                Ok(Progress::Whole { answer, reusable }) => {
                    read.replies.push((answer.status, answer.body.to_vec(), answer.too_long, reusable));
                    if !reusable {
                        return read;
                    }
                }
                Err(why) => {
                    read.why = Some(why);
                    return read;
                }
            }
        }
    }
    match decoder.end() {
        Ok(Progress::Whole { answer, reusable }) => {
            read.replies.push((answer.status, answer.body.to_vec(), answer.too_long, reusable));
        }
        Ok(Progress::Partial) => {}
        Err(why) => read.why = Some(why),
    }
    read
}

fn one(bytes: &str) -> Result<(u16, String, bool), String> {
    let read = read(bytes.as_bytes(), &[]);
    match read.replies.into_iter().next() {
        Some((status, body, _, reusable)) => Ok((status, String::from_utf8_lossy(&body).into_owned(), reusable)),
        None => Err(read.why.unwrap_or_default()),
    }
}

/// Replies with what is to be read of them: a status, a body, whether the connection lasts; or why not.
type Case = (&'static str, Result<(u16, &'static str, bool), &'static str>);
const CASES: &[Case] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true))),
    ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true))),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", Ok((200, "ok", true))),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true))),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Err("two different content lengths")),
    ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err("a content length of `-1`")),
    ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", Err("a content length of `+2`")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Err("a content length of")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", Err("closed in the middle of a body")),
    ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", false))),
    ("HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", false))),
    ("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Ok((503, "ok", true))),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\no\r\n1 \r\nk\r\n00\r\nT: 1\r\n\r\n",
        Ok((200, "ok", true)),
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Ok((200, "ok", true))),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Ok((200, "ok", false)),
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Err("no hexadecimal number")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", Err("no hexadecimal number")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n", Err("does not end where its size says")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok", Err("LF without CR")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11112222333344445\r\n", Err("more than 16 digits")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Err("closed in the middle of a body")),
    ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Ok((200, "until the end", false))),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", false))),
    ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true))),
    ("HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", Ok((204, "", true))),
    ("HTTP/1.1 304 Same\r\n\r\n", Ok((304, "", true))),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    ("HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n", Err("switched protocols")),
    ("<html>not found</html>", Err("no HTTP/1.1")),
    ("HTTP/2.0 200 OK\r\n\r\n", Err("no HTTP/1.1")),
    ("HTTP/1.1 20 OK\r\n\r\n", Err("no HTTP/1.1")),
    ("HTTP/1.1 200 OK\r\nContent-Len", Err("closed in the middle of a head")),
    ("", Err("closed before a reply")),
];

#[test]
fn replies_are_read_as_the_standard_says() {
    for (bytes, expected) in CASES {
        match (one(bytes), expected) {
            (Ok((status, body, reusable)), Ok(wanted)) => {
                assert_eq!((status, body.as_str(), reusable), *wanted, "{bytes}")
            }
            (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{bytes}: {why}"),
            (found, _) => panic!("{bytes}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn it_does_not_matter_in_which_pieces_a_reply_arrives() {
    for (bytes, _) in CASES {
        let bytes = [bytes.as_bytes(), b"HTTP/1.1 201 Next\r\nContent-Length: 1\r\n\r\nx"].concat();
        let whole = read(&bytes, &[]);
        for first in 0..bytes.len() {
            assert_eq!(read(&bytes, &[first]), whole, "{:?} cut at {first}", String::from_utf8_lossy(&bytes));
        }
        let all: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(read(&bytes, &all), whole, "{:?} byte by byte", String::from_utf8_lossy(&bytes));
    }
}

/// What the fuzzer found worth keeping, as its target reads it: the first byte is the length of the pieces.
#[test]
fn the_fuzzers_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/reply");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).expect("a corpus") {
        let input = std::fs::read(entry.expect("an entry").path()).expect("reads");
        let Some((piece, bytes)) = input.split_first() else { continue };
        let piece = usize::from(*piece).max(1);
        let cuts: Vec<usize> = (piece..bytes.len()).step_by(piece).collect();
        assert_eq!(read(bytes, &cuts), read(bytes, &[]), "{:?}", String::from_utf8_lossy(bytes));
        inputs += 1;
    }
    assert!(inputs > 50, "{inputs} inputs");
}

#[test]
fn what_a_reply_may_cost_is_capped() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD));
    assert!(one(&endless).is_err_and(|why| why.contains("head of more than 64 KB")));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
    assert!(one(&many).is_err_and(|why| why.contains("more than 128 headers")));
    let trailers = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "a: b\r\n".repeat(MAX_LINE));
    assert!(one(&trailers).is_err_and(|why| why.contains("trailer too long")));
    let extension = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(MAX_LINE + 1));
    assert!(one(&extension).is_err_and(|why| why.contains("line too long")));
    for framing in ["Content-Length: 2000", "Transfer-Encoding: chunked", "X-No: framing"] {
        let size = if framing.starts_with('T') { "7d0\r\n" } else { "" };
        let long = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{size}{}", "b".repeat(2_000));
        let read = read(long.as_bytes(), &[]);
        let (_, body, too_long, reusable) = &read.replies[0];
        assert_eq!((body.len(), *too_long, *reusable), (CAP, true, false), "{framing}");
    }
}

#[test]
fn a_header_is_found_in_the_head() {
    let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nContent-Length: 0\r\n\r\n";
    let mut decoder = Decoder::default();
    let Ok(Progress::Whole { answer, .. }) = decoder.decode(&mut input, CAP) else { panic!("it is whole") };
    assert_eq!(answer.header("x-cache"), Some(&b"HIT"[..]));
    assert_eq!(answer.header("x-other"), None);
}

/// What hyper makes of the same bytes: status and body of the first reply, or nothing.
fn hyper(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(ours)).await.expect("a handshake");
        tokio::spawn(connection);
        let request = hyper::Request::get("/").header("Host", "x").body(http_body_util::Empty::<bytes::Bytes>::new());
        let reply = sender.send_request(request.expect("a request"));
        let serve = async {
            let mut asked = [0; 1024];
            let _ = theirs.read(&mut asked).await;
            let _ = theirs.write_all(bytes).await;
            drop(theirs);
        };
        let (reply, ()) = tokio::join!(reply, serve);
        let reply = reply.ok()?;
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.ok()?.to_bytes().to_vec();
        Some((status, body))
    })
}

/// Where hyper reads otherwise, on purpose or for want of need: it takes a switch of protocols for a reply, and is
/// content with less than the standard asks of what stands around chunks.
fn differs(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.starts_with("HTTP/1.1 101")
}

fn ours(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let read = read(bytes, &[]);
    read.replies.into_iter().next().map(|(status, body, ..)| (status, body))
}

#[test]
fn hyper_reads_the_same() {
    for (bytes, _) in CASES.iter().filter(|(bytes, _)| !differs(bytes.as_bytes())) {
        assert_eq!(ours(bytes.as_bytes()), hyper(bytes.as_bytes()), "{bytes}");
    }
}

/// A reply that is well-formed, and sometimes a little less.
fn replies() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![Just(200u16), Just(204), Just(304), Just(404), Just(503), 200u16..600];
    let version = prop_oneof![4 => Just("1.1"), 1 => Just("1.0")];
    let header = prop_oneof![
        Just("Connection: close".to_owned()),
        Just("Connection: keep-alive".to_owned()),
        "X-[a-z]{1,8}: [ -~]{0,20}",
        Just("Content-Type: application/json".to_owned()),
    ];
    let body = proptest::collection::vec(any::<u8>(), 0..60);
    (version, status, proptest::collection::vec(header, 0..4), body, 0..3u8, 1usize..20).prop_map(
        |(version, status, headers, body, framing, chunk)| {
            let mut bytes = format!("HTTP/{version} {status} Word\r\n").into_bytes();
            for header in headers {
                bytes.extend(format!("{header}\r\n").bytes());
            }
            match framing {
                0 => {
                    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                    bytes.extend(&body);
                }
                1 if version == "1.1" => {
                    bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                    for part in body.chunks(chunk) {
                        bytes.extend(format!("{:x}\r\n", part.len()).bytes());
                        bytes.extend(part);
                        bytes.extend(b"\r\n");
                    }
                    bytes.extend(b"0\r\n\r\n");
                }
                _ => {
                    bytes.extend(b"\r\n");
                    bytes.extend(&body);
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hyper_reads_the_same_of_any_reply(bytes in replies()) {
        prop_assert_eq!(ours(&bytes), hyper(&bytes));
    }

    #[test]
    fn pieces_do_not_matter_for_any_stream(bytes in replies(), more in replies(), cut in 0usize..400, flip in 0usize..400, to in any::<u8>()) {
        let mut bytes = [bytes, more].concat();
        let at = flip % bytes.len();
        bytes[at] = to;
        let whole = read(&bytes, &[]);
        let cut = cut % bytes.len();
        prop_assert_eq!(&read(&bytes, &[cut]), &whole);
        let all: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&read(&bytes, &all), &whole);
    }
}
