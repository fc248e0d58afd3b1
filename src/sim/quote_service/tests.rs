//! The service as its clients see it: over HTTP, with stub quoters behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::Client;
use super::*;
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::net::Address;
use crate::sim::Running;

const SOL: &str = "So11111111111111111111111111111111111111112";
const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A service under test, its client and its truth.
struct Subject {
    running: Running,
    client: Client,
    ledger: Ledger,
}

impl Subject {
    async fn start(upstreams: &[(&str, &Stub)], settings: &[&str]) -> Subject {
        let ledger = Ledger::default();
        let mut options = Options { no_delay: true, truth: Truth::Memory(ledger.clone()), ..Options::default() };
        for (name, stub) in upstreams {
            options.add_upstream(&format!("{name}={}", stub.url)).expect("an upstream");
        }
        for pair in settings {
            options.set_pair(pair).expect(pair);
        }
        let running = start(options).await.expect("starts");
        let client = Client::new(Address::parse(&running.services()[0].1).expect("an address"));
        Subject { running, client, ledger }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.client.get(path, Some(&format!("00-{TRACE}-00f067aa0ba902b7-01"))).await.expect(path);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn quote(&self) -> (u16, Value) {
        self.get(&path("/quote", SOL, USDC, 1_000_000_000)).await
    }

    /// The values on the metrics page by series, labels sorted as written.
    async fn page(&self) -> BTreeMap<String, f64> {
        let (_, body) = self.client.get("/metrics", None).await.expect("a page");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').expect(line);
                (series.to_owned(), value.parse().expect(line))
            })
            .collect()
    }

    /// The sum of all series of a metric whose labels contain `having`.
    async fn sum(&self, metric: &str, having: &str) -> f64 {
        let page = self.page().await;
        let of = |series: &str| series.split('{').next() == Some(metric) && series.contains(having);
        page.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }

    fn outcomes(&self) -> Vec<(String, Outcome)> {
        let records = self.ledger.records();
        records.iter().flat_map(|r| &r.quoters).map(|call| (call.quoter.clone(), call.outcome)).collect()
    }
}

fn path(path: &str, input: &str, output: &str, amount: u64) -> String {
    format!("{path}?input={input}&output={output}&amount={amount}")
}

/// What a stub does with its `n`-th request, from 0.
type Behaviour = fn(u32, &Request) -> Answer;

