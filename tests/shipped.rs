//! The scenarios that ship: each reads without a mistake, keeps its promises on many seeds of synthetic evidence,
//! and has a twin that breaks the promise it says it breaks and no other.
//!
//! The synthetic evidence is about what clients see, and about what the alert rules read. PromQL promises are left out of
//! these judgements: they read far more series than are made up.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "coverage/mod.rs"]
mod coverage;
#[path = "shipped/model.rs"]
mod model;
#[path = "shipped/packs.rs"]
mod packs;
#[path = "shipped/platform.rs"]
mod platform;
#[path = "shipped/series.rs"]
mod series;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use model::{Model, Played};
use proofload::base::seed::Seed;
use proofload::base::trace::Tracer;
use proofload::evidence::folder::Folder;
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{self, Batch, Recorder};
use proofload::evidence::touches;
use proofload::judge::{Finding, Judgement, Verdict, alerts, judge};
use proofload::plan::{self, Plan};
use proofload::promql::rules::file;
use proofload::scenario::{self, Claim, Leave, Scenario, Settings};

/// Every scenario, and every twin.
const NAMES: [&str; 5] = ["prelaunch", "quoter-timeout", "rate-limit-storm", "smoke", "soak"];

/// The twins of those: each has one of its own, and a soak has another, of which only the process knows what is wrong.
const TWINS: [&str; 6] = ["leak", "prelaunch", "quoter-timeout", "rate-limit-storm", "smoke", "soak"];

/// Every scenario under `chaos/`, and every twin.
const CHAOS: [&str; 8] = [
    "all-rate-limited",
    "brown-out",
    "corrupt-replies",
    "retry-after",
    "service-paused",
    "stale-prices",
    "thin-line",
    "two-slow",
];

/// Those of them that the model knows nothing of: it has no processes and no lines.
const NOT_MODELLED: [&str; 2] = ["service-paused", "thin-line"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quote-service")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.yaml"))
}

fn twin(name: &str) -> PathBuf {
    let file = file(name);
    file.with_file_name("must-fail").join(file.file_name().expect("a name"))
}

