//! Faults on processes and by hooks, from the scenario to the verdict: they have their effect, windows and recovery are
//! measured, and they are undone however the run ends.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proofload::base::process::State;
use proofload::evidence::undo;
use rustix::process::Signal;
use serde_json::Value;

use crate::certificates::Authority;
use crate::scene::{Ended, Going, PROGRAM, Scene, Turn, children, finding, hold, kill, scenario};
use crate::server::{Server, quote, status};
use crate::things::{Container, Engine, Flag, Idle, Marked, soon};

/// Quotes to a server that always answers, and something that breaks beside it.
fn beside(server: &Server, length: &str, rest: &str) -> String {
    scenario(&server.url(), &hold("50/s", length), "  - expect: errors(q) < 5%\n") + rest
}

fn fault(verdict: &Value) -> &Value {
    &verdict["faults"][0]
}

fn left(scene: &Scene) -> usize {
    undo::read(&scene.evidence().join(undo::FILE)).expect("readable").left.len()
}

fn run(scene: &Scene, word: &Marked, more: &[&str]) -> Going {
    let mut command = scene.command(more);
    word.put(&mut command);
    Going::start(command, &scene.path(""))
}

#[test]
fn a_process_is_paused_and_goes_on() {
    let _turn = Turn::take();
    let (server, idle, word) = (Server::new(|_| quote()), Idle::start(), Marked::new());
    let pid = idle.pid().to_string();
    let faults =
        format!("faults: {{ stops: {{ on: process/{pid}, inject: {{ pause: {{}} }}, at: 500ms, for: 1s }} }}\n");
    let scene = Scene::new(&beside(&server, "3s", &faults));

    let refused = scene.ask(&["check", scene.file().to_str().expect("text")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains(&format!("--allow-pid {pid}")) && refused.err.contains("scene.yaml:"), "{refused:?}");
    assert_eq!(server.connections(), 0);

    let run = run(&scene, &word, &["--allow-pid", &pid]);
    assert!(soon(|| idle.state() == State::Stopped));
    let ran = run.wait();
    assert_eq!((ran.code, idle.state(), left(&scene)), (Some(0), State::Running, 0), "{ran:?}");
    let verdict = scene.verdict();
    let touched = fault(&verdict)["injected"].as_u64().expect("a number");
    assert!((40..=62).contains(&touched), "every shot of that second: {verdict}");
    assert!(soon(|| word.running("").is_empty()), "{:?} is left", word.running(""));
}

#[test]
fn a_target_that_is_paused_or_killed_recovers() {
    let slo = "  - expect: errors(q) < 1%
    outside: faults
    steady: true
  - expect: errors(q) > 20%
    during: breaks
  - expect: recovery(q) < 4s
    after: breaks
    stable: 1600ms
";
    let target = "{ sim: quote-service, timeout: 300ms }";
    for inject in ["pause: {}", "kill: { signal: KILL }"] {
        let yaml = scenario(target, &hold("200/s", "9s"), slo)
            + &format!("faults: {{ breaks: {{ on: process/target, inject: {{ {inject} }}, at: 2s, for: 1s }} }}\n");
        let scene = Scene::new(&yaml);
        let ran = scene.run(&[]);
        let verdict = scene.verdict();
        assert_eq!(ran.code, Some(0), "{inject}: {ran:?} {verdict}");
        assert_eq!(finding(&verdict, "recovery(q) < 4s")["verdict"], "PASS", "{verdict}");
        assert!(fault(&verdict)["injected"].as_u64() > Some(100), "{verdict}");
        assert_eq!(left(&scene), 0);
    }
}

#[test]
fn processes_are_started_broken_and_ended() {
    let _turn = Turn::take();
    let (server, word) = (Server::new(|_| quote()), Marked::new());
    let rest = "processes:
  worker: { command: [sh, -c, 'echo $PROOFLOAD_UPSTREAM_JUPITER-$MODE > said; exec sleep 8001'], env: { MODE: load } }
  other: { command: [sleep, '8002'] }
upstreams: { jupiter: { like: jupiter, listen: '127.0.0.1:0' } }
faults:
  ends: { on: process/worker, inject: { kill: { signal: TERM } }, at: 500ms, for: 500ms }
  stops: { on: process/other, inject: { pause: {} }, at: 500ms, for: 1s }
";
    let scene = Scene::new(&beside(&server, "4s", rest));
    let refused = scene.ask(&["check", scene.file().to_str().expect("text")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(refused.err.matches("--allow-exec").count(), 2, "one for each: {refused:?}");
    let run = run(&scene, &word, &["--allow-exec"]);
    assert!(soon(|| word.running("8001").len() == 1));
    let first = word.running("8001");
    assert!(soon(|| !word.running("8001").is_empty() && word.running("8001") != first), "started again");
    let ran = run.wait();
    assert_eq!((ran.code, left(&scene)), (Some(0), 0), "{ran:?}");
    let said = fs::read_to_string(scene.path("scenes/said")).expect("in the scenario's folder");
    assert!(said.starts_with("http://127.0.0.1:") && said.trim().ends_with("-load"), "{said}");
    assert!(soon(|| word.running("").is_empty()), "{:?} are left", word.running(""));
}

#[test]
fn a_process_that_does_not_start_is_no_run() {
    let (server, word) = (Server::new(|_| quote()), Marked::new());
    let rest = "processes:
  good: { command: [sleep, '8003'] }
  bad: { command: [sh, -c, 'echo what is wrong >&2; exit 9'] }
";
    let scene = Scene::new(&beside(&server, "4s", rest));
    let ran = run(&scene, &word, &["--allow-exec"]).wait();
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("bad") && ran.err.contains("what is wrong"), "{ran:?}");
    assert_eq!(left(&scene), 0);
    assert!(soon(|| word.running("").is_empty()), "{:?} are left", word.running(""));
}

#[test]
fn hooks_break_and_mend_and_are_asked_whether_they_did() {
    let _turn = Turn::take();
    let (server, flag) = (Server::new(|_| quote()), Flag::new());
    let rest = format!(
        "hooks: {{ off: {} }}\nfaults: {{ off: {{ on: hook/off, inject: {{ hook: {{}} }}, at: 500ms, for: 1s }} }}\n",
        flag.hook()
    );
    let scene = Scene::new(&beside(&server, "3s", &rest));
    let ran = scene.start(&[]).wait();
    assert_eq!((ran.code, left(&scene), flag.is_on()), (Some(0), 0, false), "{ran:?}");
    let asked: Vec<String> =
        flag.server.heads().iter().filter_map(|h| h.split(" HTTP").next().map(Into::into)).collect();
    let calls: Vec<&str> = asked.iter().map(String::as_str).collect();
    // Before the load, before it is applied, after that, and after it is undone.
    assert_eq!(calls, ["GET /", "GET /", "POST /on", "GET /", "POST /off", "GET /"]);
    assert!(fault(&scene.verdict())["injected"].as_u64() > Some(30), "{}", scene.verdict());
}

#[test]
fn containers_are_broken_through_the_engine() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let rest = "faults:
  freezes: { on: docker/frozen, inject: { docker: { action: pause } }, at: 500ms, for: 1s }
  dies: { on: docker/dead, inject: { docker: { action: kill } }, at: 500ms, for: 1s }
  again: { on: docker/again, inject: { docker: { action: restart } }, at: 500ms, for: 1s }
";
    let scene = Scene::new(&beside(&server, "3s", rest));
    let engine = Engine::new(&scene.path(""), &["frozen", "dead", "again"]);
    let refused = scene.ask(&["check", scene.file().to_str().expect("text")]);
    assert_eq!((refused.code, refused.err.matches("--allow-exec").count()), (Some(2), 3), "{refused:?}");
    let start = |host: &str| {
        let mut command = scene.command(&["--allow-exec"]);
        command.env("DOCKER_HOST", host);
        Going::start(command, &scene.path("")).wait()
    };
    let nobody = start("unix:///no/such/socket");
    assert_eq!(nobody.code, Some(5), "{nobody:?}");
    assert!(nobody.err.contains("/no/such/socket") && nobody.err.contains("freezes"), "{nobody:?}");
    let ran = start(&engine.host());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let whole = |told| Container { running: true, paused: false, told };
    assert_eq!(["frozen", "dead", "again"].map(|n| engine.container(n)), [whole(2), whole(2), whole(1)]);
}

/// A pause of a foreign process in the middle of a long run, and the run once it is there.
fn paused(length: &str) -> (Scene, Going, Idle, Server) {
    let (server, idle) = (Server::new(|_| quote()), Idle::start());
    let pid = idle.pid().to_string();
    let faults =
        format!("faults: {{ stops: {{ on: process/{pid}, inject: {{ pause: {{}} }}, at: 300ms, for: {length} }} }}\n");
    let scene = Scene::new(&beside(&server, "40s", &faults));
    let run = scene.start(&["--allow-pid", &pid]);
    assert!(soon(|| idle.state() == State::Stopped));
    // Until the run has seen it too.
    std::thread::sleep(std::time::Duration::from_millis(300));
    (scene, run, idle, server)
}

/// A scenario that is named without a folder lies in the one that we are in, and so do its programs.
#[test]
fn programs_start_wherever_the_scenario_is_named_from() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let rest = "processes: { idle: { command: [sh, -c, 'exec sleep 30'] } }
faults: { breaks: { on: process/idle, inject: { pause: {} }, at: 500ms, for: 1s } }
";
    let scene = Scene::new(&beside(&server, "3s", rest));
    let file = scene.file();
    let mut command = Command::new(PROGRAM);
    command.current_dir(file.parent().expect("a folder")).args(["run", "scene.yaml", "--allow-exec", "--out"]);
    command.arg(scene.out());
    let ran = Going::start(command, &scene.path("")).wait();
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// Both whose it is to undo what was broken are gone: whoever reads what is left of the run must hear of it.
#[test]
fn what_nobody_has_undone_is_said_when_the_run_is_judged() {
    let _turn = Turn::take();
    let (scene, run, idle, _server) = paused("30s");
    let children = children(run.pid());
    let stage = children.iter().find(|(_, line)| line.contains(" stage ")).expect("a stage");
    kill(stage.0, Signal::STOP);
    run.signal(Signal::KILL);
    run.wait();
    children.iter().for_each(|(pid, _)| kill(*pid, Signal::KILL));
    let evidence = scene.evidence().display().to_string();
    let judged = scene.ask(&["judge", &evidence]);
    assert!(judged.err.contains("stops") && judged.err.contains(&format!("proofload heal {evidence}")), "{judged:?}");
    let healed = scene.ask(&["heal", &evidence]);
    assert_eq!((healed.code, idle.state()), (Some(0), State::Running), "{healed:?}");
    let again = scene.ask(&["judge", &evidence]);
    assert!(!again.err.contains("heal"), "{again:?}");
}

#[test]
fn whatever_ends_a_run_ends_its_faults() {
    let _turn = Turn::take();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let (scene, run, idle, _server) = paused("30s");
        run.signal(signal);
        let ran = run.wait();
        assert_eq!((ran.code, idle.state(), left(&scene)), (Some(code), State::Running, 0), "{ran:?}");
        assert!(!fault(&scene.verdict())["cleared"].is_null(), "{}", scene.verdict());
    }
    // Killed: the stage sees to it.
    let (scene, run, idle, _server) = paused("30s");
    let children = children(run.pid());
    run.signal(Signal::KILL);
    assert!(soon(|| idle.state() == State::Running));
    run.wait();
    assert!(soon(|| left(&scene) == 0));
    children.iter().for_each(|(pid, _)| kill(*pid, Signal::KILL));
}

