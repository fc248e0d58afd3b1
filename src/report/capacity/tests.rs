use std::collections::BTreeMap;

use super::*;
use crate::judge::Verdict;
use crate::judge::capacity::model::Models;
use crate::judge::capacity::plan::{Asked, plan};
use crate::judge::capacity::{
    Approach, Break, Ended, FORMAT, Held, Knee, Lengths, Probe, Role, Search, Study, UpstreamUse,
};

/// Whatever a name may hold.
const HOSTILE: &str = "<script>alert(1)</script>|`\"'";

fn probe(number: u32, offered: f64, knee: f64) -> Probe {
    let load: f64 = offered / knee / 1.05;
    let mean = 0.01 + 0.01 * load / (1.0 - load).max(0.05);
    let verdict = if offered < knee { Verdict::Pass } else { Verdict::Fail };
    let upstream = UpstreamUse { calls: (offered * 0.05).min(20.0), per_shot: 1.0, limit: Some(20.0) };
    Probe {
        number,
        role: if number == 1 { Role::Warm } else { Role::Search },
        from: Approach::Below,
        borne: None,
        offered,
        achieved: offered.min(knee * 1.02),
        start: 0,
        length: 10.0,
        warm_up: 3.0,
        shots: (offered * 10.0) as u64,
        needed: 59,
        verdict,
        counts: true,
        why: Vec::new(),
        first_broken: (verdict == Verdict::Fail).then(|| format!("p95({HOSTILE}) < 40ms")),
        promises: vec![Held {
            promise: format!("p95({HOSTILE}) < 40ms"),
            verdict,
            observed: Some(mean * 2.0),
            bound: 0.04,
            unit: "s".into(),
        }],
        response: Lengths { mean: Some(mean), p50: Some(mean * 0.8), p95: Some(mean * 2.0), p99: Some(mean * 3.0) },
        service: Lengths::default(),
        errors: if offered > knee { 0.02 } else { 0.0 },
        outcomes: BTreeMap::new(),
        in_flight: Some(offered * mean * if number == 3 { 3.0 } else { 1.0 }),
        little: Some(offered * mean),
        upstreams: BTreeMap::from([(HOSTILE.to_owned(), upstream)]),
        resources: BTreeMap::from([
            ("cpu_cores".to_owned(), offered / 400.0),
            ("rss_bytes".to_owned(), 3e7),
            ("cores".to_owned(), 2.0),
        ]),
        unfit_seconds: 0,
        p95_between: Some((0.08, 0.12)),
        generator_cpu: Some(0.2),
        report: format!("2026{number}"),
    }
}

fn search(fault: Option<&str>, knee: f64) -> Search {
    let rates = [100.0, 200.0, 300.0, 400.0, 450.0, 480.0, 510.0, 550.0];
    let scale = knee / 500.0;
    Search {
        fault: fault.map(str::to_owned),
        probes: rates.iter().enumerate().map(|(i, rate)| probe(i as u32 + 1, rate * scale, knee)).collect(),
        knee: Knee {
            rate: Some(knee),
            low: knee * 0.97,
            high: Some(knee * 1.03),
            confidence: 0.95,
            breaks: vec![Break { promise: format!("p95({HOSTILE}) < 40ms"), rate: knee * 1.02 }],
            ..Knee::default()
        },
        ended: Some(Ended::Found),
    }
}

/// A study with everything in it.
pub(crate) fn study() -> Study {
    Study {
        format: FORMAT,
        scenario: HOSTILE.into(),
        file: "capacity.yaml".into(),
        traffic: "quotes".into(),
        seed: 7,
        target: "sim:quote-service".into(),
        replicas: 1,
        probe: 10.0,
        resolution: 0.02,
        max_rate: None,
        promises: vec![format!("p95({HOSTILE}) < 40ms")],
        left_out: vec!["a gate".into()],
        searches: vec![search(None, 500.0), search(Some(HOSTILE), 350.0)],
        claims: Vec::new(),
        verdict: Verdict::Pass,
        why: vec!["the knee is at 500/s".into()],
    }
}

