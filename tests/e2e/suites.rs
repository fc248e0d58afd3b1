//! Several scenarios in turn: order, one table, one exit code, and nothing sent while anything is wrong.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Ended, Going, PROGRAM, Scene, Turn, hold, scenario, verdict};
use crate::server::{Server, quote, status};

/// A folder with these scenarios as `NAME.yaml` beside each other, and `suite.yaml`.
fn scene(suite: &str, scenarios: &[(&str, String)]) -> Scene {
    let scene = Scene::new("");
    fs::remove_file(scene.file()).expect("removed");
    for (name, text) in scenarios {
        fs::write(scene.path(&format!("scenes/{name}.yaml")), text.replace("a scene", name)).expect("written");
    }
    fs::write(scene.path("scenes/suite.yaml"), suite).expect("written");
    scene
}

fn start(scene: &Scene, what: &str, more: &[&str]) -> Going {
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg(scene.path(what)).arg("--quiet").arg("--out").arg(scene.out()).args(more);
    Going::start(command, &scene.path(""))
}

fn run(scene: &Scene, what: &str, more: &[&str]) -> Ended {
    let _turn = Turn::take();
    start(scene, what, more).wait()
}

/// The scenarios of the runs that were left, in the order in which they ran.
fn ran(scene: &Scene) -> Vec<String> {
    let mut runs: Vec<(String, String)> = scene
        .runs()
        .iter()
        .map(|run| {
            let time = run.file_name().expect("a name").to_string_lossy().into_owned();
            (time, verdict(run)["scenario"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    runs.sort();
    runs.into_iter().map(|(_, name)| name).collect()
}

const KEPT: &str = "  - expect: errors(q) < 5%\n";

#[test]
fn a_suite_runs_in_its_order_and_ends_with_one_table_and_one_code() {
    let (good, bad) = (Server::new(|_| quote()), Server::new(|_| status(500)));
    let of = |server: &Server| scenario(&server.url(), &hold("200/s", "1s"), KEPT);
    let suite = "suite: 1\nname: two of a kind\nrun: [z-first.yaml, bad.yaml, a-last.yaml]\n";
    let scene = scene(suite, &[("a-last", of(&good)), ("bad", of(&bad)), ("z-first", of(&good))]);
    let ended = run(&scene, "scenes/suite.yaml", &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ran(&scene), ["z-first", "bad", "a-last"], "a failure ends nothing");
    let (_, table) = ended.out.split_once("two of a kind").expect("a table");
    let order: Vec<Option<usize>> = ["z-first", "bad", "a-last"].iter().map(|name| table.find(name)).collect();
    assert!(order.is_sorted() && order[0].is_some(), "{table}");
    assert!(table.contains("errors(q) < 5%"), "what was broken: {table}");
    assert_eq!(ended.out.lines().last(), Some("3 scenarios: 2 PASS, 1 FAIL (exit 1)"), "{ended:?}");
}

#[test]
fn nothing_is_sent_while_anything_is_wrong() {
    let server = Server::new(|_| quote());
    let good = scenario(&server.url(), &hold("200/s", "1s"), KEPT);
    let typo = good.replace("traffic:", "trafic:");
    let wrong = good.replace("< 5%", "< 5");
    let suite = "suite: 1\nrun: [good.yaml, typo.yaml, wrong.yaml]\n";
    let scene = scene(suite, &[("good", good), ("typo", typo), ("wrong", wrong)]);
    let ended = run(&scene, "scenes/suite.yaml", &[]);
    assert_eq!((ended.code, server.connections()), (Some(2), 0), "{ended:?}");
    assert!(ended.err.contains("typo.yaml:") && ended.err.contains("wrong.yaml:"), "all files' mistakes: {ended:?}");
    assert!(ended.err.contains("nothing was sent"), "{ended:?}");

    fs::write(scene.path("scenes/suite.yaml"), "suite: 1\nrun: [good.yaml, lost.yaml, suite.yaml]\nst: {}\n")
        .expect("written");
    let ended = run(&scene, "scenes/suite.yaml", &[]);
    assert_eq!((ended.code, server.connections()), (Some(2), 0), "{ended:?}");
    for said in ["`lost.yaml`", "a suite within a suite", "did you mean `set`?"] {
        assert!(ended.err.contains(said), "{said}: {ended:?}");
    }
    let checked = scene.ask(&["check", scene.path("scenes/suite.yaml").to_str().expect("text")]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
}

#[test]
fn whoever_ends_a_run_ends_the_suite() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let long = scenario(&server.url(), &hold("50/s", "40s"), KEPT);
    let scene = scene("suite: 1\nrun: [one.yaml, two.yaml]\n", &[("one", long.clone()), ("two", long)]);
    let run = start(&scene, "scenes/suite.yaml", &[]);
    scene.wait_for_load(1);
    run.signal(Signal::INT);
    let ended = run.wait();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ran(&scene), ["one"]);
    assert_eq!(ended.out.lines().last(), Some("2 scenarios: 1 INVALID, 1 not run (exit 130)"), "{ended:?}");
}

#[test]
fn what_a_suite_sets_yields_to_the_command_line() {
    let server = Server::new(|_| quote());
    let one = scenario(&server.url(), &hold("100/s", "2s"), KEPT);
    let suite = "suite: 1\nrun: [one.yaml]\nset: { seed: 9, traffic.q.load.0.hold.for: 1s }\n";
    let scene = scene(suite, &[("one", one)]);
    let seeds = |more: &[&str]| {
        let ended = run(&scene, "scenes/suite.yaml", more);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let last = scene.runs().pop().expect("a run");
        let manifest = fs::read_to_string(last.join("manifest.json")).expect("readable");
        let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
        assert_eq!(verdict(&last)["traffic"]["q"]["planned"], 100, "a second of it");
        manifest["seed"].clone()
    };
    assert_eq!(seeds(&[]), 9);
    assert_eq!(seeds(&["--set", "seed=8"]), 8);
}

#[test]
fn a_folder_is_its_scenarios_and_not_its_suites() {
    let server = Server::new(|_| quote());
    let one = scenario(&server.url(), &hold("100/s", "1s"), KEPT);
    let scene = scene("suite: 1\nrun: [b.yaml, b.yaml]\n", &[("b", one.clone()), ("a", one)]);
    let ended = run(&scene, "scenes", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ran(&scene), ["a", "b"]);
    let checked = scene.ask(&["check", scene.path("scenes/suite.yaml").to_str().expect("text")]);
    assert_eq!((checked.code, checked.out.matches("b.yaml: ok").count()), (Some(0), 2), "{checked:?}");
}

#[test]
fn the_schema_of_suites_can_be_printed() {
    let scene = Scene::new("");
    let printed = scene.ask(&["schema", "suite"]);
    let schema: Value = serde_json::from_str(&printed.out).expect("JSON");
    assert_eq!((printed.code, &schema["required"]), (Some(0), &serde_json::json!(["suite", "run"])));
}

#[test]
fn several_scenarios_leave_one_page_and_stop_where_they_shall() {
    let (good, bad) = (Server::new(|_| quote()), Server::new(|_| status(500)));
    let one = scenario("http://127.0.0.1:9", &hold("100/s", "1s"), KEPT);
    let suite = |on_failure: &str, target: &str| {
        format!(
            "suite: 1\nname: may it <b>launch</b>?\ntarget: {target}\non_failure: {on_failure}\nrun: [a.yaml, b.yaml]\n"
        )
    };
    let scene = scene(&suite("stop", &bad.url()), &[("a", one.clone()), ("b", one)]);
    let page = |name: &str| {
        let folder = scene.out().join("scenes/suite");
        let newest = fs::read_dir(folder).expect("a folder").filter_map(|e| Some(e.ok()?.path())).max();
        fs::read_to_string(newest.expect("a suite").join(name)).expect("readable")
    };
    let ended = run(&scene, "scenes/suite.yaml", &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.out.lines().last(), Some("2 scenarios: 1 FAIL, 1 not run (exit 1)"), "{ended:?}");
    let json: Value = serde_json::from_str(&page("suite.json")).expect("JSON");
    assert_eq!((&json["outcome"], &json["exit_code"]), (&"NOT READY".into(), &1.into()), "{json}");
    assert_eq!(json["scenarios"][0]["tightest"]["verdict"], "FAIL", "{json}");
    let html = page("suite.html");
    assert!(html.contains("may it &lt;b&gt;launch") && !html.contains("<b>launch"), "{html}");
    let href = json["scenarios"][0]["evidence"].as_str().expect("a way").to_owned();
    assert!(html.contains(&format!("href=\"{href}/report.html\"")), "{href}");
    assert!(page("suite.md").starts_with("## NOT READY"), "{}", page("suite.md"));

    fs::write(scene.path("scenes/suite.yaml"), suite("continue", &bad.url())).expect("written");
    let ended = run(&scene, "scenes/suite.yaml", &["--target", &good.url()]);
    assert_eq!(ended.code, Some(0), "the command line has the last word: {ended:?}");
    assert!(page("suite.html").contains("READY") && page("suite.md").contains("% left"), "{}", page("suite.md"));
}
