//! The fault ledger of real runs: a service that hides a fault, one that does not, one that drops our trace context and
//! one that ignores `Retry-After`; and decisions that another fault does not shift.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use proofload::base::seed::Seed;
use proofload::base::trace::{Shot, Tracer};
use proofload::evidence::touches::{self, Decision, Effect};
use serde_json::Value;

use crate::gates::{LONG, ended_for};
use crate::port;
use crate::scene::{Ended, Scene, finding, hold, scenario};
use crate::server::{Server, quote, status};

/// What a target does about its quoter.
#[derive(Clone, Copy)]
struct Manners {
    /// Passes our trace context on.
    passes_on: bool,
    /// Has a price of its own when the quoter has none.
    fallback: bool,
    /// Calls so many times before it gives up.
    calls: u32,
}

/// A target that asks a quoter for every request.
fn service(upstream: String, manners: Manners) -> Server {
    Server::new(move |request| {
        let trace = request.head.lines().find(|line| line.to_lowercase().starts_with("traceparent:"));
        let trace = trace.filter(|_| manners.passes_on).unwrap_or("X-No: trace");
        let priced = (0..manners.calls).any(|_| ask(&upstream, trace));
        if priced || manners.fallback { quote() } else { status(502) }
    })
}

fn ask(upstream: &str, trace: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(upstream) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    let request = format!("GET /price HTTP/1.1\r\nHost: {upstream}\r\n{trace}\r\nConnection: close\r\n\r\n");
    let mut reply = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut reply).is_ok_and(|n| reply[..n].starts_with(b"HTTP/1.1 200"))
}

/// A target that waits as it is told, with everything that comes meanwhile, and then asks for all of them at once.
fn breaker(upstream: String) -> Server {
    let shut = Mutex::new(None::<Instant>);
    Server::new(move |request| {
        let trace = request.head.lines().find(|line| line.to_lowercase().starts_with("traceparent:"));
        let wait = || {
            let until = *shut.lock().expect("no panic");
            thread::sleep(until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())));
        };
        for _ in 0..2 {
            wait();
            if ask(&upstream, trace.unwrap_or("X-No: trace")) {
                break;
            }
            let mut shut = shut.lock().expect("no panic");
            let open = shut.is_none_or(|until| until <= Instant::now());
            if open {
                *shut = Some(Instant::now() + Duration::from_secs(1));
            }
        }
        quote()
    })
}

/// Three seconds at 60/s, a second and a half of them under a fault on the one quoter, and what became of it.
fn run(manners: Manners, fault: &str, slo: &str) -> (Ended, Value, Scene) {
    run_with(|upstream| service(upstream, manners), fault, slo)
}

fn run_with(service: impl FnOnce(String) -> Server, fault: &str, slo: &str) -> (Ended, Value, Scene) {
    let upstream = port::place();
    let server = service(upstream.clone());
    let target = format!("{{ url: {}, timeout: 1s, connections: 200 }}", server.url());
    let yaml = scenario(&target, &hold("60/s", "3s"), slo)
        + &format!(
            "upstreams:
  quoter: {{ listen: '{upstream}', replies: [{{ path: /price, body: '1' }}] }}
faults: {{ breaks: {{ on: upstream/quoter, inject: {fault}, at: 500ms, for: 1500ms }} }}
"
        );
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    (ran, verdict, scene)
}

/// The book of the one fault: absorbed, surfaced, unexplained, background; they are what was injected.
fn book(verdict: &Value) -> [u64; 4] {
    let fault = &verdict["faults"][0];
    let count = |word: &str| fault["ledger"][word].as_u64().unwrap_or(u64::MAX);
    let book = ["absorbed", "surfaced", "unexplained", "background"].map(count);
    assert_eq!(Some(book.iter().sum::<u64>()), fault["injected"].as_u64(), "{fault}");
    book
}

