//! What the canary sees of links. Where one leads to a stub of ours, bytes go there and come back, and must be those that the
//! stub sends by itself; elsewhere nothing is said, for who knows what is there: a connection must do as one past the link.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ATTEMPTS, PATIENCE, SLOW, Seen};
use crate::base::httpd::encode;
use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::text::{self, cause};
use crate::base::time::{Clock, Offset};
use crate::base::units;
use crate::scenario::{Fault, Inject, Lead, Toxic};
use crate::stage::client::Stage;
use crate::stage::protocol::TOXICS;

/// How long a connection is watched for being closed.
const WATCH: Duration = Duration::from_millis(200);
/// How many bytes go there, and come back, at once: with [`ROUNDS`] more than what a toxic spoils one bit of by default.
const BYTES: usize = 16 * 1024;
/// How often, on one connection.
pub(super) const ROUNDS: usize = 5;
/// A toxic that delays less than this is not told from a busy machine.
const TELLING: Duration = Duration::from_millis(8);

/// What a connection does when nothing is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Refused,
    Closed,
    Stays,
}

impl Manner {
    fn word(self) -> &'static str {
        match self {
            Manner::Refused => "is refused",
            Manner::Closed => "is closed",
            Manner::Stays => "stays open",
        }
    }

    async fn of(address: &str) -> Manner {
        let Ok(Ok(mut stream)) = timeout(PATIENCE, TcpStream::connect(address)).await else { return Manner::Refused };
        match timeout(WATCH, stream.read_u8()).await {
            Ok(Err(_)) => Manner::Closed,
            Ok(Ok(_)) | Err(_) => Manner::Stays,
        }
    }
}

/// The other end of a link, HOST:PORT; `None` where it is a proxy of somebody else's.
pub(super) fn end(lead: &Lead, stage: &Stage, services: &[(String, Vec<Address>)]) -> Option<String> {
    match lead {
        Lead::Address(to) => Some(to.clone()),
        Lead::Upstream(upstream) => {
            stage.upstreams().get(*upstream).map(|(_, url)| url.trim_start_matches("http://").to_owned())
        }
        Lead::Service(service) => {
            let found = services.iter().find(|(name, _)| service.as_ref().is_none_or(|wanted| wanted == name));
            found.and_then(|(_, addresses)| addresses.first()).map(Address::authority)
        }
        Lead::Toxiproxy(_) => None,
    }
}

/// Whether a toxiproxy server still has something of ours, or a proxy that takes no connections.
pub(super) async fn left_there(lead: &Lead) -> Seen {
    let Lead::Toxiproxy(toxiproxy) = lead else { return Seen::clean(String::new()) };
    let (name, server) = (&toxiproxy.proxy, &toxiproxy.server);
    let asked = timeout(PATIENCE, async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let response = client.get(format!("http://{server}/proxies/{}", encode(name))).send().await?;
        response.error_for_status()?.bytes().await
    });
    let proxy: serde_json::Value = match asked.await {
        Ok(Ok(body)) => serde_json::from_slice(&body).unwrap_or_default(),
        Ok(Err(why)) => return Seen::broken(format!("the proxy {name} at {server}: {}", cause(&why))),
        Err(_) => return Seen::broken(format!("{server} does not answer")),
    };
    let toxics = proxy["toxics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = toxics.iter().filter_map(|t| t["name"].as_str()).find(|t| t.starts_with(TOXICS));
    match (ours, proxy["enabled"].as_bool()) {
        (None, Some(true)) => Seen::clean(format!("the proxy {name} is enabled and has no toxic of ours")),
        (Some(toxic), _) => Seen::broken(format!("the proxy {name} still has the toxic {toxic}")),
        (None, _) => Seen::broken(format!("the proxy {name} is not enabled")),
    }
}

/// Whether a connection through a link does what one to its other end does.
pub(super) async fn passes(link: &str, to: &str) -> Seen {
    let (through, direct) = (Manner::of(link).await, Manner::of(to).await);
    // A proxy has accepted before it knows that nobody is there.
    let alike = through == direct || (through, direct) == (Manner::Closed, Manner::Refused);
    let saw = format!("a connection through it {}", through.word());
    match alike {
        true => Seen::clean(saw),
        false => Seen::broken(format!("{saw}, one past it {}", direct.word())),
    }
}

