//! Runs that end before their time: told to, killed, or out of disk. Evidence stays, nothing is left running, and
//! nothing passes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::gates::LONG;
use crate::scene::{Ended, Going, PROGRAM, Scene, Turn, children, ends, finding, hold, kill, outcome, scenario};
use crate::server::{Server, quote, status};

/// The practice target, with a quoter that hangs from the first second to the end.
fn broken_for_long() -> String {
    scenario(
        "{ sim: quote-service, timeout: 5s, with: { ttl: 100ms } }",
        &hold("60/s", "40s"),
        "  - expect: p95(q) < 4s\n  - expect: errors(q) < 50%\n",
    ) + "upstreams: { jupiter: { like: jupiter, latency: 5ms } }
faults: { hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 500ms, for: 30s } }
observe: { jobs: { quote-service: { metrics: /metrics, every: 500ms } } }
"
}

#[test]
fn a_run_that_is_told_to_end_judges_what_there_is_and_leaves_nothing_running() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let _turn = Turn::take();
        let scene = Scene::new(&broken_for_long());
        let run = scene.start(&[]);
        scene.wait_for_load(2);
        let children = children(run.pid());
        assert_eq!(children.len(), 2, "a stage and a practice target: {children:?}");
        run.signal(signal);
        let ran = run.wait();
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(children.iter().all(|(pid, _)| ends(*pid)), "{children:?} are left");
        let verdict = scene.verdict();
        assert_eq!((&verdict["verdict"], &verdict["exit_code"]), (&Value::from("INVALID"), &Value::from(code)));
        let shots = verdict["traffic"]["q"]["shots"].as_u64().expect("a number");
        let taken = verdict["traffic"]["q"]["taken_up"].as_u64().expect("a number");
        assert!((60..2_400).contains(&taken), "{verdict}");
        assert_eq!(shots, taken, "what was taken up is judged: {verdict}");
        assert!(!verdict["faults"][0]["cleared"].is_null(), "the fault was undone: {verdict}");
        assert_eq!(scene.ask(&["judge", scene.evidence().to_str().expect("text")]).code, Some(code));
        assert!(ran.out.contains("at ") && !ran.out.contains("PASS  "), "{ran:?}");
    }
}

#[test]
fn a_run_that_is_told_to_end_still_fails_for_a_broken_promise() {
    let _turn = Turn::take();
    let server = Server::new(|_| status(500));
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "30s"), "  - expect: errors(q) < 5%\n"));
    let run = scene.start(&[]);
    scene.wait_for_load(2);
    run.signal(Signal::INT);
    let ran = run.wait();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(finding(&scene.verdict(), "errors(q) < 5%")["verdict"], "FAIL");
}

#[test]
fn a_run_that_is_told_to_end_before_its_load_has_not_started() {
    let _turn = Turn::take();
    let server = Server::new(|_| status(503));
    let target = format!("{{ url: {}, ready: {{ get: /ready, within: 50s }} }}", server.url());
    let scene = Scene::new(&scenario(&target, &hold("100/s", "1s"), "  - expect: errors(q) < 5%\n"));
    let run = scene.start(&[]);
    for _ in 0..500 {
        if server.connections() > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::INT);
    let ran = run.wait();
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("before the load"), "{ran:?}");
}

#[test]
fn a_run_that_goes_on_is_neither_healed_nor_judged() {
    let _turn = Turn::take();
    let scene = Scene::new(&broken_for_long());
    let run = scene.start(&[]);
    scene.wait_for_load(2);
    let evidence = scene.evidence();
    for verb in ["heal", "judge"] {
        let asked = scene.ask(&[verb, evidence.to_str().expect("text")]);
        assert_eq!((asked.code, asked.err.contains("the run goes on")), (Some(2), true), "{verb}: {asked:?}");
    }
    assert!(!evidence.join("verdict.json").exists());
    run.signal(Signal::INT);
    assert_eq!(run.wait().code, Some(130));
    let judged = scene.ask(&["judge", evidence.to_str().expect("text")]);
    assert_eq!(judged.code, Some(130), "{judged:?}");
}

#[test]
fn a_run_that_is_killed_can_be_judged_to_its_last_second_and_harms_nobody() {
    let _turn = Turn::take();
    let scene = Scene::new(&broken_for_long());
    let run = scene.start(&[]);
    scene.wait_for_load(3);
    let children = children(run.pid());
    let of = |verb: &str| children.iter().find(|(_, line)| line.contains(verb)).expect("a child").clone();
    let ((sim, with), (stage, _)) = (of(" sim "), of(" stage "));
    run.signal(Signal::KILL);
    let ran = run.wait();
    assert_eq!(ran.code, None);
    let upstream = with.split_whitespace().find_map(|word| word.strip_prefix("jupiter=http://")).expect("an upstream");
    assert!(ends(sim), "the practice target goes with its run");
    let answered = ask_for_a_quote(upstream);
    kill(stage, Signal::TERM);
    assert!(ends(stage), "the stage can be told to end");
    assert!(answered.starts_with("HTTP/1.1 200"), "the stage lets go of the fault and answers: {answered:?}");

    let evidence = scene.evidence();
    let judged = scene.ask(&["judge", evidence.to_str().expect("text")]);
    assert!(matches!(judged.code, Some(3 | 4)), "never PASS, and nothing was broken: {judged:?}");
    let verdict = scene.verdict();
    assert!(verdict["reasons"].to_string().contains("died"), "{verdict}");
    assert!(verdict["traffic"]["q"]["shots"].as_u64().expect("a number") >= 100, "{verdict}");
    let up = scene.ask(&["query", evidence.to_str().expect("text"), "up"]);
    assert_eq!((up.code, up.out.trim_end().ends_with('1')), (Some(0), true), "samples are kept as well: {up:?}");
}

