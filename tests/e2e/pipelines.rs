//! Pipelines: what is started, how it is followed to its end, and what becomes of a shot whose end nobody sees.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::port;
use crate::scene::{Scene, Turn, finding, hold};
use crate::server::{Answer, Request, Server, status};

/// Executions that were started, by when, and how often each was asked for.
#[derive(Default)]
struct Executions {
    started: Mutex<Vec<Instant>>,
    asked: Mutex<BTreeMap<usize, Vec<Instant>>>,
}

impl Executions {
    fn start(&self) -> usize {
        let mut started = self.started.lock().expect("no panic");
        started.push(Instant::now());
        started.len() - 1
    }

    /// The one that is asked for, and how old it is.
    fn asked(&self, request: &Request<'_>) -> Option<(usize, Duration)> {
        let (_, rest) = request.head.split(' ').nth(1)?.split_once("/executions/e-")?;
        let n: usize = rest.parse().ok()?;
        let age = self.started.lock().expect("no panic").get(n)?.elapsed();
        self.asked.lock().expect("no panic").entry(n).or_default().push(Instant::now());
        Some((n, age))
    }
}

fn ok(body: &Value) -> Answer {
    Answer::Whole(200, "", body.to_string().into())
}

/// A service that starts executions; what state each is in is a matter of its number and its age.
fn platform(all: Arc<Executions>, state: impl Fn(usize, Duration) -> &'static str + Send + Sync + 'static) -> Server {
    Server::new(move |r: &Request<'_>| {
        if r.head.starts_with("POST /api/v1/executions/ ") {
            let body = json!({ "id": format!("e-{}", all.start()), "status": "PENDING" });
            return Answer::Whole(202, "", body.to_string().into());
        }
        match all.asked(r) {
            Some((n, age)) => ok(&json!({ "id": format!("e-{n}"), "status": state(n, age) })),
            None => status(404),
        }
    })
}

