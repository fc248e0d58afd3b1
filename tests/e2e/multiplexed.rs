//! HTTP/2: many requests on one connection, as many as both sides will have, and what becomes of them.

use std::thread;
use std::time::Duration;

use crate::certificates::Authority;
use crate::scene::{Scene, hold, outcome, scenario};
use crate::server::{Server, quote};
use crate::server2::{Answer, Server2, Terms, door};
use crate::wire::{exemplar, on_clock, scene};

const SLOW: Duration = Duration::from_millis(200);
const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn many_requests_are_under_way_on_one_connection() {
    let server = Server2::new(Terms::default(), |_, _| Answer::Quote(SLOW));
    let target = format!(
        "url: \"http://{}/v1\", timeout: 2s, http: 2, ready: {{ get: /ready, within: 5s }}, before: [{{ post: /in, json: [1] }}]",
        server.place()
    );
    let scene = scene(&target, "100/s", "3s");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!((outcome(&verdict, "ok"), server.requests()), (300, 302), "{verdict}");
    assert_eq!(verdict["traffic"]["q"]["classes"]["fast"]["count"], 300, "replies are read as any: {verdict}");
    assert_eq!(server.connections(), 3, "one to ask whether it is ready, one before the load, one for all of it");
    assert!(server.at_once() >= 10, "{} at once", server.at_once());
    assert_eq!((on_clock(&verdict, "connect"), on_clock(&verdict, "tls")), (1, 0), "{verdict}");
    let heads = server.heads();
    let of = |path: &str| heads.iter().filter(|h| h.uri().path() == path).collect::<Vec<_>>();
    let (first, quotes) = (of("/v1/in"), of("/v1/quote"));
    assert_eq!((first.len(), first[0].method().as_str(), quotes.len()), (1, "POST", 300));
    for head in quotes {
        assert_eq!(head.uri().authority().map(|a| a.to_string()), Some(server.place()));
        assert!(head.headers().contains_key("traceparent") && !head.headers().contains_key("host"), "{head:?}");
    }
}

#[test]
fn no_connection_carries_more_at_once_than_either_side_will_have() {
    let terms = |streams| Terms { streams, ..Terms::default() };
    thread::scope(|scope| {
        for (ours, theirs, most) in [(", streams: 4", None, 4), ("", Some(3), 3), (", streams: 4", Some(3), 3)] {
            scope.spawn(move || {
                let server = Server2::new(terms(theirs), |_, _| Answer::Quote(SLOW));
                let target = format!("url: \"http://{}\", timeout: 2s, http: 2{ours}", server.place());
                let scene = scene(&target, "50/s", "2s");
                let ran = scene.run(&[]);
                assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 100), "{ours} {theirs:?}: {ran:?}");
                assert_eq!(server.at_once(), most, "{ours} {theirs:?}");
                assert!(server.connections() > 2, "what does not fit goes elsewhere: {}", server.connections());
            });
        }
    });
}

#[test]
fn connections_and_streams_together_are_the_most_at_once() {
    let server = Server2::new(Terms::default(), |_, _| Answer::Quote(SLOW));
    let target = format!("url: \"http://{}\", timeout: 400ms, http: 2, streams: 2, connections: 2", server.place());
    let scene = scene(&target, "100/s", "2s");
    assert_eq!(scene.run(&[]).code, Some(1), "4 at once of 20 that there would have to be");
    let verdict = scene.verdict();
    assert!(outcome(&verdict, "not_sent_backlog") > 50 && outcome(&verdict, "ok") > 20, "{verdict}");
    assert_eq!((server.at_once(), server.connections()), (2, 3));
}

#[test]
fn within_tls_both_sides_agree_on_what_they_speak() {
    let authority = Authority::new("ours");
    let shown = authority.server("127.0.0.1", None);
    let config = |asks, protocols: &[&str]| authority.shows(&shown, asks, protocols);
    let run = |place: &str, more: &str| {
        let scene = scene(&format!("url: \"https://{place}\", timeout: 2s, tls: {{ ca: ca.pem }}{more}"), "80/s", "1s");
        authority.put(&scene);
        let ran = scene.run(&[]);
        (scene, ran)
    };
    thread::scope(|scope| {
        for http in [", http: 2", ", http: auto"] {
            let (run, tls) = (&run, Some(config(false, &["h2", "http/1.1"])));
            scope.spawn(move || {
                let server = Server2::new(Terms { tls, ..Terms::default() }, |_, _| Answer::Quote(AT_ONCE));
                let (scene, ran) = run(&server.place(), http);
                assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 80), "{http}: {ran:?}");
                assert_eq!((server.connections(), on_clock(&scene.verdict(), "tls")), (2, 1), "{http}");
                assert!(server.heads().iter().all(|head| head.uri().scheme_str() == Some("https")));
            });
        }
        scope.spawn(|| {
            let tls = config(false, &["http/1.1"]);
            let server = Server::secure(|_| quote(), move |_| Some(tls.clone()));
            let place = format!("127.0.0.1:{}", server.port());
            let (scene, ran) = run(&place, ", http: auto");
            assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 80), "{ran:?}");
            let (_, ran) = run(&place, ", http: 2");
            assert_eq!((ran.code, ran.err.contains("does not speak the HTTP")), (Some(5), true), "{ran:?}");
        });
        scope.spawn(|| {
            let tls = config(false, &[]);
            let server = Server::secure(|_| quote(), move |_| Some(tls.clone()));
            let (_, ran) = run(&format!("127.0.0.1:{}", server.port()), ", http: 2");
            assert_eq!((ran.code, ran.err.contains("does not speak HTTP/2")), (Some(5), true), "{ran:?}");
        });
        scope.spawn(|| {
            let tls = Some(config(true, &["h2"]));
            let server = Server2::new(Terms { tls, ..Terms::default() }, |_, _| Answer::Quote(AT_ONCE));
            // What is left unread when the server closes makes it a reset, which may overtake the reason.
            let told = (0..5).any(|_| {
                let (_, ran) = run(&server.place(), ", http: 2");
                assert_eq!(ran.code, Some(5), "{ran:?}");
                ran.err.contains("asks for a certificate of ours")
            });
            assert!(told, "why, at least once in five times");
        });
    });
}

