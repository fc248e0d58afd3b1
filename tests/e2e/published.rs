//! What is told of a run besides its reports: the page of metrics and the pushes of a run that goes on, to a real Prometheus
//! where there is one, what a workflow of GitHub's is told, and what a log that is no terminal holds.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::port;
use crate::scene::{Scene, Turn, hold, scenario};
use crate::server::{Server, quote, status};
use crate::watched;

const KEPT: &str = "  - expect: errors(q) < 5%\n";
const BROKEN: &str = "  - expect: errors(q) < 5%\n  - expect: p50(q) < 1ns\n";

/// Asks for a page; its head and its body.
fn get(port: u16, path: &str, accept: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(head, body)| (head.into(), body.into()))
}

/// The value of the first line of a page that begins so.
fn value(page: &str, begins: &str) -> Option<f64> {
    page.lines().find(|line| line.starts_with(begins))?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_run_can_be_scraped_while_it_goes_on_and_its_page_is_clean() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "5s"), BROKEN));
    let [port] = port::free();
    let at = format!("127.0.0.1:{port}");
    let _turn = Turn::take();
    let going = scene.start(&["--metrics-listen", &at]);
    scene.wait_for_load(2);
    let (head, text) = get(port, "/metrics", "text/plain").expect("a page");
    assert!(head.contains("200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    let taken = value(&text, "proofload_shots_taken_total{scenario=\"a scene\",traffic=\"q\"}").expect("shots");
    assert!((1.0..=500.0).contains(&taken), "{taken}");
    let (head, open) = get(port, "/metrics", "application/openmetrics-text; version=1.0.0").expect("a page");
    assert!(head.contains("application/openmetrics-text") && open.ends_with("# EOF\n"), "{head}\n{open}");
    assert!(get(port, "/", "*/*").is_some_and(|(head, _)| head.contains("404")));
    let linted =
        scene.ask(&["metrics", "lint", &format!("http://{at}/metrics"), "--for", "1s", "--labels", "scenario"]);
    assert_eq!(linted.code, Some(0), "{linted:?}");
    assert!(linted.out.contains("0 errors, 0 warnings"), "{linted:?}");
    let ended = going.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(&format!("http://{at}/metrics")), "where it is: {ended:?}");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "nobody listens when all is over");
}

#[test]
fn what_must_not_be_published_is_refused_before_anything_is_sent() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), KEPT));
    for (args, why) in [
        (["--metrics-listen", "0.0.0.0:9464"], "allow it with --allow-host 0.0.0.0"),
        (["--metrics-listen", "9464"], "write HOST:PORT"),
        (["--push-remote-write", "http://10.0.0.1/api/v1/write"], "allow it with --allow-host 10.0.0.1"),
        (["--push-remote-write", "http://me:secret@127.0.0.1/"], "PROOFLOAD_PUSH_TOKEN"),
        (["--push-remote-write", "somewhere"], "is not an address"),
    ] {
        let ended = scene.run(&args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.err.contains(why) && ended.err.contains("nothing was sent"), "{args:?}: {ended:?}");
        assert!(!ended.err.contains("secret@"), "{ended:?}");
    }
    let held = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let at = held.local_addr().expect("bound").to_string();
    assert_eq!(scene.run(&["--metrics-listen", &at]).code, Some(5), "somebody else is there");
    assert_eq!(server.connections(), 0);
}

/// A server that is not there, or takes nothing, changes no verdict, and what was lost is said.
#[test]
fn a_push_that_nobody_takes_changes_no_verdict() {
    let server = Server::new(|_| quote());
    let deaf = Server::new(|_| status(400));
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), KEPT));
    let ended = scene.run(&["--push-remote-write", &format!("{}/api/v1/write", deaf.url())]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("pushes were not taken: status 400"), "{ended:?}");
    assert!(deaf.connections() > 0);
}

