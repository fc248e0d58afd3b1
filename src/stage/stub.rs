//! A stub quoter: how it answers a request that no fault strikes. Everything is a pure function of the call's key but
//! the rate limit, which depends on when calls come.

use std::time::Duration;

use serde_json::json;

use super::bucket::Bucket;
use super::config::UpstreamConfig;
use super::decide::{Calls, Key, draw};
use super::quote::{Age, Quote};
use super::quoter::Quoter;
use super::template;
use crate::base::httpd::{Request, Response};
use crate::base::law::Law;
use crate::base::seed::Seed;
use crate::base::time::Offset;
use crate::base::units::Share;
use crate::scenario::{RetryAfter, StubReply};

/// The header by which a reply to the canary says what the stub made, before any fault saw it.
pub const MADE: &str = "Proofload-Made";

/// What a stub made: by this the canary knows that nobody changed it, and that it is of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// A checksum of the media type and the body.
    pub sum: u32,
    /// How old the prices are, and the timestamps.
    pub age: Age,
}

impl Made {
    /// What a reply is.
    pub fn of(media: &str, body: &[u8], age: Age) -> Made {
        let mut sum = crc32fast::Hasher::new();
        sum.update(media.as_bytes());
        sum.update(b"\n");
        sum.update(body);
        Made { sum: sum.finalize(), age }
    }

    /// Reads it back; `None` when it is none.
    pub fn read(value: &str) -> Option<Made> {
        let mut words = value.split(' ');
        let sum = u32::from_str_radix(words.next()?, 16).ok()?;
        let mut nanos = || words.next()?.parse().ok().map(Duration::from_nanos);
        Some(Made { sum, age: Age { prices: nanos()?, timestamps: nanos()? } })
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Age { prices, timestamps } = self.age;
        write!(f, "{:08x} {} {}", self.sum, prices.as_nanos(), timestamps.as_nanos())
    }
}

/// A stub quoter.
pub struct Stub {
    /// What faults and practice targets call it.
    pub name: String,
    /// Which calls it saw.
    pub calls: Calls,
    seed: Seed,
    like: Option<Quoter>,
    latency: Law,
    success: Share,
    bucket: Option<Bucket>,
    replies: Vec<StubReply>,
}

impl Stub {
    /// A stub whose rate limit is untouched at `at`.
    pub fn new(config: &UpstreamConfig, seed: Seed, at: Offset) -> Stub {
        let reply = |r: &super::config::ReplyConfig| StubReply {
            path: r.path.clone(),
            status: r.status,
            media: r.media.clone(),
            body: r.body.clone(),
        };
        Stub {
            name: config.name.clone(),
            calls: Calls::default(),
            seed,
            like: config.like.as_deref().and_then(Quoter::from_word),
            latency: config.latency.clone(),
            success: Share(config.success),
            bucket: config.rate_limit.map(|limit| Bucket::full(limit.into(), at)),
            replies: config.replies.iter().map(reply).collect(),
        }
    }

    /// What it answers from `age` ago, and after how long. `wall` is `at` in nanoseconds since the Unix epoch.
    ///
    /// A request beyond the rate limit is refused at once, as real gateways do; failures take as long as successes.
    pub fn answer(&mut self, key: Key, request: &Request, at: Offset, wall: i64, age: Age) -> (Duration, Response) {
        let taken = self.bucket.as_mut().map(|bucket| bucket.take(at));
        if let Some(refused) = taken.filter(|t| !t.granted) {
            return (Duration::ZERO, refused.refusal(RetryAfter::Seconds, wall));
        }
        let delay = self.latency.at(draw(self.seed, "latency", &self.name, key));
        let response = if draw(self.seed, "success", &self.name, key) < self.success.fraction() {
            self.reply(request, at, wall, delay, age)
        } else {
            refusal(500, "internal error")
        };
        (delay, taken.map_or(response.clone(), |t| t.state(response)))
    }

