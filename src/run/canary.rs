//! After the last fault: whether the outside world behaves as it did before. Every upstream is asked through its port, once
//! for each fault that acted on it, in the name of a call that this fault would have struck, and the stub says itself what it
//! made; through every link bytes are sent, as past it; every broker is asked who is in its cluster.
//!
//! The target hears nothing of it, and no shot, count or touch of the load is made: the canary's requests carry traces of no
//! traffic.

mod line;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::base::net::Address;
use crate::base::seed::Seed;
use crate::base::text::cause;
use crate::base::time::{Clock, Offset};
use crate::base::trace::{Shot, Tracer};
use crate::base::units;
use crate::evidence::event::Event;
use crate::scenario::{Fault, HttpFault, Inject, Kafka, Lead, Match, On, Scenario, Upstream, When};
use crate::stage::client::Stage;
use crate::stage::decide::{Key, draw, strikes};
use crate::stage::kafka::ask::ask;
use crate::stage::quote::Age;
use crate::stage::quoter::Quoter;
use crate::stage::stub::{MADE, Made};
use line::{Call, ROUNDS, echoes, end, left_there, lingers, passes};

/// How much longer than it should an answer may take: enough for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(2);
/// What comes later than this after its time is late: a fault would have to be smaller to hide in it.
const SLOW: Duration = Duration::from_millis(500);
/// How often a request that meets the stub's own rate limit is sent again.
const ATTEMPTS: u32 = 4;
/// A delay shorter than this is not told from a busy machine.
const TELLING: Duration = Duration::from_millis(4);
/// So many replies must all be late before a fault that only slows them is seen in it.
const TRIES: usize = 5;
/// At most so many requests are spent on a fault that lets the first ones pass.
const MOST: usize = 50;
/// Of so many calls one is struck by a fault of any share worth the name, and answered well.
const KEYS: u64 = 1_000_000;

/// What a request came to.
struct Seen {
    clean: bool,
    /// Later than it should be, by about as much as the fault would make it; once is no proof.
    late: bool,
    saw: String,
}

impl Seen {
    fn clean(saw: String) -> Seen {
        Seen { clean: true, late: false, saw }
    }

    fn broken(saw: String) -> Seen {
        Seen { clean: false, late: false, saw }
    }
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
    made: Option<Made>,
    sum: u32, // of what came
    length: usize,
    took: Duration,
}

/// Looks at every upstream, link and Kafka cluster of a scenario; what was seen, as events.
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
    for (position, (link, (name, address))) in scenario.links.iter().zip(stage.links()).enumerate() {
        let seen = match end(&link.to, stage, services) {
            Some(to) => match ours(&link.to, scenario) {
                Some(upstream) => {
                    let shots = answered(scenario.seed, upstream, &[b"canary-link", name.as_bytes()], None, ROUNDS * 2);
                    let call = |shot: &Shot| Call {
                        trace: String::from_utf8_lossy(&tracer.id(*shot).traceparent()).into_owned(),
                        own: own(scenario.seed, upstream, *shot),
                    };
                    let calls: Vec<Call> = shots.iter().map(call).collect();
                    let late = lingers(scenario.faults.iter().filter(|fault| fault.on == On::Link(position)));
                    match calls.len() < ROUNDS * 2 {
                        true => passes(address, &to).await, // a stub that answers hardly anything well
                        false => echoes(address, &to, &calls, late, scenario.seed).await,
                    }
                }
                None => passes(address, &to).await,
            },
            None => left_there(&link.to).await,
        };
        events.push(told(format!("link/{name}"), None, seen));
    }
    for kafka in scenario.kafka.iter().filter(|kafka| kafka.is_staged()) {
        let found = stage.kafka().iter().find(|(name, _)| *name == kafka.name);
        let brokers = found.map_or("", |(_, brokers)| brokers);
        events.push(told(format!("kafka/{}", kafka.name), None, cluster(kafka, brokers).await));
    }
    events
}

/// Whether every broker of a cluster answers by the stage, names the others and knows who leads each topic.
async fn cluster(kafka: &Kafka, brokers: &str) -> Seen {
    let places: Vec<&str> = brokers.split(',').filter(|place| !place.is_empty()).collect();
    for place in &places {
        if kafka.security().is_some() {
            // It tells nobody anything who does not say who he is.
            match timeout(PATIENCE, TcpStream::connect(place)).await {
                Ok(Ok(_)) => continue,
                Ok(Err(why)) => return Seen::broken(format!("{place}: {why}")),
                Err(_) => return Seen::broken(format!("{place}: no answer")),
            }
        }
        let census = match ask(place).await {
            Ok(census) => census,
            Err(why) => return Seen::broken(why),
        };
        if kafka.is_embedded() && census.brokers.len() != places.len() {
            return Seen::broken(format!("{place} knows {} of {} brokers", census.brokers.len(), places.len()));
        }
        let ours = |name: Option<&str>| name.is_some_and(|name| kafka.topic(name).is_some());
        if let Some(topic) = census.topics.iter().find(|t| ours(t.name.as_deref()) && !t.is_available()) {
            return Seen::broken(format!("the topic {} has no leaders", topic.name.as_deref().unwrap_or_default()));
        }
    }
    Seen::clean(format!("{} answered", crate::base::text::count(places.len() as u64, "broker")))
}

/// How long a stub takes by itself for the first call of a shot.
fn own(seed: Seed, upstream: &Upstream, shot: Shot) -> Duration {
    upstream.latency.at(draw(seed, "latency", &upstream.name, Key::Call { shot, attempt: 0 }))
}