#[test]
fn a_stage_that_is_killed_or_told_to_go_cuts_the_run_short_and_leaves_nothing_broken() {
    let _turn = Turn::take();
    for signal in [Signal::KILL, Signal::TERM] {
        let (scene, run, idle, _server) = paused("30s");
        let stage = children(run.pid()).into_iter().find(|(_, line)| line.contains(" stage ")).expect("a stage");
        kill(stage.0, signal);
        let ran = run.wait();
        assert_eq!((ran.code, idle.state(), left(&scene)), (Some(4), State::Running, 0), "{ran:?}");
        assert!(scene.verdict()["reasons"].to_string().contains("stage"), "{}", scene.verdict());
    }
}

#[test]
fn what_cannot_be_undone_is_exit_6_with_what_to_type_and_can_be_healed() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let scene = Scene::new("");
    let (file, tool) = (scene.path("broken"), scene.path("tool"));
    let rest = format!(
        "hooks:
  file: {{ apply: {{ exec: [touch, {0}] }}, undo: {{ exec: [sh, {1}] }}, probe: {{ exec: [test, '!', -e, {0}] }}, within: 300ms }}
faults: {{ breaks: {{ on: hook/file, inject: {{ hook: {{}} }}, at: 500ms, for: 1s }} }}
",
        file.display(),
        tool.display()
    );
    fs::write(scene.file(), beside(&server, "3s", &rest)).expect("written");
    let ran = scene.start(&["--allow-exec"]).wait();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let said = ran.out.clone() + &ran.err;
    assert!(
        said.contains("breaks could not be undone") && said.contains(&format!("type: sh {}", tool.display())),
        "{ran:?}"
    );
    assert_eq!((left(&scene), file.exists()), (1, true));

    let heal = |scene: &Scene| -> Ended { scene.ask(&["heal", scene.evidence().to_str().expect("text")]) };
    let still = heal(&scene);
    assert_eq!(still.code, Some(6), "{still:?}");
    assert!(still.err.contains("type: sh"), "{still:?}");
    fs::write(&tool, format!("rm {}", file.display())).expect("written");
    let healed = heal(&scene);
    assert_eq!((healed.code, file.exists(), left(&scene)), (Some(0), false, 0), "{healed:?}");
    let again = heal(&scene);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.out.contains("undone already by the heal") && again.out.contains("nothing is left"), "{again:?}");
    assert_eq!(scene.ask(&["heal", "/no/such/folder"]).code, Some(2));
}

