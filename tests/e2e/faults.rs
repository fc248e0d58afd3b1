//! Faults from the scenario to the verdict: the same decisions for the same requests, recovery that is measured, and
//! faults that touched nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::trace::Tracer;
use proofload::evidence::touches::{self, Decision, Effect};
use serde_json::Value;

use crate::port;
use crate::scene::{Going, PROGRAM, Scene, Turn, finding, hold, scenario, verdict};
use crate::server::{Answer, Server, quote, status};

/// Fault, traffic, number of the shot, attempt.
type Key = (u16, u16, u64, u32);

/// Every decision of a run by its key.
fn decisions(run: &Path, seed: u64) -> BTreeMap<Key, Effect> {
    let (read, torn) = touches::read::<Decision>(&run.join("touches.stage.log")).expect("readable");
    assert_eq!(torn, None);
    let name = run.file_name().and_then(|n| n.to_str()).expect("a name");
    let tracer = Tracer::new(Seed(seed), name);
    let key = |d: &Decision| tracer.shot(d.trace).map(|shot| (d.fault, shot.traffic, shot.seq, d.attempt));
    read.iter().filter_map(|d| key(d).map(|key| (key, d.effect))).collect()
}

#[test]
fn one_seed_strikes_the_same_requests_in_every_run() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/quote-service/quoter-timeout.yaml");
    let scene = Scene::new("");
    let run = || {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["run", shipped, "--time-scale", "4", "--set", "faults.jupiter-hangs.share=50%"]);
        // A quarter of a minute is too short for what is promised about alerts.
        command.args([
            "--set",
            "slo.6={ expect: max(quotes) < 1h }",
            "--set",
            "slo.7={ expect: max(quotes) < 1h }",
            "--out",
        ]);
        command.arg(scene.out());
        let _turn = Turn::take();
        Going::start(command, &scene.path("")).wait()
    };
    let ended = thread::scope(|scope| {
        let both = [scope.spawn(run), scope.spawn(run)];
        both.map(|run| run.join().expect("no panic"))
    });
    let runs = scene.runs();
    assert_eq!(runs.len(), 2, "{ended:?}");
    let [a, b] = [0, 1].map(|i| decisions(&runs[i], 7));
    let common: Vec<Key> = a.keys().filter(|key| b.contains_key(key)).copied().collect();
    let differ: Vec<&Key> = common.iter().filter(|key| a[key] != b[key]).collect();
    assert_eq!(differ, Vec::<&Key>::new(), "decisions differ between two runs of one seed");
    let most = a.len().max(b.len());
    assert!(most >= 20, "{} and {} calls met the fault: {ended:?}", a.len(), b.len());
    assert!(common.len() * 2 >= most, "{} calls in common of {} and {}", common.len(), a.len(), b.len());
    let struck = common.iter().filter(|key| a[key] == Effect::Injected).count();
    assert!(struck > 0 && struck < common.len(), "half of them: {struck} of {}", common.len());
    for run in &runs {
        let verdict = verdict(run);
        let fault = &verdict["faults"][0];
        assert!(fault["injected"].as_u64() > Some(0) && fault["trouble"].is_null(), "{verdict}");
    }
}

#[test]
fn a_fault_that_touches_nothing_makes_the_run_invalid() {
    let target = "{ sim: quote-service, timeout: 5s, with: { external: never } }";
    let yaml = scenario(target, &hold("50/s", "3s"), "  - expect: errors(q) < 50%\n")
        + "upstreams: { jupiter: { like: jupiter } }
faults: { hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 500ms, for: 2s } }
";
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let verdict = scene.verdict();
    assert!(verdict["faults"][0]["injected"] == 0 && verdict["faults"][0]["touched"].is_null(), "{verdict}");
    assert!(verdict["reasons"].to_string().contains("hangs"), "{verdict}");
}

/// A target that asks a quoter for every request, and errs for good when that fails once, or only as long as it fails.
fn service(upstream: String, forgives: bool) -> Server {
    let broken = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    Server::new(move |request| {
        // Two in three, so that connections of this small server do not pile up.
        let asks = !asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        let trace = request.head.lines().find(|line| line.to_lowercase().starts_with("traceparent:"));
        let failed = asks && !ask(&upstream, trace.unwrap_or("X-No: trace"));
        if failed && !forgives {
            broken.store(true, Ordering::SeqCst);
        }
        if failed || broken.load(Ordering::SeqCst) { status(500) } else { quote() }
    })
}

