//! Every fault of HTTP upstreams from the scenario to the verdict: each strikes, and none is left behind.

use proofload::evidence::touches::{self, Decision, Effect};

use crate::scene::{Scene, hold, scenario};

const KINDS: [(&str, &str); 12] = [
    ("late", "latency: { uniform: [20ms, 60ms] }"),
    ("later", "latency: { law: 30ms, replace: true }"),
    ("hangs", "timeout: {}"),
    ("bad", "status: { code: 503, headers: { Retry-After: \"1\" } }"),
    ("throttled", "rate_limit: { rate: 1/s, burst: 1, retry_after: http_date }"),
    ("reset", "reset: {}"),
    ("half", "reset: { at: mid_body }"),
    ("cut", "truncate: { bytes: 64B }"),
    ("flipped", "corrupt: { bits: 4 }"),
    ("old", "stale: { by: 30s }"),
    ("slow", "slow_body: { rate: 20KB/s }"),
    ("refused", "refuse: {}"),
];

/// One fault after the other; every request asks the upstream anew.
fn scene() -> Scene {
    let target = "{ sim: quote-service, timeout: 5s, with: { fresh: 0s, \"rate.jupiter\": none, retry_after: off } }";
    let hybrid = "amount: { fixed: 1000000 }, hybrid: { share: 100%, path: /quote/hybrid } }";
    let mut yaml = scenario(target, &hold("60/s", "13s"), "  - expect: errors(q) < 100%\n").replacen(
        "amount: { fixed: 1000000 } }",
        hybrid,
        1,
    ) + "upstreams: { jupiter: { like: jupiter, latency: 5ms, calls: 1 } }\nfaults:\n";
    for (i, (name, inject)) in KINDS.iter().enumerate() {
        let at = i + 1;
        yaml += &format!("  {name}: {{ on: upstream/jupiter, inject: {{ {inject} }}, at: {at}s, for: 500ms }}\n");
    }
    Scene::new(&yaml)
}

#[test]
fn every_kind_strikes_and_ends() {
    let scene = scene();
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    let (decisions, torn) = touches::read::<Decision>(&scene.evidence().join("touches.stage.log")).expect("readable");
    assert_eq!(torn, None);
    for (i, (name, _)) in KINDS.iter().enumerate() {
        let fault = &verdict["faults"][i];
        assert_eq!(fault["name"], *name);
        assert_eq!(fault["unit"], if *name == "refused" { "connection" } else { "request" });
        let (eligible, injected) = (fault["eligible"].as_u64(), fault["injected"].as_u64());
        assert!(injected > Some(5) && fault["trouble"].is_null() && !fault["cleared"].is_null(), "{fault}");
        let of_fault = decisions.iter().filter(|d| usize::from(d.fault) == i);
        assert_eq!(Some(of_fault.clone().count() as u64), eligible, "{name}: a record of each");
        assert_eq!(Some(of_fault.filter(|d| d.effect == Effect::Injected).count() as u64), injected, "{name}");
    }
}

#[test]
fn a_plan_says_whom_faults_will_strike() {
    let load = hold("60/s", "100s");
    let yaml = scenario("sim:quote-service", &load, "  - expect: errors(q) < 100%\n")
        + "upstreams: { jupiter: { like: jupiter, calls: 0.5 } }
faults:
  up: { on: upstream/jupiter, inject: { timeout: {} }, ramp: { from: 0%, to: 50%, over: 10s }, at: 5s, for: 20s }
  again: { on: upstream/jupiter, inject: { status: { code: 500 } }, share: 20%, at: 30s, for: 5s, repeat: { every: 10s, times: 3 } }
  first: { on: upstream/jupiter, inject: { reset: {} }, when: { first: 40 }, share: 50%, at: 60s, for: 5s }
  some: { on: upstream/jupiter, inject: { reset: {} }, match: { path: /x }, at: 70s, for: 5s }
";
    let scene = Scene::new(&yaml);
    let file = scene.file();
    let said = scene.ask(&["plan", file.to_str().expect("text")]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // 30 calls a second: 300 at 25 % and 300 at 50 %; three times 150 at 20 %; 40 at 50 %.
    for part in [
        "up for 20s: timeout on upstream/jupiter, 0% to 50% over 10s of requests; about 225 touches expected",
        "again for 5s, 3 times, every 10s: status on upstream/jupiter, 20% of requests; about 90 touches expected",
        "first for 5s: reset on upstream/jupiter, 50% of requests, of the first 40; about 20 touches expected",
        "some for 5s: reset on upstream/jupiter, 100% of requests that match; touches depend on how many requests match",
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
}
