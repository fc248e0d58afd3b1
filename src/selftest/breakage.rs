//! Whether every kind of fault does on the wire what its page says: each is injected into a stub or a link of a stage in a
//! process of its own, with a client that looks closely, and afterwards nothing of it may be left.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::trial::Bench;
use crate::base::law::Law;
use crate::base::time::{Clock, Offset};
use crate::base::units::{self, ByteRate, Rate, Share, Size};
use crate::scenario::{
    Corruption, HttpFault, Inject, Keep, Match, Per, RateLimit, ResetAt, RetryAfter, Stream, Toxic, When,
};
use crate::stage::client::Stage;
use crate::stage::config::{Config, FaultConfig, LINGER, LeadConfig, LinkConfig, Subject, UpstreamConfig};

/// What is asked for: the stub repeats it, so that what came can be told from what was spoilt.
const ASKED: &str = "/selftest/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// A quote, which has a date.
const QUOTE: &str = "/v6/quote?inputMint=A&outputMint=B&amount=1000000";
/// Nothing that is to come at all comes later than this on a machine that is not hopeless.
const SOON: Duration = Duration::from_secs(2);
/// So long nothing must have come before nothing is what comes.
const NOTHING: Duration = Duration::from_millis(300);
/// How long it all takes, as far as it waits: twenty-five kinds, a few of which are silence and the others late.
pub const LENGTH: Duration = Duration::from_secs(5);
/// Delays that are injected.
const LATE: Duration = Duration::from_millis(80);
/// What a timer may be early by.
const EARLY: Duration = Duration::from_millis(2);

/// A kind of fault, and whether it did what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The word for it, with what it acts on: `upstream timeout`.
    pub kind: String,
    /// What was seen, or what was seen instead.
    pub seen: Result<String, String>,
}

/// What came on a connection.
#[derive(Debug)]
struct Heard {
    text: String,
    pieces: usize,
    took: Duration,
    end: End,
}

/// How hearing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a whole reply, or with the end in order.
    Whole,
    /// Nobody takes connections.
    Refused,
    /// By a reset.
    Reset,
    /// In order, but before the reply was whole.
    Closed,
    /// It was given up.
    Silent,
}

/// What a fault must look like; the error says what it looked like instead.
type Look = fn(&Heard, &Heard) -> bool;

/// Breaks everything, one after the other.
pub async fn measure(bench: &Bench) -> Result<Vec<Broken>, String> {
    let clock = Clock::starting_in(Duration::ZERO);
    let kinds = kinds();
    let config = Config {
        upstreams: vec![UpstreamConfig {
            name: "stub".into(),
            like: Some("jupiter".into()),
            listen: None,
            latency: Law::Fixed(Duration::ZERO),
            success: Share::ALL.0,
            rate_limit: None,
            replies: Vec::new(),
            forward: None,
            tls: None,
        }],
        links: vec![LinkConfig {
            name: "line".into(),
            listen: None,
            to: LeadConfig::Upstream("stub".into()),
            toxiproxy: None,
        }],
        faults: kinds.iter().map(|(_, inject, _)| fault(inject)).collect(),
        linger: LINGER,
        ..Config::empty(&clock)
    };
    let args = ["stage", "--lease"].map(Into::into);
    let mut stage = Stage::spawn(bench.program(), &args, &config).await.map_err(|e| e.to_string())?;
    let upstream = stage.upstreams()[0].1.trim_start_matches("http://").to_owned();
    let link = stage.links()[0].1.clone();
    let mut all = Vec::new();
    for (fault, (kind, inject, look)) in kinds.into_iter().enumerate() {
        let on = if matches!(inject, Inject::Link(..)) { &link } else { &upstream };
        let stale = matches!(inject, Inject::Http(HttpFault::Stale { .. }));
        let target = if stale { QUOTE } else { ASKED };
        let seen = broken(&mut stage, fault, on, target, look).await;
        all.push(Broken { kind: kind.into(), seen });
    }
    stage.close().await.map_err(|e| e.to_string())?;
    Ok(all)
}

