use super::*;
use crate::scenario::{Settings, read};
use crate::stage::config::Config;
use crate::stage::serve::serve;
use tokio::net::TcpListener;

/// Two stubs with two faults, of which the first has this share.
fn scenario(share: &str) -> Scenario {
    let faults = format!(
        "  hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, share: {share}, at: 10s, for: 5s }}\n  limits: {{ on: \
         upstream/plain, inject: {{ rate_limit: {{ rate: 0/s, burst: 1 }} }}, at: 10s, for: 5s }}\n"
    );
    broken_by(&faults)
}

/// The same stubs and a link to each, with other faults.
fn broken_by(faults: &str) -> Scenario {
    let text = format!(
        "proofload: 1\ntarget: sim:quote-service\nupstreams:\n  jupiter: {{ like: jupiter, success: 90%, latency: 20ms }}\n  \
         plain: {{ replies: [{{ path: /fees, status: 203, media: text/plain, body: hello }}] }}\ntraffic:\n  a:\n    \
         flow: {{ steps: [{{ get: / }}] }}\n    load: [{{ hold: {{ at: 10/s, for: 60s }} }}]\nlimits: {{ faults: 20 }}\n\
         links: {{ line: {{ to: upstream/jupiter }} }}\nfaults:\n{faults}"
    );
    let settings = Settings::alone("canary");
    read("canary", &text, &settings).expect("valid")
}

/// A stage of the scenario, with a fault applied or not, and what the canary sees of it.
async fn seen(share: &str, left: Option<usize>) -> Vec<(String, Option<String>, bool, String, bool)> {
    seen_of(scenario(share), left).await
}

async fn seen_of(scenario: Scenario, left: Option<usize>) -> Vec<(String, Option<String>, bool, String, bool)> {
    let clock = Clock::starting_in(Duration::ZERO);
    let config = Config::new(&scenario, &clock, "run", None);
    let ((orders, reports), (hear, say)) = crate::stage::testing::lease(1 << 16);
    let _life = tokio::spawn(serve(orders, reports));
    let mut stage = Stage::over(hear, say, &config).await.expect("opens");
    for fault in 0..scenario.faults.len() {
        stage.apply(fault).await.expect("applied");
        if left != Some(fault) {
            stage.clear(fault).await.expect("cleared");
        }
    }
    let events = canary(&scenario, &stage, &[], Tracer::new(scenario.seed, "run"), clock).await;
    let told = |event: Event| match event {
        Event::Canary { on, fault, clean, saw, remedy, .. } => (on, fault, clean, saw, remedy.is_some()),
        _ => unreachable!("only the canary speaks"),
    };
    events.into_iter().map(told).collect()
}

#[tokio::test]
async fn a_clean_stage_is_clean() {
    let seen = seen("50%", None).await;
    let all: Vec<(&str, bool)> = seen.iter().map(|(on, _, clean, ..)| (on.as_str(), *clean)).collect();
    assert_eq!(all, [("upstream/jupiter", true), ("upstream/plain", true), ("link/line", true)], "{seen:?}");
    assert!(seen[2].3.contains("every byte as past it"), "{seen:?}");
}

/// However small its share: the canary goes by a call that the fault strikes.
#[tokio::test]
async fn a_fault_that_is_left_over_is_found() {
    for share in ["100%", "0.1%"] {
        let seen = seen(share, Some(0)).await;
        let (on, fault, clean, saw, remedy) = &seen[0];
        assert_eq!((on.as_str(), fault.as_deref(), *clean, *remedy), ("upstream/jupiter", Some("hangs"), false, true));
        assert!(saw.contains("no answer within"), "{saw}");
        assert!(seen[1].2, "{seen:?}");
    }
}

/// Although its bucket is full again after the load: more is asked for than it holds.
#[tokio::test]
async fn a_limit_that_is_left_over_is_found() {
    let seen = seen("100%", Some(1)).await;
    let (on, fault, clean, saw, _) = &seen[1];
    assert_eq!((on.as_str(), fault.as_deref(), *clean), ("upstream/plain", Some("limits"), false));
    assert!(saw.contains("429"), "{saw}");
}

