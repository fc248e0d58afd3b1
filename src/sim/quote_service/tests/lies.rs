//! What the metrics can lie about, each beside the truth.

use super::{SOL, Subject, USDC, path};

/// What the page says after so many requests for one quote.
async fn after(requests: usize, settings: &[&str]) -> Subject {
    let subject = Subject::start(&[], settings).await;
    for _ in 0..requests {
        assert_eq!(subject.get(&path("/quote", SOL, USDC, 1_000_000_000)).await.0, 200);
    }
    subject
}

#[tokio::test]
async fn the_truth_is_told_unless_a_lie_is_asked_for() {
    let honest = after(3, &[]).await;
    assert_eq!(honest.sum("http_requests_total", "path=\"/quote\",status=\"200\"").await, 3.0);
    assert_eq!(honest.sum("http_requests_total", "").await, 3.0, "its own page is not counted");
    assert_eq!(honest.sum("quote_cache_hits_total", "").await, 2.0);
    assert_eq!(honest.sum("http_request_duration_seconds_bucket", "le=\"5\"").await, 3.0);
    assert!(honest.sum("http_request_duration_seconds_sum", "").await < 3.0);
}

#[tokio::test]
async fn a_label_is_dropped_and_a_unit_wrong() {
    let dropped = after(3, &["lie=dropped-label"]).await;
    assert_eq!(dropped.sum("http_requests_total", "status=\"\"").await, 3.0, "an empty label is none");
    let (slow, honest) = (after(3, &["lie=clock-skew"]).await, after(3, &[]).await);
    let sum = "http_request_duration_seconds_sum";
    let more = slow.sum(sum, "").await - honest.sum(sum, "").await;
    assert!((0.5..1.5).contains(&more), "a quarter of a second each: {more}");
    let start = "process_start_time_seconds";
    assert!(slow.sum(start, "").await > honest.sum(start, "").await + 3_000.0);
    let ceiling = after(1, &["lie=low-ceiling"]).await;
    assert_eq!(ceiling.sum("http_request_duration_seconds_bucket", "le=\"5\"").await, 0.0, "no such bucket");
}

#[tokio::test]
async fn hits_are_counted_twice_and_counters_forget() {
    let twice = after(3, &["lie=hits-twice"]).await;
    assert_eq!(twice.sum("quote_cache_hits_total", "").await, 4.0);
    let forgetful = after(103, &["lie=reset"]).await;
    assert_eq!(forgetful.sum("http_requests_total", "").await, 3.0);
}

#[tokio::test]
async fn processes_have_counters_of_their_own() {
    let subject = after(6, &["processes=2"]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(subject.sum("http_requests_total", "").await);
    }
    assert_eq!(seen, [3.0, 3.0]);
    let starts =
        [subject.sum("process_start_time_seconds", "").await, subject.sum("process_start_time_seconds", "").await];
    assert!(starts[0] != starts[1], "{starts:?}");
}

#[tokio::test]
async fn scrapes_and_health_checks_are_counted_where_asked_for() {
    let subject = after(1, &["count_all=on"]).await;
    subject.get("/health").await;
    let (_, _) = (subject.page().await, subject.page().await);
    assert_eq!(subject.sum("http_requests_total", "/health").await, 1.0);
    assert_eq!(subject.sum("http_requests_total", "/metrics").await, 3.0);
}
