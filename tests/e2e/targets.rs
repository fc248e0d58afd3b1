//! Targets that are down, slow, wrong or frozen: each is data, and none is the harness's doing.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::port;
use crate::scene::{Scene, finding, hold, outcome, scenario};
use crate::server::{Answer, QUOTE, Server, quote, status};

const SLO: &str = "  - expect: errors(q) < 5%\n  - expect: p95(q) < 400ms\n";

fn target(url: &str) -> String {
    format!("{{ url: \"{url}\", timeout: 400ms, connections: 128 }}")
}

#[test]
fn a_target_that_is_down_is_no_start() {
    let url = format!("http://{}", port::place());
    let scene = Scene::new(&scenario(&url, &hold("100/s", "1s"), SLO));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("unreachable") && ran.err.contains(url.trim_start_matches("http://")), "{ran:?}");

    let unready = Server::new(|_| status(503));
    let target = format!("{{ url: {}, ready: {{ get: /ready, within: 500ms }} }}", unready.url());
    let scene = Scene::new(&scenario(&target, &hold("100/s", "1s"), SLO));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("/ready") && ran.err.contains("503"), "{ran:?}");
    assert_eq!(unready.count("GET /quote"), 0, "nothing was sent");
}

/// Every shot of a run against `url` comes to `word`, and the run FAILs.
fn comes_to(name: &str, url: &str, word: &str) {
    let scene = Scene::new(&scenario(&target(url), &hold("40/s", "2s"), SLO));
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
    assert_eq!(verdict["traffic"]["q"]["shots"], 80, "{name}: {verdict}");
    assert_eq!(outcome(&verdict, word), 80, "{name}: {verdict}");
    assert_eq!(finding(&verdict, "errors(q) < 5%")["verdict"], "FAIL", "{name}");
    assert_eq!(finding(&verdict, "p95(q) < 400ms")["verdict"], "FAIL", "{name}: failing fast must not look fast");
    let again = scene.ask(&["judge", scene.evidence().to_str().expect("text")]);
    assert_eq!(again.code, Some(1), "{name}: {again:?}");
}

#[test]
fn what_a_target_does_wrong_is_an_outcome_and_a_fail() {
    type Manners = fn() -> Answer;
    let wrongs: [(&str, Manners, &str); 17] = [
        ("hangs", || Answer::Hang, "timed_out_head"),
        ("html", || Answer::Whole(200, "Content-Type: text/html\r\n", b"<html>Down</html>".to_vec()), "invalid"),
        ("empty", || Answer::Whole(200, "", Vec::new()), "invalid"),
        ("zero", || Answer::Whole(200, "", br#"{"outAmount":"0"}"#.to_vec()), "invalid"),
        ("other mint", || Answer::Whole(200, "", br#"{"outAmount":"1","inputMint":"X"}"#.to_vec()), "invalid"),
        ("10 MB", || Answer::Long(10_000_000), "invalid"),
        ("cut", || Answer::CutBody, "broken_body"),
        ("slow", || Answer::SlowBody, "timed_out_body"),
        ("reset", || Answer::Reset, "broken_head"),
        ("reset in the body", || Answer::ResetBody, "broken_body"),
        ("no chunks", || Answer::BadChunks, "broken_body"),
        ("100 000 headers", || Answer::Headers(100_000), "broken_head"),
        ("129 headers", || Answer::Headers(129), "broken_head"),
        ("garbage", || Answer::Garbage, "broken_head"),
        ("half-closed", || Answer::HalfClose, "broken_head"),
        ("500", || status(500), "rejected"),
        ("redirect", || Answer::Whole(302, "Location: /elsewhere\r\n", Vec::new()), "rejected"),
    ];
    thread::scope(|scope| {
        for (name, manners, word) in wrongs {
            scope.spawn(move || {
                let server = Server::new(move |_| manners());
                comes_to(name, &server.url(), word);
                assert_eq!(server.count("GET /elsewhere"), 0, "redirects are not followed");
            });
        }
        scope.spawn(|| comes_to("refuses", &format!("http://{}", Server::refusing()), "unreachable_connect"));
        scope.spawn(|| comes_to("never reads", &format!("http://{}", Server::deaf()), "timed_out_head"));
        scope.spawn(|| {
            let server = Server::new(|_| Answer::Long(1_000_000_000));
            comes_to("1 GB", &server.url(), "invalid");
            let each = server.written() / server.count("GET /quote").max(1);
            assert!(each < 20_000_000, "what is not kept is not taken either: {each} bytes of each body");
        });
    });
}

#[test]
fn a_reply_of_http_1_0_is_as_good_as_any() {
    let server = Server::new(|_| Answer::Old(QUOTE.to_vec()));
    let scene = Scene::new(&scenario(&target(&server.url()), &hold("40/s", "2s"), "  - expect: errors(q) < 5%\n"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(outcome(&scene.verdict(), "ok"), 80);
    assert_eq!(server.longest(), 1, "each on a connection of its own");
}

#[test]
fn a_429_is_rejected_and_the_rest_is_ok() {
    let server = Server::new(|r| if r.nth.is_multiple_of(4) { status(429) } else { quote() });
    let scene = Scene::new(&scenario(&target(&server.url()), &hold("100/s", "2s"), "  - expect: rejected(q) < 5%\n"));
    assert_eq!(scene.run(&[]).code, Some(1));
    let verdict = scene.verdict();
    assert_eq!((outcome(&verdict, "rejected"), outcome(&verdict, "ok")), (50, 150));
}

#[test]
fn a_target_that_freezes_fails_the_run_and_is_not_blamed_on_the_generator() {
    let began: Mutex<Option<Instant>> = Mutex::new(None);
    let server = Server::new(move |_| {
        let began = *began.lock().expect("no panic").get_or_insert_with(Instant::now);
        if began.elapsed() > Duration::from_millis(1500) { Answer::Hang } else { quote() }
    });
    let target = format!("{{ url: {}, timeout: 600ms, connections: 16 }}", server.url());
    let slo = "  - expect: p95(q) < 300ms\n  - expect: errors(q) < 5%\n";
    let scene = Scene::new(&scenario(&target, &hold("100/s", "3s"), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    let of = |word| outcome(&verdict, word);
    let unanswered = of("timed_out_head") + of("not_sent_backlog") + of("unfinished");
    assert!(of("timed_out_head") >= 16, "every connection was held: {verdict}");
    assert!(of("not_sent_backlog") > 0, "shots piled up behind them: {verdict}");
    assert_eq!(of("ok") + unanswered, 300, "every shot is accounted for: {verdict}");
    let p95 = verdict["traffic"]["q"]["clocks"]["response"]["p95"].as_f64().expect("a number");
    assert!(p95 >= 0.6, "the freeze shows in the response: {p95}");
    assert_eq!(verdict["fitness"]["dropped"], Value::from(0), "a full pool is the target's doing");
}
