//! Decisions end to end: two runs of one seed, whose second breaks everything once more at the same time, decide alike about
//! every call that both saw, whatever kind of fault it is.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::trace::{Shot, Tracer};
use proofload::evidence::touches::{self, Decision, Effect};

use crate::port;
use crate::scene::{Scene, hold, scenario};
use crate::server::{Server, quote};

/// Every kind of fault on an upstream, and what else its line says.
const KINDS: [(&str, &str); 15] = [
    ("latency", "latency: { uniform: [1ms, 3ms] }"),
    ("replaced", "latency: { law: 2ms, replace: true }"),
    ("timeout", "timeout: {}"),
    ("status", "status: { code: 503 }"),
    ("limit", "rate_limit: { rate: 5/s, burst: 2 }"),
    ("reset", "reset: {}"),
    ("headless", "reset: { at: after_headers }"),
    ("torn", "reset: { at: mid_body }"),
    ("truncate", "truncate: {}"),
    ("bits", "corrupt: { bits: 3 }"),
    ("json", "corrupt: { json: broken }"),
    ("media", "corrupt: { content_type: text/html }"),
    ("stale", "stale: { by: 1m }"),
    ("slow", "slow_body: { rate: 20KB/s }"),
    ("refuse", "refuse: {}"),
];

/// What a call is known by: of a shot, its number and the attempt; of a connection that is refused, its number.
type Key = (Option<Shot>, u32);

/// Whether each call was chosen, by the name of the fault.
type Chosen = BTreeMap<String, BTreeMap<Key, bool>>;

/// Asks every upstream for each request, whatever they answer.
fn service(upstreams: Vec<String>) -> Server {
    Server::new(move |request| {
        let trace = request.head.lines().find(|line| line.to_lowercase().starts_with("traceparent:"));
        upstreams.iter().for_each(|upstream| ask(upstream, trace.unwrap_or_default()));
        quote()
    })
}

fn ask(upstream: &str, trace: &str) {
    let Ok(mut stream) = TcpStream::connect(upstream) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(40)));
    let request = format!("GET /price HTTP/1.1\r\nHost: {upstream}\r\n{trace}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// A run with a fault of each kind on an upstream of its own, behind others where they are wanted; what was decided.
fn run(others: bool) -> Chosen {
    let places = port::free::<{ KINDS.len() }>().map(|port| format!("127.0.0.1:{port}"));
    let server = service(places.to_vec());
    let target = format!("{{ url: {}, timeout: 5s, connections: 100 }}", server.url());
    let mut yaml = scenario(&target, &hold("20/s", "3s"), "  - expect: errors(q) < 100%\n") + "upstreams:\n";
    for ((name, _), place) in KINDS.iter().zip(&places) {
        let body = "{\"out\": [1, 2, 3, 4, 5, 6, 7, 8, 9], \"at\": {{now_ms}}}";
        yaml += &format!("  {name}: {{ listen: '{place}', replies: [{{ path: /price, body: '{body}' }}] }}\n");
    }
    yaml += "limits: { faults: 40 }\nfaults:\n";
    let mut names = Vec::new();
    for (name, inject) in KINDS {
        // One that takes no connection lets no request come another's way.
        if others && name != "refuse" {
            yaml += &format!(
                "  before-{name}: {{ on: upstream/{name}, inject: {{ latency: 1ms }}, share: 60%, at: 700ms, for: 1s }}\n"
            );
            names.push(format!("before-{name}"));
        }
        let share = if name == "refuse" { "" } else { "share: 50%, " };
        yaml += &format!("  {name}: {{ on: upstream/{name}, inject: {{ {inject} }}, {share}at: 500ms, for: 2s }}\n");
        names.push(name.to_owned());
    }
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let folder = scene.evidence();
    let (read, torn) = touches::read::<Decision>(&folder.join("touches.stage.log")).expect("readable");
    assert_eq!(torn, None);
    let tracer = Tracer::new(Seed(1), folder.file_name().and_then(|n| n.to_str()).expect("a name"));
    let mut chosen = Chosen::new();
    for decision in read {
        let key = (tracer.shot(decision.trace), decision.attempt);
        // Whether a bucket has a token depends on when calls come; whom it is asked for does not.
        let is_chosen = decision.effect != Effect::Spared;
        chosen.entry(names[usize::from(decision.fault)].clone()).or_default().insert(key, is_chosen);
    }
    chosen
}

#[test]
fn as_many_faults_more_shift_no_decision_of_any_kind() {
    let (alone, beside) = (run(false), run(true));
    for (name, _) in KINDS {
        let (alone, beside) = (&alone[name], &beside[name]);
        let common: Vec<&Key> = alone.keys().filter(|key| beside.contains_key(key)).collect();
        let least = alone.len().max(beside.len()) * 2 / 3;
        assert!(common.len() >= least.max(15), "{name}: {} common of {}", common.len(), alone.len());
        let shifted = common.iter().filter(|key| alone[key] != beside[key]).count();
        assert_eq!(shifted, 0, "{name}: of {} decisions", common.len());
        let struck = common.iter().filter(|key| alone[key]).count();
        match name {
            "refuse" => assert_eq!(struck, common.len(), "it takes no connection at all"),
            // Half of 40 calls: fewer than 8 or more than 32 come once in 10 000 seeds.
            _ => assert!((common.len() / 5..=common.len() * 4 / 5).contains(&struck), "{name}: {struck}"),
        }
    }
    assert!(beside.keys().filter(|name| name.starts_with("before-")).count() >= KINDS.len() - 1);
}
