//! Runs that are held against others: taken, refused, and judged again when the other is gone.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::scene::{Ended, Going, PROGRAM, Scene, Turn, hold, scenario, verdict};
use crate::server::{Server, quote, status};

fn run(scene: &Scene, more: &[&str]) -> Ended {
    let _turn = Turn::take();
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg(scene.file()).arg("--quiet").arg("--out").arg(scene.out()).args(more);
    Going::start(command, &scene.path("")).wait()
}

fn promise(findings: &Value) -> (String, String) {
    let finding = &findings["findings"][1];
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("why"))
}

#[test]
fn a_run_is_held_against_another_also_when_that_is_gone() {
    let server = Server::new(|_| quote());
    let slo = "  - expect: errors(q) < 5%\n  - expect: errors(q) <= baseline + 5%\n";
    let scene = Scene::new(&scenario(&server.url(), &hold("50/s", "13s"), slo));

    // The first has nothing to be held against, and says so.
    let ended = run(&scene, &[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let first = scene.evidence();
    assert_eq!(promise(&verdict(&first)).0, "INCONCLUSIVE");
    assert!(promise(&verdict(&first)).1.contains("no baseline"), "{:?}", promise(&verdict(&first)));

    // The second is held against it, by the folder of reports.
    let out = scene.out().display().to_string();
    let ended = run(&scene, &["--baseline", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let second = scene.runs().pop().expect("a run");
    let written = verdict(&second);
    assert_eq!(promise(&written).0, "PASS", "{written}");
    assert_eq!(written["baseline"]["run"], first.file_name().expect("a name").to_string_lossy().as_ref());

    // Nothing but the run's own folder decides it again.
    let before = fs::read(second.join("verdict.json")).expect("readable");
    fs::remove_dir_all(&first).expect("ours");
    let judged = scene.ask(&["judge", second.to_str().expect("text")]);
    assert_eq!(judged.code, Some(0), "{judged:?}");
    assert_eq!(fs::read(second.join("verdict.json")).expect("readable"), before);

    // What is no fair one is refused before anything is sent, and taken when told.
    let sent = server.connections();
    let at = second.display().to_string();
    let refused = run(&scene, &["--baseline", &at, "--set", "seed=9"]);
    assert_eq!((refused.code, server.connections()), (Some(2), sent), "{refused:?}");
    for said in ["is no baseline for", "seeds: 1 and 9", "--unfair", "nothing was sent"] {
        assert!(refused.err.contains(said), "{said}: {refused:?}");
    }
    let scaled = run(&scene, &["--baseline", &at, "--time-scale", "2", "--unfair"]);
    assert_eq!(scaled.code, Some(2), "{scaled:?}");
    assert!(scaled.err.contains("never a baseline"), "{scaled:?}");
    let history = scene.ask(&["history", &out, "--format", "json"]);
    let history: Value = serde_json::from_str(&history.out).expect("JSON");
    assert_eq!(history["histories"][0]["runs"][0][1], "PASS", "{history}");
}

#[test]
fn what_cannot_be_a_baseline_is_refused() {
    let bad = Server::new(|_| status(500));
    let slo = "  - expect: errors(q) < 5%\n  - expect: errors(q) <= baseline + 5%\n";
    let scene = Scene::new(&scenario(&bad.url(), &hold("100/s", "1s"), slo));
    assert_eq!(run(&scene, &[]).code, Some(1));
    let at = scene.evidence().display().to_string();
    let refused = run(&scene, &["--baseline", &at]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("it is FAIL, not PASS"), "{refused:?}");
    let lost = run(&scene, &["--baseline", &scene.path("nowhere").display().to_string()]);
    assert!(lost.code == Some(2) && lost.err.contains("neither the folder of a run"), "{lost:?}");
    let needless = run(&scene, &["--baseline", &at, "--set", "slo.1.expect=errors(q) < 9%"]);
    assert!(needless.code == Some(2) && needless.err.contains("nothing here is promised relative"), "{needless:?}");
}

#[test]
fn a_plan_beyond_the_time_budget_is_refused_and_a_run_beyond_it_is_ended() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "3s"), "  - expect: errors(q) < 5%\n"));
    let refused = run(&scene, &["--time-budget", "2s"]);
    assert_eq!((refused.code, server.connections()), (Some(2), 0), "{refused:?}");
    assert!(refused.err.contains("takes 3s, and --time-budget is 2s"), "{refused:?}");
    // Its preparations take some of it.
    let ended = run(&scene, &["--time-budget", "3s"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let reasons = verdict(&scene.evidence())["reasons"].to_string();
    assert!(reasons.contains("the time budget is used up"), "{reasons}");
}

#[test]
fn both_run_in_alternation_and_are_compared() {
    let (base, candidate) = (Server::new(|_| quote()), Server::new(|_| status(500)));
    let slo = "  - expect: errors(q) < 5%\n    severity: warning\n  - expect: rate(q) >= 0/s\n";
    let scene = Scene::new(&scenario("http://127.0.0.1:9", &hold("40/s", "12s"), slo));
    let (file, out) = (scene.file().display().to_string(), scene.out().display().to_string());
    let of = |a: &str, b: &str| {
        let _turn = Turn::take();
        let set = "traffic.q.load.0.hold.for=12s";
        let page = scene.path("compared.html").display().to_string();
        let to = ["--scenario", &file, "--out", &out, "--html", &page];
        scene.ask(&[&["compare", a, b, "--interleave", "1", "--set", set][..], &to[..]].concat())
    };
    let ended = of(&base.url(), &candidate.url());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("worse") && ended.out.contains("errors(q)"), "{ended:?}");
    assert!(ended.err.contains("pair 1 of 1, base: PASS"), "{ended:?}");
    assert_eq!(scene.runs().len(), 2);
    let page = fs::read_to_string(scene.path("compared.html")).expect("a page");
    assert!(page.contains(">WORSE</p>") && page.contains(&base.url()), "{page}");
    let alone = scene.ask(&["compare", "a", "b", "--interleave", "2"]);
    assert!(alone.code == Some(2) && alone.err.contains("--scenario"), "{alone:?}");
}
