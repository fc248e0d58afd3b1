//! Plans by studies, and the reports of a study, as their user has them: from folders alone.

use std::fs;

use proofload::judge::Verdict;
use proofload::judge::capacity::{Ended, FILE, FORMAT, Knee, Search, Study};

use crate::scene::Scene;

/// A study of so many replicas whose knee is known, without its probes.
fn study(scene: &Scene, replicas: u32, knee: f64) -> String {
    let found =
        Knee { rate: Some(knee), low: knee * 0.98, high: Some(knee * 1.02), confidence: 0.95, ..Knee::default() };
    let study = Study {
        format: FORMAT,
        scenario: "quotes".into(),
        file: "capacity.yaml".into(),
        traffic: "q".into(),
        seed: 7,
        target: "sim:quote-service".into(),
        replicas,
        probe: 10.0,
        resolution: 0.02,
        max_rate: None,
        promises: vec!["p95(q) < 40ms".into()],
        left_out: Vec::new(),
        searches: vec![Search { fault: None, probes: Vec::new(), knee: found, ended: Some(Ended::Found) }],
        claims: Vec::new(),
        verdict: Verdict::Pass,
        why: vec!["the knee is known".into()],
    };
    let folder = scene.path(&format!("study-{replicas}"));
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join(FILE), study.write().expect("serialises")).expect("written");
    folder.display().to_string()
}

#[test]
fn a_plan_is_made_of_folders_and_says_how_sure_it_is() {
    let scene = Scene::new("proofload: 1\n");
    let folders = [study(&scene, 1, 500.0), study(&scene, 3, 1_380.0), study(&scene, 5, 2_100.0)];
    let all: Vec<&str> = folders.iter().map(String::as_str).collect();
    let plan = |more: &[&str]| scene.ask(&[&["capacity", "plan"], all.as_slice(), more].concat());

    let out = scene.path("plan").display().to_string();
    let sure = plan(&["--need", "1500/s", "--spare", "1", "--out", &out]);
    assert_eq!(sure.code, Some(0), "{sure:?}");
    let last = sure.out.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("PASS  5 replicas for 1500/s") && last.contains("with 1 down"), "{}", sure.out);
    for name in ["plan.json", "plan.md", "plan.html"] {
        assert!(scene.path("plan").join(name).is_file(), "{name}");
    }

    let beyond = plan(&["--need", "2250/s"]);
    assert_eq!(beyond.code, Some(3), "{beyond:?}");
    assert!(beyond.out.contains("--extrapolate"), "{}", beyond.out);
    assert_eq!(plan(&["--need", "2250/s", "--extrapolate"]).code, Some(0));

    let one = scene.ask(&["capacity", "plan", all[0], "--need", "1500/s", "--spare", "1", "--format", "json"]);
    assert_eq!(one.code, Some(3), "{one:?}");
    let one: serde_json::Value = serde_json::from_str(&one.out).expect("JSON");
    assert!(one["headline"].as_str().is_some_and(|h| h.starts_with("at least 5 replicas")), "{one}");

    // The reports of a study are made again from what it wrote down.
    let again = scene.ask(&["report", all[1]]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let page = fs::read_to_string(scene.path("study-3").join("report.html")).expect("a page");
    assert!(page.contains("Recommendation") && page.contains("Plan for at most 1300/s"), "{page}");
}

#[test]
fn all_mistakes_of_a_plan_are_told_at_once() {
    let scene = Scene::new("proofload: 1\n");
    let good = study(&scene, 1, 500.0);
    fs::create_dir_all(scene.path("torn")).expect("made");
    fs::write(scene.path("torn").join(FILE), "{").expect("written");
    fs::create_dir_all(scene.path("newer")).expect("made");
    fs::write(scene.path("newer").join(FILE), "{\"format\": 99}").expect("written");
    let [torn, newer, nowhere] = ["torn", "newer", "nowhere"].map(|name| scene.path(name).display().to_string());
    let wrong = scene.ask(&[
        "capacity",
        "plan",
        &good,
        &torn,
        &newer,
        &nowhere,
        "--need",
        "0/s",
        "--promise",
        "p95(quotes) < 1s",
    ]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    for part in [
        "no study",
        "a study of format 99",
        "nowhere/capacity.json: ",
        "name the folder of a search",
        "--need: nothing is needed",
        "--promise: `quotes` is not what was searched: that was `q`",
    ] {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
    let none = scene.ask(&["capacity", "plan", "--need", "5/s"]);
    assert_eq!(none.code, Some(2), "{none:?}");
}
