//! The injector itself: what it adds is measured in every run, and one that cannot keep up spoils what it broke.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use proofload::selftest::{Bench, Broken, breakage, outside};

use crate::port;
use crate::scene::{Ended, PROGRAM, Scene, Turn, children, finding, kill};

/// Load straight at a stub, partly through a link, with a fault on each.
fn scene(lag: &str) -> Scene {
    let place = port::place();
    Scene::new(&format!(
        "proofload: 1
name: a scene
target: {{ services: {{ stub: 'http://{place}' }}, timeout: 2s }}
upstreams: {{ stub: {{ like: jupiter, listen: '{place}', success: 100% }} }}
links: {{ line: {{ to: target/stub }} }}
traffic:
  q:
    flow: {{ steps: [ {{ get: '/v6/quote?inputMint=A&outputMint=B&amount=1000000' }} ] }}
    arrivals: even
    load: [ {{ hold: {{ at: 60/s, for: 5s }} }} ]
faults:
  slow: {{ on: upstream/stub, inject: {{ latency: 1ms }}, share: 50%, at: 1s, for: 3s }}
fitness: {{ lag: {lag}, cpu: 100% }}
slo:
  - expect: errors(q) < 100%
    during: slow
  - expect: p99(q) < 1ms
    severity: info
    during: slow
"
    ))
}

#[test]
fn what_the_stage_adds_is_measured_in_every_run() {
    let scene = scene("10s");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    let of = &verdict["injector"];
    let count = |what: &str| of[what]["count"].as_u64().unwrap_or_default();
    // A call in two is struck for three seconds of five; of the last second nobody may have told any more.
    assert!((150..=240).contains(&count("calls")), "{of}");
    assert!(count("links") > 300 && count("wakes") > 300, "{of}");
    assert!(of["calls"]["p50"].as_f64() > Some(0.0) && of["links"]["p99"].as_f64() > Some(0.0), "{of}");
    assert_eq!(of["saturated_seconds"], 0);
    let time = &verdict["faults"][0]["occurrences"][0];
    let instant = |value: &Value| value.as_i64().unwrap_or(i64::MIN);
    let (told, planned) = (&time["told"], &time["planned"]);
    assert!(instant(&planned[0]) <= instant(&told[0]) && instant(&told[0]) <= instant(&time["applied"]), "{time}");
    assert!(instant(&planned[1]) <= instant(&told[1]) && instant(&told[1]) <= instant(&time["cleared"]), "{time}");
    assert!(ran.out.contains("stage    kept up throughout, added") && ran.out.contains("obeyed in"), "{}", ran.out);
}

/// The stage is stopped for half of the time: whatever came of the fault, it proves nothing.
fn starved(scene: &Scene) -> Ended {
    let _turn = Turn::take();
    let going = scene.start(&[]);
    scene.wait_for_load(1);
    let stage = children(going.pid()).into_iter().find(|(_, line)| line.contains("stage --lease"));
    let (stage, _) = stage.expect("a stage");
    for _ in 0..8 {
        kill(stage, Signal::STOP);
        thread::sleep(Duration::from_millis(250));
        kill(stage, Signal::CONT);
        thread::sleep(Duration::from_millis(200));
    }
    going.wait()
}

#[test]
fn a_stage_that_cannot_keep_up_proves_nothing() {
    let scene = scene("100ms");
    let ran = starved(&scene);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let verdict = scene.verdict();
    let kept = finding(&verdict, "errors(q) < 100%");
    assert_eq!(kept["verdict"], "INVALID", "{verdict}");
    let why = kept["why"].as_str().unwrap_or_default();
    assert!(why.contains("did not keep up in") && why.contains("leave it a core of its own"), "{why}");
    assert_eq!(finding(&verdict, "p99(q) < 1ms")["verdict"], "INVALID", "a breach that may be the stage's own doing");
    assert!(verdict["injector"]["saturated_seconds"].as_u64() > Some(0), "{verdict}");
}

/// What `proofload selftest` does last: a client that looks closely sees each kind of fault do what its page says.
#[test]
fn every_kind_of_fault_gives_the_known_answer() {
    let _turn = Turn::take();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
    let broken: Vec<Broken> = runtime.block_on(async {
        let bench = Bench::new(PROGRAM.into()).expect("a folder");
        let mut broken = breakage::measure(&bench).await.expect("a stage");
        broken.extend(outside::measure(&bench).await.expect("a run"));
        broken
    });
    let wrong: Vec<&Broken> = broken.iter().filter(|broken| broken.seen.is_err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(broken.len(), 28, "{broken:#?}");
}
