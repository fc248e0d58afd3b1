//! A real upstream behind the stage: requests passed on within TLS, and faults in front of it.

use std::collections::BTreeSet;

use proofload::evidence::touches::{self, Decision, Effect};

use crate::certificates::Authority;
use crate::scene::{Going, Scene, Turn, hold, scenario, verdict};
use crate::server::{Answer, Server};

fn scene(forward: &str) -> Scene {
    Scene::new(&scene_text(forward))
}

fn scene_text(forward: &str) -> String {
    // Every request asks the upstream anew.
    let target = "{ sim: quote-service, timeout: 5s, with: { fresh: 0s, \"rate.jupiter\": none } }";
    let hybrid = "amount: { fixed: 1000000 }, hybrid: { share: 100%, path: /quote/hybrid } }";
    scenario(target, &hold("60/s", "4s"), "  - expect: errors(q) < 100%\n").replacen(
        "amount: { fixed: 1000000 } }",
        hybrid,
        1,
    ) + &format!(
        "upstreams: {{ jupiter: {{ forward: \"{forward}\" }} }}
faults:
  bad: {{ on: upstream/jupiter, inject: {{ status: {{ code: 503 }} }}, share: 50%, at: 1s, for: 2s }}
"
    )
}

#[test]
fn a_real_upstream_is_called_within_tls_and_a_fault_stands_before_it() {
    let authority = Authority::new("somebody");
    let certified = authority.server("127.0.0.1", None);
    let shown = authority.shows(&certified, false, &["http/1.1"]);
    let reply = br#"{"outAmount":"12345"}"#;
    let whole = || Answer::Whole(200, "Content-Type: application/json\r\n", reply.to_vec());
    let server = Server::secure(move |_| whole(), move |_| Some(shown.clone()));
    let scene = scene(&server.url());
    authority.put(&scene);
    let mut command = scene.command(&[]);
    command.env("SSL_CERT_FILE", scene.path("scenes/ca.pem")).env_remove("SSL_CERT_DIR");
    let turn = Turn::take();
    let ran = Going::start(command, &scene.path("")).wait();
    drop(turn);
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let heads = server.heads();
    let host = server.url().trim_start_matches("https://").to_owned();
    assert!(heads.iter().all(|head| head.contains(&format!("\r\nHost: {host}\r\n"))), "{:?}", heads.first());
    let called: BTreeSet<String> = heads
        .iter()
        .filter_map(|head| head.lines().find(|line| line.to_ascii_lowercase().starts_with("traceparent:")))
        .filter_map(|line| line.split('-').nth(1).map(str::to_owned))
        .collect();
    let (decisions, _) = touches::read::<Decision>(&scene.evidence().join("touches.stage.log")).expect("readable");
    let of = |effect| decisions.iter().filter(move |d| d.effect == effect && d.trace.0 != [0; 16]);
    assert!(of(Effect::Injected).count() > 0 && of(Effect::Spared).count() > 0, "{} decisions", decisions.len());
    assert!(of(Effect::Spared).all(|d| called.contains(&d.trace.to_string())), "spared calls are passed on");
    let first = |d: &&Decision| d.attempt == 0;
    let only =
        of(Effect::Injected).filter(first).filter(|d| decisions.iter().filter(|e| e.trace == d.trace).count() == 1);
    assert!(only.clone().count() > 0);
    assert!(only.clone().all(|d| !called.contains(&d.trace.to_string())), "calls that the fault answers are not");
    assert!(verdict(&scene.evidence())["faults"][0]["trouble"].is_null());
}

#[test]
fn an_upstream_that_is_not_there_is_no_fault() {
    let nobody = Server::refusing();
    let scene = scene(&format!("http://{nobody}"));
    scene.run(&[]);
    let events = std::fs::read_to_string(scene.evidence().join("events.jsonl")).expect("readable");
    let notes = events.lines().filter(|line| line.contains("a real upstream fails, which is no fault"));
    assert!(notes.count() >= 1, "{events}");
}

/// By the scenario's own CA, with a certificate of ours; the key is nowhere in the evidence.
#[test]
fn a_real_upstream_may_have_its_own_ca_and_ask_who_we_are() {
    let authority = Authority::new("somebody");
    let certified = authority.server("quotes.example", None);
    let shown = authority.shows(&certified, true, &["http/1.1"]);
    let reply = br#"{"outAmount":"12345"}"#;
    let whole = || Answer::Whole(200, "Content-Type: application/json\r\n", reply.to_vec());
    let server = Server::secure(move |_| whole(), move |_| Some(shown.clone()));
    let text = scene_text(&server.url()).replacen(
        &format!("forward: \"{}\"", server.url()),
        &format!(
            "forward: \"{}\", tls: {{ ca: ca.pem, cert: client.pem, key: client.key, name: quotes.example }}",
            server.url()
        ),
        1,
    );
    let scene = Scene::new(&text);
    authority.put(&scene);
    authority.client("us").put(&scene);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(server.heads().len() > 60, "{} calls", server.heads().len());
    let events = std::fs::read_to_string(scene.evidence().join("events.jsonl")).expect("readable");
    assert!(!events.contains("a real upstream fails"), "{events}");
    let key = std::fs::read_to_string(scene.path("scenes/client.key")).expect("readable");
    let secret = key.lines().nth(1).expect("a key");
    for file in scene.files() {
        let bytes = std::fs::read(&file).expect("readable");
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds the key", file.display());
    }
}