#[test]
fn a_target_that_speaks_no_http_2_is_no_start() {
    let server = Server::new(|_| quote());
    let scene = scene(&format!("url: {}, timeout: 1s, http: 2", server.url()), "80/s", "1s");
    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("does not speak HTTP/2")), (Some(5), true), "{ran:?}");
    let deaf = Server::deaf();
    let scene = Scene::new(&scenario(
        &format!("{{ url: \"http://{deaf}\", timeout: 1s, http: 2 }}"),
        &hold("80/s", "1s"),
        "  - expect: errors(q) < 5%\n",
    ));
    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("took longer than 5s")), (Some(5), true), "{ran:?}");
}

#[test]
fn what_a_target_does_wrong_is_an_outcome_of_its_own_request() {
    type Manners = fn() -> Answer;
    let wrongs: [(&str, Manners, &str, &str); 7] = [
        ("hangs", || Answer::Hang, "timed_out_head", "no reply within 400ms"),
        ("slow", || Answer::SlowBody, "timed_out_body", "the reply did not end"),
        ("reset", || Answer::Reset, "broken_head", "reset the HTTP/2 stream"),
        ("reset in the body", || Answer::ResetBody, "broken_body", "reset the HTTP/2 stream"),
        ("1 GB", || Answer::Long(1_000_000_000), "invalid", "longer than"),
        ("129 headers", || Answer::Headers(129), "broken_head", "more than 128 headers"),
        ("a head of 100 KB", || Answer::Headers(3_000), "broken_head", "no HTTP/2"),
    ];
    thread::scope(|scope| {
        for (name, manners, word, words) in wrongs {
            scope.spawn(move || {
                let server = Server2::new(Terms::default(), move |_, nth| match nth % 2 {
                    0 => manners(),
                    _ => Answer::Quote(AT_ONCE),
                });
                let timeout = if word.starts_with("timed_out") { "400ms" } else { "5s" };
                let target = format!("url: \"http://{}\", timeout: {timeout}, http: 2", server.place());
                let scene = scene(&target, "40/s", "2s");
                let ran = scene.run(&[]);
                let verdict = scene.verdict();
                assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
                assert_eq!((outcome(&verdict, word), outcome(&verdict, "ok")), (40, 40), "{name}: {verdict}");
                assert!(exemplar(&scene).contains(words), "{name}: {}", exemplar(&scene));
                let each = server.written() / 40;
                assert!(each < 20_000_000, "{name}: what is not kept is not taken either: {each} bytes");
            });
        }
    });
}

#[test]
fn a_server_that_takes_its_leave_between_requests_has_done_no_wrong() {
    let server = Server2::new(Terms::default(), |_, nth| match nth % 10 {
        9 => Answer::Last,
        _ => Answer::Quote(AT_ONCE),
    });
    let scene = scene(&format!("url: \"http://{}\", timeout: 2s, http: 2", server.place()), "100/s", "2s");
    let ran = scene.run(&[]);
    assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 200), "{ran:?} {}", scene.verdict());
    assert!(server.connections() > 5, "{}", server.connections());
}

#[test]
fn requests_that_were_never_looked_at_are_sent_on_another_connection() {
    let server = Server2::new(Terms::default(), |_, _| Answer::Quote(AT_ONCE));
    let scene = scene(&format!("url: \"http://{}\", timeout: 2s, http: 2", door(server.place())), "100/s", "2s");
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!((ran.code, outcome(&verdict, "ok"), server.requests()), (Some(0), 200, 200), "{ran:?} {verdict}");
    assert_eq!(verdict["traffic"]["q"]["sent"], 200, "each counts once");
}

#[test]
fn a_connection_that_has_fallen_silent_is_left() {
    let server = Server2::new(Terms::default(), |connection, _| match connection {
        0 | 1 => Answer::Hang,
        _ => Answer::Quote(AT_ONCE),
    });
    let scene = scene(&format!("url: \"http://{}\", timeout: 300ms, http: 2", server.place()), "50/s", "3s");
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let (ok, late) = (outcome(&verdict, "ok"), outcome(&verdict, "timed_out_head"));
    assert!(ok + late == 150 && late >= 10 && ok >= 75, "{verdict}");
}

#[test]
fn a_shared_connection_is_kept_as_long_as_it_is_wanted() {
    let kept = |reuse: &str, length: &str| {
        let server = Server2::new(Terms::default(), |_, _| Answer::Quote(AT_ONCE));
        let target = format!("url: \"http://{}\", timeout: 2s, http: 2, reuse: {reuse}", server.place());
        let scene = scene(&target, "50/s", length);
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(0), "{reuse}: {ran:?}");
        (server.connections() - 1, server.longest())
    };
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(kept("per_request", "2s"), (100, 1)));
        scope.spawn(|| {
            let (opened, longest) = kept("{ requests: 10 }", "2s");
            assert!(opened >= 10 && longest == 10, "{opened} {longest}");
        });
        scope.spawn(|| {
            let (opened, _) = kept("{ age: 300ms }", "3s");
            assert!(opened >= 5, "{opened} connections in ten ages");
        });
    });
}