/// A stub quoter.
struct Stub {
    url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

struct Desk {
    behaviour: Behaviour,
    count: AtomicU32,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl httpd::Handler for Desk {
    async fn handle(&self, request: Request) -> Answer {
        let answer = (self.behaviour)(self.count.fetch_add(1, Relaxed), &request);
        self.seen.lock().expect("unpoisoned").push(request);
        answer
    }
}

impl Stub {
    async fn start(behaviour: Behaviour) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::default());
        tokio::spawn(httpd::serve(
            listener,
            Arc::new(Desk { behaviour, count: AtomicU32::new(0), seen: seen.clone() }),
        ));
        Stub { url, seen }
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

/// More than any pool offers for a SOL.
fn generous(_: u32, _: &Request) -> Answer {
    Response::json(200, &json!({ "outAmount": "900000000" })).into()
}

fn stingy(_: u32, _: &Request) -> Answer {
    Response::json(200, &json!({ "outAmount": "1" })).into()
}

fn hanging(_: u32, _: &Request) -> Answer {
    Answer::Hang
}

fn failing(n: u32, _: &Request) -> Answer {
    match n % 4 {
        0 => Response::text(500, "no").into(),
        1 => Answer::Close,
        2 => Response::text(200, "<html>").into(),
        _ => Answer::Reset,
    }
}

fn limiting(_: u32, _: &Request) -> Answer {
    Response::text(429, "").into()
}

#[tokio::test]
async fn a_first_quote_is_calculated_and_the_next_comes_from_the_cache() {
    let subject = Subject::start(&[], &[]).await;
    let (status, first) = subject.quote().await;
    assert_eq!((status, &first["source"]), (200, &json!("calculated")));
    assert_eq!((&first["inputMint"], &first["outputMint"]), (&json!(SOL), &json!(USDC)));
    assert_eq!((&first["inAmount"], &first["slippageBps"]), (&json!("1000000000"), &json!(50)));
    let out: u64 = first["outAmount"].as_str().and_then(|s| s.parse().ok()).expect("a string of digits");
    assert!((130_000_000..150_000_000).contains(&out), "{out} for a SOL");
    assert!(first["contextSlot"].as_u64() >= Some(380_000_000) && first["timestampMs"].is_u64());
    let (_, second) = subject.quote().await;
    assert_eq!(second["source"], "cache");
    for field in ["outAmount", "provider", "contextSlot", "timestampMs"] {
        assert_eq!(second[field], first[field], "the same price: {field}");
    }
    let (_, twice) = subject.get(&path("/quote", SOL, USDC, 1_010_000_000)).await;
    let more: u64 = twice["outAmount"].as_str().and_then(|s| s.parse().ok()).expect("digits");
    assert_eq!(twice["source"], "cache");
    assert!(more.abs_diff(out / 100 * 101) < 101, "{more} is {out} scaled to the amount");
    let (_, back) = subject.get(&path("/quote", USDC, SOL, 1_000_000_000)).await;
    assert_eq!(back["source"], "calculated", "the other way is another pair");
}

#[tokio::test]
async fn nonsense_is_refused_and_counted() {
    let subject = Subject::start(&[], &[]).await;
    let bad = [
        "/quote".to_owned(),
        format!("/quote?input={SOL}&amount=5"),
        format!("/quote?input={SOL}&output={USDC}"),
        path("/quote", SOL, SOL, 5),
        path("/quote", SOL, USDC, 0),
        path("/quote", "a%22b", USDC, 5),
        path("/quote", &"x".repeat(65), USDC, 5),
        format!("{}9999999999", path("/quote", SOL, USDC, u64::MAX)),
        format!("/quote?input={SOL}&output={USDC}&amount=-5"),
        format!("{}&slippageBps=10001", path("/quote/hybrid", SOL, USDC, 5)),
    ];
    for path in &bad {
        let (status, body) = subject.get(path).await;
        assert_eq!((status, &body["errorType"]), (400, &json!("validation")), "{path}");
        assert!(body["error"].is_string(), "{path}");
    }
    assert_eq!(subject.sum("quote_errors_total", "validation").await, bad.len() as f64);
    assert_eq!(subject.sum("quote_requests_total", "").await, 0.0);
    assert_eq!(subject.get("/nothing").await.0, 404);
    assert!(subject.ledger.records().iter().all(|r| r.error == Some(QuoteError::Validation) && r.status == 400));
}

#[tokio::test]
async fn it_is_ready_when_warm_and_healthy_at_once() {
    let cold = Subject::start(&[], &["no_delay=off", "warm_up=1h"]).await;
    assert_eq!(cold.get("/ready").await, (503, json!({ "ready": false })));
    assert_eq!(cold.get("/health").await.1["status"], "healthy");
    let subject = Subject::start(&[], &["warm_up=1h"]).await;
    assert_eq!(subject.get("/ready").await, (200, json!({ "ready": true })), "without delays nothing needs to warm up");
    let (status, health) = subject.get("/health").await;
    assert_eq!((status, &health["cachedRoutes"]), (200, &json!(0)));
    subject.running.stop().await.expect("nothing to close");
    assert!(subject.client.get("/health", None).await.is_err(), "it answers no more");
}

#[tokio::test]
async fn the_page_the_truth_and_the_client_agree() {
    let subject = Subject::start(&[], &["pool_failures=20%", "capacity=10"]).await;
    let (mut statuses, mut sources, mut providers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut stream = crate::base::seed::Seed(3).stream("pairs");
    for n in 0..400u32 {
        let token = format!("Token{}", (stream.unit() * 20.0) as u32);
        let kind = if n % 5 == 0 { "/quote/hybrid" } else { "/quote" };
        let (status, reply) = subject.get(&path(kind, SOL, &token, 1_000_000)).await;
        *statuses.entry(status).or_insert(0) += 1;
        if let Some(source) = reply["source"].as_str() {
            *sources.entry(source.to_owned()).or_insert(0) += 1;
            *providers.entry(reply["provider"].as_str().expect("a name").to_owned()).or_insert(0) += 1;
        }
    }
    let records = subject.ledger.records();
    assert_eq!(records.len(), 400);
    assert!(records.iter().all(|r| r.trace.as_deref() == Some(TRACE)));
    let count = |keep: fn(&Record) -> bool| records.iter().filter(|r| keep(r)).count() as f64;
    let hits = count(|r| r.source == Some(Source::Cache));
    let failed = count(|r| r.error == Some(QuoteError::Calculation));
    assert!(hits > 50.0 && failed > 0.0, "{hits} hits, {failed} failures");
    assert_eq!((f64::from(sources["cache"]), f64::from(*statuses.get(&500).unwrap_or(&0))), (hits, failed));
    for (metric, having, want) in [
        ("quote_requests_total", "", 400.0),
        ("quote_cache_hits_total", "", hits),
        ("quote_cache_misses_total", "", 400.0 - hits),
        ("quotes_served_total", "", 400.0 - failed),
        ("quote_errors_total", "", failed),
        ("quote_calculation_errors_total", "no_pool", failed),
        ("quote_calculation_duration_seconds_count", "", 400.0 - hits),
        ("quote_cache_check_duration_seconds_count", "cache_hit=\"true\"", hits),
        ("quote_cache_check_duration_seconds_count", "cache_hit=\"false\"", 400.0 - hits),
        ("quote_cache_age_seconds_count", "", hits),
        ("quote_request_total_duration_seconds_count", "source=\"cache\"", hits),
        ("quote_request_total_duration_seconds_count", "source=\"calculated\"", 400.0 - hits),
        ("quote_request_total_duration_seconds_bucket", "le=\"+Inf\"", 400.0),
        ("quotes_by_protocol", "", 400.0 - failed),
        ("quotes_by_pool", "", 400.0 - failed),
        ("hybrid_quote_requests_total", "", 80.0),
        ("hybrid_cache_hits_total", "", count(|r| r.path == "/quote/hybrid" && r.source == Some(Source::Cache))),
        ("hybrid_cache_misses_total", "", count(|r| r.path == "/quote/hybrid" && r.source != Some(Source::Cache))),
        ("external_api_requests_total", "", 0.0),
    ] {
        assert_eq!(subject.sum(metric, having).await, want, "{metric} {having}");
    }
    for (provider, n) in providers {
        assert_eq!(subject.sum("quotes_by_protocol", &format!("\"{provider}\"")).await, f64::from(n), "{provider}");
    }
    assert_eq!(subject.get("/health").await.1["cachedRoutes"], 10);
}

/// The catalogue of the note's metrics: name, type, labels.
const CATALOGUE: &[(&str, &str, &[&str])] = &[
    ("process_start_time_seconds", "gauge", &[]),
    ("quote_requests_total", "counter", &["input_mint", "output_mint"]),
    ("quote_cache_hits_total", "counter", &["input_mint", "output_mint"]),
    ("quote_cache_misses_total", "counter", &["input_mint", "output_mint"]),
    ("external_api_requests_total", "counter", &["input_mint", "output_mint", "quoter"]),
    ("external_api_success_total", "counter", &["input_mint", "output_mint", "quoter"]),
    ("external_api_errors_total", "counter", &["input_mint", "output_mint", "quoter"]),
    ("external_api_rate_limit_errors_total", "counter", &["quoter"]),
    ("hybrid_cache_hits_total", "counter", &["input_mint", "output_mint"]),
    ("hybrid_cache_misses_total", "counter", &["input_mint", "output_mint"]),
    ("hybrid_cache_stale_total", "counter", &["input_mint", "output_mint"]),
    ("hybrid_external_cache_hits_total", "counter", &["input_mint", "output_mint"]),
    ("hybrid_quote_requests_total", "counter", &[]),
    ("quotes_served_total", "counter", &[]),
    ("quote_errors_total", "counter", &["error_type"]),
    ("quote_calculation_errors_total", "counter", &["error_type"]),
    ("quotes_by_protocol", "counter", &["protocol"]),
    ("quotes_by_pool", "counter", &["pool_id", "protocol"]),
    ("quote_cache_check_duration_seconds", "histogram", &["cache_hit"]),
    ("quote_cache_age_seconds", "histogram", &["input_mint", "output_mint"]),
    ("quote_request_total_duration_seconds", "histogram", &["input_mint", "output_mint", "source"]),
    ("quote_calculation_duration_seconds", "histogram", &[]),
    ("external_api_duration_seconds", "histogram", &["input_mint", "output_mint", "quoter"]),
    ("external_api_output_amount", "histogram", &["input_mint", "output_mint", "quoter"]),
    ("external_api_rate_limit_wait_seconds", "histogram", &["quoter"]),
    ("hybrid_cached_quote_age_seconds", "histogram", &["input_mint", "output_mint"]),
    ("hybrid_quote_fast_path_duration_seconds", "histogram", &["has_external"]),
];

#[tokio::test]
async fn every_metric_of_the_catalogue_is_there_with_its_type_and_labels() {
    let stub = Stub::start(stingy).await;
    let subject = Subject::start(&[("jupiter", &stub)], &[]).await;
    for (kind, amount) in [("/quote", 1_000_000_000), ("/quote/hybrid", 5), ("/quote/hybrid", 5)] {
        assert_eq!(subject.get(&path(kind, SOL, USDC, amount)).await.0, 200);
    }
    let (_, body) = subject.client.get("/metrics", None).await.expect("a page");
    let text = String::from_utf8(body.to_vec()).expect("text");
    let mut types = BTreeMap::new();
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            types.insert(name, kind);
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').expect(line);
            let (name, inside) = series.split_once('{').unwrap_or((series, ""));
            let of = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
            let names = inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
            labels.entry(of).or_default().extend(names.filter(|name| *name != "le"));
        }
    }
    let found: Vec<(&str, &str, Vec<&str>)> = types
        .iter()
        .map(|(name, kind)| (*name, *kind, labels.get(name).into_iter().flatten().copied().collect()))
        .collect();
    let mut want: Vec<_> = CATALOGUE.iter().map(|(name, kind, labels)| (*name, *kind, labels.to_vec())).collect();
    want.sort();
    assert_eq!(found, want);
    assert_eq!(text.matches("# HELP ").count(), CATALOGUE.len());
}

#[tokio::test]
async fn all_four_quoters_are_asked_in_their_own_words_within_the_trace() {
    let stubs = [Stub::start(generous).await, Stub::start(stingy).await, Stub::start(stingy).await];
    let blxr = Stub::start(|_, _| Response::json(200, &json!({ "routes": [{ "outAmount": 2.5 }] })).into()).await;
    let names = ["jupiter", "dflow", "quicknode"];
    let upstreams: Vec<(&str, &Stub)> = names.into_iter().zip(&stubs).chain([("blxr", &blxr)]).collect();
    let subject = Subject::start(&upstreams, &[]).await;
    let (_, reply) = subject.quote().await;
    assert_eq!((&reply["provider"], &reply["outAmount"]), (&json!("Jupiter"), &json!("900000000")), "the best wins");
    assert_eq!(reply["source"], "calculated");
    let mut spans = BTreeSet::new();
    for ((_, stub), path) in upstreams.iter().zip(["/swap/v1/quote", "/quote", "/quote", "/api/v2/raydium/quotes"]) {
        let [request] = &stub.seen()[..] else { panic!("asked once: {:?}", stub.seen()) };
        assert_eq!(request.path, path);
        let parent = request.header("traceparent").expect("passed on").to_owned();
        assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01"), "{parent}");
        spans.insert(parent);
    }
    assert_eq!(spans.len(), 4, "each call is a span of its own");
    let (_, again) = subject.quote().await;
    assert_eq!((&again["source"], &again["provider"]), (&json!("cache"), &json!("Jupiter")));
    assert_eq!(stubs[0].seen().len(), 1, "a hit asks nobody");
    let want = ["Jupiter", "DFlow", "QuickNode", "BLXR"].map(|name| (name.to_owned(), Outcome::Answered));
    assert_eq!(subject.outcomes(), want);
    for quoter in ["Jupiter", "DFlow", "QuickNode", "BLXR"] {
        let label = format!("quoter=\"{quoter}\"");
        for metric in ["external_api_requests_total", "external_api_success_total"] {
            assert_eq!(subject.sum(metric, &label).await, 1.0, "{metric} {quoter}");
        }
        assert_eq!(subject.sum("external_api_errors_total", &label).await, 0.0);
        assert_eq!(subject.sum("external_api_rate_limit_wait_seconds_count", &label).await, 1.0);
    }
    assert_eq!(subject.sum("external_api_output_amount_sum", "BLXR").await, 2_500_000.0, "whole tokens to base units");
    assert_eq!(subject.sum("quotes_by_protocol", "Jupiter").await, 2.0);
}

#[tokio::test]
async fn a_hanging_quoter_costs_its_timeout_and_the_others_serve() {
    let (hung, good) = (Stub::start(hanging).await, Stub::start(generous).await);
    let subject = Subject::start(&[("jupiter", &hung), ("dflow", &good)], &["timeout=300ms", "fallback=off"]).await;
    let (status, reply) = subject.quote().await;
    assert_eq!((status, &reply["provider"]), (200, &json!("DFlow")));
    let record = &subject.ledger.records()[0];
    assert!(record.took_ns >= 300_000_000, "{} ns", record.took_ns);
    assert_eq!(subject.outcomes(), [("Jupiter".into(), Outcome::TimedOut), ("DFlow".into(), Outcome::Answered)]);
    assert_eq!(subject.sum("external_api_errors_total", "Jupiter").await, 1.0);
}

#[tokio::test]
async fn a_quorum_or_a_deadline_waits_for_nobody_longer() {
    let (hung, good) = (Stub::start(hanging).await, Stub::start(generous).await);
    for setting in ["quorum=1", "deadline=300ms"] {
        let subject = Subject::start(&[("jupiter", &hung), ("dflow", &good)], &["timeout=none", setting]).await;
        let (status, reply) = subject.quote().await;
        assert_eq!((status, &reply["provider"]), (200, &json!("DFlow")), "{setting}");
        assert_eq!(subject.outcomes()[0], ("Jupiter".into(), Outcome::Late), "{setting}");
        subject.running.stop().await.expect("stops with a call still hanging");
    }
}

#[tokio::test]
async fn without_a_timeout_a_hanging_quoter_hangs_the_service() {
    let hung = Stub::start(hanging).await;
    let subject = Subject::start(&[("jupiter", &hung)], &["timeout=none", "workers=1", "queue=0"]).await;
    let asked = async {
        while hung.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        answer = subject.quote() => panic!("{answer:?}"),
        () = asked => {}
    }
    let (status, reply) = subject.quote().await;
    assert_eq!((status, &reply["errorType"]), (503, &json!("overload")), "and its only worker with it");
    assert_eq!(subject.sum("quote_errors_total", "overload").await, 1.0);
}

#[tokio::test]
async fn when_all_quoters_fail_the_local_calculation_stands_in_or_the_client_learns_it() {
    let (bad, hung) = (Stub::start(failing).await, Stub::start(hanging).await);
    let bad = [("jupiter", &bad), ("dflow", &hung)];
    for kind in ["/quote", "/quote/hybrid"] {
        let subject = Subject::start(&bad, &["timeout=30ms"]).await;
        let (status, reply) = subject.get(&path(kind, SOL, USDC, 1_000_000_000)).await;
        assert_eq!((status, &reply["source"]), (200, &json!("calculated")));
        assert!(["raydium", "meteora", "orca"].contains(&reply["provider"].as_str().expect("a name")), "{reply}");

        let subject = Subject::start(&bad, &["timeout=30ms", "fallback=off"]).await;
        let (status, reply) = subject.get(&path(kind, SOL, USDC, 1_000_000_000)).await;
        assert_eq!((status, &reply["errorType"]), (504, &json!("quoters_timeout")));

        let subject = Subject::start(&bad[..1], &["fallback=off", "rate.jupiter=none"]).await;
        for _ in 0..4 {
            let (status, reply) = subject.get(&path(kind, SOL, USDC, 1_000_000_000)).await;
            assert_eq!((status, &reply["errorType"]), (502, &json!("quoters")));
        }
        let seen: BTreeSet<String> = subject.outcomes().iter().map(|(_, o)| format!("{o:?}")).collect();
        assert_eq!(seen, ["Broken", "Garbage", "Refused"].map(str::to_owned).into());
        assert_eq!(subject.sum("external_api_errors_total", "").await, 4.0);
        assert_eq!(subject.sum("quote_errors_total", "\"quoters\"").await, 4.0);
        assert_eq!(subject.sum("quotes_served_total", "").await, 0.0);
    }
}

#[tokio::test]
async fn nobody_listening_is_a_failure_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let subject = Subject::start(&[("jupiter", &Stub { url, seen: Arc::default() })], &[]).await;
    assert_eq!(subject.quote().await.0, 200);
    assert_eq!(subject.outcomes(), [("Jupiter".into(), Outcome::Connect)]);
}