/// One fault from its beginning to its end.
async fn broken(stage: &mut Stage, fault: usize, on: &str, target: &str, look: Look) -> Result<String, String> {
    let before = ask(on, target, SOON).await;
    if before.end != End::Whole {
        return Err(format!("before it began, {}", before.said()));
    }
    stage.apply(fault).await.map_err(|e| e.to_string())?;
    // A bucket gives its one token away first.
    let mut during = ask(on, target, NOTHING).await;
    if during.end == End::Whole && !look(&before, &during) {
        during = ask(on, target, NOTHING).await;
    }
    // What should come and did not may only have been slow.
    if during.end == End::Silent && !look(&before, &during) {
        during = ask(on, target, SOON).await;
    }
    stage.clear(fault).await.map_err(|e| e.to_string())?;
    let after = ask(on, target, SOON).await;
    match (look(&before, &during), after.end) {
        (false, _) => Err(during.said()),
        (true, End::Whole) if after.status() == before.status() => Ok(during.said()),
        (true, _) => Err(format!("after its end, {}", after.said())),
    }
}

fn fault(inject: &Inject) -> FaultConfig {
    let on = match inject {
        Inject::Link(..) => Subject::Link("line".into()),
        _ => Subject::Upstream("stub".into()),
    };
    FaultConfig {
        name: "selftest".into(),
        on,
        inject: inject.clone(),
        share: Share::ALL,
        ramp: None,
        matching: Match::default(),
        when: When::Always,
        mark: false,
        ttl: Duration::from_secs(60),
    }
}