/// Asks a stub quoter, until it no longer hangs.
fn ask_for_a_quote(address: &str) -> String {
    for _ in 0..50 {
        let Ok(mut stream) = TcpStream::connect(address) else { return "nobody listens".into() };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let pair = "inputMint=So11111111111111111111111111111111111111112&outputMint=\
EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v&amount=1000000";
        let request = format!("GET /v6/quote?{pair} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(request.as_bytes());
        let mut reply = [0; 200];
        match stream.read(&mut reply) {
            Ok(n) if n > 0 => return String::from_utf8_lossy(&reply[..n]).into_owned(),
            _ => {}
        }
    }
    "it hangs".into()
}

/// A run whose evidence grows quickly, over a healthy target with a large page of metrics.
fn talkative(server: &Server) -> String {
    scenario(&server.url(), &hold("100/s", "5s"), "  - expect: errors(q) < 5%\n")
        + "observe: { jobs: { big: { metrics: /metrics, every: 200ms } } }\n"
}

/// 2 000 series whose values nobody can foresee.
fn metrics(nth: usize) -> Vec<u8> {
    let value = |i: usize| (nth * 7_919 + i * 104_729) as f64 * 1.000_001 % 9_973.0;
    let line = |i: usize| format!("noise{{i=\"{i}\"}} {}\n", value(i));
    (0..2_000).map(line).collect::<String>().into_bytes()
}

fn big_server() -> Server {
    Server::new(|r| match r.head.starts_with("GET /metrics ") {
        true => crate::server::Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", metrics(r.nth)),
        false => quote(),
    })
}

#[test]
fn bug_a_file_size_limit_killed_the_run_instead_of_cutting_it_short() {
    let _turn = Turn::take();
    let server = big_server();
    let scene = Scene::new(&talkative(&server));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 120; exec \"$@\"", "sh", PROGRAM, "run"]);
    command.arg(scene.file()).arg("--out").arg(scene.out());
    let ran = Going::start(command, &scene.path("")).wait();
    assert_eq!(ran.code, Some(4), "cut short, not killed: {ran:?}");
    let said = ran.out.clone() + &ran.err;
    assert!(said.contains("could not be written"), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(verdict["verdict"], "INVALID");
    assert!(outcome(&verdict, "ok") > 0, "what was measured is kept: {verdict}");
}

/// Runs a scene on a disk of 300 KB that only this command sees, beside a command on it; what it holds in the end is
/// copied out. `None` where this machine lets us mount nothing.
fn on_a_small_disk(scene: &Scene, beside: &str) -> Option<Ended> {
    let script = format!(
        "mount -t tmpfs -o size=300k none \"$1\" || exit 99
{beside}
\"$2\" run \"$3\" --out \"$1\"; code=$?
cp -r \"$1\" \"$4\"; exit $code"
    );
    let disk = scene.path("disk");
    fs::create_dir(&disk).expect("made");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"]);
    command.arg(&disk).arg(PROGRAM).arg(scene.file()).arg(scene.out());
    let ran = Going::start(command, &scene.path("")).wait();
    if matches!(ran.code, Some(99 | 1)) && scene.runs().is_empty() {
        let _ = writeln!(std::io::stderr(), "skipped: this machine lets us mount nothing: {}", ran.err);
        return None;
    }
    Some(ran)
}

/// Cut short for want of space: what was measured is kept, and it says how it ended.
fn is_cut_short(scene: &Scene, ran: &Ended) {
    assert_eq!(ran.code, Some(4), "a full disk is a cut-short run: {ran:?}");
    let said = ran.out.clone() + &ran.err;
    assert!(said.contains("could not be written") && said.contains("No space left"), "{ran:?}");
    let manifest = fs::read(scene.evidence().join("manifest.json")).expect("readable");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let how = manifest["end"]["how"]["cut_short"].as_str().unwrap_or_default();
    assert!(how.contains("No space left"), "there was room to say how it ended: {manifest}");
    assert!(fs::metadata(scene.evidence().join("latency.hlog")).expect("there").len() > 0, "what was measured is kept");
    let judged = scene.ask(&["judge", scene.evidence().to_str().expect("text")]);
    assert_eq!(judged.code, Some(4), "never PASS: {judged:?}");
    let reasons = scene.verdict()["reasons"].to_string();
    assert!(reasons.contains("cut short") && !reasons.contains("died"), "{reasons}");
}

#[test]
fn bug_a_full_disk_at_the_end_was_a_run_that_could_not_start() {
    let _turn = Turn::take();
    let server = big_server();
    let scene = Scene::new(&talkative(&server));
    if let Some(ran) = on_a_small_disk(&scene, "") {
        is_cut_short(&scene, &ran);
    }
}

#[test]
fn bug_a_disk_that_others_filled_to_the_last_byte_was_a_run_that_died() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    // What cannot be kept is not sent: it ends long before its load would.
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", LONG), "  - expect: errors(q) < 5%\n"));
    let filler = "(until cat \"$1\"/*/*/*/latency.hlog 2>/dev/null | grep -q Tag; do sleep 0.1; done
cat /dev/zero > \"$1/filler\") 2>/dev/null &";
    if let Some(ran) = on_a_small_disk(&scene, filler) {
        is_cut_short(&scene, &ran);
    }
}