#[tokio::test]
async fn rate_limits_are_counted_on_both_sides() {
    let stub = Stub::start(limiting).await;
    let subject = Subject::start(&[("jupiter", &stub)], &["bands=10", "rate.jupiter=0.01/s", "max_wait=0"]).await;
    for amount in [1, 100, 10_000] {
        assert_eq!(subject.get(&path("/quote", SOL, USDC, amount)).await.0, 200);
    }
    assert_eq!(stub.seen().len(), 1, "the other two were not even sent");
    let outcomes: Vec<Outcome> = subject.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::RateLimited, Outcome::Skipped, Outcome::Skipped]);
    assert_eq!(subject.sum("external_api_rate_limit_errors_total", "Jupiter").await, 3.0);
    assert_eq!(subject.sum("external_api_requests_total", "").await, 1.0);
    assert_eq!(subject.sum("external_api_errors_total", "").await, 1.0);
}

#[tokio::test]
async fn retries_are_sent_at_once_each_as_a_span_of_its_own() {
    let stub = Stub::start(|n, request| if n < 2 { limiting(n, request) } else { generous(n, request) }).await;
    let subject = Subject::start(&[("jupiter", &stub)], &["retries=5"]).await;
    assert_eq!(subject.quote().await.1["provider"], "Jupiter");
    let parents: BTreeSet<_> = stub.seen().iter().filter_map(|r| r.header("traceparent").map(str::to_owned)).collect();
    assert_eq!(parents.len(), 3);
    let record = &subject.ledger.records()[0];
    assert_eq!((record.quoters[0].attempts, record.quoters[0].outcome), (3, Outcome::Answered));
    assert_eq!(subject.sum("external_api_requests_total", "").await, 3.0);
    assert_eq!(subject.sum("external_api_errors_total", "").await, 2.0);
    assert_eq!(subject.sum("external_api_success_total", "").await, 1.0);
}

