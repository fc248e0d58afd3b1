//! `proofload rules lint` as it is called: what it exits with, what it prints, and whom it asks.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proofload::base::series::Labels;
use proofload::evidence::samples::{Kind, Row, Scrape, Writer};
use serde_json::Value;

use crate::port;
use crate::scene::{Ended, Scene};
use crate::server::{Answer, Server, status};

const RULES: &str = "groups:
  - name: orders
    rules:
      - alert: Rejected
        expr: sum(rate(orders_total{status=\"rejected\"}[5m])) > 1
        for: 5m
        labels: { severity: critical }
        annotations: { summary: orders are rejected }
";
const PAGE: &str = "# TYPE orders_total counter\norders_total{status=\"REJECTED\"} 3\n";

struct Desk(Scene);

impl Desk {
    fn new(rules: &str) -> Desk {
        let scene = Scene::new("");
        fs::write(scene.path("rules.yml"), rules).expect("written");
        Desk(scene)
    }

    fn file(&self) -> String {
        self.0.path("rules.yml").display().to_string()
    }

    fn lint(&self, more: &[&str]) -> Ended {
        let file = self.file();
        let mut args = vec!["rules", "lint", file.as_str()];
        args.extend(more);
        self.0.ask(&args)
    }
}

#[test]
fn the_exit_code_says_how_grave_the_findings_are() {
    let desk = Desk::new(RULES);
    let code = |more: &[&str]| desk.lint(more).code;
    assert_eq!(code(&[]), Some(0));
    fs::write(desk.file(), RULES.replace("        for: 5m\n", "")).expect("written");
    assert_eq!(code(&["--fail-on", "warning"]), Some(0));
    assert_eq!(code(&["--fail-on", "info"]), Some(1), "an alert without `for` is a remark");
    let never = RULES.replace("> 1", "< 0");
    fs::write(desk.file(), &never).expect("written");
    let ran = desk.lint(&["--no-color"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("error[never-fires]: alert Rejected: ") && ran.out.contains("= instead: "), "{}", ran.out);
    let excepted =
        never.replace("      - alert", "      # proofload:ignore never-fires because it is a drill\n      - alert");
    fs::write(desk.file(), excepted).expect("written");
    let ran = desk.lint(&[]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("1 silenced"), "{}", ran.out);
}

#[test]
fn a_wrong_command_line_is_exit_2_and_nobody_is_asked() {
    let desk = Desk::new(RULES);
    for more in [
        &["--against", "http://10.1.2.3:9090"][..],
        &["--against", "nowhere"],
        &["--against", "ftp://127.0.0.1"],
        &["--level", "loud"],
        &["no-such-file.yml"],
        &["--dashboard", "no-such-file.json"],
    ] {
        let ran = desk.lint(more);
        assert_eq!(ran.code, Some(2), "{more:?}: {ran:?}");
        assert!(!ran.err.trim().is_empty(), "{more:?} says why");
    }
    assert_eq!(desk.0.ask(&["rules", "lint"]).code, Some(2));
    assert_eq!(desk.lint(&["--against", &format!("http://{}", port::place())]).code, Some(5), "nobody listens there");
}

#[test]
fn a_page_is_what_is_exposed() {
    let server = Server::new(|request| match request.head.starts_with("GET /metrics ") {
        true => Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", PAGE.into()),
        false => status(404),
    });
    let desk = Desk::new(RULES);
    for url in [server.url(), format!("{}/metrics", server.url())] {
        let ran = desk.lint(&["--against", &url, "--fail-on", "warning", "--format", "github"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.starts_with("::warning file=") && ran.out.contains("title=unknown-value"), "{}", ran.out);
        assert!(ran.out.contains("did you mean"), "{}", ran.out);
    }
    let html = Server::new(|_| Answer::Whole(200, "Content-Type: text/html\r\n", b"<html></html>".to_vec()));
    assert_eq!(desk.lint(&["--against", &html.url()]).code, Some(5), "no page of metrics");
}

#[test]
fn a_prometheus_is_asked_for_what_the_rules_read() {
    let server = Server::new(|request| {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        let data = match path.split('?').next().unwrap_or_default() {
            "/api/v1/label/__name__/values" => "[\"orders_total\", \"up\"]",
            "/api/v1/series" if path.contains("orders_total") => {
                "[{\"__name__\": \"orders_total\", \"status\": \"REJECTED\", \"job\": \"orders\"}]"
            }
            "/api/v1/metadata" => "{\"orders_total\": [{\"type\": \"gauge\"}]}",
            "/api/v1/targets" => "{\"activeTargets\": [{\"scrapeInterval\": \"2m\"}]}",
            _ => return status(404),
        };
        let body = format!("{{\"status\": \"success\", \"data\": {data}}}");
        Answer::Whole(200, "Content-Type: application/json\r\n", body.into_bytes())
    });
    let desk = Desk::new(RULES);
    let ran = desk.lint(&["--against", &server.url(), "--format", "json"]);
    let json: Value = serde_json::from_str(&ran.out).expect("JSON");
    let ids: Vec<&str> =
        json["files"][0]["findings"].as_array().into_iter().flatten().filter_map(|f| f["id"].as_str()).collect();
    // The type is declared, the range holds two scrapes, the value was never seen.
    assert_eq!(ids, ["rate-of-gauge", "short-range", "unknown-value"], "{}", ran.out);
    assert_eq!(ran.code, Some(1), "a declared gauge is no matter of taste");
}

#[test]
fn whoever_asks_says_so_with_a_secret_of_the_environment() {
    let server =
        Server::new(|request| match request.head.to_ascii_lowercase().contains("authorization: bearer open-sesame") {
            true => Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", PAGE.into()),
            false => status(401),
        });
    let desk = Desk::new(RULES);
    let url = format!("{}/metrics", server.url());
    let asked = |variable: &str| {
        let mut command = std::process::Command::new(crate::scene::PROGRAM);
        command.args([
            "rules",
            "lint",
            &desk.file(),
            "--against",
            &url,
            "--header",
            &format!("Authorization={variable}"),
        ]);
        command.env("LINT_AUTH", "Bearer open-sesame");
        let ran = command.output().expect("run");
        assert!(!String::from_utf8_lossy(&ran.stderr).contains("open-sesame"), "a secret is not told");
        ran.status.code()
    };
    assert_eq!(asked("LINT_AUTH"), Some(0));
    assert_eq!(asked("NO_SUCH_VARIABLE"), Some(2));
}

#[test]
fn the_folder_of_a_run_is_what_was_exposed() {
    let desk = Desk::new(&RULES.replace("[5m]", "[30s]"));
    let folder: PathBuf = desk.0.path("run");
    fs::create_dir(&folder).expect("made");
    let mut writer = Writer::create(&folder.join("samples.chunks"), 1_700_000_000_000).expect("made");
    for n in 0..5 {
        let scrape = Scrape { job: "orders", instance: "a:1", at_ms: n * 1_000, took: Duration::from_millis(1) };
        let row = Row { series: "orders_total{status=\"rejected\"}", kind: Kind::Counter, value: 1.0, timestamp: None };
        let labels = |_: &str, _| Labels::new([("__name__", "orders_total"), ("status", "rejected")]);
        writer.scraped(&scrape, [row], labels).expect("written");
    }
    writer.flush().expect("written");
    drop(writer);
    let run = folder.display().to_string();
    assert_eq!(desk.lint(&["--fail-on", "warning"]).code, Some(1), "30 s are two scrapes of 15 s");
    assert_eq!(desk.lint(&["--fail-on", "warning", "--against", &run]).code, Some(0), "the run scraped every second");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ran = Desk::new(RULES).lint(&["nowhere.yml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("nowhere.yml: No such file"), "{ran:?}");
}