#[test]
fn a_limit_that_cannot_be_set_is_said_before_the_load() {
    let (server, idle) = (Server::new(|_| quote()), Idle::start());
    let pid = idle.pid().to_string();
    let faults = format!(
        "faults:
  slow: {{ on: process/{pid}, inject: {{ cpu: {{ cores: 0.2 }} }}, at: 300ms, for: 1s }}
  small: {{ on: process/{pid}, inject: {{ memory: {{ limit: 64MiB }} }}, at: 300ms, for: 1s }}
"
    );
    let scene = Scene::new(&beside(&server, "3s", &faults));
    let ran = scene.start(&["--allow-pid", &pid]).wait();
    // It is our own child: whichever kind of groups this system has, it is in none of its own.
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("fault `slow`") && ran.err.contains("fault `small`"), "both: {ran:?}");
    assert!(ran.err.contains("control group"), "{ran:?}");
    assert!(server.heads().len() <= 1, "nothing but a look whether it stands");
}

#[test]
fn a_stage_by_hand_is_no_warden() {
    let (server, idle) = (Server::new(|_| quote()), Idle::start());
    let pid = idle.pid().to_string();
    let faults =
        format!("faults: {{ stops: {{ on: process/{pid}, inject: {{ pause: {{}} }}, at: 300ms, for: 1s }} }}\n");
    let scene = Scene::new(&beside(&server, "3s", &faults));
    let ran = scene.start(&["--allow-pid", &pid, "--stage", "127.0.0.1:1"]).wait();
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("leave --stage out"), "{ran:?}");
}

