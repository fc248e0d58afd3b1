//! The real weaknesses that can be switched on, each beside the same service without it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::stub::{Stub, generous, hanging};
use super::{SOL, Subject, USDC, path};
use crate::base::httpd::{Answer, Request, Response};
use crate::sim::quote_service::{Outcome, Source};

const STORM: &[&str] = &["retries=5", "backoff=off", "retry_budget=off", "retry_after=off", "rate.jupiter=none"];

fn limiting_for_a_minute(_: u32, _: &Request) -> Answer {
    Response::text(429, "").with("Retry-After", "60").into()
}

fn broken(_: u32, _: &Request) -> Answer {
    Response::text(500, "no").into()
}

/// Generous once, then no more.
fn failing_later(n: u32, request: &Request) -> Answer {
    if n == 0 { generous(n, request) } else { broken(n, request) }
}

/// An offer cut off in its middle.
fn garbled(_: u32, _: &Request) -> Answer {
    Response::new(200, "application/json", r#"{"outAmount":"900000000","#).into()
}

/// A fresh price, and then one that is a minute older.
fn ageing(n: u32, _: &Request) -> Answer {
    let slot = if n == 0 { 1000 } else { 850 };
    Response::json(200, &json!({ "outAmount": "900000000000", "contextSlot": slot })).into()
}

/// Asks for three amounts that share no price.
async fn three(subject: &Subject) -> Vec<(u16, Value)> {
    let mut replies = Vec::new();
    for amount in [1_000, 100_000, 10_000_000] {
        replies.push(subject.get(&path("/quote", SOL, USDC, amount)).await);
    }
    replies
}

fn attempts(subject: &Subject) -> Vec<u32> {
    subject.ledger.records().iter().map(|r| r.quoters[0].attempts).collect()
}

#[tokio::test]
async fn retry_after_is_heeded_or_answered_with_a_storm() {
    let stub = Stub::start(limiting_for_a_minute).await;
    let polite = Subject::start(&[("jupiter", &stub)], &["retries=5", "rate.jupiter=none"]).await;
    assert!(three(&polite).await.iter().all(|(status, _)| *status == 200), "the pools stand in");
    let outcomes: Vec<Outcome> = polite.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::RateLimited, Outcome::Paused, Outcome::Paused]);
    assert_eq!(stub.seen().len(), 1, "once told, it asks no more");
    assert_eq!(polite.sum("external_api_requests_total", "").await, 1.0);
    assert_eq!(polite.sum("external_api_rate_limit_errors_total", "").await, 3.0);

    let stub = Stub::start(limiting_for_a_minute).await;
    let stormy = Subject::start(&[("jupiter", &stub)], STORM).await;
    assert!(three(&stormy).await.iter().all(|(status, _)| *status == 200));
    assert_eq!(attempts(&stormy), [6, 6, 6]);
    assert_eq!(stub.seen().len(), 18, "six requests for each one that was needed");
    assert_eq!(stormy.sum("external_api_requests_total", "").await, 18.0);
    assert_eq!(stormy.sum("external_api_errors_total", "").await, 18.0);
}

#[tokio::test]
async fn retries_keep_to_a_budget_and_to_the_rate_limit() {
    let stub = Stub::start(broken).await;
    let settings = ["retries=5", "backoff=1ms", "rate.jupiter=none"];
    let frugal = Subject::start(&[("jupiter", &stub)], &settings).await;
    three(&frugal).await;
    assert_eq!(attempts(&frugal), [4, 1, 1], "three retries to begin with, then a tenth of the calls");
    assert_eq!(stub.seen().len(), 6);

    let stub = Stub::start(broken).await;
    let spending = ["retries=5", "backoff=1ms", "rate.jupiter=none", "retry_budget=off"];
    let spending = Subject::start(&[("jupiter", &stub)], &spending).await;
    three(&spending).await;
    assert_eq!(attempts(&spending), [6, 6, 6]);

    let stub = Stub::start(broken).await;
    let limited = ["retries=5", "backoff=1ms", "rate.jupiter=0.01/s", "max_wait=0"];
    let limited = Subject::start(&[("jupiter", &stub)], &limited).await;
    three(&limited).await;
    assert_eq!(stub.seen().len(), 1, "a retry needs a place in the line like any call");
}

#[tokio::test]
async fn failing_fast_makes_one_quoters_failure_the_clients() {
    let good = Stub::start(generous).await;
    for (bad, settings, status, word) in [
        (Stub::start(broken).await, ["timeout=800ms", "fail_fast=on"], 502, "quoters"),
        (Stub::start(hanging).await, ["timeout=30ms", "fail_fast=on"], 504, "quoters_timeout"),
    ] {
        let upstreams = [("jupiter", &bad), ("dflow", &good)];
        let tolerant = Subject::start(&upstreams, &settings[..1]).await;
        let (served, reply) = tolerant.quote().await;
        assert_eq!((served, &reply["provider"]), (200, &json!("DFlow")));

        for kind in ["/quote", "/quote/hybrid"] {
            let brittle = Subject::start(&upstreams, &settings).await;
            let (failed, reply) = brittle.get(&path(kind, SOL, USDC, 1_000_000_000)).await;
            assert_eq!((failed, &reply["errorType"]), (status, &json!(word)), "{kind}");
            assert_eq!(brittle.sum("quote_errors_total", &format!("\"{word}\"")).await, 1.0);
            assert_eq!(brittle.sum("quotes_served_total", "").await, 0.0);
        }
    }
}

