//! After the last fault: whether the outside world behaves as it did before. Every upstream is asked through its port, once
//! for each fault that acted on it, in the name of a call that this fault would have struck; every link is connected to, as
//! is what stands behind it.
//!
//! The target hears nothing of it, and no shot, count or touch of the load is made: the canary's requests carry traces of no
//! traffic.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::base::httpd::encode;
use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::text::cause;
use crate::base::time::{Clock, Offset};
use crate::base::trace::{Shot, Tracer};
use crate::base::units;
use crate::evidence::event::Event;
use crate::scenario::{Fault, HttpFault, Inject, Lead, Match, On, Scenario, Upstream, When};
use crate::stage::client::Stage;
use crate::stage::decide::{Key, draw, strikes};
use crate::stage::quoter::Quoter;

/// How much longer than it should an answer may take: enough for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(2);
/// What comes later than this after its time is late: a fault would have to be smaller to hide in it.
const SLOW: Duration = Duration::from_millis(500);
/// How often a request that meets the stub's own rate limit is sent again.
const ATTEMPTS: u32 = 4;
/// How long a connection is watched for being closed.
const WATCH: Duration = Duration::from_millis(200);
/// At most so many requests are spent on a fault that lets the first ones pass.
const MOST: usize = 50;
/// Of so many calls one is struck by a fault of any share worth the name, and answered well.
const KEYS: u64 = 1_000_000;

/// What a request came to.
struct Seen {
    clean: bool,
    saw: String,
}

/// Where an upstream answers, and what is asked of it.
struct Question<'a> {
    url: &'a str,
    upstream: &'a Upstream,
    fault: Option<&'a Fault>,
    shots: Vec<Shot>,
    seed: Seed,
}

/// An answer, as far as it matters.
struct Answer {
    status: u16,
    limit: Option<u32>,
    whole: bool, // what says that it is JSON is
    took: Duration,
}

/// Looks at every upstream and link of a scenario; what was seen, as events.
pub(super) async fn canary(
    scenario: &Scenario,
    stage: &Stage,
    services: &[(String, Vec<Address>)],
    tracer: Tracer,
    clock: Clock,
) -> Vec<Event> {
    let remedy = format!("kill -9 {}", stage.pid());
    let told = |on: String, fault: Option<&str>, seen: Seen| Event::Canary {
        at: clock.now(),
        on,
        fault: fault.map(str::to_owned),
        remedy: (!seen.clean).then(|| remedy.clone()),
        clean: seen.clean,
        saw: seen.saw,
    };
    let mut events = Vec::new();
    for question in questions(scenario, stage.upstreams()) {
        let seen = question.ask(tracer).await;
        let fault = question.fault.map(|fault| fault.name.as_str());
        events.push(told(format!("upstream/{}", question.upstream.name), fault, seen));
    }
    for (link, (name, address)) in scenario.links.iter().zip(stage.links()) {
        let seen = match end(&link.to, stage, services) {
            Some(to) => passes(address, &to).await,
            None => left_there(&link.to).await,
        };
        events.push(told(format!("link/{name}"), None, seen));
    }
    events
}

/// What is asked: of each upstream, calls for each of its faults that this one would strike; one in any case.
fn questions<'a>(scenario: &'a Scenario, places: &'a [(String, String)]) -> Vec<Question<'a>> {
    let mut all = Vec::new();
    for (i, (upstream, (_, url))) in scenario.upstreams.iter().zip(places).enumerate() {
        let mut faults: Vec<Option<&Fault>> =
            scenario.faults.iter().filter(|f| f.on == On::Upstream(i)).map(Some).collect();
        if faults.is_empty() {
            faults.push(None);
        }
        for fault in faults {
            let shots = calls(scenario.seed, upstream, fault);
            all.push(Question { url, upstream, fault, shots, seed: scenario.seed });
        }
    }
    all
}

/// How many requests show a fault: those that it lets pass at first, and one.
fn enough(fault: Option<&Fault>) -> usize {
    let Some(fault) = fault else { return 1 };
    let burst = match &fault.inject {
        Inject::Http(HttpFault::RateLimit { limit, .. }) => limit.burst as usize + 1,
        _ => 1,
    };
    let nth = if let When::Every(n) = fault.when { n as usize } else { 1 };
    burst.max(nth).min(MOST)
}