#[test]
fn a_real_prometheus_takes_what_is_scraped_and_what_is_pushed() {
    if !Command::new("prometheus").arg("--version").output().is_ok_and(|out| out.status.success()) {
        let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "prometheus"), "prometheus is required");
        eprintln!("skipped: prometheus is not installed (apt-get install prometheus)");
        return;
    }
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "8s"), BROKEN));
    let [port, page] = port::free();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: scraped\n    static_configs: [{{ targets: [\"127.0.0.1:{page}\"] }}]\n"
    );
    fs::write(scene.path("prometheus.yml"), config).expect("written");
    let mut command = Command::new("prometheus");
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--web.enable-remote-write-receiver"]);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).current_dir(scene.path(""));
    let _prometheus = watched::Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    watched::until(port, "/-/ready", |answer| answer.lines().next().is_some_and(|line| line.contains(" 200 ")));
    let _turn = Turn::take();
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let ended = scene.run(&["--metrics-listen", &format!("127.0.0.1:{page}"), "--push-remote-write", &url]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.err.contains("not taken"), "{ended:?}");
    let ask = |query: &str| -> Vec<Value> {
        let (_, body) = get(port, &format!("/api/v1/query?query={}", encode(query)), "*/*").expect("an answer");
        let body = &body[body.find('{').expect("JSON")..=body.rfind('}').expect("JSON")];
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{query}: {why}: {body}"));
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    };
    let number = |query: &str| ask(query).first().and_then(|one| one["value"][1].as_str()?.parse::<f64>().ok());
    // All of what was pushed last: every shot, and the verdict.
    let folder = scene.evidence();
    let run = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let pushed = format!("job=\"proofload\",run=\"{run}\"");
    assert_eq!(number(&format!("proofload_shots_finished_total{{{pushed},outcome=\"ok\"}}")), Some(800.0));
    assert_eq!(number(&format!("proofload_response_seconds_count{{{pushed}}}")), Some(800.0));
    assert_eq!(number(&format!("proofload_run_verdict{{{pushed},verdict=\"FAIL\"}}")), Some(1.0));
    let broken = format!("proofload_promise_broken{{{pushed},promise=\"p50(q) < 1ns\"}}");
    assert_eq!(number(&broken), Some(1.0), "as it stood");
    // And what was scraped, by every query of the dashboard that a run like this has an answer to.
    let scraped = number("max_over_time(proofload_shots_taken_total{job=\"scraped\"}[1m])").expect("scraped");
    assert!((1.0..=800.0).contains(&scraped), "{scraped}");
    let silent = ["proofload_fault_active", "outcome!~", "== 1"];
    let mut asked = 0;
    for query in dashboard() {
        let query = query.replace("$scenario", ".+").replace("$__rate_interval", "1m");
        let found = ask(&query).len();
        asked += 1;
        assert!(found > 0 || silent.iter().any(|of| query.contains(of)), "{query} has no answer");
    }
    assert!(asked >= 16, "{asked}");
}

/// The queries of the dashboard that ships.
fn dashboard() -> Vec<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grafana/proofload.json")).expect("ships");
    let board: Value = serde_json::from_str(&text).expect("JSON");
    let panels = board["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn a_workflow_is_told_what_was_not_kept_and_where_it_stands() {
    let server = Server::new(|_| quote());
    let yaml = scenario(&server.url(), &hold("100/s", "1s"), BROKEN).replace("a scene", "\"::error::a scene\"");
    let scene = Scene::new(&yaml);
    let summary = scene.path("summary");
    fs::write(&summary, "what was there\n").expect("written");
    let mut command = scene.command(&["--github"]);
    command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_WORKSPACE", scene.path(""));
    let _turn = Turn::take();
    let ended = crate::scene::Going::start(command, &scene.path("")).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let commands: Vec<&str> = ended.out.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    let line = yaml.lines().position(|line| line.contains("p50(q)")).expect("there") + 1;
    let place = format!("::error file=scenes/scene.yaml,line={line},title=FAIL p50(q) < 1ns::observed ");
    assert_eq!(commands.len(), 1, "{ended:?}");
    assert!(commands[0].starts_with(&place), "{place}\n{commands:?}");
    let text = fs::read_to_string(&summary).expect("there");
    assert!(
        text.starts_with("what was there\n## ❌ FAIL: ::error::a scene\n") && text.contains("| FAIL | `p50(q) < 1ns`"),
        "{text}"
    );

    let lost = scene.run(&["--github", "--quiet"]);
    assert!(lost.err.contains("GITHUB_STEP_SUMMARY is not set") && lost.code == Some(1), "{lost:?}");
    assert!(lost.out.lines().count() <= 26, "a summary and an annotation: {lost:?}");
}

/// No terminal: plain lines, each whole, no colour, and what happened among them.
#[test]
fn a_log_holds_plain_lines() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "3s"), BROKEN));
    let ended = scene.run(&[]);
    assert!(!ended.err.contains(['\u{1b}', '\r']) && !ended.out.contains(['\u{1b}', '\r']), "{ended:?}");
    let lines: Vec<&str> = ended.err.lines().filter(|line| line.contains("in flight")).collect();
    assert!((1..=2).contains(&lines.len()), "one every five seconds: {ended:?}");
    assert!(lines[0].contains(" of 0:03  hold "), "{lines:?}");
    assert!(ended.err.contains("broken so far: p50(q) < 1ns"), "{ended:?}");
    assert_eq!(ended.out.lines().nth(1), Some("FAIL  a scene"), "{ended:?}");
    assert_eq!(ended.out.lines().last().map(|line| line.starts_with("FAIL  ")), Some(true), "{ended:?}");
}

/// Two runs of one scenario at once, with one place for reports: each has a folder of its own, and all of its shots.
#[test]
fn two_runs_at_once_never_write_into_each_other() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "2s"), KEPT));
    let _turns = (Turn::take(), Turn::take());
    let both = [scene.start(&["--quiet"]), scene.start(&["--quiet"])];
    let ended = both.map(crate::scene::Going::wait);
    assert_eq!([ended[0].code, ended[1].code], [Some(0), Some(0)], "{ended:?}");
    let runs = scene.runs();
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in &runs {
        let verdict = crate::scene::verdict(run);
        assert_eq!(verdict["traffic"]["q"]["outcomes"], serde_json::json!({ "ok": 200 }), "{verdict}");
        assert_eq!(verdict["run"], Value::from(run.file_name().expect("a name").to_string_lossy()));
    }
    let said = ended.each_ref().map(|ended| ended.out.lines().last().map(str::to_owned));
    assert_ne!(said[0], said[1], "each says where its own is");
}
