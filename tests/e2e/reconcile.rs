//! Metrics that lie, in real runs: the practice target tells each lie that it knows, and reconciliation must call it by its
//! name. `PROOFLOAD_LIES=all` takes every one and prints a table; otherwise those that need a run to be believed.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::scene::{PROGRAM, Scene};

/// A practice target by itself, gone with its lease.
struct Sim {
    child: Child,
    lease: Option<ChildStdin>,
    url: String,
}

impl Sim {
    fn start(settings: &[&str]) -> Sim {
        let mut command = Command::new(PROGRAM);
        command.args(["sim", "quote-service", "--lease"]);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("it is ready");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let url = ready["services"]["quote-service"].as_str().expect("an address").to_owned();
        Sim { lease: child.stdin.take(), child, url }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.lease.take());
        let _ = self.child.wait();
    }
}

/// A lie and how it must be caught.
struct Case {
    name: &'static str,
    settings: &'static str, // of the practice target
    upstream: &'static str, // how long its quoter takes
    timeouts: &'static str,
    exit: i32,
    check: usize,
    verdict: &'static str,
    cause: &'static str,
    quick: bool,
}

const PLAIN: usize = 0;
const LABELLED: usize = 1;
const HITS: usize = 2;
const UNLABELLED: usize = 3;
const TIMED: usize = 5;

const fn case(
    name: &'static str,
    settings: &'static str,
    exit: i32,
    check: usize,
    verdict: &'static str,
    cause: &'static str,
) -> Case {
    Case { name, settings, upstream: "30ms", timeouts: "uncounted", exit, check, verdict, cause, quick: false }
}

const CASES: &[Case] = &[
    Case { quick: true, ..case("none", "lie: none", 0, PLAIN, "OK", "counted") },
    Case {
        quick: true,
        ..case(
            "none; the middleware counts scrapes and health checks",
            "count_all: on",
            0,
            UNLABELLED,
            "OK",
            "our own scrapes",
        )
    },
    case("label dropped", "lie: dropped-label", 1, LABELLED, "MISMATCH", "label `status` dropped"),
    Case {
        quick: true,
        ..case("milliseconds as seconds", "lie: ms-as-seconds", 1, TIMED, "MISMATCH", "milliseconds exposed as seconds")
    },
    case("bucket ceiling too low", "lie: low-ceiling", 3, TIMED, "UNDECIDED", "bucket ceiling too low"),
    Case {
        upstream: "1500ms",
        timeouts: "counted",
        ..case("timeouts not counted", "lie: timeouts-uncounted", 1, UNLABELLED, "MISMATCH", "timeouts not counted")
    },
    case("hits counted twice", "lie: hits-twice", 1, HITS, "MISMATCH", "counted twice"),
    case("counter reset", "lie: reset", 3, PLAIN, "UNDECIDED", "counter reset"),
    Case {
        quick: true,
        ..case(
            "two processes behind one port",
            "processes: 2",
            1,
            PLAIN,
            "MISMATCH",
            "several processes answer behind one port",
        )
    },
    case("clock skew", "lie: clock-skew", 1, TIMED, "MISMATCH", "clock skew"),
];

fn scenario(target: &str, page: &str, case: &Case) -> String {
    let upstreams = match target.starts_with("sim") {
        true => format!("upstreams: {{ jupiter: {{ like: jupiter, latency: {} }} }}\n", case.upstream),
        false => String::new(),
    };
    format!(
        "proofload: 1
name: books
target: {{ {target}, timeout: 1s }}
{upstreams}traffic:
  q:
    quote: {{ pairs: {{ file: pairs.csv }}, amount: {{ log_uniform: [1000000, 1000000000000] }} }}
    classes: {{ hit: {{ json: $.source, is: cache }}, miss: {{ json: $.source, is: calculated }} }}
    load: [ {{ hold: {{ at: 80/s, for: 3s }} }} ]
observe: {{ jobs: {{ q: {{ metrics: {page}, every: 500ms }} }} }}
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(q) < 90%
reconcile:
  counts:
    - {{ of: q, counter: quote_requests_total }}
    - {{ of: q, counter: http_requests_total, by: {{ status: status, route: path }} }}
    - {{ of: q, class: hit, counter: quote_cache_hits_total }}
    - {{ of: q, counter: http_requests_total, timeouts: {} }}
  ratios:
    - {{ of: q, class: hit, counter: quote_cache_hits_total, over: quote_requests_total }}
  latency:
    - {{ of: q, histogram: 'http_request_duration_seconds{{path=\"/quote\"}}' }}
",
        case.timeouts
    )
}

/// What came of a run: its exit code, and the check that must catch the lie.
fn caught(scene: &Scene, case: &Case) -> Result<String, String> {
    let ended = scene.run(&[]);
    let verdict = scene.verdict();
    let check = &verdict["reconcile"][case.check];
    let why = check["why"].as_str().unwrap_or_default().replace('\u{202f}', " ");
    let residues: Vec<String> =
        check["records"].as_array().into_iter().flatten().map(|r| r["residue"].to_string()).collect();
    let named = why.contains(case.cause) || residues.iter().any(|residue| residue.contains(case.cause));
    let row = format!(
        "| {} | {} | {} | {why} |",
        case.name,
        ended.code.unwrap_or(-1),
        check["verdict"].as_str().unwrap_or_default()
    );
    match ended.code == Some(case.exit) && check["verdict"] == case.verdict && named {
        true => Ok(row),
        false => Err(format!("{row}\n{}\n{}", ended.out, ended.err)),
    }
}

#[test]
fn metrics_that_lie_are_caught_and_those_that_do_not_are_believed() {
    let all = std::env::var("PROOFLOAD_LIES").is_ok_and(|lies| lies == "all");
    let cases: Vec<&Case> = CASES.iter().filter(|case| all || case.quick).collect();
    let run = |case: &Case| {
        let target = format!("sim: quote-service, with: {{ timeout: none, {} }}", case.settings);
        caught(&Scene::new(&scenario(&target, "/metrics", case)), case)
    };
    let came: Vec<Result<String, String>> = thread::scope(|scope| {
        let runs: Vec<_> = cases.iter().map(|case| scope.spawn(|| run(case))).collect();
        runs.into_iter().map(|run| run.join().expect("it ran")).collect()
    });
    came.iter().flatten().for_each(|row| println!("{row}"));
    let wrong: Vec<String> = came.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Requests go to two, and the page of one is read.
#[test]
fn a_replica_that_nobody_scrapes_is_missed() {
    let (one, other) = (Sim::start(&[]), Sim::start(&[]));
    let target = format!("services: {{ q: [\"{}\", \"{}\"] }}", one.url, other.url);
    let case = case("one of two replicas not scraped", "", 1, PLAIN, "MISMATCH", "1 of 2 replicas not scraped");
    let scene = Scene::new(&scenario(&target, &format!("{}/metrics", one.url), &case));
    let row = caught(&scene, &case);
    row.iter().for_each(|row| println!("{row}"));
    assert_eq!(row.err(), None);
}