/// The chaos that the model knows.
fn modelled() -> impl Iterator<Item = String> {
    CHAOS.iter().filter(|name| !NOT_MODELLED.contains(name)).map(|name| format!("chaos/{name}"))
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn read(file: &Path, time_scale: u32) -> Scenario {
    let beside = file.parent().expect("a folder");
    let settings = Settings {
        time_scale,
        leave: Some(Leave::default()),
        files: &|name| fs::read(beside.join(name)),
        ..Settings::alone("shipped")
    };
    scenario::read(&file.display().to_string(), &text(file), &settings).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The scenario with the promises that synthetic evidence can decide.
fn client_side(file: &Path, time_scale: u32) -> Scenario {
    let mut scenario = read(file, time_scale);
    scenario.promises.retain(|p| !matches!(p.claim, Claim::Server { .. } | Claim::Leak(_)));
    scenario.reconcile = scenario::Reconcile::default();
    // Nor is there a page to be looked at, or a probe to be asked.
    scenario.contracts.clear();
    scenario
}

/// The promises that a twin says it breaks, as in `label`.
fn must_break(file: &Path) -> Vec<String> {
    text(file).lines().filter_map(|line| line.strip_prefix("# Must break: ")).map(str::to_owned).collect()
}

fn label(finding: &Finding) -> String {
    format!("{}, {}", finding.promise, finding.window.name)
}

/// A judgement per seed, of a run that is wholly made up.
fn judgements(file: &Path, time_scale: u32, seeds: std::ops::Range<u64>) -> Vec<(u64, Judgement)> {
    let mut scenario = client_side(file, time_scale);
    let template = scenario.clone();
    let model = Model::new(&template);
    let mut all = Vec::new();
    for seed in seeds {
        scenario.seed = Seed(seed);
        // Every phase of the rules for a tenth of the seeds, and of the longest run only some seeds, for the time it takes.
        scenario.alerts.clone_from(&template.alerts);
        scenario.promises.clone_from(&template.promises);
        match &mut scenario.alerts {
            Some(_) if time_scale > 1 && seed % 5 != 0 => {
                scenario.alerts = None;
                scenario.promises.retain(|p| !matches!(p.claim, Claim::Alert(_)));
            }
            Some(alerts) if seed % 10 != 0 => alerts.phases = 1,
            _ => {}
        }
        let plan = Plan::new(&scenario);
        let played = model.play(&plan, seed);
        let mut evidence = model::evidence(&scenario, &plan, &played);
        let (scrapes, series) = series::scraped(&scenario, &plan, &played);
        evidence.events.extend(scrapes);
        all.push((seed, judge(&scenario, &plan, &evidence, &series)));
    }
    all
}

/// So many seeds of each scenario; a hundred are what `.ci/proof seeds` asks for.
fn seeds() -> u64 {
    std::env::var("PROOFLOAD_SEEDS").map_or(12, |seeds| seeds.parse().expect("PROOFLOAD_SEEDS is a number"))
}

fn passes_whatever_the_seed(name: &str, time_scale: u32) {
    for (seed, judgement) in judgements(&file(name), time_scale, 0..seeds()) {
        for finding in &judgement.findings {
            assert_eq!(finding.verdict, Verdict::Pass, "seed {seed}: {}: {}", label(finding), finding.why);
        }
        assert_eq!(judgement.verdict, Verdict::Pass, "seed {seed}: {:?}", judgement.reasons);
    }
}

fn breaks_what_it_says(name: &str) {
    let wanted = must_break(&twin(name));
    assert!(!wanted.is_empty(), "{name}: says what must break");
    if wanted.iter().any(|promise| promise.starts_with("value")) {
        return; // a promise about scraped series: real runs show it
    }
    for (seed, judgement) in judgements(&twin(name), 1, 0..seeds().div_ceil(4)) {
        let broken: Vec<String> = judgement.findings.iter().filter(|f| f.verdict != Verdict::Pass).map(label).collect();
        assert_eq!(broken, wanted, "seed {seed}");
        assert_eq!(judgement.verdict, Verdict::Fail, "seed {seed}: {:?}", judgement.reasons);
    }
}

#[test]
fn every_scenario_reads_and_every_one_has_a_twin() {
    let chaos = folder().join("chaos");
    for (folder, schema, wanted) in [
        (folder(), "../schema.json", NAMES.as_slice()),
        (folder().join("must-fail"), "../../schema.json", &TWINS),
        (chaos.clone(), "../../schema.json", &CHAOS),
        (chaos.join("must-fail"), "../../../schema.json", &CHAOS),
    ] {
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut names = Vec::new();
        let is_scenario =
            |path: &PathBuf| path.extension().is_some_and(|e| e == "yaml") && !scenario::is_suite(&text(path));
        for file in entries.filter(is_scenario) {
            let scenario = read(&file, 1);
            let plan = Plan::new(&scenario);
            let mistakes = [plan::review(&scenario, &plan), alerts::review(&scenario, &plan)].concat();
            assert!(mistakes.is_empty(), "{}: {mistakes:?}", file.display());
            let modeline = format!("# yaml-language-server: $schema={schema}");
            assert_eq!(text(&file).lines().next(), Some(modeline.as_str()), "{}", file.display());
            names.push(file.file_stem().expect("a name").to_string_lossy().into_owned());
        }
        names.sort();
        assert_eq!(names, wanted, "{}", folder.display());
    }
}

/// Studies of capacity: each reads and is searched, and what it promises of a knee has a twin that cannot keep it.
#[test]
fn studies_read_and_say_what_is_searched() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for (place, schema, twin, count) in [
        ("quote-service/capacity", "../../schema.json", false, 3),
        ("quote-service/capacity/must-fail", "../../../schema.json", true, 1),
        ("trading-platform/capacity", "../../schema.json", false, 2),
        ("trading-platform/capacity/must-fail", "../../../schema.json", true, 1),
    ] {
        let entries =
            fs::read_dir(scenarios.join(place)).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        assert_eq!(files.len(), count, "{place}");
        for file in files {
            let scenario = read(&file, 1);
            let mistakes = plan::review(&scenario, &Plan::new(&scenario));
            assert!(mistakes.is_empty() && scenario.capacity.is_some(), "{}: {mistakes:?}", file.display());
            let modeline = format!("# yaml-language-server: $schema={schema}");
            assert_eq!(text(&file).lines().next(), Some(modeline.as_str()), "{}", file.display());
            let promised = |p: &scenario::Promise| matches!(p.claim, Claim::Capacity(_)).then(|| p.text.clone());
            let promised: Vec<String> = scenario.promises.iter().filter_map(promised).collect();
            assert_eq!(must_break(&file), if twin { promised } else { Vec::new() }, "{}", file.display());
        }
    }
}

/// The rules read without a mistake, also those that show how not to write them: what is wrong with them is what they say.
#[test]
fn rule_files_are_those_that_prometheus_loads() {
    for (name, alerts) in [("alerts.yml", 7), ("as-published/alerts.yml", 7)] {
        let (groups, mistakes) = file::read(name, &text(&folder().join(name)));
        assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        let rules = groups.iter().flat_map(|group| &group.rules);
        assert_eq!(rules.filter(|rule| rule.alert().is_some()).count(), alerts, "{name}");
    }
}

#[test]
fn smoke_passes_whatever_the_seed() {
    passes_whatever_the_seed("smoke", 1);
}

#[test]
fn quoter_timeout_passes_whatever_the_seed() {
    passes_whatever_the_seed("quoter-timeout", 1);
}

#[test]
fn rate_limit_storm_passes_whatever_the_seed() {
    passes_whatever_the_seed("rate-limit-storm", 1);
}

/// Four times shorter, for the time it takes: a colder cache and fewer shots, so nothing is easier than at full length.
#[test]
fn prelaunch_passes_whatever_the_seed() {
    passes_whatever_the_seed("prelaunch", 4);
}

/// Five minutes of the thirty.
#[test]
fn soak_passes() {
    for (seed, judgement) in judgements(&file("soak"), 6, 0..seeds().div_ceil(4)) {
        assert_eq!(judgement.verdict, Verdict::Pass, "seed {seed}: {:?}", judgement.findings);
    }
}

#[test]
fn chaos_passes_whatever_the_seed() {
    modelled().for_each(|name| passes_whatever_the_seed(&name, 1));
}

#[test]
fn the_suite_runs_all_of_the_chaos() {
    let suite = text(&folder().join("chaos-suite.yaml"));
    for name in CHAOS {
        assert!(suite.contains(&format!("  - chaos/{name}.yaml\n")), "{name}");
    }
}

#[test]
fn every_twin_breaks_what_it_says_and_nothing_else() {
    NAMES.into_iter().for_each(breaks_what_it_says);
    modelled().for_each(|name| breaks_what_it_says(&name));
}

/// The short cut past the disk changes nothing: the same run, recorded and read back, gets the same findings.
#[test]
fn recorded_evidence_gets_the_same_findings() {
    let mut scenario = client_side(&file("quoter-timeout"), 1);
    scenario.promises.retain(|p| !matches!(p.claim, Claim::Alert(_)));
    scenario.alerts = None;
    let plan = Plan::new(&scenario);
    let played = Model::new(&scenario).play(&plan, 7);
    let parent = tempfile::tempdir().expect("a folder");
    let recorded = judge(&scenario, &plan, &record(parent.path(), &scenario, &plan, &played), &[]);
    let straight = judge(&scenario, &plan, &model::evidence(&scenario, &plan, &played), &[]);
    assert_eq!(recorded.findings, straight.findings);
    assert_eq!((recorded.verdict, straight.verdict), (Verdict::Pass, Verdict::Pass));
}

fn record(parent: &Path, scenario: &Scenario, plan: &Plan, played: &Played) -> Evidence {
    let folder = Folder::create(parent, 0).expect("a folder");
    folder.write_manifest(&model::manifest(scenario, plan)).expect("a manifest");
    let classes = |t: &scenario::Traffic| t.classes.iter().map(|c| c.name.clone()).collect();
    let faults = scenario.faults.iter().zip(&plan.timeline.faults).map(|(f, spans)| (f.name.clone(), spans.clone()));
    let known = recorder::Plan {
        traffic: scenario.traffic.iter().map(|t| (t.name.clone(), classes(t))).collect(),
        parts: Vec::new(),
        edges: plan.timeline.edges(),
        faults: faults.collect(),
        workers: 1,
        lag_limit: scenario.fitness.lag,
        wall_zero: 0,
        tracer: Tracer::new(scenario.seed, "synthetic"),
    };
    let mut recorder = Recorder::create(&folder, known).expect("files");
    let end = plan.timeline.end;
    let taken = played.replies.iter().map(|r| (r.traffic, recorder::second_of(r.due), 1)).collect();
    let batch = Batch { at: end, through: end, taken, replies: played.replies.clone(), ..Batch::default() };
    recorder.batch(&batch).expect("records");
    for event in model::events(scenario, plan, played) {
        recorder.event(&event).expect("records");
    }
    recorder.flush(end).expect("flushes");
    let mut stage = touches::Writer::create(&folder.file("touches.stage.log")).expect("a file");
    played.decisions.iter().for_each(|decision| stage.write(decision).expect("records"));
    stage.flush().expect("flushes");
    Evidence::read(&folder).expect("evidence")
}

/// Real runs, one after the other, shortened: the named promise breaks and the exit code says so. What else breaks on a
/// busy machine is not asked.
#[test]
fn twins_fail_for_real() {
    thread::scope(|scope| {
        scope.spawn(|| breaks_for_real(&folder().join("must-fail/leak.yaml"), 1));
        for (name, time_scale) in [("smoke", 2), ("quoter-timeout", 3), ("rate-limit-storm", 3)] {
            fails_for_real(name, time_scale);
        }
    });
}

/// As above, for the chaos.
#[test]
fn twins_of_the_chaos_fail_for_real() {
    // They wait more than they work: three at a time.
    for some in CHAOS.chunks(3) {
        thread::scope(|scope| {
            for name in some {
                scope.spawn(move || fails_for_real(&format!("chaos/{name}"), 2));
            }
        });
    }
}

fn fails_for_real(name: &str, time_scale: u32) {
    breaks_for_real(&twin(name), time_scale);
}

/// A promise that our own doing may have broken says nothing: up to three runs are made until none of the named is INVALID.
fn breaks_for_real(twin: &Path, time_scale: u32) {
    let name = twin.display();
    for left in (0..3).rev() {
        let (said, verdict) = run_for_real(twin, time_scale);
        let all = verdict["findings"].as_array().cloned().unwrap_or_default();
        let came = must_break(twin).into_iter().map(|wanted| {
            let is_it =
                |f: &&serde_json::Value| format!("{}, {}", word(&f["promise"]), word(&f["window"]["name"])) == wanted;
            let finding = all.iter().find(is_it).unwrap_or_else(|| panic!("{name}: no finding on {wanted}: {said}"));
            (word(&finding["verdict"]).to_owned(), wanted)
        });
        let came: Vec<(String, String)> = came.collect();
        if left > 0 && came.iter().any(|(verdict, _)| verdict == "INVALID") {
            continue;
        }
        assert!(came.iter().all(|(verdict, _)| verdict == "FAIL"), "{name}: {came:?}: {said}");
        assert_eq!(verdict["exit_code"], 1, "{name}: {said}");
        return;
    }
}

/// What a run said, and its `verdict.json`.
fn run_for_real(twin: &Path, time_scale: u32) -> (String, serde_json::Value) {
    let out = tempfile::tempdir().expect("a folder");
    let run = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .env("TRADE_KEY", "practice") // with which scenarios/tradeengine/signed.yaml signs
        .args(["run", "--quiet", "--no-color", "--time-scale", &time_scale.to_string(), "--out"])
        .arg(out.path())
        .arg(twin)
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    let verdict = find(out.path(), "verdict.json");
    let verdict = verdict.unwrap_or_else(|| panic!("{}: no verdict.json: {said}", twin.display()));
    let verdict: serde_json::Value = serde_json::from_str(&text(&verdict)).expect("JSON");
    assert_eq!(run.status.code().map(i64::from), verdict["exit_code"].as_i64(), "{}: {said}", twin.display());
    (said, verdict)
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A file of that name anywhere below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|e| e.path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, name),
        false => (path.file_name()? == name).then_some(path),
    })
}
