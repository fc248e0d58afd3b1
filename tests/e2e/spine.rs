//! A run from the command line to its verdict, and every command that reads what it left.

use std::fs;

use serde_json::Value;

use crate::scene::{Scene, Turn, finding, hold, outcome, scenario, verdict};
use crate::server::{Answer, Server, quote, status};

const SIM: &str = "{ sim: quote-service, timeout: 5s }";

fn smoke() -> String {
    scenario(
        SIM,
        &format!("{{ warm_up: {{ at: 50/s, for: 1s }} }}, {}", hold("100/s", "3s")),
        "  - expect: p95(q) < 4s\n  - expect: errors(q) < 20%\n",
    ) + "upstreams: { jupiter: { like: jupiter, latency: 20ms } }
observe: { jobs: { quote-service: { metrics: /metrics, every: 500ms } } }
"
}

#[test]
fn a_run_passes_and_everything_can_be_read_again_from_what_it_left() {
    let scene = Scene::new(&smoke());
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("PASS"), "{ran:?}");
    let evidence = scene.evidence();
    let expected = [
        "manifest.json",
        "scenario.yaml",
        "inputs/0-pairs.csv",
        "latency.hlog",
        "events.jsonl",
        "samples.chunks",
        "touches.log",
        "verdict.json",
        "summary.md",
        "junit.xml",
        "timeline.csv",
    ];
    for name in expected {
        assert!(evidence.join(name).is_file(), "{name} is missing in {}", evidence.display());
    }
    let first = fs::read(evidence.join("verdict.json")).expect("there");
    let verdict = verdict(&evidence);
    assert_eq!((&verdict["verdict"], &verdict["exit_code"]), (&Value::from("PASS"), &Value::from(0)));
    assert_eq!(verdict["traffic"]["q"]["planned"], 350);
    assert_eq!(verdict["traffic"]["q"]["shots"], 300);

    let dir = evidence.to_str().expect("text");
    for (command, code) in [("judge", ran.code), ("report", Some(0)), ("judge", ran.code)] {
        let again = scene.ask(&[command, dir]);
        assert_eq!(again.code, code, "{command}: {again:?}");
        assert_eq!(fs::read(evidence.join("verdict.json")).expect("there"), first, "{command} rewrote the verdict");
    }

    let up = scene.ask(&["query", dir, "up"]);
    assert_eq!((up.code, up.out.contains("quote-service")), (Some(0), true), "{up:?}");
    let counted = scene.ask(&["query", dir, "sum(quote_requests_total)"]);
    assert_eq!((counted.code, counted.out.contains("350")), (Some(0), true), "{counted:?}");
    assert_eq!(scene.ask(&["query", dir, "sum("]).code, Some(2));
    let nothing = scene.ask(&["query", dir, "no_such_metric"]);
    assert_eq!((nothing.code, nothing.err.contains("no_such_metric")), (Some(3), true), "{nothing:?}");

    let exported = scene.ask(&["export", dir, "--openmetrics"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(exported.out.ends_with("# EOF\n") && exported.out.contains("quote_requests"));
}

#[test]
fn evidence_that_was_tampered_with_does_not_pass() {
    let server = Server::new(|_| quote());
    let yaml = scenario(&server.url(), &hold("100/s", "1s"), "  - expect: errors(q) < 5%\n");
    let scene = Scene::new(&yaml);
    assert_eq!(scene.run(&[]).code, Some(0));
    let evidence = scene.evidence();
    let path = evidence.join("scenario.yaml");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replace("100/s", "90/s")).expect("written");
    let judged = scene.ask(&["judge", evidence.to_str().expect("text")]);
    assert_eq!(judged.code, Some(4), "{judged:?}");
    assert_eq!(scene.ask(&["judge", scene.path("nowhere").to_str().expect("text")]).code, Some(2));
}

#[test]
fn other_promises_can_be_held_against_a_run() {
    let server = Server::new(|r| if r.nth.is_multiple_of(5) { status(500) } else { quote() });
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "2s"), "  - expect: errors(q) < 50%\n"));
    assert_eq!(scene.run(&[]).code, Some(0));
    let evidence = scene.evidence();
    let before = fs::read(evidence.join("verdict.json")).expect("there");
    let stricter = scene.path("scenes/stricter.yaml");
    let text = fs::read_to_string(scene.file()).expect("there");
    fs::write(&stricter, text.replace("< 50%", "< 5%")).expect("written");
    let judged = scene.ask(&["judge", evidence.to_str().expect("text"), "--slo", stricter.to_str().expect("text")]);
    assert_eq!(judged.code, Some(1), "{judged:?}");
    assert_eq!(fs::read(evidence.join("verdict.json")).expect("there"), before, "the run keeps its own verdict");
}

