//! Faults on links, from the scenario to the verdict: on the way to a stub, on the way to the target, and on a
//! toxiproxy server that stands already.

use std::time::Duration;

use proofload::evidence::undo;
use rustix::process::Signal;
use serde_json::json;

use crate::port;
use crate::scene::{Scene, Turn, ends, finding, hold, kill, scenario};
use crate::server::{Server, quote};
use crate::stand::Stand;

/// The practice target asks its quoter through one link, and traffic reaches it through another.
#[test]
fn links_lead_to_quoters_and_to_the_target_and_break_as_planned() {
    let target = "{ sim: quote-service, timeout: 3s, connections: 8, with: { external: miss, ttl: 1ms, fallback: false, stale_if_error: off, rate.jupiter: none } }";
    let slo = "  - expect: errors(q) < 5%
    outside: faults
    steady: true
  - expect: errors(q) > 50%
    during: quoters-gone
  - expect: p50(q) < 400ms
    during: far-away
";
    let yaml = scenario(target, &hold("40/s", "8s"), slo)
        + "upstreams: { jupiter: { like: jupiter, calls: 1 } }
links:
  to-jupiter: { to: upstream/jupiter }
  front: { to: target }
faults:
  quoters-gone: { on: link/to-jupiter, inject: { reset_peer: {} }, at: 2s, for: 1s }
  far-away: { on: link/front, inject: { latency: { latency: 600ms, jitter: 10ms } }, at: 5s, for: 1s }
";
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{ran:?} {verdict}");
    assert_eq!(finding(&verdict, "errors(q) > 50%")["verdict"], "PASS", "{verdict}");
    assert_eq!(finding(&verdict, "p50(q) < 400ms")["verdict"], "FAIL", "what the link adds is what the client sees");
    for fault in verdict["faults"].as_array().expect("faults") {
        assert!(fault["injected"].as_u64() > Some(0) && fault["trouble"].is_null(), "{fault}");
        assert!(fault["eligible"].as_u64() >= fault["injected"].as_u64(), "{fault}");
    }
}

#[test]
fn a_link_that_nobody_uses_makes_the_run_invalid() {
    let yaml = scenario("sim:quote-service", &hold("50/s", "3s"), "  - expect: errors(q) < 50%\n")
        + "links: { db: { to: '127.0.0.1:9' } }
faults: { late: { on: link/db, inject: { latency: 5ms }, at: 500ms, for: 2s } }
";
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(scene.verdict()["reasons"].to_string().contains("late"), "{}", scene.verdict());
}

/// A scenario that breaks the proxy `target` of a toxiproxy server, by which its traffic reaches a server; the length of
/// the fault and of the load.
fn through_toxiproxy(stand: &Stand, server: &Server, fault: &str, load: &str) -> String {
    let to = server.url().trim_start_matches("http://").to_owned();
    let free = port::place();
    let proxy = json!({ "name": "target", "listen": free, "upstream": to });
    assert_eq!(stand.ask("POST", "/proxies", &proxy.to_string()).0, 201);
    let target = format!("{{ url: 'http://{free}', timeout: 2s, connections: 4 }}");
    scenario(
        &target,
        &hold("40/s", load),
        "  - expect: errors(q) < 99%\n  - { expect: p50(q) < 300ms, during: late }\n",
    ) + &format!(
        "links: {{ way: {{ toxiproxy: 'http://{}', proxy: target }} }}
faults: {{ late: {{ on: link/way, inject: {{ latency: 500ms }}, at: 1s, for: {fault} }} }}
",
        stand.api
    )
}

#[test]
fn a_toxiproxy_server_that_stands_is_driven_and_left_as_it_was() {
    let stand = Stand::start(&[]);
    let server = Server::new(|_| quote());
    let scene = Scene::new(&through_toxiproxy(&stand, &server, "1500ms", "4s"));
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{ran:?} {verdict}");
    assert_eq!(finding(&verdict, "p50(q) < 300ms")["verdict"], "FAIL", "its toxic is what the client sees");
    assert_eq!(verdict["faults"][0]["injected"], 1, "known by the server's own counters: {verdict}");
    let (_, left) = stand.ask("GET", "/proxies/target", "");
    assert_eq!((&left["toxics"], &left["enabled"]), (&json!([]), &json!(true)));
}

#[test]
fn a_run_that_is_killed_leaves_nothing_on_a_toxiproxy_server() {
    let _turn = Turn::take();
    let stand = Stand::start(&[]);
    let server = Server::new(|_| quote());
    let scene = Scene::new(&through_toxiproxy(&stand, &server, "60s", "70s"));
    let toxics = |stand: &Stand| stand.ask("GET", "/proxies/target/toxics", "").1.as_array().map(Vec::len);
    let run = scene.start(&[]);
    let wait = |wanted: usize| {
        (0..2000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            toxics(&stand) == Some(wanted)
        })
    };
    assert!(wait(1), "applied");
    let children = crate::scene::children(run.pid());
    kill(run.pid(), Signal::KILL);
    assert!(wait(0), "undone");
    run.wait();
    for (pid, _) in children {
        kill(pid, Signal::TERM);
        assert!(ends(pid), "it goes when told");
    }
}

/// The stage of a run, as soon as it stands.
fn stage_of(run: u32) -> u32 {
    let found = crate::scene::children(run).into_iter().find(|(_, line)| line.contains("stage --lease"));
    found.expect("a stage").0
}

/// Waits until a proxy has so many toxics.
fn comes_to(stand: &Stand, wanted: usize) -> bool {
    (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        stand.ask("GET", "/proxies/target/toxics", "").1.as_array().map(Vec::len) == Some(wanted)
    })
}

#[test]
fn a_stage_that_is_killed_leaves_nothing_on_a_toxiproxy_server() {
    let _turn = Turn::take();
    let stand = Stand::start(&[]);
    let server = Server::new(|_| quote());
    let scene = Scene::new(&through_toxiproxy(&stand, &server, "60s", "70s"));
    let run = scene.start(&[]);
    assert!(comes_to(&stand, 1), "applied");
    let record = undo::read(&scene.evidence().join(undo::FILE)).expect("readable");
    assert_eq!(record.left.len(), 1, "how to undo it is on the disk: {record:?}");
    kill(stage_of(run.pid()), Signal::KILL);
    assert!(comes_to(&stand, 0), "undone by the run");
    let ran = run.wait();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let record = undo::read(&scene.evidence().join(undo::FILE)).expect("readable");
    assert!(record.left.is_empty() && record.done.iter().any(|(_, by, _)| by == "run"), "{record:?}");
}

#[test]
fn what_a_run_and_its_stage_leave_on_a_toxiproxy_server_is_healed() {
    let _turn = Turn::take();
    let stand = Stand::start(&[]);
    let server = Server::new(|_| quote());
    let scene = Scene::new(&through_toxiproxy(&stand, &server, "60s", "70s"));
    let run = scene.start(&[]);
    assert!(comes_to(&stand, 1), "applied");
    // One that is stopped cannot act when the run is gone.
    let stage = stage_of(run.pid());
    kill(stage, Signal::STOP);
    kill(run.pid(), Signal::KILL);
    kill(stage, Signal::KILL);
    run.wait();
    assert!(ends(stage) && comes_to(&stand, 1), "nobody was left to undo it");
    let healed = scene.ask(&["heal", scene.evidence().to_str().expect("text")]);
    assert_eq!(healed.code, Some(0), "{healed:?}");
    assert!(healed.out.contains("the proxy target at") && comes_to(&stand, 0), "{healed:?}");
}