/// Calls that a fault strikes and that the stub by itself answers well.
fn calls(seed: Seed, upstream: &Upstream, fault: Option<&Fault>) -> Vec<Shot> {
    let shot = |seq| Shot { traffic: Shot::CANARY, seq };
    let fits = |seq: &u64| {
        let key = Key::Call { shot: shot(*seq), attempt: 0 };
        let struck = fault.is_none_or(|fault| strikes(seed, &fault.name, fault.share, &upstream.name, key));
        struck && draw(seed, "success", &upstream.name, key) < upstream.success.fraction()
    };
    // Each fault has calls of its own: an upstream that has seen a call takes the next for a retry.
    let first = fault.map_or(0, |fault| seed.decide(&[b"canary", fault.name.as_bytes()]) % (1 << 32));
    let mut found: Vec<Shot> = (first..first + KEYS).filter(fits).take(enough(fault)).map(shot).collect();
    if found.is_empty() {
        found.push(shot(first));
    }
    found
}

impl Question<'_> {
    /// The path and query of the request: such that the fault takes it for its business.
    fn path(&self) -> String {
        let own = match (self.upstream.replies.first(), self.upstream.like.as_deref().and_then(Quoter::from_word)) {
            (Some(reply), _) => reply.path.clone(),
            (None, Some(quoter)) => quoter.example().to_owned(),
            (None, None) => "/".to_owned(),
        };
        let Some(matching) = self.fault.map(|fault| &fault.matching) else { return own };
        let mut path = matching.path.as_ref().map_or(own, |path| path.trim_end_matches('*').to_owned());
        for (name, value) in &matching.query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&format!("{name}={}", anything(value)));
        }
        path
    }

    /// The status of a clean answer, where that is known beforehand.
    fn wanted(&self) -> Option<u16> {
        let elsewhere = self.fault.is_some_and(|fault| fault.matching != Match::default());
        match self.upstream.replies.first() {
            _ if elsewhere || self.upstream.forward.is_some() => None,
            Some(reply) => Some(reply.status),
            None => Some(200),
        }
    }

    async fn ask(&self, tracer: Tracer) -> Seen {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let client = match client {
            Ok(client) => client,
            Err(why) => return Seen { clean: false, saw: format!("could not ask: {}", cause(&why)) },
        };
        let mut saw = String::new();
        for shot in &self.shots {
            let seen = self.ask_once(&client, tracer, *shot).await;
            if !seen.clean {
                return seen;
            }
            saw = seen.saw;
        }
        Seen { clean: true, saw }
    }

    async fn ask_once(&self, client: &reqwest::Client, tracer: Tracer, shot: Shot) -> Seen {
        // What stands behind a request that is passed on takes the time that it takes.
        let (expected, status) = match &self.upstream.forward {
            Some(address) => match self.send(client, &address.to_string(), None, Duration::ZERO).await {
                Ok(direct) => (direct.took, Some(direct.status)),
                Err(_) => (PATIENCE, None),
            },
            None => {
                let key = Key::Call { shot, attempt: 0 };
                let own = self.upstream.latency.at(draw(self.seed, "latency", &self.upstream.name, key));
                (own, self.wanted())
            }
        };
        for _ in 0..ATTEMPTS {
            let got = match self.send(client, self.url, Some((tracer, shot)), expected).await {
                Ok(got) => got,
                Err(saw) => return Seen { clean: false, saw },
            };
            let own = self.upstream.rate_limit.map(|limit| limit.burst);
            if got.status == 429 && own.is_some() && own == got.limit {
                // The stub's own limit, which whatever still calls it uses up: that is as it was before.
                sleep(SLOW).await;
                continue;
            }
            let said = format!("{} after {}", got.status, units::measured(got.took));
            let wrong = match status {
                Some(wanted) if got.status != wanted => Some(format!("{said} instead of {wanted}")),
                _ if got.took > expected + SLOW => Some(format!("{said} instead of {}", units::measured(expected))),
                _ if !got.whole => Some(format!("{said}, and no JSON")),
                _ => None,
            };
            return Seen { clean: wrong.is_none(), saw: wrong.unwrap_or(said) };
        }
        Seen { clean: true, saw: format!("429 by its own rate limit, {ATTEMPTS} times") }
    }

    /// Sends the request to an address; the error is what was seen instead of an answer.
    async fn send(
        &self,
        client: &reqwest::Client,
        to: &str,
        call: Option<(Tracer, Shot)>,
        expected: Duration,
    ) -> Result<Answer, String> {
        let matching = self.fault.map(|fault| &fault.matching);
        let method = matching.and_then(|m| m.method.as_ref()?.parse().ok()).unwrap_or(reqwest::Method::GET);
        let mut request = client.request(method, format!("{}{}", to.trim_end_matches('/'), self.path()));
        for (name, value) in matching.iter().flat_map(|m| &m.headers) {
            request = request.header(name, anything(value));
        }
        if let Some((tracer, shot)) = call {
            request =
                request.header("traceparent", String::from_utf8_lossy(&tracer.id(shot).traceparent()).into_owned());
        }
        let asked = Clock::starting_in(Duration::ZERO);
        let got = timeout(expected + PATIENCE, async {
            let response = request.send().await?;
            let header = |name: &str| response.headers().get(name).and_then(|v| Some(v.to_str().ok()?.to_owned()));
            let (status, limit) = (response.status().as_u16(), header("x-ratelimit-limit"));
            let is_json = header("content-type").is_some_and(|media| media.contains("json"));
            let body = response.bytes().await?;
            let whole = !is_json || serde_json::from_slice::<serde_json::Value>(&body).is_ok();
            let limit = limit.and_then(|limit| limit.parse().ok());
            Ok::<_, reqwest::Error>(Answer { status, limit, whole, took: asked.now().since(Offset::ZERO) })
        });
        match got.await {
            Ok(got) => got.map_err(|why| cause(&why)),
            Err(_) => Err(format!("no answer within {}", units::duration(expected + PATIENCE))),
        }
    }
}