#[test]
fn a_process_that_is_gone_is_no_run() {
    // The number of a process that has ended is nobody's.
    let server = Server::new(|_| quote());
    let mut gone = Command::new("true").spawn().expect("starts");
    gone.wait().expect("ended");
    let pid = gone.id().to_string();
    let faults =
        format!("faults: {{ stops: {{ on: process/{pid}, inject: {{ pause: {{}} }}, at: 300ms, for: 1s }} }}\n");
    let scene = Scene::new(&beside(&server, "3s", &faults));
    let ran = scene.start(&["--allow-pid", &pid]).wait();
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("stops") && ran.err.contains(&pid), "{ran:?}");
}

/// Each time by itself: it is stopped and goes on as often as the scenario says, and every time is on record.
#[test]
fn a_process_is_paused_again_and_again() {
    let _turn = Turn::take();
    let (server, idle, word) = (Server::new(|_| quote()), Idle::start(), Marked::new());
    let pid = idle.pid().to_string();
    let faults = format!(
        "faults: {{ stops: {{ on: process/{pid}, inject: {{ pause: {{}} }}, at: 500ms, for: 400ms, repeat: {{ every: 1s, times: 3 }} }} }}\n"
    );
    let scene = Scene::new(&beside(&server, "4s", &faults));
    let run = run(&scene, &word, &["--allow-pid", &pid]);
    for _ in 0..3 {
        assert!(soon(|| idle.state() == State::Stopped) && soon(|| idle.state() == State::Running));
    }
    let ran = run.wait();
    assert_eq!((ran.code, idle.state(), left(&scene)), (Some(0), State::Running, 0), "{ran:?}");
    let verdict = scene.verdict();
    let times = fault(&verdict)["occurrences"].as_array().expect("times");
    let is_whole = |time: &&Value| {
        let told = time["told"].as_array().is_some_and(|told| told.iter().all(Value::is_i64));
        told && time["injected"].as_u64() > Some(5) && !time["effective"].is_null()
    };
    assert_eq!(times.iter().filter(is_whole).count(), 3, "{verdict}");
    let record = undo::read(&scene.evidence().join(undo::FILE)).expect("readable");
    assert_eq!(record.done.len(), 3, "a recipe each time: {record:?}");
    assert!(ran.out.contains("struck ") && ran.out.contains(" shots\n"), "a process strikes shots: {}", ran.out);
}

