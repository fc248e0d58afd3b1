//! The metrics contract: pages that break it, each with its honest twin, live and in a run; and probes that lie.

use serde_json::Value;

use crate::scene::{Scene, finding};
use crate::server::{Answer, Server, status};

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";
const HONEST: &str = "# HELP api_requests_total Requests.\n# TYPE api_requests_total counter\n\
                      api_requests_total{service=\"api\",environment=\"test\",version=\"1\"} 5\n";

fn serving(page: &'static str) -> Server {
    Server::new(move |request| match request.head.starts_with("GET /metrics ") {
        true => Answer::Whole(200, TEXT, page.into()),
        false => status(404),
    })
}

#[test]
fn a_live_page_is_linted() {
    let scene = Scene::new("");
    let honest = serving(HONEST);
    let ended = scene.ask(&["metrics", "lint", &honest.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("0 errors, 0 warnings"), "{}", ended.out);

    let broken =
        serving("# TYPE api_requests counter\napi_requests{order=\"7f3c2a10-9b1e-4c6f-8d2a-0123456789ab\"} 5\n");
    let ended = scene.ask(&["metrics", "lint", &broken.url(), "--format", "json", "--labels", "none"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said: Value = serde_json::from_str(&ended.out).expect("json");
    let ids: Vec<&str> = said["findings"].as_array().into_iter().flatten().filter_map(|f| f["id"].as_str()).collect();
    for id in ["counter-without-total", "help-missing", "label-id"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    let except = ["--except", "counter-without-total=api_*", "--except", "help-missing=*"];
    let ended = scene
        .ask(&[&["metrics", "lint", &broken.url(), "--format", "github", "--labels", "none"][..], &except].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("::warning title=label-id"), "{}", ended.out);
}

/// What only fetching shows; [`HONEST`], asked for in the same way, is the good twin of each.
#[test]
fn how_a_page_is_served_is_linted_too() {
    let scene = Scene::new("");
    let ids = |server: &Server, more: &[&str]| {
        let url = server.url();
        let ended = scene.ask(&[&["metrics", "lint", &url, "--format", "json", "--labels", "none"][..], more].concat());
        let said: Value = serde_json::from_str(&ended.out).unwrap_or_else(|why| panic!("{why}: {ended:?}"));
        let found = said["findings"].as_array().into_iter().flatten().filter_map(|f| f["id"].as_str());
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(&serving(HONEST), &["--max-size", "1KB"]), [""; 0]);
    assert_eq!(ids(&serving(HONEST), &["--max-size", "100B"]), ["page-large"]);

    let long = |length: usize| {
        let page = HONEST.replace("Requests.", &"Requests. ".repeat(length / 10));
        Server::new(move |_| Answer::Whole(200, TEXT, page.clone().into()))
    };
    assert_eq!(ids(&long(200_000), &[]), [""; 0]);
    assert_eq!(ids(&long(300_000), &[]), ["not-compressed"]);

    let open = "# HELP api_requests Requests.\n# TYPE api_requests counter\napi_requests_total 5\n# EOF\n";
    let media = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    let deaf = Server::new(move |_| Answer::Whole(200, media, open.into()));
    assert_eq!(ids(&deaf, &[]), ["not-negotiated"]);
    let polite = Server::new(move |request| match request.head.contains("openmetrics-text") {
        true => Answer::Whole(200, media, open.into()),
        false => Answer::Whole(200, TEXT, HONEST.into()),
    });
    assert_eq!(ids(&polite, &[]), [""; 0]);

    assert_eq!(ids(&serving(HONEST), &["--warn", "1ns", "--within", "5s"]), ["scrape-tardy"]);
    assert_eq!(ids(&serving(HONEST), &["--warn", "1ns", "--within", "1ns"]), ["scrape-slow"]);
    let once = Server::new(|request| match request.nth {
        0 => Answer::Whole(200, TEXT, HONEST.into()),
        _ => status(503),
    });
    assert_eq!(ids(&once, &[]), ["page-missing"]);
}

#[test]
fn what_cannot_be_linted_is_refused() {
    let scene = Scene::new("");
    let nobody = serving(HONEST).url();
    for (args, code, part) in [
        (vec!["metrics", "lint", nobody.as_str()], 5, nobody.as_str()),
        (vec!["metrics", "lint", "http://192.0.2.1/metrics"], 2, "--allow-host 192.0.2.1"),
        (vec!["metrics", "lint", "somewhere"], 2, "not an address"),
        (vec!["metrics", "lint", nobody.as_str(), "--except", "lable-id=x"], 2, "did you mean `label-id`?"),
        (vec!["metrics", "lint", nobody.as_str(), "--names", "{nam}"], 2, "stands for nothing"),
    ] {
        let ended = scene.ask(&args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(ended.err.contains(part), "{args:?}: {}", ended.err);
    }
}

/// A scenario over the practice target with a contract that its honest page keeps.
fn practice(with: &str) -> String {
    format!(
        "proofload: 1
name: a contract
target: {{ sim: quote-service, with: {{ external: never, delays: 0.1{with} }} }}
traffic:
  q:
    quote: {{ pairs: {{ file: pairs.csv }}, amount: {{ fixed: 1000000 }} }}
    arrivals: even
    load: [{{ hold: {{ at: 100/s, for: 5s }} }}]
observe:
  jobs:
    api: {{ metrics: /metrics, every: 500ms, timeout: 2s, labels: {{ service: quotes, environment: practice, version: '1' }} }}
fitness: {{ lag: 10s, cpu: 100% }}
contract:
  api:
    requires: [process_start_time_seconds]
    moves: [quote_requests_total, quote_request_total_duration_seconds]
    probes: {{ /health/live: 200, /ready: {{ outside: 200, every: 200ms }} }}
    except: {{ counter-without-total: [quotes_by_protocol, quotes_by_pool] }}
    scrape: {{ warn: 900ms }}
"
    )
}

/// What a run over a practice target that breaks its contract comes to: broken in one part, and in no other.
fn breaks(page: &str, part: &str, id: &str) {
    let scene = Scene::new(&practice(&format!(", page: {page}")));
    let ended = scene.run(&[]);
    assert_eq!(ended.code, Some(1), "{page}: {ended:?}");
    let verdict = scene.verdict();
    let failed: Vec<&str> = verdict["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|f| f["verdict"] == "FAIL")
        .filter_map(|f| f["promise"].as_str())
        .collect();
    assert_eq!(failed, [format!("contract(api) {part}")], "{page}: {}", ended.out);
    let found = verdict["contract"]["api"]["violations"].as_array().into_iter().flatten();
    assert!(found.clone().any(|v| v["id"] == id && v["breaks"] == true), "{page}: {}", ended.out);
    // The evidence alone says the same.
    assert_eq!(scene.ask(&["judge", &scene.evidence().display().to_string()]).code, Some(1));
}

#[test]
fn an_honest_page_keeps_its_contract() {
    let scene = Scene::new(&practice(""));
    let ended = scene.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let verdict = scene.verdict();
    assert_eq!(finding(&verdict, "contract(api) probes /ready is 200")["verdict"], "PASS");
    assert!(ended.out.contains("contract api: text/plain; version=0.0.4"), "{}", ended.out);
    let events = std::fs::read_to_string(scene.evidence().join("events.jsonl")).expect("readable");
    let pages = events.lines().filter(|line| line.starts_with(r#"{"event":"page""#)).count();
    assert!(pages >= 2, "the first and the last at least: {pages}");
}

#[test]
fn an_order_id_in_a_label_is_found() {
    breaks("order_ids", "cardinality", "label-grows");
}

#[test]
fn a_missing_type_is_found() {
    breaks("untyped", "metadata", "type-missing");
}

#[test]
fn crooked_buckets_are_found() {
    breaks("crooked", "histograms", "buckets-fall");
}

#[test]
fn a_falling_counter_is_found() {
    breaks("falling", "counters", "counter-fell");
}

#[test]
fn a_repeated_series_is_found() {
    breaks("repeated", "format", "series-repeated");
}

#[test]
fn a_slow_page_is_found() {
    breaks("slow", "scrape", "scrape-slow");
}

/// A probe that must say when the service is cut off from its quoter, and one that lies.
fn drill(ready: &str) -> (Option<i32>, Value, String) {
    let scene = Scene::new(&format!(
        "proofload: 1
name: a probe
target: {{ sim: quote-service, with: {{ ttl: 50ms, ttl_spread: 0%, timeout: 200ms, rate.jupiter: none, delays: 0.1, ready: {ready} }} }}
upstreams: {{ jupiter: {{ like: jupiter, latency: 5ms }} }}
traffic:
  q:
    quote: {{ pairs: {{ file: pairs.csv }}, amount: {{ fixed: 1000000 }} }}
    arrivals: even
    load: [{{ hold: {{ at: 40/s, for: 9s }} }}]
observe: {{ jobs: {{ api: {{ metrics: /metrics, every: 500ms }} }} }}
fitness: {{ lag: 10s, cpu: 100% }}
faults:
  hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, at: 2s, for: 4s }}
contract:
  api:
    labels: []
    severity: {{ names: info, scrape: info }}
    probes:
      /health/live: 200
      /health/ready: {{ outside: 200, during: {{ hangs: 503 }}, every: 200ms, within: 2s }}
"
    ));
    let ended = scene.run(&[]);
    (ended.code, scene.verdict(), ended.out)
}

#[test]
fn a_probe_that_tells_keeps_its_word() {
    let (code, verdict, out) = drill("quoters");
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(finding(&verdict, "contract(api) probes /health/ready is 503")["verdict"], "PASS", "{out}");
    assert_eq!(finding(&verdict, "contract(api) probes /health/ready is 200")["verdict"], "PASS", "{out}");
}

#[test]
fn a_probe_that_lies_is_caught() {
    let (code, verdict, out) = drill("always");
    assert_eq!(code, Some(1), "{out}");
    let lie = finding(&verdict, "contract(api) probes /health/ready is 503");
    assert_eq!(lie["verdict"], "FAIL", "{out}");
    assert!(lie["why"].as_str().is_some_and(|why| why.contains("200 instead of 503")), "{lie}");
    assert_eq!(finding(&verdict, "contract(api) probes /health/live is 200")["verdict"], "PASS", "{out}");
}