#[tokio::test]
async fn replies_are_checked_or_believed() {
    let stub = Stub::start(garbled).await;
    let hybrid = path("/quote/hybrid", SOL, USDC, 1_000_000_000);
    let careful = Subject::start(&[("jupiter", &stub)], &[]).await;
    let (status, reply) = careful.get(&hybrid).await;
    assert_eq!(status, 200);
    assert_ne!(reply["provider"], "Jupiter");
    assert_eq!(careful.outcomes(), [("Jupiter".into(), Outcome::Garbage)]);
    assert_eq!(careful.sum("external_api_errors_total", "").await, 1.0);

    let gullible = Subject::start(&[("jupiter", &stub)], &["validate=off"]).await;
    for source in ["calculated", "cache"] {
        let (status, reply) = gullible.get(&hybrid).await;
        assert_eq!((status, &reply["provider"], &reply["source"]), (200, &json!("Jupiter"), &json!(source)));
        assert_eq!(reply["outAmount"], "0", "what it could not read it took for an offer of nothing, and kept it");
    }
    assert_eq!(gullible.outcomes(), [("Jupiter".into(), Outcome::Answered)]);
    assert_eq!(gullible.sum("external_api_success_total", "").await, 1.0);
}

#[tokio::test]
async fn stale_prices_are_refused_or_served_as_old_as_they_are() {
    let stub = Stub::start(ageing).await;
    let careful = Subject::start(&[("jupiter", &stub)], &["rate.jupiter=none"]).await;
    let replies = three(&careful).await;
    assert_eq!(replies[0].1["provider"], "Jupiter");
    assert!(replies[1..].iter().all(|(status, reply)| *status == 200 && reply["provider"] != "Jupiter"));
    let outcomes: Vec<Outcome> = careful.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Answered, Outcome::Stale, Outcome::Stale]);

    let stub = Stub::start(ageing).await;
    let careless = Subject::start(&[("jupiter", &stub)], &["rate.jupiter=none", "max_quote_age=off"]).await;
    let replies = three(&careless).await;
    let (first, later) = replies.split_first().expect("three");
    for reply in later {
        let younger = |field: &str| {
            let number = |of: &Value| of[field].as_u64().expect("a number");
            number(&first.1) - number(&reply.1)
        };
        assert_eq!(reply.1["provider"], "Jupiter");
        // Between two requests lie some milliseconds, on a stalled machine seconds.
        assert!((30_000..=61_000).contains(&younger("timestampMs")), "a minute older: {reply:?}");
        assert!((75..=151).contains(&younger("contextSlot")), "{reply:?}");
    }
}

#[tokio::test]
async fn a_price_past_its_life_stands_in_for_a_while() {
    let settings = ["ttl=20ms", "ttl_spread=0%", "fallback=off", "rate.jupiter=none"];
    let stub = Stub::start(failing_later).await;
    let subject = Subject::start(&[("jupiter", &stub)], &settings).await;
    let (_, first) = subject.quote().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let (status, second) = subject.quote().await;
    assert_eq!((status, &first["source"], &second["source"]), (200, &json!("calculated"), &json!("stale")));
    assert_eq!(second["timestampMs"], first["timestampMs"], "and says how old it is");
    let record = &subject.ledger.records()[1];
    assert_eq!((record.source, record.quoters[0].outcome), (Some(Source::Stale), Outcome::Refused));
    assert!(record.age_ms >= Some(20) && record.error.is_none(), "{record:?}");
    for (metric, having, want) in [
        ("quote_request_total_duration_seconds_count", "source=\"stale\"", 1.0),
        ("quote_request_total_duration_seconds_count", "source=\"cache\"", 0.0),
        ("quote_cache_misses_total", "", 2.0),
        ("quotes_served_total", "", 2.0),
        ("quote_errors_total", "", 0.0),
    ] {
        assert_eq!(subject.sum(metric, having).await, want, "{metric} {having}");
    }

    let stub = Stub::start(failing_later).await;
    let strict: Vec<&str> = settings.into_iter().chain(["stale_if_error=off"]).collect();
    let subject = Subject::start(&[("jupiter", &stub)], &strict).await;
    assert_eq!(subject.quote().await.0, 200);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(subject.quote().await.0, 502);
}

#[test]
fn a_weakness_is_called_one() {
    let weak: BTreeSet<&str> = crate::sim::quote_service::Options::keys()
        .into_iter()
        .filter(|knob| knob.help.contains("real weakness"))
        .map(|knob| knob.name)
        .collect();
    let want =
        ["backoff", "fail_fast", "max_quote_age", "processes", "retry_after", "retry_budget", "timeout", "validate"];
    assert_eq!(weak, want.into());
}