#[tokio::test]
async fn the_hybrid_path_serves_what_is_fresh_and_asks_for_the_rest() {
    let stub = Stub::start(stingy).await;
    let hybrid = path("/quote/hybrid", SOL, USDC, 1_000_000_000);
    let subject = Subject::start(&[("jupiter", &stub)], &["external=hybrid"]).await;
    assert_ne!(subject.quote().await.1["provider"], "Jupiter", "/quote calculates by itself");
    assert_eq!(subject.get(&hybrid).await.1["source"], "cache");
    assert_eq!(stub.seen().len(), 0);
    assert_eq!(subject.sum("hybrid_quote_fast_path_duration_seconds_count", "has_external=\"false\"").await, 1.0);

    let subject = Subject::start(&[("jupiter", &stub)], &["fresh=500ms", "external=hybrid"]).await;
    assert_eq!(subject.get(&hybrid).await.1["provider"], "Jupiter", "even the smallest offer: pools are not asked");
    assert_eq!(subject.get(&hybrid).await.1["source"], "cache");
    tokio::time::sleep(Duration::from_millis(520)).await;
    assert_eq!(subject.get(&hybrid).await.1["source"], "calculated", "too old for this path");
    assert_eq!(subject.quote().await.1["source"], "cache", "but not for the other");
    for (metric, want) in [
        ("hybrid_quote_requests_total", 3.0),
        ("hybrid_cache_hits_total", 1.0),
        ("hybrid_external_cache_hits_total", 1.0),
        ("hybrid_cache_misses_total", 2.0),
        ("hybrid_cache_stale_total", 1.0),
        ("hybrid_cached_quote_age_seconds_count", 1.0),
    ] {
        assert_eq!(subject.sum(metric, "").await, want, "{metric}");
    }
    assert_eq!(subject.sum("hybrid_quote_fast_path_duration_seconds_count", "has_external=\"true\"").await, 1.0);

    let subject = Subject::start(&[("jupiter", &stub)], &["external=never"]).await;
    assert_ne!(subject.get(&hybrid).await.1["provider"], "Jupiter");
}

#[tokio::test]
async fn a_refresh_calculates_again_what_is_asked_for() {
    let subject = Subject::start(&[], &["refresh=50ms"]).await;
    let (_, first) = subject.quote().await;
    let mut last = first.clone();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        last = subject.quote().await.1;
        assert_eq!(last["source"], "cache");
        if last["timestampMs"] != first["timestampMs"] {
            break;
        }
    }
    assert!(last["timestampMs"].as_u64() > first["timestampMs"].as_u64(), "{last}");
    assert_eq!(subject.sum("quote_cache_misses_total", "").await, 1.0);
    assert!(subject.sum("quote_calculation_duration_seconds_count", "").await >= 2.0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let subject = Subject::start(&[], &[]).await;
    let port = subject.running.services()[0].1.rsplit_once(':').map(|(_, port)| port.to_owned()).expect("a port");
    let mut options = Options::default();
    options.set("port", &port).expect("a number");
    let error = start(options).await.err().expect("taken");
    assert!(error.to_string().contains(&port), "{error}");
}
