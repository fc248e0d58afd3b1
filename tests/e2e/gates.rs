//! What keeps an experiment from being made, ends it early, or shows that it left something behind: the gate before the first
//! fault, stop conditions, the canary after the last.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use proofload::base::time::{Clock, Offset};
use proofload::stage::protocol::{Order, Report};
use serde_json::Value;

use crate::port;
use crate::scene::{Scene, finding, hold, scenario};
use crate::server::{Answer, Server, quote, status};
use crate::things::Flag;

/// A load that is to end early. How soon is the machine's affair: it is far longer than a starved one takes to see why.
pub const LONG: &str = "600s";
/// The length of [`LONG`], in nanoseconds.
const LONG_NANOS: i64 = 600_000_000_000;

/// A scenario with a stub that nobody calls, and a fault on it.
fn broken_at(server: &Server, load: &str, at: &str, length: &str, slo: &str, more: &str) -> String {
    let target = format!("{{ url: {}, timeout: 500ms, connections: 100 }}", server.url());
    scenario(&target, &hold("60/s", load), slo)
        + &format!(
            "upstreams: {{ quoter: {{ listen: '{}', replies: [{{ path: /price, body: '1' }}] }} }}
faults: {{ hangs: {{ on: upstream/quoter, inject: {{ timeout: {{}} }}, at: {at}, for: {length} }} }}
{more}",
            port::place()
        )
}