/// A value that a fault's `match` accepts.
fn anything(value: &str) -> &str {
    if value == "*" { "canary" } else { value }
}

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
fn end(lead: &Lead, stage: &Stage, services: &[(String, Vec<Address>)]) -> Option<String> {
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
async fn left_there(lead: &Lead) -> Seen {
    let Lead::Toxiproxy(toxiproxy) = lead else { return Seen { clean: true, saw: String::new() } };
    let (name, server) = (&toxiproxy.proxy, &toxiproxy.server);
    let asked = timeout(PATIENCE, async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let response = client.get(format!("http://{server}/proxies/{}", encode(name))).send().await?;
        response.error_for_status()?.bytes().await
    });
    let proxy: serde_json::Value = match asked.await {
        Ok(Ok(body)) => serde_json::from_slice(&body).unwrap_or_default(),
        Ok(Err(why)) => return Seen { clean: false, saw: format!("the proxy {name} at {server}: {}", cause(&why)) },
        Err(_) => return Seen { clean: false, saw: format!("{server} does not answer") },
    };
    let toxics = proxy["toxics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = toxics.iter().filter_map(|t| t["name"].as_str()).find(|t| t.starts_with("proofload-"));
    match (ours, proxy["enabled"].as_bool()) {
        (None, Some(true)) => {
            Seen { clean: true, saw: format!("the proxy {name} is enabled and has no toxic of ours") }
        }
        (Some(toxic), _) => Seen { clean: false, saw: format!("the proxy {name} still has the toxic {toxic}") },
        (None, _) => Seen { clean: false, saw: format!("the proxy {name} is not enabled") },
    }
}

/// Whether a connection through a link does what one to its other end does. Nothing is sent: who knows what is there.
async fn passes(link: &str, to: &str) -> Seen {
    let (through, direct) = (Manner::of(link).await, Manner::of(to).await);
    // A proxy has accepted before it knows that nobody is there.
    let alike = through == direct || (through, direct) == (Manner::Closed, Manner::Refused);
    let saw = format!("a connection through it {}", through.word());
    match alike {
        true => Seen { clean: true, saw },
        false => Seen { clean: false, saw: format!("{saw}, one past it {}", direct.word()) },
    }
}

#[cfg(test)]
mod tests;
