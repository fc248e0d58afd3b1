//! Effects of signals, seen where a system shows them: posted to us, in a list, as a count.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::port;
use crate::scene::{Ended, Scene, finding, hold};
use crate::server::{Answer, Request, Server, status};
use crate::worker::{Worker, cluster};

/// Signals to a cluster, 200 of them, whose effects are seen somewhere.
fn scenario(url: &str, brokers: &str, more: &str, effects: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {url}
kafka: {{ trading: {{ brokers: [{brokers}] }} }}
{more}traffic:
  signals:
    signal:
      kafka: {{ on: trading, topic: signals }}
      json: {{ signal_id: \"{{{{uuid}}}}\" }}
      id: \"{{{{uuid}}}}\"
      effects: {effects}
      deadline: 3s
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
",
        load = hold("100/s", "2s"),
    )
}

fn id_of(signal: &[u8]) -> Value {
    serde_json::from_slice::<Value>(signal).expect("JSON")["signal_id"].clone()
}

/// What was counted of effects.
fn counted(ran: &Ended, scene: &Scene, wanted: &[(&str, u64)]) {
    let effects = &scene.verdict()["traffic"]["signals"]["effects"];
    for (what, count) in wanted {
        assert_eq!(effects[what], *count, "{what}: {effects} {ran:?}");
    }
}

/// Posts to a webhook: what it was answered.
fn post(to: &str, body: &str) -> u16 {
    let Ok(mut stream) = TcpStream::connect(to) else { return 0 };
    let head = format!("POST /done HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // What is refused early may not be read to its end.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// One in fifty is never posted, one in ten twice, one in twenty failed; a stranger, nonsense and a flood of bytes come between.
#[test]
fn what_is_posted_is_an_effect_and_everything_wrong_with_it_is_counted() {
    let cluster = cluster(&[]);
    let place = port::place();
    let (to, refused) = (place.clone(), Arc::new(AtomicUsize::new(0)));
    let refusals = refused.clone();
    let worker = Worker::start(&cluster.bootstrap_servers(), move |nth, signal| {
        let state = if nth % 20 == 1 { "FAILED" } else { "COMPLETED" };
        let effect = json!({ "of": id_of(signal), "state": state }).to_string();
        let times = [1, 2, 0][usize::from(nth % 10 == 5) + 2 * usize::from(nth % 50 == 7)];
        (0..times).for_each(|_| assert_eq!(post(&to, &effect), 204));
        if nth == 100 {
            let stranger = json!({ "of": format!("{:032x}", 0xabcd), "state": "COMPLETED" }).to_string();
            assert_eq!(post(&to, &stranger), 204);
            for nonsense in ["what?".to_owned(), "x".repeat(2_000_000)] {
                refusals.fetch_add(usize::from(post(&to, &nonsense) != 204), Ordering::Relaxed);
            }
        }
    });
    let server = Server::new(|_: &Request<'_>| status(200));
    let effects = format!(
        "{{ webhook: {{ listen: '{place}', path: /done, id: $.of, state: $.state }}, states: {{ ok: COMPLETED, failed: FAILED }} }}"
    );
    let slo = "  - expect: lost(signals) < 5%
  - expect: lost(signals) < 1.8%
  - expect: duplicated(signals) < 5%
  - expect: errors(signals) < 10%";
    let scene = Scene::new(&scenario(&server.url(), &cluster.bootstrap_servers(), "", &effects, slo));
    let ran = scene.run(&[]);
    drop(worker);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let wanted = [
        ("acked", 200),
        ("seen", 196),
        ("missing", 4),
        ("lost", 4),
        ("duplicated", 20),
        ("foreign", 1),
        ("unreadable", 2),
    ];
    counted(&ran, &scene, &wanted);
    assert_eq!(refused.load(Ordering::Relaxed), 2);
    let verdict = scene.verdict();
    let outcomes = &verdict["traffic"]["signals"]["outcomes"];
    assert_eq!((&outcomes["failed"], &outcomes["unfinished"]), (&json!(10), &json!(4)), "{outcomes}");
    for (promise, decided) in [
        ("lost(signals) < 5%", "PASS"),
        ("lost(signals) < 1.8%", "FAIL"),
        ("duplicated(signals) < 5%", "FAIL"),
        ("errors(signals) < 10%", "PASS"),
    ] {
        assert_eq!(finding(&verdict, promise)["verdict"], decided, "{promise}: {ran:?}");
    }
    for file in ["summary.md", "junit.xml", "report.html"] {
        let text = std::fs::read_to_string(scene.evidence().join(file)).expect("written");
        assert!(text.contains("lost 4, duplicated 20, foreign 1, unreadable 2"), "{file}");
    }
    let page = std::fs::read_to_string(scene.evidence().join("report.html")).expect("written");
    assert!(page.contains("id=\"outstanding-0\"") && page.contains("id=\"parts-0\""), "curves");
}

/// What stands in a list is there each time that it is read: only what stands there twice at once is a duplicate, and what
/// stood there before the run is a stranger, once.
#[test]
fn what_stands_in_a_list_is_seen_once_however_often_it_is_read() {
    let cluster = cluster(&[]);
    let list = Arc::new(Mutex::new(vec![json!({ "id": format!("{:032x}", 0xabcd) })]));
    let (written, read) = (list.clone(), Arc::new(AtomicUsize::new(0)));
    let worker = Worker::start(&cluster.bootstrap_servers(), move |nth, signal| {
        let times = [1, 2, 0][usize::from(nth % 20 == 5) + 2 * usize::from(nth % 50 == 7)];
        let mut list = written.lock().expect("no panic");
        (0..times).for_each(|_| list.push(json!({ "id": id_of(signal) })));
    });
    let reads = read.clone();
    let server = Server::new(move |r: &Request<'_>| {
        if !r.head.starts_with("GET /executions ") {
            return status(200);
        }
        // Every other reply is none: what is late is not lost.
        if reads.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return status(503);
        }
        let body = json!({ "items": *list.lock().expect("no panic") });
        Answer::Whole(200, "", body.to_string().into())
    });
    let effects = "{ poll: { get: /executions, every: 100ms, list: $.items, id: $.id } }";
    let slo = "  - expect: lost(signals) < 5%\n  - expect: duplicated(signals) < 1%\n  - expect: p95(signals, ok) < 2s";
    let scene = Scene::new(&scenario(&server.url(), &cluster.bootstrap_servers(), "", effects, slo));
    let ran = scene.run(&[]);
    drop(worker);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(read.load(Ordering::Relaxed) > 10, "read again and again");
    counted(&ran, &scene, &[("acked", 200), ("seen", 196), ("lost", 4), ("duplicated", 10), ("foreign", 1)]);
    let verdict = scene.verdict();
    for (promise, decided) in
        [("lost(signals) < 5%", "PASS"), ("duplicated(signals) < 1%", "FAIL"), ("p95(signals, ok) < 2s", "PASS")]
    {
        assert_eq!(finding(&verdict, promise)["verdict"], decided, "{promise}: {ran:?}");
    }
    let events = std::fs::read_to_string(scene.evidence().join("events.jsonl")).expect("written");
    assert!(events.contains("effects may be seen late: GET /executions: status 503"), "trouble is told");
}

/// A counter says how many effects there were: what of the signals was lost follows from that, and from nothing else.
#[test]
fn what_a_counter_counts_is_held_against_what_was_sent() {
    let cluster = cluster(&[]);
    let done = Arc::new(AtomicUsize::new(1_000)); // by the runs before
    let counts = done.clone();
    let worker = Worker::start(&cluster.bootstrap_servers(), move |nth, _| {
        counts.fetch_add(usize::from(nth % 50 != 7), Ordering::Relaxed);
    });
    let server = Server::new(move |_: &Request<'_>| {
        let page = format!("# TYPE done_total counter\ndone_total {}\n", done.load(Ordering::Relaxed));
        Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", page.into())
    });
    let observed = "observe: { jobs: { api: { metrics: /metrics, every: 500ms } } }\n";
    let slo = "  - expect: lost(signals) < 5%\n  - expect: lost(signals) < 1.8%";
    let effects = "{ metric: sum(done_total) }";
    let scene = Scene::new(&scenario(&server.url(), &cluster.bootstrap_servers(), observed, effects, slo));
    let ran = scene.run(&[]);
    drop(worker);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    counted(&ran, &scene, &[("acked", 200), ("lost", 4)]);
    let verdict = scene.verdict();
    for (promise, decided) in [("lost(signals) < 5%", "PASS"), ("lost(signals) < 1.8%", "FAIL")] {
        assert_eq!(finding(&verdict, promise)["verdict"], decided, "{promise}: {ran:?}");
    }
}
