//! What becomes of quotes when the quoters behind the service answer, hang, fail or refuse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::stub::{Stub, failing, generous, hanging, limiting, stingy};
use super::{SOL, Subject, TRACE, USDC, path};
use crate::base::httpd::Response;
use crate::sim::quote_service::Outcome;

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
        let seen = stub.seen();
        let request = &seen[0];
        assert_eq!((seen.len(), request.path.as_str()), (1, path));
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
    // The upper bound is far above the timeout and only tells it from waiting for ever.
    assert!((300_000_000..10_000_000_000).contains(&record.took_ns), "{} ns", record.took_ns);
    assert_eq!(subject.outcomes(), [("Jupiter".into(), Outcome::TimedOut), ("DFlow".into(), Outcome::Answered)]);
    assert_eq!(subject.sum("external_api_errors_total", "Jupiter").await, 1.0);
}

#[tokio::test]
async fn a_quorum_or_a_deadline_waits_for_nobody_longer() {
    let (hung, good) = (Stub::start(hanging).await, Stub::start(generous).await);
    for setting in ["quorum=1", "deadline=300ms"] {
        let subject = Subject::start(&[("jupiter", &hung), ("dflow", &good)], &["timeout=none", setting]).await;
        let answer = tokio::time::timeout(Duration::from_secs(10), subject.quote()).await;
        let (status, reply) = answer.expect("does not wait for who hangs");
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
    let answer = tokio::select! {
        answer = subject.quote() => Some(answer),
        () = asked => None,
    };
    assert_eq!(answer, None);
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
    let subject = Subject::start(&[("jupiter", &stub)], &["retries=5", "backoff=off"]).await;
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
