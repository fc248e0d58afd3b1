//! Bad days of reports: whatever became of a run, `judge` writes every report, each says what is missing, and the program
//! ends by the verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proofload::evidence::manifest::How;
use serde_json::Value;

use super::made::Made;
use super::page::balanced;

const REPORTS: [&str; 5] = ["report.html", "summary.md", "junit.xml", "verdict.json", "timeline.csv"];

/// What `judge` made of a run.
struct Judged {
    code: Option<i32>,
    out: String,
    err: String,
    folder: PathBuf,
}

impl Judged {
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name))
            .unwrap_or_else(|why| panic!("{name}: {why}: {}{}", self.out, self.err))
    }

    fn verdict(&self) -> Value {
        serde_json::from_str(&self.text("verdict.json")).expect("JSON")
    }
}

/// Judges a folder, and looks at every report.
fn judged(folder: &Path, code: i32) -> Judged {
    for name in REPORTS {
        let _ = fs::remove_file(folder.join(name));
    }
    let said = Command::new(env!("CARGO_BIN_EXE_proofload")).arg("judge").arg(folder).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let judged =
        Judged { code: said.status.code(), out: text(&said.stdout), err: text(&said.stderr), folder: folder.into() };
    assert_eq!(judged.code, Some(code), "{}{}", judged.out, judged.err);
    let page = judged.text("report.html");
    assert_eq!(balanced(&page), Ok(()), "{}", folder.display());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let verdict = judged.verdict();
    let (word, exit) = (verdict["verdict"].as_str().unwrap_or_default(), verdict["exit_code"].as_i64());
    assert_eq!(exit, Some(i64::from(code)), "{verdict}");
    assert!(page.contains(&format!("<p class=\"verdict\">{word}</p>")), "{word}");
    assert!(judged.text("summary.md").contains(&format!(" {word}: ")), "{word}");
    assert!(judged.text("junit.xml").contains("<testsuites"), "{word}");
    assert!(judged.text("timeline.csv").lines().count() >= 1);
    assert!(judged.out.lines().last().is_some_and(|last| last.starts_with(word)), "{}", judged.out);
    judged
}

fn made(of: &Made) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = of.make(parent.path());
    (parent, folder)
}

#[test]
fn a_run_that_went_well_passes_so_that_the_others_prove_something() {
    let (_parent, folder) = made(&Made::default());
    let judged = judged(&folder, 0);
    assert_eq!(judged.verdict()["traffic"]["x"]["outcomes"]["ok"], 1_200);
    let first = judged.text("verdict.json");
    assert_eq!(self::judged(&folder, 0).text("verdict.json"), first, "byte for byte");
}

#[test]
fn a_run_that_was_cut_short_says_where_and_why() {
    for (how, code, said) in [
        (Some(How::CutShort("the disk is full".into())), 4, "cut short at 20 s: the disk is full"),
        (Some(How::Interrupted), 130, "interrupted at 20 s"),
        (Some(How::Aborted("errors(x) > 50%".into())), 4, "aborted at 20 s"),
        (None, 4, "the run died at about 20 s"),
    ] {
        let (_parent, folder) = made(&Made { until: Some(20), how, ..Made::default() });
        let judged = judged(&folder, code);
        for text in
            [judged.out.clone(), judged.text("report.html"), judged.text("summary.md"), judged.text("junit.xml")]
        {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // What was broken until then is broken.
    let broken = Made { until: Some(20), how: Some(How::Interrupted), fails: 2, ..Made::default() };
    let (_parent, folder) = made(&broken);
    judged(&folder, 1);
}

#[test]
fn no_shot_at_all_and_a_single_one_prove_nothing() {
    let (_parent, folder) = made(&Made { until: Some(0), how: Some(How::CutShort("no".into())), ..Made::default() });
    let none = judged(&folder, 4);
    assert!(none.text("report.html").contains("No shot of this traffic came to an end."));
    let (_parent, folder) = made(&Made { rate: "1/s".into(), seconds: 1, ..Made::default() });
    let one = judged(&folder, 3);
    assert!(one.text("summary.md").contains("INCONCLUSIVE"));
    assert_eq!(one.verdict()["traffic"]["x"]["planned"], 1);
}

#[test]
fn a_hundred_promises_are_all_in_every_report() {
    let slo: Vec<String> = (1..=100).map(|n| format!("p95(x) < {n}ms")).collect();
    let (_parent, folder) = made(&Made { slo, ..Made::default() });
    let judged = judged(&folder, 1);
    let page = judged.text("report.html");
    for n in [1, 50, 100] {
        assert!(page.contains(&format!("p95(x) &lt; {n}ms")), "{n}");
        assert!(judged.text("summary.md").contains(&format!("`p95(x) < {n}ms`")), "{n}");
    }
    assert_eq!(judged.verdict()["findings"].as_array().map(Vec::len), Some(100));
    assert_eq!(judged.text("junit.xml").matches("<testcase").count(), 101, "and the experiment itself");
    let first = page.find("p95(x) &lt; 1ms").expect("broken");
    assert!(first < page.find("p95(x) &lt; 100ms").expect("kept"), "broken ones first");
}

#[test]
fn three_hundred_series_are_judged_and_do_not_swell_the_page() {
    let of = Made { series: 300, ..Made::default() };
    let (_parent, folder) = made(&of);
    // A promise about them all, which the file of the run is given later.
    let slo = folder.join("slo.yaml");
    fs::write(&slo, of.text() + "  - { promql: \"count(rate(jobs_total[$window]))\", expect: value > 299 }\n")
        .expect("written");
    judged(&folder, 0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
    let said = command.arg("judge").arg(&folder).arg("--slo").arg(&slo).output().expect("it runs");
    let out = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&said.stderr));
    assert!(out.contains("300"), "{out}");
}

#[test]
fn a_run_of_a_day_has_a_page_like_any_other() {
    // Few shots: that many intervals take an unoptimised build minutes to read. benches/reports.rs has the figures of many.
    let day = Made {
        rate: "0.02/s".into(),
        seconds: 86_400,
        flush: Duration::from_secs(60),
        fails: 1_000,
        ..Made::default()
    };
    let (_parent, folder) = made(&day);
    let judged = judged(&folder, 0);
    let page = judged.text("report.html");
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page.contains("24:00 h"), "an axis in hours");
}

