//! The linter as its users meet it: each kind of finding has a bad and a good twin in `tests/lint/kinds`, the published
//! rules of five trading systems have their known faults found, and `docs/rules-lint.md` says what the code says.
//!
//! `UPDATE_GOLDEN=1 cargo test --test lint` writes the page; read the difference.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proofload::lint::kinds::{CHAPTERS, Kind, Severity};
use proofload::lint::{Dashboard, Exposed, Finding, Known, Report, RuleFile};
use proofload::observe::exposition::{self, Dialect};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn page(path: &Path) -> Option<Exposed> {
    let page = fs::read(path).ok()?;
    let parsed = exposition::parse(&page, Dialect::Text).expect("a metrics page");
    Some(Exposed::of_page("the page", &parsed))
}

fn known<'a>(exposed: Option<&'a Exposed>, files: &[&RuleFile]) -> Known<'a> {
    let recorded = files.iter().flat_map(|file| file.recorded()).map(str::to_owned).collect();
    Known { exposed, recorded, ..Known::default() }
}

fn lint(path: &Path) -> Report {
    let exposed = page(&path.with_extension("metrics"));
    let file = RuleFile::read(&path.display().to_string(), &text(path));
    file.lint(&known(exposed.as_ref(), &[&file]))
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    CHAPTERS.iter().flat_map(|chapter| chapter.kinds).copied()
}

/// The lines on which the rules of a twin begin.
fn rules_of(text: &str) -> Vec<u32> {
    let begins = |line: &&str| line.trim_start().starts_with("- alert:") || line.trim_start().starts_with("- record:");
    text.lines().enumerate().filter(|(_, line)| begins(line)).map(|(n, _)| n as u32 + 1).collect()
}

