//! What machines read of several runs: `suite.json`, histories, comparisons; and what somebody else's reader of schemas says of
//! everything that has one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::judge::{Change, Compared, Comparison, Ended, History, Judgement, Past, Recovery, Stood, Turn, Verdict};
use proofload::report::{self, Launchpad, compare};
use serde_json::Value;

use super::judgements;
use super::schema::Schema;

/// A suite in which everything became of something.
fn suite() -> Value {
    let stood = |absorbed, verdict, recovery| Stood {
        fault: "hangs".into(),
        kind: "timeout".into(),
        injected: 7,
        absorbed,
        surfaced: absorbed,
        recovery,
        verdict,
    };
    let faults = vec![
        stood(Some(3), Some(Verdict::Fail), Recovery::Never),
        stood(None, None, Recovery::Within(Duration::ZERO, Duration::from_millis(100))),
    ];
    let judged = |(name, judgement): (&str, &Judgement)| Turn {
        scenario: name.into(),
        file: format!("{name}.yaml"),
        ended: Ended::Judged { judgement: Box::new(judgement.clone()), place: "here".into(), faults: faults.clone() },
    };
    let mut turns: Vec<Turn> = judgements().map(judged).collect();
    let place = "there".to_owned();
    let more = [
        Ended::Unjudged { why: "torn".into(), place: place.clone() },
        Ended::Searched { verdict: Verdict::Pass, why: "a knee".into(), place },
        Ended::NotStarted("no target".into()),
        Ended::NotRun,
    ];
    turns.extend(more.map(|ended| Turn { scenario: "other".into(), file: "other.yaml".into(), ended }));
    let hrefs: Vec<Option<String>> = (0..turns.len()).map(|n| (n % 2 == 0).then(|| "../a".into())).collect();
    let pad = Launchpad { name: "all", run: "now", turns: &turns, hrefs: &hrefs, code: 1 };
    let files = report::suite_files(&pad);
    let text = files.iter().find(|(name, _)| *name == "suite.json").map(|(_, text)| text.as_str());
    serde_json::from_str(text.expect("a file")).expect("JSON")
}

/// A history with a change, a run without figures, and one that is left out.
fn history() -> Value {
    let run = |n: usize| Past {
        run: format!("run{n:02}"),
        verdict: if n == 5 { Verdict::Invalid } else { Verdict::Pass },
        figures: vec![("q".into(), "p99".into(), if n < 12 { 0.1 } else { 0.2 })],
    };
    let runs: Vec<Past> = (0..24).map(run).collect();
    let history = History::new("a history", &runs, vec![("old".into(), "plans differ".into())], 0.05, Seed(1));
    assert_eq!(history.changes().count(), 1);
    serde_json::from_str(&report::history_json(&[history])).expect("JSON")
}

/// A comparison of which something can be said, and one of which nothing can.
fn comparison() -> Value {
    let change = |outcome, known: bool| Change {
        traffic: "q".into(),
        measure: "p99",
        base: 0.1,
        candidate: 0.2,
        change: 1.0,
        between: known.then_some([0.8, 1.3]),
        p: known.then_some(0.001),
        outcome,
        why: (!known).then(|| "too few blocks".into()),
    };
    let changes = vec![change(Compared::Worse, true), change(Compared::Undecided, false)];
    let traffic =
        vec![Comparison { changes, blocks: (1.0, [60, 60]), mann_whitney: Some(0.2), lengths: Default::default() }];
    let pair = |traffic, unfair: Vec<String>| compare::Pair {
        base: "a".into(),
        candidate: "b".into(),
        unfair,
        threshold: 0.05,
        traffic,
    };
    let pairs = [pair(traffic, vec!["seeds: 1 and 2".into()]), pair(Vec::new(), Vec::new())];
    serde_json::from_str(&compare::compare_json(&pairs)).expect("JSON")
}

fn schema(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(format!("{name}.schema.json"));
    fs::read_to_string(path).expect("readable")
}

#[test]
fn what_is_written_of_several_runs_is_what_its_schema_says() {
    for (name, document) in [("suite", suite()), ("history", history()), ("compare", comparison())] {
        let schema = Schema::of(&schema(name));
        let (wrong, met) = schema.check(&document);
        assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
        let unmet: BTreeSet<_> = schema.described().difference(&met).cloned().collect();
        assert!(unmet.is_empty(), "{name}: described, but not written: {unmet:#?}");
    }
}

/// Python's jsonschema reads the schemas as whoever writes a gate in Python would.
const READER: &str = "\
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
reader = jsonschema.Draft202012Validator(schema)
for path in sys.argv[2:]:
    for wrong in reader.iter_errors(json.load(open(path))):
        print(path, '/'.join(map(str, wrong.absolute_path)), wrong.message[:200])
";

#[test]
fn somebody_elses_reader_of_schemas_finds_nothing_wrong() {
    if !Command::new("python3").args(["-c", "import jsonschema"]).output().is_ok_and(|out| out.status.success()) {
        let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "jsonschema"),
            "jsonschema is required: pip install jsonschema, in the python3 that PATH names"
        );
        eprintln!("skipped: python3 has no jsonschema (pip install jsonschema)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let said = |schema: &str, documents: &[Value]| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(format!("{schema}.schema.json"));
        let write = |(n, document): (usize, &Value)| {
            let file = folder.path().join(format!("{schema}-{n}.json"));
            fs::write(&file, document.to_string()).expect("written");
            file
        };
        let files: Vec<_> = documents.iter().enumerate().map(write).collect();
        let out = Command::new("python3").args(["-c", READER]).arg(path).args(files).output().expect("it runs");
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    };
    let verdicts: Vec<Value> =
        judgements().map(|(_, judgement)| serde_json::from_str(&report::verdict(judgement)).expect("JSON")).collect();
    for (name, documents) in
        [("verdict", &verdicts[..]), ("suite", &[suite()]), ("history", &[history()]), ("compare", &[comparison()])]
    {
        let said = said(name, documents);
        assert!(said.is_empty(), "{name}: {said}");
    }
    // What is not what its schema says is seen.
    let mut bad = verdicts[0].clone();
    bad["verdict"] = "GOOD".into();
    assert!(said("verdict", &[bad]).contains("'GOOD' is not one of"));
}
