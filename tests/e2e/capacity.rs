//! `proofload capacity`: real searches, short ones. How close they come is shown elsewhere, under a virtual clock.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Going, PROGRAM, Scene, Turn, children, ends};
use crate::schema::Schema;

/// A target that asks an upstream again and again, and a fault that it stands.
fn stands(capacity: &str) -> String {
    format!(
        "proofload: 1
target: {{ sim: calibrator, with: {{ limp: 100ms }}, timeout: 1s }}
traffic: {{ q: {{ flow: {{ steps: [ {{ get: / }} ] }}, arrivals: even, load: [ {{ hold: {{ at: 100/s, for: 6s }} }} ] }} }}
upstreams: {{ dep: {{ replies: [ {{ path: /, media: text/plain, body: ok }} ] }} }}
faults: {{ slow: {{ on: upstream/dep, inject: {{ latency: 5ms }}, at: 1s, for: 1s }} }}
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(q) < 20%
  - expect: rate(q) > 1000/s
  - expect: capacity(q) >= 90/s
capacity: {{ from: 100/s, probe: 1s, warm_up: 200ms{capacity} }}
"
    )
}

fn studies(scene: &Scene) -> Vec<PathBuf> {
    scene.runs().into_iter().filter(|run| run.join("capacity.json").exists()).collect()
}

fn study(folder: &std::path::Path) -> Value {
    let text = fs::read_to_string(folder.join("capacity.json")).expect("a study");
    let study = serde_json::from_str(&text).expect("JSON");
    let schema = Schema::of(include_str!("../../docs/capacity.schema.json"));
    assert_eq!(schema.check(&study).0, Vec::<String>::new());
    study
}

#[test]
fn a_scenario_with_a_capacity_is_searched_on_one_target_and_judged_again() {
    let scene = Scene::new(&stands(", up_to: 100/s, without: [slow]"));
    let ended = scene.run(&["--quiet"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let folder = studies(&scene).first().cloned().expect("a study");
    let found = study(&folder);
    let searches = found["searches"].as_array().expect("two");
    assert_eq!([&searches[0]["ended"], &searches[1]["ended"]], ["holds_at_most", "holds_at_most"], "{found}");
    assert_eq!((&searches[0]["fault"], &searches[1]["fault"]), (&Value::Null, &Value::from("slow")));
    assert_eq!(found["claims"][0]["verdict"], "PASS");
    assert!(found["left_out"].to_string().contains("rate(q) > 1000/s"), "{found}");
    for search in searches {
        let probes = search["probes"].as_array().expect("some");
        // One to warm up, one that counts; a busy machine has one more of what it spoiled.
        assert!(probes.len() >= 2, "{search}");
        let services = probes.iter().map(|probe| {
            let manifest = folder.join(probe["report"].as_str().expect("a folder")).join("manifest.json");
            serde_json::from_str::<Value>(&fs::read_to_string(manifest).expect("read")).expect("JSON")["services"]
                .clone()
        });
        let services: Vec<Value> = services.collect();
        assert!(services.iter().all(|known| *known == services[0]), "one target for all: {services:?}");
    }
    let before = fs::read(folder.join("capacity.json")).expect("read");
    let again = scene.ask(&["capacity", "judge", folder.to_str().expect("text")]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(fs::read(folder.join("capacity.json")).expect("read"), before, "byte for byte");
}

#[test]
fn whoever_interrupts_it_has_what_is_known_and_leaves_nothing() {
    let _turn = Turn::take();
    let scene = Scene::new(&stands(""));
    let mut command = Command::new(PROGRAM);
    command.args(["capacity", "--quiet", "--out"]).arg(scene.out()).arg(scene.file());
    let going = Going::start(command, scene.out().parent().expect("a folder"));
    let made = |scene: &Scene| {
        studies(scene).first().map_or(0, |f| study(f)["searches"][0]["probes"].as_array().map_or(0, Vec::len))
    };
    for _ in 0..2_000 {
        if made(&scene) > 0 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let left = children(going.pid());
    assert!(left.len() >= 2, "a stage and a target stand: {left:?}");
    going.signal(Signal::INT);
    let ended = going.wait();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let found = study(&studies(&scene)[0]);
    assert_eq!(found["searches"][0]["ended"], "interrupted", "{found}");
    assert_eq!(found["claims"][0]["verdict"], if made(&scene) > 0 { "PASS" } else { "INCONCLUSIVE" });
    assert!(left.iter().all(|(pid, _)| ends(*pid)), "{left:?}");
}

#[test]
fn every_mistake_of_the_command_line_is_told_and_nothing_is_sent() {
    let scene = Scene::new(&stands(""));
    let file = scene.file();
    let file = file.to_str().expect("text");
    let wrong = ["--traffic", "p", "--under", "slwo,replica", "--from", "9/s", "--max-rate", "5/s"];
    let ended = scene.ask(&[&["capacity", file][..], &wrong].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for said in [
        "--traffic p: no traffic",
        "--under slwo: no fault",
        "did you mean `slow`?",
        "--under replica: without its only replica",
        "5/s, is below the first",
    ] {
        assert!(ended.err.contains(said), "{said}: {ended:?}");
    }
    for (more, said) in [
        (&["capacity"][..], "FILE"),
        (&["capacity", file, "--resolution", "50%"], "0.5% to 20%"),
        (&["capacity", file, "--probe", "0s"], "1s to 10m"),
        (&["capacity", "judge", "/nowhere"], "name the folder of a search"),
    ] {
        let ended = scene.ask(more);
        assert!(ended.code == Some(2) && ended.err.contains(said), "{more:?}: {ended:?}");
    }
    assert!(scene.runs().is_empty());
}