#[test]
fn every_kind_is_found_in_its_bad_twin_and_not_in_its_good_one() {
    let mut wrong = Vec::new();
    for kind in kinds() {
        let path = folder().join("kinds").join(kind.id).with_extension("yml");
        if !path.exists() {
            wrong.extend(panels(kind));
            continue;
        }
        let text = text(&path);
        let report = lint(&path);
        let good = text.lines().position(|line| line.trim() == "- name: good").expect("a good twin") as u32 + 1;
        let rules = rules_of(&text);
        let of = |line: u32| rules.iter().rev().find(|start| **start <= line).copied().unwrap_or_default();
        let found: BTreeSet<u32> = report.findings.iter().filter(|f| f.kind == kind).map(|f| of(f.at.line)).collect();
        // The comment of an exception stands above its rule; a copy is found, what it is a copy of is not.
        let own_way = ["ignore-comment", "duplicate-rule"].contains(&kind.id);
        for rule in rules.iter().filter(|rule| **rule < good && !found.contains(rule) && !own_way) {
            wrong.push(format!("{}: not found in the bad rule of line {rule}", kind.id));
        }
        if own_way && !report.findings.iter().any(|f| f.kind == kind && f.at.line < good) {
            wrong.push(format!("{}: not found", kind.id));
        }
        for finding in report.findings.iter().filter(|f| f.at.line > good) {
            if finding.kind == kind || finding.severity > Severity::Info {
                wrong.push(format!("{}: the good twin is no good: {finding:?}", kind.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A kind that only dashboards have.
fn panels(kind: &Kind) -> Vec<String> {
    let file = |twin: &str| folder().join("kinds").join(format!("{}.{twin}.json", kind.id));
    let lint = |twin: &str| Dashboard::read(twin, &text(&file(twin))).lint(&Known::default());
    let (bad, good) = (lint("bad"), lint("good"));
    let mut wrong = Vec::new();
    if !bad.findings.iter().any(|f| f.kind == kind) {
        wrong.push(format!("{}: not found: {:?}", kind.id, bad.findings));
    }
    if !good.findings.is_empty() {
        wrong.push(format!("{}: the good twin is no good: {:?}", kind.id, good.findings));
    }
    wrong
}

#[test]
fn every_twin_belongs_to_a_kind() {
    let ids: BTreeSet<&str> = kinds().map(|kind| kind.id).collect();
    assert_eq!(ids.len(), kinds().count(), "an id stands for one kind");
    for entry in fs::read_dir(folder().join("kinds")).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let id = name.split('.').next().unwrap_or_default();
        assert!(ids.contains(id), "{name} is the twin of nothing");
    }
}

/// Every finding of the rules as the five trading systems published them, of at least this severity.
fn published(exposed: Option<&Exposed>, level: Severity) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["business.yml", "infrastructure.yml", "services.yml", "trading_platform.yml"] {
        let file = RuleFile::read(name, &text(&folder().join("published").join(name)));
        let report = file.lint(&known(exposed, &[&file]));
        let line = |f: &Finding| format!("{name} {}: {}", f.of.trim_start_matches("alert "), f.kind.id);
        found.extend(report.findings.iter().filter(|f| f.severity >= level).map(line));
    }
    found
}

#[test]
fn the_known_faults_of_the_published_rules_are_found_and_no_others() {
    assert_eq!(
        published(None, Severity::Warning),
        [
            "business.yml HighDrawdown: high-water-mark",
            "business.yml HighOrderRejectionRate: self-division",
            "business.yml RiskLimitViolation: raw-counter",
            "business.yml RiskLimitViolation: template-period",
            "business.yml LowWinRate: lifetime-ratio",
            "business.yml LowMakerRatio: lifetime-ratio",
            "services.yml ServiceRestartLoop: rate-of-timestamp",
            "services.yml ServiceRestartLoop: never-fires",
            "services.yml HighErrorRate: self-division",
            "services.yml SlowResponseTime: split-quantile",
        ]
    );
    let remarks = published(None, Severity::Info);
    for known in [
        "business.yml PositionSizeLimitApproaching: assumed-labels",
        "infrastructure.yml HighCPUUsage: severity-comment",
        "infrastructure.yml HighMemoryUsage: severity-comment",
        "trading_platform.yml HighPipelineFailureRate: absent-operand",
        "business.yml StrategyInactive: silent-when-absent",
    ] {
        assert!(remarks.iter().any(|remark| remark == known), "{known} is not among {remarks:#?}");
    }
}

#[test]
fn against_what_is_exposed_the_published_rules_fare_worse() {
    let exposed = page(&folder().join("published/exposed.metrics"));
    let found = published(exposed.as_ref(), Severity::Warning);
    for known in [
        // The largest bucket ends at the threshold.
        "services.yml SlowResponseTime: never-fires",
        // The services expose their metrics under other names.
        "services.yml OrderExecutionBacklog: unknown-metric",
        "trading_platform.yml HighKafkaConsumerLag: unknown-metric",
        // The status is spelled otherwise.
        "trading_platform.yml HighPipelineFailureRate: unknown-value",
        // One metric has a symbol, the other has none.
        "business.yml PositionSizeLimitApproaching: unmatched-labels",
    ] {
        assert!(found.iter().any(|finding| finding == known), "{known} is not among {found:#?}");
    }
}

/// Rules as those write them who live with them: of machines, clusters, stores, objectives, and of the monitoring itself.
#[test]
fn rules_that_are_well_kept_raise_no_more_than_one_false_alarm_in_a_hundred() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder().join("well_kept"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let files: Vec<RuleFile> =
        files.iter().map(|path| RuleFile::read(&path.display().to_string(), &text(path))).collect();
    let all: Vec<&RuleFile> = files.iter().collect();
    let reports: Vec<Report> = files.iter().map(|file| file.lint(&known(None, &all))).collect();
    let rules: usize = reports.iter().map(|report| report.looked_at).sum();
    let alarms: Vec<String> = reports
        .iter()
        .flat_map(|report| report.findings.iter().map(move |finding| (report, finding)))
        .filter(|(_, finding)| finding.severity > Severity::Info)
        .map(|(report, f)| format!("{}:{} {}: {}", report.file, f.at.line, f.kind.id, f.what))
        .collect();
    assert!(rules >= 120, "only {rules} rules");
    assert!(alarms.len() * 100 <= rules, "{} of {rules}:\n{}", alarms.len(), alarms.join("\n"));
}

#[test]
fn dashboards_are_checked_wherever_their_panels_stand() {
    let exposed = page(&folder().join("published/exposed.metrics"));
    // One of all sorts, and the shapes of exports: for others to import, of long ago, of the newer schema.
    for name in ["dashboard", "dashboards/exported", "dashboards/older", "dashboards/newer"] {
        let (path, golden) = (folder().join(format!("{name}.json")), folder().join(format!("{name}.expected")));
        let report = Dashboard::read(name, &text(&path)).lint(&known(exposed.as_ref(), &[]));
        let lines: Vec<String> = report
            .findings
            .iter()
            .filter(|f| f.severity > Severity::Info)
            .map(|f| format!("{}:{} {}: {}", f.at.line, f.at.col, f.of, f.kind.id))
            .collect();
        let actual = format!("{} queries, {} of LogQL\n{}\n", report.looked_at, report.out_of_scope, lines.join("\n"));
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
            fs::write(golden, &actual).expect("writable");
            continue;
        }
        assert_eq!(actual, text(&golden), "{name}");
    }
}

#[test]
fn whatever_is_read_nothing_panics() {
    let mut texts: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder().join("kinds")).expect("readable") {
        texts.push(text(&entry.expect("readable").path()));
    }
    let exposed = page(&folder().join("published/exposed.metrics"));
    for text in &texts {
        for at in (0..text.len()).step_by(53).filter(|at| text.is_char_boundary(*at)) {
            let cut = format!("{}{}", &text[..at], &text[text.len().min(at + 3)..]);
            RuleFile::read("x.yml", &cut).lint(&known(exposed.as_ref(), &[]));
            Dashboard::read("x.json", &cut).lint(&known(exposed.as_ref(), &[]));
        }
    }
}

/// The rules of one twin, as they are written, without what all have around them.
fn example(text: &str, twin: &str) -> String {
    let lines = text.lines().skip_while(|line| line.trim() != format!("- name: {twin}")).skip(1);
    let lines = lines.take_while(|line| !line.trim_start().starts_with("- name:"));
    let mut out = String::new();
    for line in lines.filter(|line| line.trim() != "rules:") {
        let _ = writeln!(out, "{}", line.strip_prefix("      ").unwrap_or(line.trim_start()));
    }
    out
}

fn documented(kind: &Kind) -> String {
    let mut out = format!("### `{}`\n\n**{}**: {}. {}\n\n", kind.id, kind.severity, kind.title, kind.why);
    let _ = writeln!(out, "Instead: {}.\n", kind.instead.trim_end_matches('.'));
    let path = folder().join("kinds").join(kind.id).with_extension("yml");
    if path.exists() {
        let text = text(&path);
        let _ = writeln!(out, "```yaml\n# bad\n{}# good\n{}```\n", example(&text, "bad"), example(&text, "good"));
    } else {
        let query = |twin: &str| {
            let text = text(&folder().join("kinds").join(format!("{}.{twin}.json", kind.id)));
            text.lines().find(|line| line.contains("\"expr\"")).map(str::trim).unwrap_or(text.trim()).to_owned()
        };
        let _ = writeln!(out, "```\nbad:  {}\ngood: {}\n```\n", query("bad"), query("good"));
    }
    out
}

#[test]
fn the_page_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules-lint.md");
    let page = text(&path);
    const MARK: &str = "<!-- what follows is written by `UPDATE_GOLDEN=1 cargo test --test lint` -->\n";
    let (head, written) = page.split_once(MARK).expect("the mark that the list follows");
    let mut list = String::from("\n| id | severity | what |\n|---|---|---|\n");
    for kind in kinds() {
        let _ = writeln!(
            list,
            "| [`{}`](#{}) | {} | {} |",
            kind.id,
            kind.id,
            kind.severity,
            kind.title.replace('|', "\\|")
        );
    }
    for chapter in CHAPTERS {
        let _ = write!(list, "\n## {}\n\n", chapter.title);
        list.extend(chapter.kinds.iter().map(|kind| documented(kind)));
    }
    let list = list.trim_end().to_owned() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        fs::write(&path, format!("{head}{MARK}{list}")).expect("writable");
        return;
    }
    assert!(written == list, "docs/rules-lint.md is not what the code says: UPDATE_GOLDEN=1 cargo test --test lint");
}
