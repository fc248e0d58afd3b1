//! Faults of HTTP upstreams as a service sees them: on connections that it has open already.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::config::{Config, FaultConfig};
use super::effect::ROUNDING;
use super::protocol::Report;
use super::testing::{QUOTE, config, fault};
use super::world::World;
use crate::base::law::Law;
use crate::base::units::{ByteRate, Rate, Share, Size};
use crate::scenario::{Corruption, HttpFault, Keep, Match, Per, RateLimit, ResetAt, RetryAfter, When};

/// What came on a connection: every byte, and how it ended if it did.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    /// `None` while it is open; `Ok` closed in order.
    end: Option<Result<(), ErrorKind>>,
}

impl Heard {
    fn head(&self) -> String {
        let all = String::from_utf8_lossy(&self.bytes);
        all.split_once("\r\n\r\n").map_or(String::new(), |(head, _)| head.to_owned())
    }

    fn body(&self) -> &[u8] {
        let end = self.bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(self.bytes.len(), |at| at + 4);
        &self.bytes[end..]
    }

    fn status(&self) -> u16 {
        self.head().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.head().lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    }

    fn all(&self, name: &str) -> Vec<String> {
        let start = format!("{name}: ");
        self.head().lines().filter_map(|line| line.strip_prefix(&start).map(str::to_owned)).collect()
    }