    fn reply(&self, request: &Request, at: Offset, wall: i64, delay: Duration, age: Age) -> Response {
        let own = self.replies.iter().find(|r| r.path == request.path);
        let (status, media, body) = match (own, self.like.and_then(|like| like.template(request))) {
            (Some(reply), _) => (reply.status, reply.media.as_str(), reply.body.as_str()),
            (None, Some(_)) if request.method != "GET" => return refusal(405, "quotes are asked for by GET"),
            (None, Some(template)) => (200, "application/json", template),
            (None, None) => return refusal(404, &format!("`{}` answers nothing at {}", self.name, request.path)),
        };
        let quote = Quote::new(request, &self.name, self.seed, at, wall, delay).aged(age);
        match template::fill(body, media.contains("json"), |name| quote.value(name)) {
            Ok(body) => Response::new(status, media, body),
            Err(why) => refusal(400, &why),
        }
    }
}

fn refusal(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "error": why, "code": status }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::trace::Shot;
    use crate::stage::config::{LimitConfig, ReplyConfig};
    use serde_json::Value;

    const SOL: &str = "So11111111111111111111111111111111111111112";
    const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    fn config(like: &str) -> UpstreamConfig {
        UpstreamConfig {
            name: like.into(),
            like: Some(like.into()),
            listen: None,
            latency: Law::Fixed(Duration::ZERO),
            success: Share::ALL.0,
            rate_limit: None,
            replies: Vec::new(),
            forward: None,
            tls: None,
        }
    }

    fn get(target: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request { method: "GET".into(), path: path.into(), query: query.into(), ..Request::default() }
    }

    fn key(seq: u64) -> Key {
        Key::Call { shot: Shot { traffic: 0, seq }, attempt: 0 }
    }

    fn ask(config: &UpstreamConfig, target: &str) -> Response {
        Stub::new(config, Seed(1), Offset::ZERO)
            .answer(key(0), &get(target), Offset::from_millis(5), 5_000_000, Age::default())
            .1
    }

    fn body(response: &Response) -> Value {
        serde_json::from_slice(&response.body).expect("the body is JSON")
    }

    /// Where two JSON texts differ in shape: keys, kinds, and kinds of list items; `null` in the sample is anything.
    fn differences(sample: &Value, given: &Value, at: &str, found: &mut Vec<String>) {
        match (sample, given) {
            (Value::Null, _) => {}
            (Value::Object(a), Value::Object(b)) => {
                for key in a.keys().chain(b.keys()) {
                    match (a.get(key), b.get(key)) {
                        (Some(x), Some(y)) => differences(x, y, &format!("{at}.{key}"), found),
                        (x, _) => {
                            found.push(format!("{at}.{key}: only {}", if x.is_some() { "sample" } else { "ours" }))
                        }
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) => match (a.first(), b.first()) {
                (Some(x), Some(y)) => differences(x, y, &format!("{at}[0]"), found),
                _ => found.push(format!("{at}: an empty list")),
            },
            _ if std::mem::discriminant(sample) == std::mem::discriminant(given) => {}
            _ => found.push(format!("{at}: {sample} in the sample, {given} here")),
        }
    }

    fn has_shape(like: &str, target: &str, sample: &str) -> Value {
        let response = ask(&config(like), target);
        assert_eq!(response.status, 200, "{like}: {:?}", response.body);
        let (given, mut found) = (body(&response), Vec::new());
        differences(&serde_json::from_str(sample).expect("the sample is JSON"), &given, "$", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{like} at {target}");
        given
    }

    #[test]
    fn jupiter_answers_as_documented() {
        // Fields: developers' reference of the swap API, GET /swap/v1/quote.
        let sample = r#"{"inputMint":"So1","inAmount":"1000000000","outputMint":"EPj","outAmount":"161000000",
            "otherAmountThreshold":"160195000","swapMode":"ExactIn","slippageBps":50,"platformFee":null,
            "priceImpactPct":"0.0002","routePlan":[{"swapInfo":{"ammKey":"x","label":"Orca","inputMint":"So1",
            "outputMint":"EPj","inAmount":"1","outAmount":"1","feeAmount":"1","feeMint":"So1"},"percent":100,"bps":10000}],
            "contextSlot":350000000,"timeTaken":0.004}"#;
        for path in ["/swap/v1/quote", "/v6/quote"] {
            let target = format!("{path}?inputMint={SOL}&outputMint={USDC}&amount=1000000000&slippageBps=75");
            let quote = has_shape("jupiter", &target, sample);
            assert_eq!((&quote["inputMint"], &quote["outputMint"]), (&json!(SOL), &json!(USDC)));
            assert_eq!((&quote["inAmount"], &quote["slippageBps"]), (&json!("1000000000"), &json!(75)));
            assert!(quote["outAmount"].as_str().and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 0));
        }
    }

    #[test]
    fn dflow_answers_as_documented() {
        // Fields: reference of the aggregator's imperative swap API, GET /quote.
        let sample = r#"{"inputMint":"So1","inAmount":"1","outputMint":"EPj","outAmount":"1","otherAmountThreshold":"1",
            "minOutAmount":"1","slippageBps":50,"platformFee":null,"priceImpactPct":"0","contextSlot":1,
            "simulatedComputeUnits":1,"routePlan":[{"venue":"x","marketKey":"x","inputMint":"So1","inputMintDecimals":9,
            "inAmount":"1","outputMint":"EPj","outputMintDecimals":6,"outAmount":"1"}]}"#;
        let quote = has_shape("dflow", &format!("/quote?inputMint={SOL}&outputMint={USDC}&amount=7"), sample);
        assert_eq!(quote["routePlan"][0]["inputMintDecimals"], json!(9));
        assert_eq!(quote["minOutAmount"], quote["otherAmountThreshold"]);
    }

    #[test]
    fn quicknode_answers_as_documented() {
        // Fields: reference of the Metis add-on, GET /quote; addresses carry a key in the path.
        let sample = r#"{"inputMint":"So1","inAmount":"1","outputMint":"EPj","outAmount":"1","otherAmountThreshold":"1",
            "swapMode":"ExactIn","slippageBps":50,"platformFee":null,"priceImpactPct":"0","routePlan":[{"swapInfo":{
            "ammKey":"x","label":"x","inputMint":"So1","outputMint":"EPj","inAmount":"1","outAmount":"1","feeAmount":"1",
            "feeMint":"So1"},"percent":100,"bps":10000}],"instructionVersion":null,"contextSlot":1,"timeTaken":0.1}"#;
        for path in ["/quote", "/some-key/quote"] {
            let target = format!("{path}?inputMint={SOL}&outputMint={USDC}&amount=7&platformFeeBps=20");
            let quote = has_shape("quicknode", &target, sample);
            assert_eq!(quote["platformFee"]["feeBps"], json!(20));
        }
    }

    #[test]
    fn blxr_answers_as_documented() {
        // Fields: reference of the Trader API, raydium/quotes; jupiter/quotes as its clients read it.
        let sample = r#"{"inToken":"SOL","inTokenAddress":"So1","outToken":"USDC","outTokenAddress":"EPj","inAmount":0.1,
            "routes":[{"inAmount":0.1,"outAmount":16.1,"outAmountMin":16.0,"steps":[{"project":{"label":"Raydium","id":"x"},
            "inToken":"SOL","inTokenAddress":"So1","outToken":"USDC","outTokenAddress":"EPj","inAmount":0.1,
            "outAmount":16.1,"outAmountMin":16.0,"slippage":0.1,"priceImpactPercent":{"percent":0.1,"infinity":"INF_NOT"},
            "fee":{"amount":0.1,"mint":"So1","percent":0.25}}]}]}"#;
        for path in ["/api/v2/raydium/quotes", "/api/v2/jupiter/quotes"] {
            let quote =
                has_shape("blxr", &format!("{path}?inToken=SOL&outToken=USDC&inAmount=0.1&slippage=0.1"), sample);
            assert!(quote["routes"][0]["outAmount"].as_f64().is_some_and(|n| n > 0.0));
            assert_eq!(quote["routes"][0]["steps"][0]["slippage"], json!(0.1));
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        let jupiter = config("jupiter");
        assert_eq!(ask(&jupiter, "/other").status, 404);
        assert_eq!(ask(&jupiter, "/quote").status, 404, "that is QuickNode's");
        let missing = ask(&jupiter, "/v6/quote?inputMint=a&outputMint=b");
        assert_eq!(missing.status, 400);
        assert!(body(&missing)["error"].as_str().is_some_and(|e| e.contains("amount")));
        let post = Request { method: "POST".into(), ..get("/v6/quote") };
        let mut stub = Stub::new(&jupiter, Seed(1), Offset::ZERO);
        assert_eq!(stub.answer(key(0), &post, Offset::ZERO, 0, Age::default()).1.status, 405);
    }

    #[test]
    fn replies_of_the_scenario_come_first() {
        let reply = |path: &str, media: &str, body: &str| ReplyConfig {
            path: path.into(),
            status: 203,
            media: media.into(),
            body: body.into(),
        };
        let own = UpstreamConfig {
            replies: vec![
                reply("/v6/quote", "application/json", r#"{"out":{{out_amount}},"who":"{{query.user}}"}"#),
                reply("/hello", "text/plain", "hello"),
            ],
            ..config("jupiter")
        };
        let quote = ask(&own, "/v6/quote?inputMint=a&outputMint=b&amount=5&user=%22me");
        assert_eq!((quote.status, &body(&quote)["who"]), (203, &json!("\"me")));
        assert_eq!(ask(&own, "/hello").body, "hello");
        assert_eq!(ask(&own, "/swap/v1/quote?inputMint=a&outputMint=b&amount=5").status, 200, "the rest stays");
    }

    #[test]
    fn latency_and_success_are_functions_of_the_call() {
        let law = Law::Quantiles(vec![(0.5, Duration::from_millis(120)), (0.95, Duration::from_millis(280))]);
        let config = UpstreamConfig { latency: law, success: 900_000_000, ..config("jupiter") };
        let run = |order: &mut dyn Iterator<Item = u64>| {
            let mut stub = Stub::new(&config, Seed(1), Offset::ZERO);
            let request = get("/v6/quote?inputMint=a&outputMint=b&amount=5");
            let mut answers: Vec<_> = order
                .map(|n| {
                    let (delay, reply) = stub.answer(key(n), &request, Offset::ZERO, 0, Age::default());
                    (n, delay, reply.status)
                })
                .collect();
            answers.sort_unstable();
            answers
        };
        let answers = run(&mut (0..2000));
        assert_eq!(answers, run(&mut (0..2000).rev()), "the order of arrival shifts nothing");
        let slow = answers.iter().filter(|a| a.1 > Duration::from_millis(120)).count();
        let failed = answers.iter().filter(|a| a.2 == 500).count();
        // 99.9 % intervals of binomials over 2000.
        assert!((927..=1073).contains(&slow) && (157..=245).contains(&failed), "{slow} {failed}");
    }

    #[test]
    fn beyond_its_limit_it_refuses_at_once() {
        let limited = UpstreamConfig {
            latency: Law::Fixed(Duration::from_millis(50)),
            rate_limit: Some(LimitConfig { rate: 10_000_000, burst: 2 }),
            ..config("jupiter")
        };
        let mut stub = Stub::new(&limited, Seed(1), Offset::ZERO);
        let request = get("/v6/quote?inputMint=a&outputMint=b&amount=5");
        let mut at = |ms| {
            let (delay, reply) = stub.answer(key(0), &request, Offset::from_millis(ms), 0, Age::default());
            let left = reply.headers.iter().find(|h| h.0 == "X-RateLimit-Remaining").map(|h| h.1.clone());
            (reply.status, delay.as_millis(), left)
        };
        assert_eq!(at(0), (200, 50, Some("1".into())));
        assert_eq!(at(0), (200, 50, Some("0".into())));
        assert_eq!(at(50), (429, 0, Some("0".into())));
        assert_eq!(at(100), (200, 50, Some("0".into())));
    }
}