#[test]
fn a_name_of_anything_is_a_name_in_every_report() {
    let name = "<script>alert(1)</script>&\"' ]]> | ` 名前 🚀 \u{202e}";
    let (_parent, folder) = made(&Made { name: name.into(), fails: 2, ..Made::default() });
    let judged = judged(&folder, 1);
    assert_eq!(judged.verdict()["scenario"], name);
    let page = judged.text("report.html");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"));
    let summary = judged.text("summary.md");
    assert!(!summary.contains("<script>") && summary.contains("🚀"), "{summary}");
    let junit = judged.text("junit.xml");
    let mut reader = quick_xml::Reader::from_str(&junit);
    while !matches!(reader.read_event().expect("XML"), quick_xml::events::Event::Eof) {}
}

#[test]
fn what_is_missing_or_torn_is_said_and_the_rest_is_used() {
    let gone = |name: &str| {
        let of = Made { series: 5, ..Made::default() };
        let (parent, folder) = made(&of);
        fs::remove_file(folder.join(name)).expect("it was there");
        (parent, folder)
    };
    for name in ["latency.hlog", "events.jsonl", "touches.log", "samples.chunks"] {
        let (_parent, folder) = gone(name);
        let judged = judged(&folder, 4);
        for text in [judged.out.clone(), judged.text("report.html"), judged.text("summary.md")] {
            assert!(text.contains(name), "{name} is missing: {text}");
        }
    }
    // Torn: what stands before is used.
    for (name, keep) in [("latency.hlog", 0.5), ("events.jsonl", 0.5), ("samples.chunks", 0.5)] {
        let (_parent, folder) = made(&Made { series: 5, ..Made::default() });
        let bytes = fs::read(folder.join(name)).expect("there");
        fs::write(folder.join(name), &bytes[..(bytes.len() as f64 * keep) as usize]).expect("torn");
        let judged = judged(&folder, 4);
        assert!(judged.text("report.html").contains(name), "{name} is torn: {}", judged.out);
    }
    // Without its scenario nobody knows what was promised; without its manifest, what it is.
    for name in ["scenario.yaml", "manifest.json"] {
        let (_parent, folder) = gone(name);
        let said = Command::new(env!("CARGO_BIN_EXE_proofload")).arg("judge").arg(&folder).output().expect("it runs");
        let err = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{err}");
        assert!(err.contains(name), "{err}");
    }
}

#[test]
fn evidence_of_another_format_is_read_if_it_is_older_and_refused_if_it_is_newer() {
    let with = |change: &dyn Fn(&mut Value)| {
        let (parent, folder) = made(&Made::default());
        let path = folder.join("manifest.json");
        let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).expect("there")).expect("JSON");
        change(&mut manifest);
        fs::write(&path, manifest.to_string()).expect("written");
        (parent, folder)
    };
    // As a program of before wrote it, which knew less.
    let (_parent, folder) = with(&|manifest| {
        manifest["format"] = 0.into();
        manifest["proofload"] = "0.0.1".into();
        manifest.as_object_mut().expect("an object").remove("kafka");
    });
    judged(&folder, 0);
    // As a program of later wrote it, that only added something.
    let (_parent, folder) = with(&|manifest| manifest["more"] = "unheard of".into());
    judged(&folder, 0);
    let (_parent, folder) = with(&|manifest| manifest["format"] = 99.into());
    let said = Command::new(env!("CARGO_BIN_EXE_proofload")).arg("judge").arg(&folder).output().expect("it runs");
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(2), "{err}");
    assert!(err.contains("evidence of format 99") && err.contains("use a newer proofload"), "{err}");
}