/// The stub that a link leads to, where it leads to one that answers by itself.
fn ours<'s>(lead: &Lead, scenario: &'s Scenario) -> Option<&'s Upstream> {
    let Lead::Upstream(upstream) = lead else { return None };
    scenario.upstreams.get(*upstream).filter(|upstream| upstream.forward.is_none())
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
        Inject::Http(HttpFault::Latency { .. } | HttpFault::SlowBody { .. }) => TRIES,
        _ => 1,
    };
    let nth = if let When::Every(n) = fault.when { n as usize } else { 1 };
    burst.max(nth).min(MOST)
}

/// Calls that a fault strikes and that the stub by itself answers well.
fn calls(seed: Seed, upstream: &Upstream, fault: Option<&Fault>) -> Vec<Shot> {
    let name = fault.map_or("", |fault| fault.name.as_str());
    answered(seed, upstream, &[b"canary", name.as_bytes()], fault, enough(fault))
}

/// So many of them. Each purpose has calls of its own: an upstream that has seen a call takes the next for a retry.
fn answered(seed: Seed, upstream: &Upstream, purpose: &[&[u8]], fault: Option<&Fault>, count: usize) -> Vec<Shot> {
    let shot = |seq| Shot { traffic: Shot::CANARY, seq };
    let fits = |seq: &u64| {
        let key = Key::Call { shot: shot(*seq), attempt: 0 };
        let struck = fault.is_none_or(|fault| strikes(seed, &fault.name, fault.share, &upstream.name, key));
        struck && draw(seed, "success", &upstream.name, key) < upstream.success.fraction()
    };
    let first = seed.decide(purpose) % (1 << 32);
    let mut found: Vec<Shot> = (first..first + KEYS).filter(fits).take(count).map(shot).collect();
    while found.len() < count.min(2) {
        found.push(shot(first + found.len() as u64));
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
            Err(why) => return Seen::broken(format!("could not ask: {}", cause(&why))),
        };
        let (mut saw, mut late) = (String::new(), 0);
        for shot in &self.shots {
            let seen = self.ask_once(&client, tracer, *shot).await;
            if !seen.clean {
                return seen;
            }
            late += usize::from(seen.late);
            saw = seen.saw;
        }
        match late >= TRIES && late == self.shots.len() {
            true => Seen::broken(format!("each of {late} answers was late, as by the fault; the last: {saw}")),
            false => Seen::clean(saw),
        }
    }

    /// How much later a reply of this length to a call would come if the fault were left over, where it does nothing else.
    fn lingers(&self, shot: Shot, own: Duration, length: usize) -> Option<Duration> {
        let fault = self.fault?;
        let Inject::Http(inject) = &fault.inject else { return None };
        let late = match inject {
            HttpFault::Latency { law, replace } => {
                let key = Key::Call { shot, attempt: 0 };
                let drawn = law.at(draw(self.seed, &format!("fault/{}", fault.name), &self.upstream.name, key));
                if *replace { drawn.saturating_sub(own) } else { drawn }
            }
            HttpFault::SlowBody { rate } => Duration::from_secs_f64(length as f64 / rate.0.max(1) as f64),
            _ => return None,
        };
        Some(late).filter(|late| *late >= TELLING)
    }

    async fn ask_once(&self, client: &reqwest::Client, tracer: Tracer, shot: Shot) -> Seen {
        // What stands behind a request that is passed on takes the time that it takes.
        let (expected, status) = match &self.upstream.forward {
            Some(address) => match self.send(client, &address.to_string(), None, Duration::ZERO).await {
                Ok(direct) => (direct.took, Some(direct.status)),
                Err(_) => (PATIENCE, None),
            },
            None => (own(self.seed, self.upstream, shot), self.wanted()),
        };
        for _ in 0..ATTEMPTS {
            let got = match self.send(client, self.url, Some((tracer, shot)), expected).await {
                Ok(got) => got,
                Err(saw) => return Seen::broken(saw),
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
                _ => self
                    .made_otherwise(&got)
                    .map(|how| format!("{said}, {how}"))
                    .or((!got.whole).then(|| format!("{said}, and no JSON"))),
            };
            let lingering = self.lingers(shot, expected, got.length);
            let late = lingering.is_some_and(|late| got.took > expected + late / 2);
            return match wrong {
                Some(wrong) => Seen::broken(wrong),
                None => Seen { late, ..Seen::clean(said) },
            };
        }
        Seen::clean(format!("429 by its own rate limit, {ATTEMPTS} times"))
    }

    /// How an answer is not what the stub made just now; nothing where it is, or where no stub made it.
    fn made_otherwise(&self, got: &Answer) -> Option<String> {
        let is_head = self.fault.is_some_and(|fault| fault.matching.method.as_deref() == Some("HEAD"));
        if self.upstream.forward.is_some() || is_head {
            return None;
        }
        match got.made {
            None => Some("and not by the stub".into()),
            Some(made) if made.sum != got.sum => Some("and not as the stub made it".into()),
            Some(made) if !made.age.prices.is_zero() => {
                Some(format!("with prices of {} ago", units::duration(made.age.prices)))
            }
            Some(made) if !made.age.timestamps.is_zero() => {
                Some(format!("with timestamps of {} ago", units::duration(made.age.timestamps)))
            }
            Some(_) => None,
        }
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
            let made = header(MADE).and_then(|made| Made::read(&made));
            let media = header("content-type").unwrap_or_default();
            let is_json = media.contains("json");
            let body = response.bytes().await?;
            let whole = !is_json || serde_json::from_slice::<serde_json::Value>(&body).is_ok();
            let limit = limit.and_then(|limit| limit.parse().ok());
            let (took, sum) = (asked.now().since(Offset::ZERO), Made::of(&media, &body, Age::default()).sum);
            Ok::<_, reqwest::Error>(Answer { status, limit, whole, made, sum, length: body.len(), took })
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

#[cfg(test)]
mod tests;
