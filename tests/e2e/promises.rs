//! One planted breach for every kind of promise, and promises that cannot be decided.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::scene::{Scene, finding, hold, scenario};
use crate::server::{Answer, QUOTE, Request, SLOW_QUOTE, Server, quote, status};

const LATE: Duration = Duration::from_millis(80);

/// A target that breaks the one promise, and that promise.
struct Breach {
    promise: &'static str,
    more: &'static str,
    manners: fn(&Request<'_>) -> Answer,
}

fn nth_late(r: &Request<'_>) -> Answer {
    if r.nth.is_multiple_of(10) { Answer::Late(LATE, SLOW_QUOTE.to_vec()) } else { quote() }
}

fn all_late(_: &Request<'_>) -> Answer {
    Answer::Late(LATE, QUOTE.to_vec())
}

fn class_late(r: &Request<'_>) -> Answer {
    if r.nth.is_multiple_of(2) { Answer::Late(LATE, SLOW_QUOTE.to_vec()) } else { quote() }
}

fn nth_500(r: &Request<'_>) -> Answer {
    if r.nth.is_multiple_of(5) { status(500) } else { quote() }
}

fn nth_hangs(r: &Request<'_>) -> Answer {
    if r.nth.is_multiple_of(5) { Answer::Hang } else { quote() }
}

/// A tenth of all, and all of them within one second.
fn outage(r: &Request<'_>) -> Answer {
    if (230..310).contains(&r.nth) { status(500) } else { quote() }
}

const BREACHES: [Breach; 11] = [
    Breach { promise: "p95(q) < 40ms", more: "", manners: all_late },
    Breach {
        promise: "p99(q, slow) < 40ms",
        more: "\n  - expect: errors(q) < 50%\n  - { expect: 'p95(q, fast) < 390ms' }",
        manners: class_late,
    },
    Breach { promise: "max(q) < 40ms", more: "", manners: nth_late },
    Breach { promise: "mean(q) < 40ms", more: "", manners: all_late },
    Breach { promise: "p50(q, service) < 40ms", more: "", manners: all_late },
    Breach { promise: "errors(q) < 5%", more: "", manners: nth_500 },
    Breach { promise: "errors(q) == 0", more: "", manners: nth_500 },
    Breach { promise: "timeouts(q) < 5%", more: "", manners: nth_hangs },
    Breach { promise: "rejected(q) < 5%", more: "", manners: nth_500 },
    Breach { promise: "rate(q) > 180/s", more: "", manners: nth_500 },
    Breach { promise: "errors(q) < 20%", more: "\n    each: 1s\n  - expect: errors(q) < 30%", manners: outage },
];

#[test]
fn a_planted_breach_of_each_kind_of_promise_fails_and_is_named() {
    thread::scope(|scope| {
        for Breach { promise, more, manners } in &BREACHES {
            scope.spawn(move || {
                let server = Server::new(*manners);
                let target = format!("{{ url: {}, timeout: 400ms, connections: 200 }}", server.url());
                let slo = format!("  - expect: {promise}{more}\n");
                let scene = Scene::new(&scenario(&target, &hold("200/s", "4s"), &slo));
                let ran = scene.run(&[]);
                assert_eq!(ran.code, Some(1), "{promise}: {ran:?}");
                let verdict = scene.verdict();
                assert_eq!(finding(&verdict, promise)["verdict"], "FAIL", "{promise}: {verdict}");
                let findings = verdict["findings"].as_array().expect("findings");
                let broken = findings.iter().filter(|f| f["verdict"] != "PASS").count();
                assert_eq!(broken, 1, "{promise} and nothing else: {verdict}");
                assert!(ran.out.contains(promise) && ran.out.contains("FAIL"), "{promise} is named: {ran:?}");
            });
        }
    });
}

/// A page of metrics: a counter that stands still, and a gauge.
fn watched() -> Server {
    Server::new(|r| match r.head.starts_with("GET /metrics ") {
        true => {
            let page = "# TYPE stock gauge\nstock 3\n# TYPE done_total counter\ndone_total 5\n";
            Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", page.into())
        }
        false => quote(),
    })
}

fn on_metrics(server: &Server, slo: &str) -> Scene {
    let observe = "observe: { jobs: { stocks: { metrics: /metrics, every: 200ms } } }\n";
    Scene::new(&(scenario(&server.url(), &hold("100/s", "2s"), slo) + observe))
}

#[test]
fn a_broken_promise_over_the_targets_own_metrics_fails() {
    let server = watched();
    let scene = on_metrics(&server, "  - promql: stock\n    expect: value > 5\n");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(scene.verdict()["findings"][0]["observed"]["value"], Value::from(3.0));
    assert!(ran.out.contains("stock"), "{ran:?}");
}

#[test]
fn bug_the_last_scrape_came_before_the_end_of_a_load_whose_last_shot_was_over_early() {
    let server = watched();
    let scene = on_metrics(&server, "  - promql: rate(done_total[$window])\n    expect: value == 0\n");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_promise_over_metrics_that_are_not_there_is_undecided_and_names_them() {
    let server = watched();
    let slo = "  - promql: sum(rate(no_such_total[$window])) / sum(stock)\n    expect: value > 5\n";
    let scene = on_metrics(&server, slo);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let why = scene.verdict()["findings"][0]["why"].to_string();
    assert!(why.contains("no_such_total") && !why.contains("stock"), "names the empty operand: {why}");
    assert!(ran.out.contains("no_such_total"), "{ran:?}");
}

#[test]
fn a_page_that_is_not_metrics_is_not_a_pass() {
    let server = Server::new(|r| match r.head.starts_with("GET /metrics ") {
        true => Answer::Whole(200, "Content-Type: text/html\r\n", b"<html>not found</html>".to_vec()),
        false => quote(),
    });
    let scene = on_metrics(&server, "  - promql: sum(up)\n    expect: value == 1\n  - expect: errors(q) < 5%\n");
    let ran = scene.run(&[]);
    assert!(matches!(ran.code, Some(1 | 3)), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(verdict["scrapes"]["stocks"]["good"], 0, "{verdict}");
}

#[test]
fn without_a_critical_promise_nothing_is_proved() {
    let server = Server::new(|_| quote());
    let code = |slo: &str| {
        let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), slo));
        let ran = scene.run(&[]);
        (ran.code, scene.verdict()["verdict"].clone())
    };
    let inconclusive = (Some(3), Value::from("INCONCLUSIVE"));
    assert_eq!(code("  []\n"), inconclusive, "no promise at all");
    let broken = "  - expect: max(q) < 1ns\n    severity: warning\n";
    assert_eq!(code(broken), inconclusive, "a broken warning beside no critical promise");
    let kept = "  - expect: errors(q) < 5%\n";
    assert_eq!(code(&format!("{broken}{kept}")), (Some(0), Value::from("PASS")), "a warning changes no exit");
    assert_eq!(code("  - expect: p99.9(q) < 1s\n"), inconclusive, "too few shots to tell");
}
