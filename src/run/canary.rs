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

use crate::base::seed::Seed;
use crate::base::text::cause;
use crate::base::time::{Clock, Offset};
use crate::base::trace::{Shot, Tracer};
use crate::base::units::{self, Share};
use crate::evidence::event::Event;
use crate::scenario::{On, Scenario, Upstream};
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
/// Of so many calls one is struck by a fault of any share worth the name, and answered well.
const KEYS: u64 = 1_000_000;

/// What a request came to.
struct Seen {
    clean: bool,
    saw: String,
}

/// Where an upstream answers, and what is asked of it.
pub(super) struct Question<'a> {
    url: &'a str,
    upstream: &'a Upstream,
    fault: Option<&'a str>,
    shot: Shot,
    expected: Duration,
}

/// Looks at every upstream and link of a scenario; what was seen, as events.
pub(super) async fn canary(scenario: &Scenario, stage: &Stage, tracer: Tracer, clock: Clock) -> Vec<Event> {
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
        events.push(told(format!("upstream/{}", question.upstream.name), question.fault, seen));
    }
    for (link, (name, address)) in scenario.links.iter().zip(stage.links()) {
        events.push(told(format!("link/{name}"), None, passes(address, &link.to).await));
    }
    events
}

/// What is asked: of each upstream, a call for each of its faults that this one would strike; one in any case.
fn questions<'a>(scenario: &'a Scenario, places: &'a [(String, String)]) -> Vec<Question<'a>> {
    let mut all = Vec::new();
    for (i, (upstream, (_, url))) in scenario.upstreams.iter().zip(places).enumerate() {
        let faults = scenario.faults.iter().filter(|f| f.on == On::Upstream(i));
        let faults: Vec<Option<(&str, Share)>> = match faults.clone().next() {
            None => vec![None],
            Some(_) => faults.map(|f| Some((f.name.as_str(), f.share))).collect(),
        };
        for fault in faults {
            let shot = call(scenario.seed, upstream, fault);
            let key = Key::Call { shot, attempt: 0 };
            let expected = upstream.latency.at(draw(scenario.seed, "latency", &upstream.name, key));
            all.push(Question { url, upstream, fault: fault.map(|(name, _)| name), shot, expected });
        }
    }
    all
}

/// A call that a fault strikes and that the stub by itself answers well.
fn call(seed: Seed, upstream: &Upstream, fault: Option<(&str, Share)>) -> Shot {
    let shot = |seq| Shot { traffic: Shot::CANARY, seq };
    let fits = |seq: &u64| {
        let key = Key::Call { shot: shot(*seq), attempt: 0 };
        let struck = fault.is_none_or(|(name, share)| strikes(seed, name, share, &upstream.name, key));
        struck && draw(seed, "success", &upstream.name, key) < upstream.success.fraction()
    };
    // Each fault has calls of its own: an upstream that has seen a call knows the next for a retry.
    let first = fault.map_or(0, |(name, _)| seed.decide(&[b"canary", name.as_bytes()]) % (1 << 32));
    shot((first..first + KEYS).find(fits).unwrap_or(first))
}

impl Question<'_> {
    fn path(&self) -> String {
        match (self.upstream.replies.first(), self.upstream.like.as_deref().and_then(Quoter::from_word)) {
            (Some(reply), _) => reply.path.clone(),
            (None, Some(quoter)) => quoter.example().to_owned(),
            (None, None) => "/".to_owned(),
        }
    }

    async fn ask(&self, tracer: Tracer) -> Seen {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let client = match client {
            Ok(client) => client,
            Err(why) => return Seen { clean: false, saw: format!("could not ask: {}", cause(&why)) },
        };
        let header = tracer.id(self.shot).traceparent();
        let mut refused = String::new();
        for _ in 0..ATTEMPTS {
            let request = client.get(format!("{}{}", self.url, self.path()));
            let request = request.header("traceparent", String::from_utf8_lossy(&header).into_owned());
            let asked = Clock::starting_in(Duration::ZERO);
            let got = timeout(self.expected + PATIENCE, async {
                let response = request.send().await?;
                let status = response.status().as_u16();
                let limit = response.headers().get("x-ratelimit-limit").and_then(|l| l.to_str().ok()?.parse().ok());
                let media = response.headers().get("content-type").and_then(|m| Some(m.to_str().ok()?.to_owned()));
                Ok::<_, reqwest::Error>((status, limit, media, response.bytes().await?))
            });
            let (status, limit, media, body) = match got.await {
                Ok(Ok(got)) => got,
                Ok(Err(why)) => return Seen { clean: false, saw: cause(&why) },
                Err(_) => {
                    let within = units::duration(self.expected + PATIENCE);
                    return Seen { clean: false, saw: format!("no answer within {within}") };
                }
            };
            let took = asked.now().since(Offset::ZERO);
            let own = self.upstream.rate_limit.map(|limit| limit.burst);
            if status == 429 && own.is_some() && own == limit {
                // The stub's own limit, which whatever still calls it uses up: that is as it was before.
                refused = format!("429 by its own rate limit, {ATTEMPTS} times");
                sleep(SLOW).await;
                continue;
            }
            let said = format!("{status} after {}", units::measured(took));
            let wanted = self.upstream.replies.first().map_or(200, |reply| reply.status);
            let is_json = media.as_deref().is_some_and(|m| m.contains("json"));
            let wrong = match () {
                () if status != wanted => Some(format!("{said} instead of {wanted}")),
                () if took > self.expected + SLOW => {
                    Some(format!("{said} instead of {}", units::measured(self.expected)))
                }
                () if is_json && serde_json::from_slice::<serde_json::Value>(&body).is_err() => {
                    Some(format!("{said}, and no JSON"))
                }
                () => None,
            };
            return Seen { clean: wrong.is_none(), saw: wrong.unwrap_or(said) };
        }
        Seen { clean: true, saw: refused }
    }
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
mod tests {
    use super::*;
    use crate::scenario::{Settings, read};
    use crate::stage::config::Config;
    use crate::stage::serve::serve;
    use tokio::net::TcpListener;