/// Every kind that a stage injects, and how it must look beside what came before it began.
fn kinds() -> Vec<(&'static str, Inject, Look)> {
    let one = RateLimit { rate: Rate(0), burst: 1 };
    let upstream: [(&'static str, HttpFault, Look); 12] = [
        ("upstream latency", late(false), |before, now| now.is_late() && now.body() == before.body()),
        ("upstream timeout", HttpFault::Timeout, |_, now| now.text.is_empty() && now.end == End::Silent),
        ("upstream status", HttpFault::Status { code: 503, headers: Vec::new(), body: None }, |_, now| {
            now.status() == 503 && now.end == End::Whole
        }),
        (
            "upstream rate_limit",
            HttpFault::RateLimit { limit: one, per: Per::One, retry_after: RetryAfter::Seconds },
            |_, now| now.status() == 429,
        ),
        ("upstream reset", HttpFault::Reset(ResetAt::Before), |_, now| now.text.is_empty() && now.end == End::Reset),
        ("upstream reset after_headers", HttpFault::Reset(ResetAt::AfterHeaders), |_, now| {
            now.body().is_empty() && now.status() > 0 && now.end == End::Reset
        }),
        ("upstream reset mid_body", HttpFault::Reset(ResetAt::MidBody), |before, now| {
            now.body().len() == before.body().len() / 2 && now.end == End::Reset
        }),
        ("upstream truncate", HttpFault::Truncate(Keep::Bytes(Size(40))), |_, now| {
            now.body().len() == 40 && now.end == End::Closed
        }),
        ("upstream corrupt bits", HttpFault::Corrupt(Corruption::Bits(3)), |before, now| {
            now.body() != before.body() && now.end == End::Whole
        }),
        ("upstream corrupt json", HttpFault::Corrupt(Corruption::Json), |before, now| {
            before.is_json() && !now.is_json() && now.end == End::Whole
        }),
        (
            "upstream stale",
            HttpFault::Stale { by: Duration::from_secs(3600), prices: true, timestamps: true },
            // A slot takes 400 ms.
            |before, now| before.slot().zip(now.slot()).is_some_and(|(was, is)| was - is > 8_000),
        ),
        ("upstream slow_body", HttpFault::SlowBody { rate: ByteRate(1_500) }, |before, now| {
            now.is_late() && now.pieces > 3 && now.body() == before.body()
        }),
    ];
    let link: [(&'static str, Toxic, Look); 10] = [
        ("link latency", Toxic::Latency { law: Law::Fixed(LATE) }, |before, now| {
            now.is_late() && now.text == before.text
        }),
        ("link bandwidth", Toxic::Bandwidth { rate: ByteRate(2_000) }, |before, now| {
            now.is_late() && now.text == before.text
        }),
        ("link slow_close", Toxic::SlowClose { delay: LATE }, |before, now| now.is_late() && now.text == before.text),
        ("link timeout", Toxic::Timeout { timeout: LATE }, |_, now| now.text.is_empty() && now.end == End::Closed),
        ("link reset_peer", Toxic::ResetPeer { timeout: Duration::ZERO }, |_, now| {
            now.text.is_empty() && now.end == End::Reset
        }),
        (
            "link slicer",
            Toxic::Slicer { average_size: Size(32), size_variation: Size(0), delay: Duration::from_millis(4) },
            |before, now| now.pieces > 3 && now.text == before.text,
        ),
        ("link limit_data", Toxic::LimitData { bytes: Size(60) }, |_, now| {
            now.text.len() == 60 && now.end == End::Closed
        }),
        ("link down", Toxic::Down, |_, now| matches!(now.end, End::Refused)),
        ("link corrupt", Toxic::Corrupt { bits: 1, every: Size(64) }, |before, now| {
            now.text != before.text && !now.text.is_empty()
        }),
        ("link drop_half", Toxic::DropHalf, |_, now| now.text.is_empty() && now.end == End::Silent),
    ];
    let stream = |toxic| Inject::Link(toxic, Stream::Downstream);
    let refuse: Look = |_, now| now.text.is_empty() && now.end == End::Reset;
    let media: Look = |before, now| now.text.contains("text/selftest") && now.body() == before.body();
    upstream
        .into_iter()
        .map(|(kind, inject, look)| (kind, Inject::Http(inject), look))
        .chain([
            ("upstream latency replace", Inject::Http(late(true)), (|_, now| now.is_late()) as Look),
            (
                "upstream corrupt content_type",
                Inject::Http(HttpFault::Corrupt(Corruption::ContentType("text/selftest".into()))),
                media,
            ),
            ("upstream refuse", Inject::Http(HttpFault::Refuse), refuse),
        ])
        .chain(link.into_iter().map(|(kind, toxic, look)| (kind, stream(toxic), look)))
        .collect()
}

fn late(replace: bool) -> HttpFault {
    HttpFault::Latency { law: Law::Fixed(LATE), replace }
}

impl Heard {
    fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn is_json(&self) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(self.body()).is_ok()
    }

    fn slot(&self) -> Option<i64> {
        serde_json::from_str::<serde_json::Value>(self.body()).ok()?["contextSlot"].as_i64()
    }

    fn is_late(&self) -> bool {
        self.took + EARLY >= LATE
    }

    /// In words.
    fn said(&self) -> String {
        let took = units::measured(self.took);
        let came = match (self.text.is_empty(), self.status()) {
            (true, _) => "no byte".to_owned(),
            (false, 0) => format!("{} bytes that are no reply", self.text.len()),
            (false, status) => format!("{status} with {} bytes of body", self.body().len()),
        };
        match self.end {
            End::Whole => format!("{came} after {took}"),
            End::Refused => "a refused connection".into(),
            End::Reset => format!("{came}, then a reset"),
            End::Closed => format!("{came}, then an end too early"),
            End::Silent => format!("{came} within {took}"),
        }
    }
}

/// One request on a connection of its own, and what comes until it ends; `patience` is for silence.
async fn ask(place: &str, target: &str, patience: Duration) -> Heard {
    let clock = Clock::starting_in(Duration::ZERO);
    let mut heard = Heard { text: String::new(), pieces: 0, took: Duration::ZERO, end: End::Silent };
    let mut bytes = Vec::new();
    heard.end = match TcpStream::connect(place).await {
        // Taken and reset so soon that it never seemed open.
        Err(e) if e.kind() == ErrorKind::ConnectionReset => End::Reset,
        Err(_) => End::Refused,
        Ok(mut stream) => {
            let request = format!("GET {target} HTTP/1.1\r\nHost: selftest\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).await; // what became of it is read
            hear(&mut stream, &mut bytes, &mut heard.pieces, patience).await
        }
    };
    heard.took = clock.now().since(Offset::ZERO);
    heard.text = String::from_utf8_lossy(&bytes).into_owned();
    heard
}

async fn hear(stream: &mut TcpStream, bytes: &mut Vec<u8>, pieces: &mut usize, patience: Duration) -> End {
    let mut buffer = [0; 4096];
    loop {
        match timeout(patience, stream.read(&mut buffer)).await {
            Err(_) => return End::Silent,
            Ok(Err(e)) if e.kind() == ErrorKind::ConnectionReset => return End::Reset,
            Ok(Err(_)) => return End::Closed,
            Ok(Ok(0)) => break,
            Ok(Ok(n)) => {
                bytes.extend_from_slice(&buffer[..n]);
                *pieces += 1;
            }
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        length.is_some_and(|length| body.len() >= length)
    });
    if whole { End::Whole } else { End::Closed }
}