const ABSORBED: &str = "  - expect: errors(q) < 100%\n  - expect: absorbed(q) > 90%\n    during: breaks\n";
const TIMEOUT: &str = "{ timeout: {} }";

#[test]
fn what_a_fallback_hides_is_absorbed_and_judging_again_says_the_same() {
    let manners = Manners { passes_on: true, fallback: true, calls: 1 };
    let (ran, verdict, scene) = run(manners, TIMEOUT, ABSORBED);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(finding(&verdict, "absorbed(q) > 90%")["verdict"], "PASS", "{verdict}");
    let [absorbed, surfaced, _, background] = book(&verdict);
    assert!(absorbed > 60 && surfaced == 0 && background == 0, "{verdict}");
    let shown = &verdict["faults"][0]["ledger"]["examples"][0];
    assert_eq!(
        (&shown["account"], &shown["upstream"], &shown["outcome"]),
        (&"absorbed".into(), &"quoter".into(), &"ok".into())
    );

    let folder = scene.evidence();
    let read = |name: &str| fs::read(folder.join(name)).expect("a report");
    let names = ["verdict.json", "summary.md", "junit.xml", "timeline.csv"];
    let before = names.map(read);
    let again = scene.ask(&["judge", folder.to_str().expect("a path")]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(names.map(read) == before, "not the same byte for byte");
    assert!(again.out.contains(" absorbed, 0 surfaced"), "{}", again.out);
}

/// While the run goes on, what the stage wrote down and what the senders did are put together as they are after it.
#[test]
fn too_little_that_is_absorbed_ends_the_experiment() {
    for (fallback, ends) in [(false, true), (true, false)] {
        let upstream = port::place();
        let server = service(upstream.clone(), Manners { passes_on: true, fallback, calls: 1 });
        let target = format!("{{ url: {}, timeout: 1s, connections: 200 }}", server.url());
        let (load, length) = if ends { (LONG, "590s") } else { ("7s", "6s") };
        let yaml = scenario(&target, &hold("60/s", load), "  - expect: errors(q) < 100%\n")
            + &format!(
                "upstreams:
  quoter: {{ listen: '{upstream}', replies: [{{ path: /price, body: '1' }}] }}
faults: {{ breaks: {{ on: upstream/quoter, inject: {TIMEOUT}, at: 500ms, for: {length} }} }}
abort_when: [ {{ expect: absorbed(breaks) < 50%, for: 2s }} ]
"
            );
        let scene = Scene::new(&yaml);
        let ran = scene.run(&[]);
        match ends {
            true => assert!(ended_for(&scene).starts_with("absorbed(breaks) < 50%: absorbed 0"), "{ran:?}"),
            false => assert_eq!(ran.code, Some(0), "{ran:?}"),
        }
    }
}

#[test]
fn what_nothing_hides_surfaces() {
    let manners = Manners { passes_on: true, fallback: false, calls: 2 };
    let (ran, verdict, _scene) = run(manners, TIMEOUT, ABSORBED);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(finding(&verdict, "absorbed(q) > 90%")["verdict"], "FAIL", "{verdict}");
    let [absorbed, surfaced, ..] = book(&verdict);
    // A call that began the fault's last instants may find its retry answered.
    assert!(surfaced > 120 && absorbed <= 4, "{verdict}");
    let retries = &verdict["faults"][0]["ledger"]["retries"];
    assert_eq!(retries["most"], 2, "{verdict}");
    assert!(retries["calls_per_shot"].as_f64() > Some(1.8), "{verdict}");
}

#[test]
fn without_our_trace_nothing_is_attributed() {
    let manners = Manners { passes_on: false, fallback: true, calls: 1 };
    let (ran, verdict, _scene) = run(manners, TIMEOUT, ABSORBED);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let promise = finding(&verdict, "absorbed(q) > 90%");
    assert_eq!(promise["verdict"], "INCONCLUSIVE", "{verdict}");
    assert!(promise["why"].as_str().is_some_and(|why| why.contains("not attributable")), "{verdict}");
    let [absorbed, surfaced, unexplained, background] = book(&verdict);
    assert!(unexplained > 60 && absorbed + surfaced + background == 0, "{verdict}");
    assert!(ran.out.contains("not attributable"), "{}", ran.out);
}

#[test]
fn a_service_that_does_not_wait_as_it_is_told_is_found_out() {
    let manners = Manners { passes_on: true, fallback: true, calls: 3 };
    let limit = "{ rate_limit: { rate: 2/s, burst: 2 } }";
    let (ran, verdict, _scene) = run(manners, limit, "  - expect: errors(q) < 100%\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = &verdict["faults"][0]["ledger"]["retry_after"];
    let count = |word: &str| told[word].as_u64().unwrap_or_default();
    assert!(count("told") > 100 && count("early") * 10 > count("knowing") * 9, "{verdict}");
    assert!(count("again") > 60 && count("again_early") == count("again"), "{verdict}");
    assert!(ran.out.contains("came too early"), "{}", ran.out);
}

/// A breaker that lets everything wait, and then go at the same instant, obeys each `Retry-After` and is a herd.
#[test]
fn what_waits_as_it_is_told_and_comes_back_at_once_is_a_herd() {
    let limit = "{ status: { code: 429, headers: { Retry-After: '1' } } }";
    let (ran, verdict, _scene) = run_with(breaker, limit, "  - expect: errors(q) < 100%\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = &verdict["faults"][0]["ledger"]["retry_after"];
    let count = |word: &str| told["herd"][word].as_u64().unwrap_or_default();
    assert!(count("herds") == 1 && count("most") > count("threshold") && count("most") > 20, "{verdict}");
    assert!(ran.out.contains("ended a wait brought a herd"), "{}", ran.out);
    // The herd is all that came once the first refusal was known, and it came in time.
    assert_eq!(told["early"], 0, "{verdict}");
}

/// Traffic, number of the shot, attempt.
type Key = (Shot, u32);

/// What a fault decided, by key.
fn decided(scene: &Scene, fault: u16) -> BTreeMap<Key, Effect> {
    let run = scene.evidence();
    let (read, torn) = touches::read::<Decision>(&run.join("touches.stage.log")).expect("readable");
    assert_eq!(torn, None);
    let tracer = Tracer::new(Seed(1), run.file_name().and_then(|n| n.to_str()).expect("a name"));
    let of_fault = read.iter().filter(|d| d.fault == fault);
    of_fault.filter_map(|d| Some(((tracer.shot(d.trace)?, d.attempt), d.effect))).collect()
}

/// Two runs of one seed, of which the second has one fault more, listed first and on the same quoter: what both saw,
/// both decided alike.
#[test]
fn a_fault_more_shifts_no_decision() {
    let with = |more: &str| {
        let target = "{ sim: quote-service, timeout: 5s, with: { ttl: 1ms } }";
        let yaml = scenario(target, &hold("18/s", "6s"), "  - expect: errors(q) < 100%\n")
            + "upstreams: { jupiter: { like: jupiter } }\nfaults:\n"
            + more
            + "  hangs: { on: upstream/jupiter, inject: { timeout: {} }, share: 50%, at: 500ms, for: 3s }\n";
        let scene = Scene::new(&yaml);
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        scene
    };
    let alone = decided(&with(""), 0);
    let beside = decided(
        &with("  before: { on: upstream/jupiter, inject: { timeout: {} }, share: 60%, at: 4s, for: 1500ms }\n"),
        1,
    );
    let common: Vec<&Key> = alone.keys().filter(|key| beside.contains_key(key)).collect();
    assert!(common.len() * 2 >= alone.len().max(beside.len()) && common.len() >= 10, "{} common", common.len());
    assert!(common.iter().all(|key| alone[key] == beside[key]), "decisions were shifted");
    assert!(common.iter().any(|key| alone[key] == Effect::Injected), "none was struck");
}