    fn promised(&self) -> usize {
        self.header("Content-Length").and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

/// A service with connections that were used before.
struct Service {
    world: World,
    reports: mpsc::UnboundedReceiver<Report>,
    pool: Vec<TcpStream>,
}

impl Service {
    /// Three warm connections to a stub with these faults, none of which has begun.
    async fn with(faults: Vec<FaultConfig>) -> Service {
        Service::on(Config { faults, ..config() }).await
    }

    async fn on(config: Config) -> Service {
        let (news, reports) = mpsc::unbounded_channel();
        let world = World::open(&config, news).await.expect("opens");
        let mut service = Service { world, reports, pool: Vec::new() };
        for _ in 0..3 {
            let mut line = service.connect().await;
            let heard = ask(&mut line, QUOTE).await;
            assert_eq!((heard.status(), heard.end), (200, None), "warm");
            service.pool.push(line);
        }
        service
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.world.upstreams[0].1.trim_start_matches("http://")).await.expect("connects")
    }

    fn apply(&self, fault: usize) {
        let mut scene = self.world.scene();
        let now = scene.now();
        scene.faults.apply(fault, now);
    }

    /// Lets all faults end: how many requests came each one's way, and how many it struck.
    fn clear(&mut self) -> Vec<(u64, u64)> {
        let mut scene = self.world.scene();
        let now = scene.now();
        scene.faults.clear_all(now);
        drop(scene);
        std::iter::from_fn(|| self.reports.try_recv().ok())
            .filter_map(|report| match report {
                Report::Cleared { eligible, injected, .. } => Some((eligible, injected)),
                _ => None,
            })
            .collect()
    }

    /// What each warm connection hears to one request, in turn.
    async fn ask_all(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        for line in &mut self.pool {
            all.push(ask(line, QUOTE).await);
        }
        all
    }
}

/// What is heard under one fault that strikes everything, on warm connections; afterwards all is well.
async fn struck(inject: HttpFault) -> Vec<Heard> {
    let mut service = Service::with(vec![fault("f", inject)]).await;
    service.apply(0);
    let all = service.ask_all().await;
    assert_eq!(service.clear(), [(3, 3)]);
    let mut fresh = service.connect().await;
    assert_eq!(ask(&mut fresh, QUOTE).await.status(), 200, "over");
    all
}

/// Sends a request and hears until its reply is whole or the connection ends.
async fn ask(line: &mut TcpStream, target: &str) -> Heard {
    ask_as(line, "GET", target, "").await
}

async fn ask_as(line: &mut TcpStream, method: &str, target: &str, headers: &str) -> Heard {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: stub\r\n{headers}\r\n");
    let mut heard = Heard::default();
    if let Err(e) = line.write_all(request.as_bytes()).await {
        heard.end = Some(Err(e.kind()));
        return heard;
    }
    let mut buffer = [0; 4096];
    while heard.head().is_empty() || method != "HEAD" && heard.body().len() < heard.promised() {
        match line.read(&mut buffer).await {
            Ok(0) => heard.end = Some(Ok(())),
            Ok(n) => heard.bytes.extend_from_slice(&buffer[..n]),
            Err(e) => heard.end = Some(Err(e.kind())),
        }
        if heard.end.is_some() {
            break;
        }
    }
    heard
}

const RESET: Option<Result<(), ErrorKind>> = Some(Err(ErrorKind::ConnectionReset));
const CLOSED: Option<Result<(), ErrorKind>> = Some(Ok(()));

#[tokio::test]
async fn status_is_answered_with_its_headers_and_body() {
    let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
    for heard in struck(HttpFault::Status { code: 503, headers: headers.clone(), body: None }).await {
        assert_eq!((heard.status(), heard.header("Retry-After"), &heard.end), (503, Some("7".into()), &None));
        let body: serde_json::Value = serde_json::from_slice(heard.body()).expect("JSON");
        assert_eq!(body["code"], 503);
    }
    let own = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    for heard in struck(HttpFault::Status { code: 418, headers: own, body: Some("short".into()) }).await {
        assert_eq!((heard.status(), heard.body()), (418, b"short".as_slice()));
        assert_eq!(heard.head().matches("Content-Type").count(), 1);
    }
}

#[tokio::test]
async fn resets_are_seen_as_resets_and_where_they_are() {
    for heard in struck(HttpFault::Reset(ResetAt::Before)).await {
        assert_eq!((heard.bytes.len(), heard.end), (0, RESET));
    }
    for heard in struck(HttpFault::Reset(ResetAt::AfterHeaders)).await {
        assert_eq!((heard.status(), heard.body().len(), heard.end), (200, 0, RESET));
    }
    for heard in struck(HttpFault::Reset(ResetAt::MidBody)).await {
        assert!(heard.promised() > 100);
        assert_eq!((heard.body().len(), heard.end), (heard.promised() / 2, RESET));
    }
}

#[tokio::test]
async fn a_truncated_body_is_promised_whole_and_ends_in_order() {
    for heard in struck(HttpFault::Truncate(Keep::Bytes(Size(64)))).await {
        assert_eq!((heard.status(), heard.body().len(), &heard.end), (200, 64, &CLOSED));
        assert!(heard.promised() > 64);
    }
    for heard in struck(HttpFault::Truncate(Keep::Share(Share(250_000_000)))).await {
        assert_eq!((heard.body().len(), heard.end), (heard.promised() / 4, CLOSED));
    }
}

#[tokio::test]
async fn corrupt_replies_keep_their_length_or_state_another() {
    for heard in struck(HttpFault::Corrupt(Corruption::Bits(1))).await {
        assert_eq!((heard.status(), heard.body().len(), &heard.end), (200, heard.promised(), &None));
    }
    for heard in struck(HttpFault::Corrupt(Corruption::Json)).await {
        assert!(serde_json::from_slice::<serde_json::Value>(heard.body()).is_err());
        assert_eq!((heard.body().len(), &heard.end), (heard.promised(), &None));
    }
    for heard in struck(HttpFault::Corrupt(Corruption::ContentType("text/html".into()))).await {
        assert_eq!(heard.header("Content-Type").as_deref(), Some("text/html"));
        assert!(serde_json::from_slice::<serde_json::Value>(heard.body()).is_ok());
    }
}

#[tokio::test]
async fn stale_replies_are_dated_and_priced_as_then() {
    let by = Duration::from_secs(3600);
    let mut service = Service::with(vec![fault("f", HttpFault::Stale { by, prices: true, timestamps: true })]).await;
    let slot = |heard: &Heard| {
        let body: serde_json::Value = serde_json::from_slice(heard.body()).expect("JSON");
        body["contextSlot"].as_i64().expect("a slot")
    };
    let fresh = slot(&ask(&mut service.pool[0], QUOTE).await);
    service.apply(0);
    for heard in service.ask_all().await {
        let age = fresh - slot(&heard);
        assert!((8_990..=9_000).contains(&age), "an hour has 9000 slots: {age}");
    }
    assert_eq!(service.clear(), [(3, 3)]);
}

#[tokio::test]
async fn a_rate_limit_refuses_beyond_its_burst_and_says_when_to_come_back() {
    let limit = RateLimit { rate: Rate::per_second(1), burst: 2 };
    let inject = HttpFault::RateLimit { limit, per: Per::One, retry_after: RetryAfter::HttpDate };
    let mut service = Service::with(vec![fault("f", inject)]).await;
    service.apply(0);
    let heard = service.ask_all().await;
    assert_eq!(heard.iter().map(Heard::status).collect::<Vec<_>>(), [200, 200, 429]);
    let last = &heard[2];
    assert!(last.header("Retry-After").is_some_and(|date| date.ends_with(" GMT")), "{}", last.head());
    assert_eq!(last.header("X-RateLimit-Limit").as_deref(), Some("2"));
    assert_eq!(service.clear(), [(3, 1)]);
}

#[tokio::test]
async fn a_bucket_for_each_client_is_told_apart_by_its_header() {
    let limit = RateLimit { rate: Rate(0), burst: 1 };
    let inject = HttpFault::RateLimit { limit, per: Per::Header("X-Key".into()), retry_after: RetryAfter::None };
    let mut service = Service::with(vec![fault("f", inject)]).await;
    service.apply(0);
    let line = &mut service.pool[0];
    let mut statuses = Vec::new();
    for key in ["a", "b", "a", "b", "c"] {
        statuses.push(ask_as(line, "GET", QUOTE, &format!("X-Key: {key}\r\n")).await.status());
    }
    assert_eq!(statuses, [200, 200, 429, 429, 200]);
}

#[tokio::test]
async fn refuse_resets_new_connections_and_requests_on_old_ones() {
    let mut service = Service::with(vec![fault("f", HttpFault::Refuse)]).await;
    service.apply(0);
    for heard in service.ask_all().await {
        assert_eq!((heard.bytes.len(), heard.end), (0, RESET));
    }
    for _ in 0..2 {
        let mut fresh = service.connect().await;
        let unasked = tokio::time::timeout(Duration::from_secs(60), fresh.read_u8()).await.expect("at once");
        assert_eq!(unasked.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset), "before anything is said");
    }
    assert_eq!(service.clear(), [(5, 5)], "three requests and two connections");
    let mut fresh = service.connect().await;
    assert_eq!(ask(&mut fresh, QUOTE).await.status(), 200);
}

