//! What the tests of stage and fault share: a small world, and a client that looks closely.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::client::Stage;
use super::config::{Config, FaultConfig, Subject, UpstreamConfig};
use super::protocol::Report;
use crate::base::law::Law;
use crate::base::time::Clock;
use crate::base::units::Share;
use crate::scenario::{HttpFault, Inject, Match, When};

/// A request that the stub of [`config`] answers.
pub(crate) const QUOTE: &str = "/v6/quote?inputMint=A&outputMint=B&amount=1000";

/// One stub without delay and one fault that lets all its requests hang.
pub(crate) fn config() -> Config {
    Config {
        zero: Clock::starting_in(Duration::ZERO).zero(),
        seed: 7,
        run: "run".into(),
        upstreams: vec![upstream("jupiter")],
        links: Vec::new(),
        kafka: Vec::new(),
        allow_hosts: Vec::new(),
        faults: vec![fault("hang", HttpFault::Timeout)],
        touches: None,
        undo: None,
        linger: Duration::from_secs(60),
    }
}

/// A fault that strikes every request of `jupiter`.
pub(crate) fn fault(name: &str, inject: HttpFault) -> FaultConfig {
    FaultConfig {
        name: name.into(),
        on: Subject::Upstream("jupiter".into()),
        inject: Inject::Http(inject),
        share: Share::ALL,
        ramp: None,
        matching: Match::default(),
        when: When::Always,
        mark: false,
        ttl: Duration::from_secs(60),
    }
}

/// A stub without delay.
pub(crate) fn upstream(name: &str) -> UpstreamConfig {
    UpstreamConfig {
        name: name.into(),
        like: Some("jupiter".into()),
        listen: None,
        latency: Law::Fixed(Duration::ZERO),
        success: 1_000_000_000,
        rate_limit: None,
        replies: Vec::new(),
        forward: None,
        tls: None,
    }
}

/// The two ends of a lease in memory: the stage's, then the run's; each reads and writes.
#[allow(clippy::type_complexity, reason = "four halves, each named where it is taken")]
pub(crate) fn lease(
    capacity: usize,
) -> ((ReadHalf<DuplexStream>, WriteHalf<DuplexStream>), (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>)) {
    let (stage, run) = tokio::io::duplex(capacity);
    (tokio::io::split(stage), tokio::io::split(run))
}

/// What a stage says unasked of its faults.
pub(crate) async fn told(stage: &mut Stage) -> Option<Report> {
    loop {
        match stage.report().await {
            Some(Report::Calls { .. } | Report::Health(_)) => {}
            report => return report,
        }
    }
}

/// A keep-alive connection.
pub(crate) struct Line(TcpStream);

impl Line {
    /// A connection to the host of a URL.
    pub(crate) async fn open(url: &str) -> Line {
        Line(TcpStream::connect(url.trim_start_matches("http://")).await.expect("connects"))
    }

    /// Sends a request.
    pub(crate) async fn send(&mut self, target: &str) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: stub\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.expect("writes");
    }

    /// Reads a reply: its status, 0 when the connection was closed instead.
    pub(crate) async fn answer(&mut self) -> u16 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return 0,
            }
        }
        let head = String::from_utf8(head).expect("a head is text");
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.and_then(|n| n.parse().ok()).expect("a length")];
        self.0.read_exact(&mut body).await.expect("a whole body");
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// The same, `None` when nothing came for so long, in milliseconds.
    pub(crate) async fn answer_within(&mut self, ms: u64) -> Option<u16> {
        tokio::time::timeout(Duration::from_millis(ms), self.answer()).await.ok()
    }

    /// Asks and reads the status.
    pub(crate) async fn ask(&mut self, target: &str) -> u16 {
        self.send(target).await;
        self.answer().await
    }
}