    fn scenario(share: &str) -> Scenario {
        let text = format!(
            "proofload: 1\ntarget: sim:quote-service\nupstreams:\n  jupiter: {{ like: jupiter, success: 90%, latency: 20ms }}\n  \
             plain: {{ replies: [{{ path: /fees, status: 203, media: text/plain, body: hello }}] }}\ntraffic:\n  a:\n    \
             flow: {{ steps: [{{ get: / }}] }}\n    load: [{{ hold: {{ at: 10/s, for: 60s }} }}]\nfaults:\n  \
             hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, share: {share}, at: 10s, for: 5s }}\n  \
             limits: {{ on: upstream/plain, inject: {{ rate_limit: {{ rate: 0/s, burst: 1 }} }}, at: 10s, for: 5s }}\n"
        );
        let settings = Settings {
            overrides: &[],
            time_scale: 1,
            allow_hosts: None,
            env: &|_| None,
            files: &|_| Err(std::io::ErrorKind::NotFound.into()),
            default_name: "canary",
        };
        read("canary", &text, &settings).expect("valid")
    }

    /// A stage of the scenario, with a fault applied or not, and what the canary sees of it.
    async fn seen(share: &str, left: Option<usize>) -> Vec<(String, Option<String>, bool, String, bool)> {
        let scenario = scenario(share);
        let clock = Clock::starting_in(Duration::ZERO);
        let config = Config::new(&scenario, &clock, "run", None);
        let ((orders, reports), (hear, say)) = crate::stage::testing::lease(1 << 16);
        let _life = tokio::spawn(serve(orders, reports));
        let mut stage = Stage::over(hear, say, &config).await.expect("opens");
        for fault in 0..scenario.faults.len() {
            stage.apply(fault).await.expect("applied");
            if left != Some(fault) {
                stage.clear(fault).await.expect("cleared");
            }
        }
        let events = canary(&scenario, &stage, Tracer::new(scenario.seed, "run"), clock).await;
        let told = |event: Event| match event {
            Event::Canary { on, fault, clean, saw, remedy, .. } => (on, fault, clean, saw, remedy.is_some()),
            _ => unreachable!("only the canary speaks"),
        };
        events.into_iter().map(told).collect()
    }

    #[tokio::test]
    async fn a_clean_stage_is_clean() {
        let seen = seen("50%", None).await;
        let all: Vec<(&str, bool)> = seen.iter().map(|(on, _, clean, ..)| (on.as_str(), *clean)).collect();
        assert_eq!(all, [("upstream/jupiter", true), ("upstream/plain", true)], "{seen:?}");
    }

    /// However small its share: the canary goes by a call that the fault strikes.
    #[tokio::test]
    async fn a_fault_that_is_left_over_is_found() {
        for share in ["100%", "0.1%"] {
            let seen = seen(share, Some(0)).await;
            let (on, fault, clean, saw, remedy) = &seen[0];
            assert_eq!(
                (on.as_str(), fault.as_deref(), *clean, *remedy),
                ("upstream/jupiter", Some("hangs"), false, true)
            );
            assert!(saw.contains("no answer within"), "{saw}");
            assert!(seen[1].2, "{seen:?}");
        }
    }

    /// The burst of one is the first canary's: a limit that is left over shows when the load has used it up.
    #[tokio::test]
    async fn a_limit_that_is_left_over_is_found() {
        let scenario = scenario("100%");
        let clock = Clock::starting_in(Duration::ZERO);
        let config = Config::new(&scenario, &clock, "run", None);
        let ((orders, reports), (hear, say)) = crate::stage::testing::lease(1 << 16);
        let _life = tokio::spawn(serve(orders, reports));
        let mut stage = Stage::over(hear, say, &config).await.expect("opens");
        stage.apply(1).await.expect("applied");
        let tracer = Tracer::new(scenario.seed, "run");
        canary(&scenario, &stage, tracer, clock).await;
        let events = canary(&scenario, &stage, tracer, clock).await;
        assert!(matches!(&events[1], Event::Canary { clean: false, saw, .. } if saw.contains("429")), "{events:?}");
    }

    #[tokio::test]
    async fn a_link_does_as_what_stands_behind_it() {
        let open = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = (open.local_addr().expect("bound").to_string(), open);
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").to_string();
        let closing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let closes = closing.local_addr().expect("bound").to_string();
        tokio::spawn(async move { while closing.accept().await.is_ok() {} });
        for (link, to, clean) in [
            (&open.0, &open.0, true),
            (&closes, &closes, true),
            (&gone, &gone, true),
            (&closes, &gone, true),
            (&gone, &open.0, false),
            (&closes, &open.0, false),
            (&open.0, &gone, false),
        ] {
            let seen = passes(link, to).await;
            assert_eq!(seen.clean, clean, "{link} {to}: {}", seen.saw);
        }
    }
}