/// Nothing is shorter than declared but by the rounding of a timer; how much longer is for the bench to say.
#[tokio::test]
async fn latency_is_waited_once_and_let_go_when_it_is_over() {
    let late = |length| HttpFault::Latency { law: Law::Fixed(length), replace: false };
    let short = Duration::from_millis(60);
    let hour = late(Duration::from_secs(3600));
    let mut service =
        Service::with(vec![fault("one", late(short)), fault("two", late(short)), fault("hour", hour)]).await;
    service.apply(0);
    let began = crate::base::time::timer();
    assert_eq!(ask(&mut service.pool[0], QUOTE).await.status(), 200);
    assert!(began.elapsed() >= short - ROUNDING);
    service.apply(1);
    let began = crate::base::time::timer();
    assert_eq!(ask(&mut service.pool[1], QUOTE).await.status(), 200);
    assert!(began.elapsed() >= short * 2 - ROUNDING, "two add up");
    service.apply(2);
    let mut line = service.pool.pop().expect("a third");
    let asked = tokio::spawn(async move { ask(&mut line, QUOTE).await.status() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    assert_eq!(service.clear(), [(3, 3), (2, 2), (1, 1)]);
    let let_go = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert_eq!(let_go.expect("at once").expect("no panic"), 200);
}

#[tokio::test]
async fn latency_that_replaces_takes_the_place_of_the_stubs_own() {
    let mut config = config();
    let short = Duration::from_millis(60);
    config.faults = vec![fault("f", HttpFault::Latency { law: Law::Fixed(short), replace: true })];
    config.upstreams[0].latency = Law::Fixed(Duration::from_secs(3600));
    let (news, _reports) = mpsc::unbounded_channel();
    let world = World::open(&config, news).await.expect("opens");
    let mut service = Service { world, reports: mpsc::unbounded_channel().1, pool: Vec::new() };
    service.apply(0);
    let mut line = service.connect().await;
    let began = crate::base::time::timer();
    let heard = tokio::time::timeout(Duration::from_secs(60), ask(&mut line, QUOTE)).await.expect("not an hour");
    assert!(heard.status() == 200 && began.elapsed() >= short - ROUNDING);
    service.clear();
}

#[tokio::test]
async fn a_slow_body_comes_at_its_rate_and_the_rest_at_once_when_it_is_over() {
    let slow = |rate| fault("f", HttpFault::SlowBody { rate: ByteRate(rate) });
    let mut service = Service::with(vec![slow(2_000)]).await;
    service.apply(0);
    let began = crate::base::time::timer();
    let heard = ask(&mut service.pool[0], QUOTE).await;
    let pieces = heard.promised() as u64 / 20;
    assert!(began.elapsed() >= Duration::from_millis(pieces * 10) - ROUNDING, "{pieces} pieces of 10 ms");
    assert_eq!((heard.body().len(), &heard.end), (heard.promised(), &None));
    assert_eq!(ask(&mut service.pool[0], QUOTE).await.status(), 200, "the connection stays");

    let mut service = Service::with(vec![slow(1)]).await;
    service.apply(0);
    let mut line = service.pool.pop().expect("another");
    let asked = tokio::spawn(async move { ask(&mut line, QUOTE).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    service.clear();
    let heard = tokio::time::timeout(Duration::from_secs(60), asked).await.expect("at once").expect("no panic");
    assert_eq!((heard.body().len(), heard.end), (heard.promised(), None));
}

#[tokio::test]
async fn a_struck_reply_names_its_fault_where_it_is_asked_to_and_no_other_does() {
    let late = |name: &str, mark| FaultConfig {
        mark,
        ..fault(name, HttpFault::Latency { law: Law::Fixed(Duration::from_millis(1)), replace: false })
    };
    let whole = FaultConfig { mark: true, ..fault("whole", HttpFault::Truncate(Keep::Bytes(Size(1 << 20)))) };
    let bad = HttpFault::Status { code: 503, headers: Vec::new(), body: None };
    let some = FaultConfig { mark: true, when: When::Every(2), ..fault("bad", bad) };
    let mut service = Service::with(vec![late("told", true), late("hidden", false), whole, some]).await;
    (0..4).for_each(|f| service.apply(f));
    let heard: Vec<(u16, Vec<String>)> =
        service.ask_all().await.iter().map(|h| (h.status(), h.all("Proofload-Fault"))).collect();
    let told = vec!["told".to_owned()];
    assert_eq!(heard[0], (200, told.clone()), "what changed nothing did not strike");
    assert_eq!(heard[1], (503, vec!["told".to_owned(), "bad".to_owned()]), "by each that struck it");
    assert_eq!(heard[2], (200, told));
    service.clear();
    let mut fresh = service.connect().await;
    assert_eq!(ask(&mut fresh, QUOTE).await.all("Proofload-Fault"), Vec::<String>::new(), "over");
}

#[tokio::test]
async fn only_what_matches_and_is_admitted_is_struck() {
    let bad = || HttpFault::Status { code: 500, headers: Vec::new(), body: None };
    let own = FaultConfig {
        matching: Match { headers: vec![("X-Tenant".into(), "load".into())], ..Match::default() },
        when: When::Every(2),
        ..fault("f", bad())
    };
    let mut service = Service::with(vec![own]).await;
    service.apply(0);
    let line = &mut service.pool[0];
    let mut statuses = Vec::new();
    for tenant in ["load", "other", "load", "load", "other", "load"] {
        statuses.push(ask_as(line, "GET", QUOTE, &format!("X-Tenant: {tenant}\r\n")).await.status());
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
    assert_eq!(service.clear(), [(2, 2)], "others did not come its way");
}

#[tokio::test]
async fn a_head_request_has_no_body_to_spoil() {
    let half = HttpFault::Truncate(Keep::Share(Share(500_000_000)));
    let mut service = Service::with(vec![fault("f", half)]).await;
    service.apply(0);
    let heard = ask_as(&mut service.pool[0], "HEAD", "/v6/nothing", "").await;
    assert_eq!((heard.status(), heard.body().len(), &heard.end), (404, 0, &None));
    assert!(heard.promised() > 0, "it says how long the body would be");
    assert_eq!(service.clear(), [(1, 0)], "came its way, and did not feel it");
}