/// The events of a run.
fn events(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("events.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

fn end(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("manifest.json")).expect("readable");
    serde_json::from_str::<Value>(&text).expect("JSON")["end"].clone()
}

/// Where the first event for which `wanted` holds stands.
fn position(events: &[Value], wanted: impl Fn(&Value) -> bool) -> Option<usize> {
    events.iter().position(wanted)
}

#[test]
fn a_target_that_limps_is_not_broken_further() {
    let asked = AtomicUsize::new(0);
    let server = Server::new(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 5 {
        0 => status(503),
        _ => quote(),
    });
    let slo = "  - { expect: errors(q) < 5%, outside: faults, steady: true }\n";
    let scene = Scene::new(&broken_at(&server, LONG, "3s", "1s", slo, ""));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let (run, verdict) = (scene.evidence(), scene.verdict());
    assert_eq!(verdict["gate"]["verdict"], "FAIL", "{verdict}");
    assert_eq!(verdict["faults"][0]["applied"], Value::Null, "{verdict}");
    assert!(verdict["reasons"].to_string().contains("no fault was applied"), "{verdict}");
    let events = events(&run);
    let withheld = |e: &Value| e["event"] == "fault" && e["step"]["is"] == "withheld";
    assert!(events.iter().any(|e| withheld(e) && e["step"]["why"].to_string().contains("errors(q)")), "{events:?}");
    assert!(events.iter().any(|e| e["event"] == "gate" && e["open"] == false));
    assert!(end(&run)["how"]["unsteady"].is_string(), "{}", end(&run));
    assert!(end(&run)["at"].as_i64() < Some(LONG_NANOS), "the run ended early: {}", end(&run));
    assert!(ran.out.contains("steady   not steady before `hangs` at 3 s"), "{}", ran.out);
    // Judged again, by the same evidence: the same.
    let again = scene.ask(&["judge", &run.display().to_string()]);
    assert_eq!(again.code, Some(1), "{again:?}");
}

#[test]
fn a_target_that_is_steady_is() {
    let server = Server::new(|_| quote());
    let slo =
        "  - { expect: errors(q) < 5%, outside: faults, steady: true }\n  - { expect: max(q) < 10s, steady: true }\n";
    let scene = Scene::new(&broken_at(&server, "4s", "2s", "1s", slo, ""));
    let ran = scene.run(&[]);
    // Nobody calls the stub: that the fault was applied and touched nothing is what is said.
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(verdict["gate"]["verdict"], "PASS", "{verdict}");
    assert!(verdict["faults"][0]["applied"].as_i64() >= Some(2_000_000_000), "{verdict}");
    let events = events(&scene.evidence());
    let open = position(&events, |e| e["event"] == "gate" && e["open"] == true);
    let applied = position(&events, |e| e["event"] == "fault" && e["step"]["is"] == "applied");
    assert!(open.is_some() && open < applied, "{open:?} {applied:?}");
    let canary: Vec<&Value> = events.iter().filter(|e| e["event"] == "canary").collect();
    assert!(canary.len() == 1 && canary[0]["clean"] == true && canary[0]["on"] == "upstream/quoter", "{canary:?}");
    // What the canary asked is no part of the load.
    assert_eq!(verdict["traffic"]["q"]["planned"], verdict["traffic"]["q"]["sent"], "{verdict}");
    assert_eq!(verdict["faults"][0]["eligible"], 0, "{verdict}");
}

#[test]
fn a_stop_condition_ends_the_experiment_and_undoes_first() {
    let abort = "abort_when: [{ expect: errors(q) > 50%, for: 2s }]\n";
    for (promise, code) in [("errors(q) < 5%", 1), ("errors(q) < 100%", 4)] {
        let asked = AtomicUsize::new(0);
        let good = move || asked.fetch_add(1, Ordering::SeqCst) < 60;
        let server = Server::new(move |_| if good() { quote() } else { status(503) });
        let slo = format!("  - {{ expect: {promise} }}\n");
        let scene = Scene::new(&broken_at(&server, LONG, "1s", "590s", &slo, abort));
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let run = scene.evidence();
        assert!(
            end(&run)["how"]["aborted"].as_str().is_some_and(|why| why.contains("errors(q) > 50%")),
            "{}",
            end(&run)
        );
        assert!(end(&run)["at"].as_i64() < Some(LONG_NANOS), "{}", end(&run));
        let events = events(&run);
        let abort = position(&events, |e| e["event"] == "abort").expect("said");
        let cleared = position(&events, |e| e["step"]["is"] == "cleared").expect("undone");
        let last = events.iter().rposition(|e| e["event"] == "tick").expect("ticks");
        assert!(abort < cleared && cleared < last, "{abort} {cleared} {last}");
        let verdict = scene.verdict();
        assert!(verdict["reasons"].to_string().contains("aborted at"), "{verdict}");
        assert_ne!(verdict["verdict"], "PASS", "{verdict}");
    }
}

#[test]
fn a_stop_condition_on_metrics_ends_the_experiment() {
    let slo = "  - { expect: errors(q) < 100% }\n";
    let yaml = scenario("sim:quote-service", &hold("50/s", LONG), slo)
        + "observe: { jobs: { service: { metrics: /metrics, every: 200ms } } }
abort_when:
  - { promql: sum(no_such_metric), expect: value > 0, for: 1s }
  - { promql: sum(quote_requests_total), expect: value > 100, for: 1s }
";
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let why = end(&scene.evidence())["how"]["aborted"].to_string();
    assert!(why.contains("value > 100"), "{why}");
}

/// Why a run was ended early.
pub fn ended_for(scene: &Scene) -> String {
    let end = end(&scene.evidence());
    assert!(end["at"].as_i64() < Some(LONG_NANOS), "{end}");
    end["how"]["aborted"].as_str().unwrap_or_default().to_owned()
}

/// A hook strikes as a whole: that it did, the shots tell that were under way, and those are written down in a file of their own.
#[test]
fn a_target_that_stays_broken_ends_the_experiment() {
    let flag = Arc::new(Flag::new());
    let (on, broken) = (flag.clone(), AtomicBool::new(false));
    let server = Server::new(move |_| match on.is_on() || broken.load(Ordering::SeqCst) {
        true => {
            broken.store(true, Ordering::SeqCst);
            status(503)
        }
        false => quote(),
    });
    let target = format!("{{ url: {}, timeout: 500ms, connections: 100 }}", server.url());
    let slo = "  - { expect: errors(q) < 5%, outside: faults, steady: true }\n";
    let yaml = scenario(&target, &hold("60/s", LONG), slo)
        + &format!(
            "hooks: {{ off: {} }}
faults: {{ off: {{ on: hook/off, inject: {{ hook: {{}} }}, at: 3s, for: 1s }} }}
abort_when:
  - {{ expect: detection(q) > 20s }}
  - {{ expect: recovery(q) > 2s }}
",
            flag.hook()
        );
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!((ran.code, flag.is_on()), (Some(4), false), "{ran:?}");
    let why = ended_for(&scene);
    assert!(why.starts_with("recovery(q) > 2s: recovery after `off`: had not recovered 2s after"), "{why}");
}

/// A stage that says what it should and does what it likes: it never lets go.
fn lying_stage(upstream: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a run");
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let mut clock = Clock::starting_in(std::time::Duration::ZERO);
        while let Some(Ok(line)) = lines.next() {
            let reports = match serde_json::from_str(&line).expect("an order") {
                Order::Open(config) => {
                    clock = Clock::with_zero(config.zero);
                    let upstreams = vec![("quoter".to_owned(), upstream.clone())];
                    vec![Report::Ready { upstreams, links: Vec::new(), kafka: Vec::new(), pid: 4242 }]
                }
                Order::Apply { fault } => {
                    let at = clock.now();
                    vec![Report::Applied { fault, at }, Report::Touched { fault, at }]
                }
                Order::Clear { fault } => {
                    vec![Report::Cleared { fault, at: clock.now().max(Offset::ZERO), eligible: 9, injected: 9 }]
                }
                _ => return,
            };
            say(&stream, &reports);
        }
    });
    address
}

fn say(mut stream: &TcpStream, reports: &[Report]) {
    for report in reports {
        let line = serde_json::to_string(report).expect("serialises") + "\n";
        let _ = stream.write_all(line.as_bytes());
    }
}

#[test]
fn what_is_left_over_is_found_and_beats_all() {
    let server = Server::new(|_| quote());
    let hanging = Server::new(|_| Answer::Hang);
    let stage = lying_stage(hanging.url());
    let slo = "  - { expect: errors(q) < 5% }\n";
    let scene = Scene::new(&broken_at(&server, "3s", "1s", "1s", slo, ""));
    let ran = scene.run(&["--stage", &stage]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(finding(&verdict, "errors(q) < 5%")["verdict"], "PASS", "{verdict}");
    assert_eq!(verdict["canary"][0]["clean"], false, "{verdict}");
    assert!(verdict["stuck"][0]["why"].to_string().contains("no answer within"), "{verdict}");
    assert!(ran.out.contains("type: kill -9 4242"), "{}", ran.out);
}