/// How much later a toxic that is left over would let bytes come, at the least; nothing where it does something else.
pub(super) fn lingers<'f>(faults: impl Iterator<Item = &'f Fault>) -> Duration {
    let of = |fault: &Fault| match &fault.inject {
        Inject::Link(Toxic::Latency { law }, _) => law.at(0.02),
        Inject::Link(Toxic::Bandwidth { rate }, _) => Duration::from_secs_f64(BYTES as f64 / rate.0.max(1) as f64),
        _ => Duration::ZERO,
    };
    faults.map(of).filter(|late| *late >= TELLING).min().unwrap_or(SLOW * 2)
}

/// Whether bytes come back through a link to a stub of ours as they do past it, both ways: the stub repeats the path that it
/// is asked for. `calls` are such as it answers well, one for each round through the link and one past it; `late` is how much
/// later a toxic would let the answers come. Where the stub's own rate limit is in the way, only how a connection behaves is seen.
pub(super) async fn echoes(link: &str, to: &str, calls: &[Call], late: Duration, seed: Seed) -> Seen {
    let (through, past) = calls.split_at(calls.len() / 2);
    let mut limited = 0;
    while limited < ATTEMPTS {
        let (there, direct) = tokio::join!(Echo::of(link, through, seed), Echo::of(to, past, seed));
        let direct = match direct {
            Ok(direct) => direct,
            Err(why) => return Seen::broken(format!("past the link, {why}")),
        };
        let there = match there {
            Ok(there) => there,
            Err(why) => return Seen::broken(format!("through it, {why}")),
        };
        if there.is_limited() || direct.is_limited() {
            limited += 1;
            tokio::time::sleep(SLOW).await;
            continue;
        }
        let size = text::count(there.bytes as u64, "byte");
        if there.bodies != direct.bodies {
            return Seen::broken(format!("of {size} through it not every byte came back as past it"));
        }
        // Of several tries the quickest says what the link adds; the others, what the machine does beside.
        let added = there.quickest.saturating_sub(direct.quickest);
        if added > late / 2 {
            let past = units::measured(direct.quickest);
            return Seen::broken(format!("bytes come {} later than past it, {past}", units::measured(added)));
        }
        return Seen::clean(format!("{size} came back through it, every byte as past it"));
    }
    passes(link, to).await
}

/// A call of a stub, and how long it takes by itself.
pub(super) struct Call {
    /// The value of `traceparent`.
    pub trace: String,
    /// By the stub's own law.
    pub own: Duration,
}

/// What came back.
struct Echo {
    bodies: Vec<String>,
    statuses: Vec<u16>,
    bytes: usize,
    quickest: Duration, // beyond the stub's own time
}

impl Echo {
    fn is_limited(&self) -> bool {
        self.statuses.contains(&429)
    }

    /// Asks for long paths on one connection. The error says what came instead of an answer.
    async fn of(address: &str, calls: &[Call], seed: Seed) -> Result<Echo, String> {
        let mut echo = Echo { bodies: Vec::new(), statuses: Vec::new(), bytes: 0, quickest: Duration::MAX };
        let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
        let mut stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(format!("a connection is refused: {why}")),
            Err(_) => return Err("no connection comes about".into()),
        };
        for (round, Call { trace, own }) in calls.iter().enumerate() {
            let mut path = String::from("/canary/");
            let mut nth = 0u64;
            while path.len() < BYTES {
                let part = seed.decide(&[b"echo", &(round as u64).to_le_bytes(), &nth.to_le_bytes()]);
                path.push_str(&format!("{part:016x}"));
                nth += 1;
            }
            let request = format!("GET {path} HTTP/1.1\r\nHost: canary\r\ntraceparent: {trace}\r\n\r\n");
            let asked = Clock::starting_in(Duration::ZERO);
            let within = PATIENCE + *own;
            let exchange = timeout(within, async {
                stream.write_all(request.as_bytes()).await?;
                read(&mut stream).await
            });
            let reply = match exchange.await {
                Ok(Ok(reply)) => reply,
                Ok(Err(why)) => return Err(format!("the connection broke: {why}")),
                Err(_) => return Err(format!("no answer came within {}", units::duration(within))),
            };
            echo.quickest = echo.quickest.min(asked.now().since(Offset::ZERO + *own));
            echo.bytes += request.len();
            let status = reply.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if status != 429 && !body.contains(&path) {
                return Err(format!("what was asked for is not in the answer, {status}"));
            }
            echo.statuses.push(status);
            echo.bodies.push(body.to_owned());
        }
        Ok(echo)
    }
}

/// A reply whose length is stated.
async fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; BYTES]);
    loop {
        let text = String::from_utf8_lossy(&all);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
            if all.len() >= head.len() + 4 + length.unwrap_or(0) {
                return Ok(text.into_owned());
            }
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}