fn ask(upstream: &str, trace: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(upstream) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(150)));
    let request = format!("GET /price HTTP/1.1\r\nHost: {upstream}\r\n{trace}\r\nConnection: close\r\n\r\n");
    let mut reply = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut reply).is_ok_and(|n| reply[..n].starts_with(b"HTTP/1.1 200"))
}

/// A scenario whose quoter hangs for a second, and what became of it.
fn outage(forgives: bool) -> (Option<i32>, Value) {
    let upstream = port::place();
    let server = service(upstream.clone(), forgives);
    let target = format!("{{ url: {}, timeout: 500ms, connections: 200 }}", server.url());
    let slo = "  - expect: errors(q) < 20%
    outside: faults
    steady: true
  - expect: errors(q) < 99%
    during: hangs
  - expect: recovery(q) < 1s
    after: hangs
    stable: 1s
";
    let yaml = scenario(&target, &hold("60/s", "5s"), slo)
        + &format!(
            "upstreams:
  quoter: {{ listen: '{upstream}', replies: [{{ path: /price, body: '1' }}] }}
faults: {{ hangs: {{ on: upstream/quoter, inject: {{ timeout: {{}} }}, at: 1500ms, for: 1s }} }}
"
        );
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(scene.runs().len(), 1, "{ran:?}");
    (ran.code, scene.verdict())
}

#[test]
fn a_service_that_recovers_passes_and_one_that_does_not_fails() {
    let (code, verdict) = outage(true);
    assert_eq!(finding(&verdict, "recovery(q) < 1s")["verdict"], "PASS", "{verdict}");
    assert_eq!(code, Some(0), "{verdict}");
    assert!(verdict["faults"][0]["injected"].as_u64() > Some(10), "{verdict}");
    let (code, verdict) = outage(false);
    assert_eq!(finding(&verdict, "recovery(q) < 1s")["verdict"], "FAIL", "{verdict}");
    assert_eq!(code, Some(1), "{verdict}");
}

#[test]
fn a_stage_that_dies_cuts_the_run_short() {
    let _turn = Turn::take();
    let target = "{ sim: quote-service, timeout: 5s }";
    let yaml = scenario(target, &hold("50/s", "20s"), "  - expect: errors(q) < 99%\n")
        + "upstreams: { jupiter: { like: jupiter } }
faults: { hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 10s, for: 2s } }
";
    let scene = Scene::new(&yaml);
    let run = scene.start(&[]);
    scene.wait_for_load(2);
    let children = crate::scene::children(run.pid());
    let stage = children.iter().find(|(_, line)| line.contains(" stage ")).expect("a stage");
    crate::scene::kill(stage.0, rustix::process::Signal::KILL);
    let ran = run.wait();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(children.iter().all(|(pid, _)| crate::scene::ends(*pid)), "{children:?} are left");
    assert!(scene.verdict()["reasons"].to_string().contains("stage"), "{}", scene.verdict());
}

#[test]
fn a_target_that_goes_away_under_load_is_a_fail() {
    let _turn = Turn::take();
    let yaml = scenario("sim:quote-service", &hold("50/s", "5s"), "  - expect: errors(q) < 5%\n");
    let scene = Scene::new(&yaml);
    let run = scene.start(&[]);
    scene.wait_for_load(2);
    let sim = crate::scene::children(run.pid());
    crate::scene::kill(sim[0].0, rustix::process::Signal::KILL);
    let ran = run.wait();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let unreachable = crate::scene::outcome(&scene.verdict(), "unreachable_connect");
    assert!(unreachable > 0, "{}", scene.verdict());
}

#[test]
fn no_answer_at_all_is_no_whole_answer() {
    // The helper of these tests itself: a hanging server answers nothing, a good one does.
    let server = Server::new(|r| if r.nth == 0 { Answer::Hang } else { Answer::Whole(200, "", b"1".to_vec()) });
    let address = server.url().trim_start_matches("http://").to_owned();
    assert!(!ask(&address, "X: y"));
    assert!(ask(&address, "X: y"));
}
