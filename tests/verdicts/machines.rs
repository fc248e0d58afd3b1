//! What machines read of a verdict: `verdict.json` and `junit.xml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proofload::judge::Judgement;
use proofload::report;
use serde_json::json;

use super::case::Case;
use super::schema::Schema;
use super::{judgements, junit};

#[test]
fn every_verdict_is_what_its_schema_says() {
    let schema = Schema::shipped();
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for (name, judgement) in judgements() {
        let document = serde_json::from_str(&report::verdict(judgement)).expect("JSON");
        let (problems, there) = schema.check(&document);
        wrong.extend(problems.into_iter().map(|why| format!("{name}: {why}")));
        met.extend(there);
    }
    // No case has parts of shots: they come from the recorder.
    let parts = super::parts::orders(&["{ expect: p95(orders.submit) < 5s }"]);
    met.extend(schema.check(&serde_json::to_value(parts).expect("serialises")).1);
    // Nor has any been followed to its end by polls.
    let polled = super::polled::jobs(&["p95(jobs) < 5s"]);
    met.extend(schema.check(&serde_json::to_value(polled).expect("serialises")).1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unmet: Vec<String> = schema.described().difference(&met).cloned().collect();
    assert!(unmet.is_empty(), "described, but in no verdict: {unmet:#?}");
}

#[test]
fn a_verdict_that_is_not_what_its_schema_says_is_seen() {
    let schema = Schema::shipped();
    let text = fs::read_to_string(super::cases().first().expect("a case")).expect("readable");
    let good = serde_json::to_value(Case::read(&text).expect("a case").judge()).expect("serialises");
    assert_eq!(schema.check(&good).0, Vec::<String>::new());
    for (pointer, value) in [
        ("/verdict", json!("GOOD")),
        ("/exit_code", json!(2)),
        ("/format", json!(2)),
        ("/time_scale", json!(0)),
        ("/findings/0/samples", json!(-1)),
        ("/findings/0/bound/unit", json!(7)),
        ("/findings/0/bound", json!(null)),
        ("/findings/0/window/parts/0", json!([1])),
        ("/findings/0/window/parts/0", json!([1, 2, 3])),
        ("/fitness/cpu", json!("none")),
        ("/fitness", json!({})),
        ("/traffic", json!({ "q": {} })),
        ("/stuck", json!([{ "fault": "f", "why": "w", "remedy": "r", "more": 1 }])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value.clone();
        assert!(!schema.check(&bad).0.is_empty(), "{pointer}: {value}");
    }
}

#[test]
fn junit_is_what_its_readers_expect() {
    let mut wrong = Vec::new();
    for (name, judgement) in judgements() {
        // What users name things is theirs.
        let scenario = "a <b> & \"c\" 'd' ]]> \u{1}\u{7f} é".into();
        let judgement = Judgement { scenario, ..judgement.clone() };
        wrong.extend(junit::wrong(&judgement).into_iter().map(|why| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Held against the schema that ships, by somebody else's reader of schemas.
#[test]
fn junit_is_what_the_schema_that_ships_says() {
    if !Command::new("xmllint").arg("--version").output().is_ok_and(|out| out.status.success()) {
        let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "xmllint"),
            "xmllint is required: apt-get install libxml2-utils"
        );
        eprintln!("skipped: xmllint is not installed (apt-get install libxml2-utils)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/junit.xsd");
    let check = |files: &[PathBuf]| {
        let said = Command::new("xmllint").arg("--noout").arg("--schema").arg(&schema).args(files).output();
        let said = said.expect("it runs");
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    let mut files = Vec::new();
    for (name, judgement) in judgements() {
        let file = folder.path().join(format!("{name}.xml"));
        fs::write(&file, report::junit(judgement)).expect("written");
        files.push(file);
    }
    let (valid, said) = check(&files);
    assert!(valid, "{}", said.lines().filter(|line| !line.ends_with(" validates")).collect::<Vec<_>>().join("\n"));
    // A document that is not what it says is seen.
    let text = fs::read_to_string(&files[0]).expect("written");
    fs::write(&files[0], text.replace("<testcase name=", "<testcase title=")).expect("written");
    assert!(!check(&files[..1]).0);
}