#[test]
fn a_flow_is_prepared_walked_step_by_step_and_cleared_up_after() {
    let server = Server::new(|r| {
        let is = |request: &str| r.head.starts_with(request);
        match () {
            () if is("GET /ready ") => status(if r.nth < 3 { 503 } else { 200 }),
            () if is("POST /orders ") => Answer::Whole(202, "", br#"{"state":"new"}"#.to_vec()),
            () if is("GET /orders ") || is("PUT /setup ") || is("DELETE /setup ") => status(200),
            () => status(404),
        }
    });
    let yaml = format!(
        "proofload: 1
target:
  services: {{ api: {url}, other: {url} }}
  ready: {{ get: /ready, within: 10s, to: api }}
  before: [{{ put: /setup, json: {{ on: true }}, to: other }}]
  after: [{{ delete: /setup, to: other }}]
traffic:
  orders:
    to: api
    flow:
      steps:
        - {{ post: /orders, json: {{ side: buy, n: 3 }}, expect: {{ status: 202, json: $.state, is: new }} }}
        - {{ get: /orders }}
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(orders) == 0
",
        url = server.url(),
        load = hold("160/s", "2s"),
    );
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let heads = server.heads();
    let at = |request: &str| heads.iter().position(|head| head.starts_with(request));
    assert!(at("PUT /setup") < at("POST /orders") && at("POST /orders") < at("DELETE /setup"), "{heads:?}");
    assert_eq!((server.count("PUT /setup"), server.count("DELETE /setup")), (1, 1));
    assert!(server.count("GET /ready") >= 4, "asked until it said 200");
    assert_eq!(server.count("POST /orders"), server.count("GET /orders"), "each step of each shot");
    let taken = scene.verdict()["traffic"]["orders"]["taken_up"].as_u64().expect("a number") as usize;
    assert_eq!(server.count("POST /orders"), taken);
    let loaded = heads.iter().filter(|h| h.starts_with("POST /orders"));
    assert!(loaded.clone().all(|h| h.contains("traceparent: 00-")), "every shot can be traced");
}

#[test]
fn a_step_that_fails_fails_the_shot_and_preparation_that_fails_stops_the_run() {
    let server = Server::new(|r| if r.head.starts_with("GET /two ") { status(500) } else { status(200) });
    let yaml = |before: &str| {
        format!(
            "proofload: 1
target: {{ url: {}, before: [{{ get: {before} }}] }}
traffic:
  q: {{ flow: {{ steps: [{{ get: /one }}, {{ get: /two }}, {{ get: /three }}] }}, load: [{}] }}
fitness: {{ lag: 10s, cpu: 100% }}
slo: [{{ expect: errors(q) < 5% }}]
",
            server.url(),
            hold("100/s", "1s")
        )
    };
    let scene = Scene::new(&yaml("/one"));
    assert_eq!(scene.run(&[]).code, Some(1));
    let verdict = scene.verdict();
    assert_eq!(outcome(&verdict, "rejected"), verdict["traffic"]["q"]["shots"].as_u64().expect("a number"));
    assert_eq!(server.count("GET /three"), 0, "the first that fails ends the flow");

    let scene = Scene::new(&yaml("/two"));
    let asked = server.count("GET /one");
    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("/two")), (Some(5), true), "{ran:?}");
    assert_eq!(server.count("GET /one"), asked, "no load without what comes before it");
}

#[test]
fn settings_from_the_command_line_change_the_run() {
    let server = Server::new(|_| quote());
    let yaml = scenario(&server.url(), &hold("100/s", "20s"), "  - expect: errors(q) < 5%\n");
    let scene = Scene::new(&yaml);
    let ran = scene.run(&["--time-scale", "5", "--set", "traffic.q.load.0.hold.for=10s", "--set", "seed=9"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!((&verdict["time_scale"], &verdict["traffic"]["q"]["planned"]), (&5.into(), &200.into()));
    assert!(ran.out.contains("scaled 1:5"), "{ran:?}");
    let kept = fs::read_to_string(scene.evidence().join("scenario.yaml")).expect("there");
    assert!(kept.contains("10s") && !kept.contains("20s"), "the scenario is kept as it was run");
    assert_eq!(finding(&verdict, "errors(q) < 5%")["samples"], 200);
}

#[test]
fn check_plan_and_schema_send_nothing() {
    let server = Server::new(|_| quote());
    let yaml = scenario(&server.url(), &hold("100/s", "2s"), "  - expect: p95(q) < 1s\n");
    let scene = Scene::new(&yaml);
    let file = scene.file();
    let file = file.to_str().expect("text");
    let checked = scene.ask(&["check", file]);
    assert_eq!((checked.code, checked.out.contains("ok")), (Some(0), true), "{checked:?}");
    let planned = scene.ask(&["plan", file]);
    assert_eq!((planned.code, planned.out.contains("200 shots")), (Some(0), true), "{planned:?}");
    assert_eq!(scene.ask(&["plan", file]).out, planned.out, "the same plan every time");
    let schema = scene.ask(&["schema"]);
    assert_eq!(schema.code, Some(0));
    assert!(serde_json::from_str::<Value>(&schema.out).is_ok_and(|s| s["properties"]["slo"].is_object()));
    let schema = scene.ask(&["schema", "verdict"]);
    assert_eq!(schema.code, Some(0));
    assert!(serde_json::from_str::<Value>(&schema.out).is_ok_and(|s| s["properties"]["findings"].is_object()));
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_folder_of_scenarios_is_run_in_order_and_ends_as_its_gravest() {
    let server = Server::new(|_| quote());
    let yaml = |slo| scenario(&server.url(), &hold("100/s", "1s"), slo);
    let scene = Scene::new(&yaml("  - expect: errors(q) < 5%\n"));
    fs::write(scene.path("scenes/a.yaml"), yaml("  - expect: p50(q) < 1ns\n")).expect("written");
    let _turn = Turn::take();
    let ran = scene.ask(&[
        "run",
        scene.path("scenes").to_str().expect("text"),
        "--out",
        scene.out().to_str().expect("text"),
        "--quiet",
    ]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(scene.runs().len(), 2);
}