#[test]
fn a_study_says_in_words_what_to_plan_by() {
    let study = study();
    let models = Models::of(&study.searches[0], study.seed);
    let said = words::recommendation(&study, &models).join("\n");
    for part in [
        "Plan for at most 480/s.",
        "surely (95 %) between 485/s and 515/s",
        "What gives way first is p95(",
        "costs most: 30 % of the capacity. To bear it, plan for at most 330/s.",
        "its 20/s are reached at 380/s.",
        "At the knee it takes 1.25 of 2 cores, which leaves 37.5 %: the processor is not what limits it.",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let rests = words::assumptions(&study, &models).join("\n");
    assert!(rests.contains("Little's law does not hold of 1 of 8 probes, at 300/s"), "{rests}");
    assert!(rests.contains("Left out: a gate."), "{rests}");
    let mut broken = study.clone();
    broken.searches[0].knee = Knee { rate: None, low: 0.0, high: Some(100.0), ..Knee::default() };
    broken.searches[0].ended = Some(Ended::BrokenAtLowest);
    let said = words::recommendation(&broken, &Models::of(&broken.searches[0], 7)).join("\n");
    assert!(said.starts_with("It is broken at the lowest rate already"), "{said}");
}

#[test]
fn nothing_in_a_page_is_markup_that_came_from_elsewhere() {
    let study = study();
    let files = study_files(&study);
    assert_eq!(files.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["report.html", "summary.md", "probes.csv"]);
    let page = &files[0].1;
    assert!(!page.contains("<script>alert"), "a name is text");
    for part in [
        "Recommendation",
        "Latency against load",
        "With something broken",
        "Upstream budgets",
        "M/M/c",
        "<svg",
        "20261/report.html",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!files[1].1.contains("<script>"), "{}", files[1].1);
    let csv = &files[2].1;
    assert_eq!(csv.lines().count(), 17, "a head and a row for each probe: {csv}");
    assert!(csv.lines().all(|line| line.starts_with("fault,") || line.contains(",2026")), "{csv}");
}

#[test]
fn a_study_without_a_probe_is_a_page() {
    let mut study = study();
    study.searches.clear();
    study.verdict = Verdict::Inconclusive;
    for (name, text) in study_files(&study) {
        assert!(!text.is_empty(), "{name}");
    }
    study.searches = vec![Search { fault: None, probes: Vec::new(), knee: Knee::default(), ended: None }];
    let page = &study_files(&study)[0].1;
    assert!(page.contains("How much it takes is not known"), "no probe, no number");
}

#[test]
fn a_plan_is_shown_with_its_curve_and_what_it_rests_on() {
    let mut studies = Vec::new();
    for (replicas, knee) in [(1, 500.0), (3, 1_380.0), (5, 2_100.0)] {
        let mut of = study();
        of.replicas = replicas;
        of.searches = vec![search(None, knee)];
        studies.push((format!("reports/{replicas}{HOSTILE}"), of));
    }
    let asked = Asked { need: 1_500.0, spare: 1, promise: None, extrapolate: false };
    let answer = plan(&studies, &asked).expect("one plan");
    let text = plan_text(&answer, false);
    assert!(text.trim_end().ends_with(&answer.headline) && text.contains("σ") && text.contains("bears it"), "{text}");
    for (name, text) in plan_files(&answer) {
        assert!(name == "plan.json" || !text.contains("<script>alert"), "{name}");
        assert!(text.contains("replicas"), "{name}: {text}");
    }
    let read: serde_json::Value = serde_json::from_str(&plan_json(&answer)).expect("JSON");
    assert_eq!((read["replicas"].as_u64(), read["verdict"].as_str()), (Some(5), Some("PASS")), "{read}");
}