/// A scenario that starts executions on a service; `more` goes into the pipeline.
fn scenario(url: &str, every: &str, more: &str, load: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {{ url: '{url}', timeout: 1s }}
traffic:
  executions:
    pipeline:
      values: {{ symbol: {{ choice: [AAPL, MSFT] }} }}
      start: {{ post: /api/v1/executions/, json: {{ symbol: \"{{{{symbol}}}}\" }}, expect: {{ status: 202 }}, id: $.id }}
      follow: {{ poll: {{ get: \"/api/v1/executions/{{{{id}}}}\", state: $.status, {every} }} }}
      states:
        queued: PENDING
        running: [RUNNING, MONITORING]
        ok: COMPLETED
        failed: [FAILED, CANCELLED]
        skipped: SKIPPED
      {more}
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
"
    )
}

/// How many executions came to an outcome.
fn outcome(verdict: &Value, word: &str) -> u64 {
    verdict["traffic"]["executions"]["outcomes"][word].as_u64().unwrap_or(0)
}

fn events(scene: &Scene) -> String {
    fs::read_to_string(scene.evidence().join("events.jsonl")).expect("written")
}

fn ms(length: Duration) -> u128 {
    length.as_millis()
}

#[test]
fn states_are_outcomes_and_every_leg_of_the_way_is_measured() {
    let all = Arc::new(Executions::default());
    let server = platform(all.clone(), |n, age| match (n % 5, ms(age)) {
        (_, ..150) => "PENDING",
        (_, ..400) => "RUNNING",
        (0, _) => "FAILED",
        (1, _) => "SKIPPED",
        (2, _) => "EXPLODED",
        _ => "COMPLETED",
    });
    let slo = "  - expect: p95(executions.accept) < 500ms
  - expect: p95(executions.queue) < 900ms
  - expect: p50(executions.run) < 900ms
  - expect: errors(executions) < 50%
  - expect: errors(executions) < 30%";
    let load = hold("50/s", "2s");
    let scene = Scene::new(&scenario(&server.url(), "every: { from: 20ms, to: 100ms }", "deadline: 10s", &load, slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    let words = ["ok", "failed", "skipped", "invalid"];
    assert_eq!(words.map(|word| outcome(&verdict, word)), [40, 20, 20, 20], "{ran:?}");
    assert_eq!(finding(&verdict, "errors(executions) < 50%")["verdict"], "PASS");
    assert_eq!(finding(&verdict, "errors(executions) < 30%")["verdict"], "FAIL");
    for promise in ["p95(executions.accept) < 500ms", "p95(executions.queue) < 900ms", "p50(executions.run) < 900ms"] {
        assert_eq!(finding(&verdict, promise)["verdict"], "PASS", "{ran:?}");
    }
    let traffic = &verdict["traffic"]["executions"];
    let states = &traffic["followed"]["states"];
    let told = ["COMPLETED", "FAILED", "SKIPPED", "EXPLODED"].map(|state| states[state].as_u64());
    assert_eq!(told, [Some(40), Some(20), Some(20), Some(20)], "{traffic}");
    assert_eq!(traffic["followed"]["polls"].as_u64(), Some(server.count("GET ") as u64));
    // No stretch is measured shorter than it was: 150 ms in the queue, 250 ms of work.
    let p50 = |of: &Value| of["clocks"]["response"]["p50"].as_f64().expect("measured");
    let parts = &traffic["parts"];
    assert!(p50(&parts["queue"]) >= 0.14 && p50(&parts["run"]) >= 0.24, "{parts}");
    let gap = traffic["clocks"]["gap"]["p50"].as_f64().expect("measured");
    assert!(gap > 0.0 && gap < 0.4, "{gap}");
    assert!(ran.out.contains("EXPLODED 20"), "{ran:?}");
    assert!(events(&scene).contains("is `EXPLODED`, which is none of `states`"));
}

/// Each is over after 500 ms, and is asked for every 400 ms: found over at 800 ms, it was not yet over at 400 ms.
#[test]
fn what_lies_within_the_gap_of_the_polls_is_not_decided() {
    let all = Arc::new(Executions::default());
    let server = platform(all, |_, age| if ms(age) < 500 { "RUNNING" } else { "COMPLETED" });
    let slo = "  - expect: p50(executions) < 3s
  - expect: p50(executions) < 600ms
  - expect: p50(executions) < 300ms
    severity: warning";
    let load = hold("40/s", "2s");
    let scene = Scene::new(&scenario(&server.url(), "every: 400ms", "deadline: 10s", &load, slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let verdict = scene.verdict();
    let decided = |promise| finding(&verdict, promise)["verdict"].as_str().map(str::to_owned);
    assert_eq!(decided("p50(executions) < 3s").as_deref(), Some("PASS"));
    assert_eq!(decided("p50(executions) < 600ms").as_deref(), Some("INCONCLUSIVE"), "{ran:?}");
    assert_eq!(decided("p50(executions) < 300ms").as_deref(), Some("FAIL"), "{ran:?}");
    assert!(ran.out.contains("polls"), "{ran:?}");
}

#[test]
fn no_more_is_asked_than_the_budget_allows_and_nobody_is_forgotten() {
    let all = Arc::new(Executions::default());
    let server = platform(all.clone(), |_, age| if ms(age) < 1_500 { "RUNNING" } else { "COMPLETED" });
    let every = "every: { from: 10ms, to: 50ms }, budget: 100/s";
    let load = hold("100/s", "1s");
    let yaml = scenario(&server.url(), every, "deadline: 20s", &load, "  - expect: errors(executions) == 0");
    let scene = Scene::new(&yaml);
    let plan = scene.ask(&["plan", &scene.file().display().to_string()]);
    assert!(plan.out.contains("budget") && plan.out.contains("binds"), "{plan:?}");
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(outcome(&verdict, "ok"), 100, "{ran:?}");
    let mut times: Vec<Instant> = all.asked.lock().expect("no panic").values().flatten().copied().collect();
    times.sort();
    let second = Duration::from_secs(1);
    let most = times.iter().map(|from| times.iter().filter(|at| **at >= *from && **at < *from + second).count()).max();
    assert!(most.is_some_and(|most| most <= 110), "{most:?} polls in a second");
    let followed = &verdict["traffic"]["executions"]["followed"];
    assert!(followed["held"].as_u64() > Some(50), "{followed}");
    assert!(ran.out.contains("held for the budget"), "{ran:?}");
}

#[test]
fn what_never_ends_is_unfinished_at_its_deadline_and_polls_in_vain_decide_nothing() {
    let all = Arc::new(Executions::default());
    let inner = platform_of(all);
    let slo = "  - expect: errors(executions) == 0
  - expect: p50(executions) < 1s
  - expect: p90(executions) < 1s";
    let every = "every: { from: 50ms, to: 200ms }";
    let scene = Scene::new(&scenario(&inner.url(), every, "deadline: 1500ms", &hold("40/s", "1s"), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    // Every second one is never over; of the others one poll in two was answered 503.
    assert_eq!((outcome(&verdict, "unfinished"), outcome(&verdict, "ok")), (20, 20), "{ran:?}");
    assert!(events(&scene).contains("its state was MONITORING, 1.5s after it was due"));
    let traffic = &verdict["traffic"]["executions"];
    assert!(traffic["followed"]["vain"]["rejected"].as_u64() > Some(20), "{traffic}");
    assert!(traffic["clocks"]["response"]["max"].as_f64() >= Some(1.5), "{traffic}");
    // Exactly half are over in time: the median is the last of them, and what is beyond it counts at the deadline.
    assert_eq!(finding(&verdict, "p50(executions) < 1s")["verdict"], "PASS", "{ran:?}");
    assert_eq!(finding(&verdict, "p90(executions) < 1s")["verdict"], "FAIL", "{ran:?}");
}

/// Every second execution is never over; of the polls for each, every other one is answered 503.
fn platform_of(all: Arc<Executions>) -> Server {
    Server::new(move |r: &Request<'_>| {
        if r.head.starts_with("POST ") {
            let body = json!({ "id": format!("e-{}", all.start()) });
            return Answer::Whole(202, "", body.to_string().into());
        }
        let Some((n, age)) = all.asked(r) else { return status(404) };
        let polls = all.asked.lock().expect("no panic").get(&n).map_or(0, Vec::len);
        if polls % 2 == 1 {
            return status(503);
        }
        ok(&json!({ "status": if n % 2 == 0 || ms(age) < 100 { "MONITORING" } else { "COMPLETED" } }))
    })
}

#[test]
fn a_start_without_a_name_or_with_one_that_is_taken_is_invalid() {
    let all = Arc::new(Executions::default());
    let server = Server::new(move |r: &Request<'_>| {
        if r.head.starts_with("POST ") {
            let n = all.start();
            let body = match n % 4 {
                0 => json!({ "status": "PENDING" }),
                1 => json!({ "id": "" }),
                2 => json!({ "id": "e-2" }), // the same for all of them
                _ => json!({ "id": format!("e-{n}") }),
            };
            return Answer::Whole(202, "", body.to_string().into());
        }
        match all.asked(r) {
            Some((_, age)) => ok(&json!({ "status": if ms(age) < 3_000 { "RUNNING" } else { "COMPLETED" } })),
            None => status(404),
        }
    });
    let every = "every: { from: 50ms, to: 200ms }";
    let slo = "  - expect: errors(executions) == 0";
    let scene = Scene::new(&scenario(&server.url(), every, "deadline: 10s", &hold("40/s", "1s"), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!((outcome(&verdict, "ok"), outcome(&verdict, "invalid")), (11, 29), "{ran:?}");
    let events = events(&scene);
    for said in ["nothing at $.id", "is called nothing", "as what another shot started"] {
        assert!(events.contains(said), "{said}");
    }
}

/// A service that wants tokens: each is good for so many requests.
fn guarded(all: Arc<Executions>, good_for: usize, expires: f64, logins: Arc<Mutex<Vec<Value>>>) -> Server {
    let used = Mutex::new((0, 0)); // which token, and how often
    Server::new(move |r: &Request<'_>| {
        let mut used = used.lock().expect("no panic");
        if r.head.starts_with("POST /api/v1/auth/login ") {
            let Ok(body) = serde_json::from_slice::<Value>(r.body) else { return status(400) };
            if body != json!({ "username": "load", "password": "correct \"horse\"" }) {
                return status(403);
            }
            logins.lock().expect("no panic").push(body);
            *used = (used.0 + 1, 0);
            return ok(&json!({ "access_token": format!("tok-{}-n0b0dy", used.0), "expires_in": expires }));
        }
        let carried = r.head.lines().find_map(|line| line.strip_prefix("Authorization: Bearer "));
        if carried != Some(format!("tok-{}-n0b0dy", used.0).as_str()) || used.1 >= good_for {
            return status(401);
        }
        used.1 += 1;
        if r.head.starts_with("POST ") {
            return Answer::Whole(202, "", json!({ "id": format!("e-{}", all.start()) }).to_string().into());
        }
        match all.asked(r) {
            Some((_, age)) => ok(&json!({ "status": if ms(age) < 100 { "RUNNING" } else { "COMPLETED" } })),
            None => status(404),
        }
    })
}

const LOGIN: &str = "login: { post: /api/v1/auth/login, json: { username: load, password: { secret: PIPELINE_PASSWORD } }, token: $.access_token, expires: $.expires_in }
      deadline: 10s";

fn run_with_password(scene: &Scene, password: &str) -> crate::scene::Ended {
    let _turn = Turn::take();
    let mut command = scene.command(&[]);
    command.env("PIPELINE_PASSWORD", password);
    crate::scene::Going::start(command, &scene.path(".")).wait()
}

#[test]
fn a_token_is_fetched_anew_when_it_is_refused_and_is_nowhere_to_be_found() {
    let (all, logins) = (Arc::new(Executions::default()), Arc::new(Mutex::new(Vec::new())));
    let server = guarded(all, 60, 3_600.0, logins.clone());
    let slo = "  - expect: errors(executions) == 0";
    let every = "every: { from: 50ms, to: 200ms }";
    let scene = Scene::new(&scenario(&server.url(), every, LOGIN, &hold("160/s", "2s"), slo));
    let ran = run_with_password(&scene, "correct \"horse\"");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(outcome(&verdict, "ok"), 320);
    let logged_in = logins.lock().expect("no panic").len();
    assert!(logged_in > 5, "{logged_in}");
    assert_eq!(
        verdict["traffic"]["executions"]["logins"]["made"].as_u64(),
        Some(logged_in as u64 - 1),
        "during the load"
    );
    for file in scene.files() {
        let bytes = fs::read(&file).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("n0b0dy") && !text.contains("horse"), "{}", file.display());
    }
    assert!(!format!("{ran:?}").contains("n0b0dy"));
}

/// Nobody ever refuses a token that is the last one; it lasts for a second and a quarter, by what the login says.
#[test]
fn a_token_is_fetched_anew_before_it_expires() {
    let (all, logins) = (Arc::new(Executions::default()), Arc::new(Mutex::new(Vec::new())));
    let server = guarded(all, usize::MAX, 1.25, logins.clone());
    let slo = "  - expect: errors(executions) == 0";
    let scene = Scene::new(&scenario(&server.url(), "every: 200ms", LOGIN, &hold("100/s", "3s"), slo));
    let ran = run_with_password(&scene, "correct \"horse\"");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let logged_in = logins.lock().expect("no panic").len();
    assert!(logged_in >= 3, "before the load, and twice in three seconds of it: {logged_in}");
    assert_eq!(scene.verdict()["traffic"]["executions"]["logins"]["made"].as_u64(), Some(logged_in as u64 - 1));
}

#[test]
fn a_login_that_is_refused_ends_the_run_before_anything_is_sent() {
    let (all, logins) = (Arc::new(Executions::default()), Arc::new(Mutex::new(Vec::new())));
    let server = guarded(all.clone(), 60, 3_600.0, logins);
    let slo = "  - expect: errors(executions) == 0";
    let scene = Scene::new(&scenario(&server.url(), "every: 1s", LOGIN, &hold("10/s", "2s"), slo));
    let ran = run_with_password(&scene, "wrong horse");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("logging in for `executions`: POST /api/v1/auth/login was answered 403"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("wrong horse"));
    assert_eq!(all.started.lock().expect("no panic").len(), 0);
}

#[test]
fn whoever_stops_the_run_is_not_told_that_the_target_failed() {
    let all = Arc::new(Executions::default());
    let server = platform(all.clone(), |_, _| "RUNNING");
    let slo = "  - expect: errors(executions) == 0";
    let every = "every: { from: 50ms, to: 200ms }";
    let scene = Scene::new(&scenario(&server.url(), every, "deadline: 1h", &hold("50/s", "1h"), slo));
    let _turn = Turn::take();
    let going = scene.start(&[]);
    scene.wait_for_load(2);
    let began = Instant::now();
    going.signal(Signal::INT);
    let ran = going.wait();
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for the deadline");
    assert_eq!(ran.code, Some(130), "{ran:?}");
    let verdict = scene.verdict();
    assert_ne!(verdict["verdict"], "FAIL", "{ran:?}");
    assert_ne!(verdict["verdict"], "PASS", "{ran:?}");
    assert_eq!(outcome(&verdict, "unfinished"), 0, "{ran:?}");
}

/// Each takes 4 s, which nobody expects: 5 000 are in flight when the load ends, and 800 polls a second are allowed.
#[test]
fn five_thousand_in_flight_are_followed_to_their_end_within_the_budget() {
    let all = Arc::new(Executions::default());
    let server = platform(all.clone(), |_, age| if ms(age) < 4_000 { "RUNNING" } else { "COMPLETED" });
    let every = "every: { from: 200ms, to: 2s }, budget: 800/s";
    let slo = "  - expect: errors(executions) == 0";
    let load = hold("1250/s", "4s");
    let scene = Scene::new(&scenario(&server.url(), every, "deadline: 40s", &load, slo));
    let _turn = Turn::heavy();
    let ran = scene.start(&[]).wait();
    let verdict = scene.verdict();
    assert_eq!(outcome(&verdict, "ok"), 5_000, "{ran:?}");
    let asked = all.asked.lock().expect("no panic");
    assert_eq!(asked.len(), 5_000, "nobody is forgotten");
    let mut times: Vec<Instant> = asked.values().flatten().copied().collect();
    times.sort();
    let second = Duration::from_secs(1);
    let (mut first, mut most) = (0, 0);
    for (n, at) in times.iter().enumerate() {
        while *at >= times[first] + second {
            first += 1;
        }
        most = most.max(n - first + 1);
    }
    // As the target sees them: what waits in sockets for a busy machine comes in one go.
    assert!(most <= 1_000, "{most} polls in a second");
}

/// Posts to a webhook: what it was answered.
fn post(to: &str, body: &str) -> u16 {
    let Ok(mut stream) = TcpStream::connect(to) else { return 0 };
    let head =
        format!("POST /done HTTP/1.1\r\nHost: {to}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Of four one is over before its start is answered, one is told twice, one is in a state that nobody knows, and one is
/// never told.
#[test]
fn what_is_posted_ends_what_was_started_also_before_we_know_what_that_is_called() {
    let (place, all) = (port::place(), Arc::new(Executions::default()));
    let (to, posted) = (place.clone(), Arc::new(Mutex::new(Vec::new())));
    let answers = posted.clone();
    let server = Server::new(move |_: &Request<'_>| {
        let n = all.start();
        let (to, posted) = (to.clone(), posted.clone());
        let tell = move |state: &str| {
            let status = post(&to, &json!({ "execution": { "id": format!("e-{n}") }, "state": state }).to_string());
            posted.lock().expect("no panic").push(status);
        };
        match n % 4 {
            0 => tell("COMPLETED"),
            1 => drop(thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                ["RUNNING", "COMPLETED", "COMPLETED"].into_iter().for_each(tell);
            })),
            2 => drop(thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                tell("EXPLODED");
            })),
            _ => {}
        }
        Answer::Whole(202, "", json!({ "id": format!("e-{n}") }).to_string().into())
    });
    let slo = "  - expect: errors(executions) == 0\n  - expect: p50(executions, ok) < 5s";
    let yaml = scenario(&server.url(), "every: 1s", "deadline: 2s", &hold("40/s", "2s"), slo);
    let poll = yaml.lines().find(|line| line.contains("follow:")).expect("it is followed");
    let webhook = format!(
        "      follow: {{ webhook: {{ listen: '{place}', path: /done, id: $.execution.id, state: $.state }} }}"
    );
    let scene = Scene::new(&yaml.replace(poll, &webhook));
    let _turn = Turn::take();
    let going = scene.start(&[]);
    scene.wait_for_load(1);
    // Of what nobody started, and what nobody can read.
    assert_eq!([post(&place, r#"{"execution":{"id":"x-1"},"state":"COMPLETED"}"#), post(&place, "what?")], [204, 400]);
    let ran = going.wait();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    let words = ["ok", "invalid", "unfinished"];
    assert_eq!(words.map(|word| outcome(&verdict, word)), [40, 20, 20], "{ran:?}");
    let followed = &verdict["traffic"]["executions"]["followed"];
    let counts =
        ["polls", "early", "again", "strange", "unreadable"].map(|count| followed[count].as_u64().unwrap_or(0));
    assert_eq!(counts, [0, 20, 20, 1, 1], "{followed}");
    assert!(answers.lock().expect("no panic").iter().all(|status| *status == 204));
    // What is told to the instant leaves nothing undecided.
    assert_eq!(finding(&verdict, "p50(executions, ok) < 5s")["verdict"], "PASS", "{ran:?}");
    assert!(verdict["traffic"]["executions"]["clocks"]["gap"].is_null(), "{verdict}");
}