/// A hook behind TLS, whose certificate is held against what SSL_CERT_FILE names; by nobody's word it is not called.
#[test]
fn a_hook_is_called_within_tls() {
    let _turn = Turn::take();
    let (server, authority) = (Server::new(|_| quote()), Authority::new("somebody"));
    let shown = authority.shows(&authority.server("127.0.0.1", None), false, &["http/1.1"]);
    let broken = Arc::new(AtomicBool::new(false));
    let flag = broken.clone();
    let hook = Server::secure(
        move |request| {
            let path = request.head.split(' ').nth(1).unwrap_or_default().to_owned();
            match path.as_str() {
                "/break" => flag.store(true, Ordering::SeqCst),
                "/mend" => flag.store(false, Ordering::SeqCst),
                _ => {}
            }
            status(if path == "/well" && flag.load(Ordering::SeqCst) { 503 } else { 200 })
        },
        move |_| Some(shown.clone()),
    );
    let call = |path: &str, method: &str| format!("{{ http: {{ url: '{}{path}', method: {method} }} }}", hook.url());
    let rest = format!(
        "hooks: {{ thing: {{ apply: {}, undo: {}, probe: {} }} }}
faults: {{ breaks: {{ on: hook/thing, inject: {{ hook: {{}} }}, at: 500ms, for: 2s }} }}
",
        call("/break", "POST"),
        call("/mend", "POST"),
        call("/well", "GET")
    );
    let scene = Scene::new(&beside(&server, "4s", &rest));
    authority.put(&scene);
    let mut command = scene.command(&[]);
    command.env("SSL_CERT_FILE", scene.path("scenes/ca.pem")).env_remove("SSL_CERT_DIR");
    let ran = Going::start(command, &scene.path("")).wait();
    assert_eq!((ran.code, left(&scene)), (Some(0), 0), "{ran:?}");
    let paths: Vec<String> = hook.heads().iter().filter_map(|h| h.split(' ').nth(1).map(str::to_owned)).collect();
    let called = |path: &str| paths.iter().filter(|called| *called == path).count();
    assert!(called("/break") == 1 && called("/mend") >= 1 && called("/well") >= 2, "{paths:?}");
    assert!(!broken.load(Ordering::SeqCst));

    let stranger = Scene::new(&beside(&server, "4s", &rest));
    let ran = stranger.start(&[]).wait();
    assert!(ran.code == Some(5) && ran.err.contains("finds it broken already"), "{ran:?}");
}
