use super::*;
use crate::scenario::{Settings, read};
use crate::stage::config::Config;
use crate::stage::serve::serve;
use tokio::net::TcpListener;

fn scenario(share: &str) -> Scenario {
    let text = format!(
        "proofload: 1\ntarget: sim:quote-service\nupstreams:\n  jupiter: {{ like: jupiter, success: 90%, latency: 20ms }}\n  \
         plain: {{ replies: [{{ path: /fees, status: 203, media: text/plain, body: hello }}] }}\ntraffic:\n  a:\n    \
         flow: {{ steps: [{{ get: / }}] }}\n    load: [{{ hold: {{ at: 10/s, for: 60s }} }}]\nfaults:\n  \
         hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, share: {share}, at: 10s, for: 5s }}\n  \
         limits: {{ on: upstream/plain, inject: {{ rate_limit: {{ rate: 0/s, burst: 1 }} }}, at: 10s, for: 5s }}\n"
    );
    let settings = Settings::alone("canary");
    read("canary", &text, &settings).expect("valid")
}

/// A stage of the scenario, with a fault applied or not, and what the canary sees of it.
async fn seen(share: &str, left: Option<usize>) -> Vec<(String, Option<String>, bool, String, bool)> {
    let scenario = scenario(share);
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
    assert_eq!(all, [("upstream/jupiter", true), ("upstream/plain", true)], "{seen:?}");
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
