//! The service as its clients see it: over HTTP, with stub quoters behind it.

mod lies;
mod quoters;
mod stub;
mod weaknesses;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::base::net::Address;
use crate::sim::Running;
use crate::sim::client::Client;
use stub::{Stub, stingy};

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
        let reply = self.client.get(path, Some(&format!("00-{TRACE}-00f067aa0ba902b7-01"))).await.expect(path);
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    async fn quote(&self) -> (u16, Value) {
        self.get(&path("/quote", SOL, USDC, 1_000_000_000)).await
    }

    /// The values on the metrics page by series, labels sorted as written.
    async fn page(&self) -> BTreeMap<String, f64> {
        let reply = self.client.get("/metrics", None).await.expect("a page");
        let text = String::from_utf8(reply.body.to_vec()).expect("text");
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
    // Not the note's: what the middleware of a web framework counts.
    ("http_requests_total", "counter", &["path", "status"]),
    ("http_request_duration_seconds", "histogram", &["path"]),
];

#[tokio::test]
async fn every_metric_of_the_catalogue_is_there_with_its_type_and_labels() {
    let stub = Stub::start(stingy).await;
    let subject = Subject::start(&[("jupiter", &stub)], &[]).await;
    for (kind, amount) in [("/quote", 1_000_000_000), ("/quote/hybrid", 5), ("/quote/hybrid", 5)] {
        assert_eq!(subject.get(&path(kind, SOL, USDC, amount)).await.0, 200);
    }
    let reply = subject.client.get("/metrics", None).await.expect("a page");
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
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