/// What only slows or spoils an answer is found, too, by what the stub says that it made and when it should have come.
#[tokio::test]
async fn what_hardly_shows_is_found() {
    let kinds = [
        ("latency: 60ms", "late"),
        ("latency: { law: 90ms, replace: true }", "late"),
        ("corrupt: { bits: 1 }", "not as the stub made it"),
        ("corrupt: { content_type: text/html }", "not as the stub made it"),
        ("stale: { by: 30s, only: prices }", "prices of 30s ago"),
        ("stale: { by: 30s, only: timestamps }", "timestamps of 30s ago"),
        ("slow_body: { rate: 20KB/s }", "late"),
        ("status: { code: 200, body: \"{}\" }", "not by the stub"),
    ];
    let line = |(n, (kind, _)): (usize, &(&str, &str))| {
        format!("  f{n}: {{ on: upstream/jupiter, inject: {{ {kind} }}, at: 10s, for: 5s }}\n")
    };
    let scenario = broken_by(&kinds.iter().enumerate().map(line).collect::<String>());
    for (n, (kind, sign)) in kinds.iter().enumerate() {
        let seen = seen_of(scenario.clone(), Some(n)).await;
        let found = seen.iter().find(|(_, fault, ..)| fault.as_deref() == Some(&format!("f{n}"))).expect("asked for");
        assert!(!found.2 && found.3.contains(sign), "{kind}: {found:?}");
    }
    let seen = seen_of(scenario, None).await;
    assert!(seen.iter().all(|(_, _, clean, ..)| *clean), "{seen:?}");
}

#[tokio::test]
async fn a_toxic_that_is_left_on_a_link_is_found_by_the_bytes_that_pass() {
    let kinds = [
        ("latency: 40ms", "later than past it"),
        ("bandwidth: { rate: 200KB/s, stream: upstream }", "later than past it"),
        ("corrupt: {}", "through it"),
        ("corrupt: { stream: upstream }", "through it"),
        ("limit_data: { bytes: 30KB }", "the connection broke"),
        ("timeout: {}", "no answer came"),
        ("drop_half: {}", "no answer came"),
        ("reset_peer: {}", "the connection broke"),
        ("down: {}", "a connection is refused"),
    ];
    let line = |(n, (kind, _)): (usize, &(&str, &str))| {
        format!("  f{n}: {{ on: link/line, inject: {{ {kind} }}, at: 10s, for: 5s }}\n")
    };
    let scenario = broken_by(&kinds.iter().enumerate().map(line).collect::<String>());
    for (n, (kind, sign)) in kinds.iter().enumerate() {
        let seen = seen_of(scenario.clone(), Some(n)).await;
        let found = seen.iter().find(|(on, ..)| on == "link/line").expect("looked at");
        assert!(!found.2 && found.3.contains(sign), "{kind}: {found:?}");
    }
    let seen = seen_of(scenario, None).await;
    assert!(seen.iter().all(|(_, _, clean, ..)| *clean), "{seen:?}");
}

/// A fault that minds other requests than the stub's usual ones is asked in its own words.
#[test]
fn a_fault_that_is_choosy_is_asked_for_what_it_minds() {
    let mut scenario = scenario("100%");
    scenario.faults[0].matching = Match {
        method: Some("POST".into()),
        path: Some("/v6/*".into()),
        headers: vec![("X-Key".into(), "*".into())],
        query: vec![("user".into(), "7".into()), ("any".into(), "*".into())],
    };
    scenario.faults[1].when = When::Every(7);
    let places = [("jupiter".into(), "http://a".into()), ("plain".into(), "http://b".into())];
    let questions = questions(&scenario, &places);
    assert_eq!(questions[0].path(), "/v6/?user=7&any=canary");
    assert_eq!((questions[0].wanted(), questions[1].wanted()), (None, Some(203)));
    assert_eq!((questions[0].shots.len(), questions[1].shots.len()), (1, 7));
}

#[tokio::test]
async fn a_link_does_as_what_stands_behind_it() {
    let open = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let open = (open.local_addr().expect("bound").to_string(), open);
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").to_string();
    let closing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closes = closing.local_addr().expect("bound").to_string();
    tokio::spawn(async move { while closing.accept().await.is_ok() {} });
    for (link, to, clean) in [
        (&open.0, &open.0, true),
        (&closes, &closes, true),
        (&gone, &gone, true),
        (&closes, &gone, true),
        (&gone, &open.0, false),
        (&closes, &open.0, false),
        (&open.0, &gone, false),
    ] {
        let seen = passes(link, to).await;
        assert_eq!(seen.clean, clean, "{link} {to}: {}", seen.saw);
    }
}
