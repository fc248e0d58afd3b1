//! What a linter found: for a terminal, for machines, and as annotations of a pull request.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::github::{Level, command};
use crate::base::text;
use crate::lint::kinds::Severity;
use crate::lint::{Finding, Report};

/// For a terminal: each finding of at least this severity with its line, and a summary.
pub fn lint_text(reports: &[Report], level: Severity, colour: bool) -> String {
    let mut out = String::new();
    for report in reports {
        for finding in shown(report, level) {
            one(&mut out, report, finding, colour);
        }
    }
    for report in reports {
        let _ = writeln!(out, "{}", summary(report, level));
    }
    out
}

fn shown(report: &Report, level: Severity) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(move |finding| finding.severity >= level)
}

/// As grave as it is: red, yellow, or as everything else.
fn painted(text: &str, severity: Severity, colour: bool) -> String {
    let code = match severity {
        Severity::Error => 31,
        Severity::Warning => 33,
        Severity::Info => return text.into(),
    };
    if colour { format!("\u{1b}[1;{code}m{text}\u{1b}[0m") } else { text.into() }
}

fn one(out: &mut String, report: &Report, finding: &Finding, colour: bool) {
    let place = finding.at;
    let paint = |text: &str| painted(text, finding.severity, colour);
    let (file, kind) = (&report.file, finding.kind.id);
    let of = if finding.of.is_empty() { String::new() } else { format!("{}: ", finding.of) };
    let grave = paint(&format!("{}[{kind}]", finding.severity));
    let _ = writeln!(out, "{file}:{}:{}: {grave}: {of}{}", place.line, place.col, finding.what);
    let gutter = place.line.to_string().len().max(3);
    if let Some(line) = report.text.lines().nth((place.line as usize).wrapping_sub(1)).filter(|_| place.len > 0) {
        // A dashboard's lines can be endless: what is quoted begins near the place.
        let skip = if line.chars().count() < 160 { 0 } else { (place.col as usize).saturating_sub(40) };
        let quoted = text::shorten(&line.chars().skip(skip).collect::<String>(), 160);
        let indent = (place.col as usize - 1).saturating_sub(skip);
        let marks = (place.len as usize).min(quoted.chars().count().saturating_sub(indent).max(1));
        let _ = writeln!(out, "{:>gutter$} | {quoted}", place.line);
        let _ = writeln!(out, "{:>gutter$} | {:indent$}{}", "", "", paint(&"^".repeat(marks)));
    }
    let _ = writeln!(out, "{:>gutter$} = why: {}", "", finding.why);
    let _ = writeln!(out, "{:>gutter$} = instead: {}\n", "", finding.instead);
}

fn summary(report: &Report, level: Severity) -> String {
    let looked_at = match (report.looked_at, report.noun) {
        (1, noun) => format!("1 {noun}"),
        (n, "query") => format!("{n} queries"),
        (n, noun) => format!("{n} {noun}s"),
    };
    let mut parts = vec![looked_at];
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let (count, word) = (report.count(severity) as u64, severity.word());
        let noun = if severity == Severity::Info { "remark" } else { word };
        let hidden = severity < level && count > 0;
        if count > 0 || severity != Severity::Info {
            let hint = if hidden { format!(" (not shown: --level {word})") } else { String::new() };
            parts.push(format!("{}{hint}", text::count(count, noun)));
        }
    }
    if report.out_of_scope > 0 {
        parts.push(format!("{} of LogQL passed over", report.out_of_scope));
    }
    if report.silenced > 0 {
        parts.push(format!("{} silenced", report.silenced));
    }
    format!("{}: {}", report.file, parts.join(", "))
}

/// For machines: everything of at least this severity.
pub fn lint_json(reports: &[Report], level: Severity) -> String {
    let finding = |finding: &Finding| {
        json!({
            "id": finding.kind.id,
            "severity": finding.severity.word(),
            "line": finding.at.line,
            "column": finding.at.col,
            "length": finding.at.len,
            "of": finding.of,
            "what": finding.what,
            "why": finding.why,
            "instead": finding.instead,
        })
    };
    let files: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!({
                "file": report.file,
                "looked_at": report.looked_at,
                "out_of_scope": report.out_of_scope,
                "silenced": report.silenced,
                "findings": shown(report, level).map(finding).collect::<Vec<_>>(),
            })
        })
        .collect();
    let total = |severity| reports.iter().map(|report| report.count(severity)).sum::<usize>();
    let all = json!({
        "format": 1,
        "errors": total(Severity::Error),
        "warnings": total(Severity::Warning),
        "remarks": total(Severity::Info),
        "files": files,
    });
    format!("{all:#}\n")
}

/// As commands that a GitHub workflow turns into annotations.
pub fn lint_github(reports: &[Report], level: Severity) -> String {
    let mut out = String::new();
    for report in reports {
        for finding in shown(report, level) {
            let grave = match finding.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
                Severity::Info => Level::Notice,
            };
            let of = if finding.of.is_empty() { String::new() } else { format!("{}: ", finding.of) };
            let message = format!("{of}{}\nwhy: {}\ninstead: {}", finding.what, finding.why, finding.instead);
            let about = [
                ("file", Some(report.file.clone())),
                ("line", Some(finding.at.line.to_string())),
                ("col", Some(finding.at.col.to_string())),
                ("title", Some(finding.kind.id.to_owned())),
            ];
            out.push_str(&command(grave, &about, &message));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Known, RuleFile};

    const FILE: &str = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x_total > 0\n    for: 1m\n    \
                        labels: { severity: page }\n    annotations: { summary: s }\n";

    #[test]
    fn each_finding_has_its_line_its_reason_and_its_remedy() {
        let report = RuleFile::read("a,b.yml", FILE).lint(&Known::default());
        let text = lint_text(std::slice::from_ref(&report), Severity::Warning, false);
        let want = "a,b.yml:5:11: error[raw-counter]: alert A: `x_total` is a counter, by its name";
        assert!(text.starts_with(want), "{text}");
        assert!(text.contains("  5 |     expr: x_total > 0\n    |           ^^^^^^^^^^^\n    = why: "), "{text}");
        assert!(text.ends_with("a,b.yml: 1 rule, 1 error, 0 warnings\n"), "{text}");
        let painted = lint_text(std::slice::from_ref(&report), Severity::Warning, true);
        assert!(painted.contains("\u{1b}[1;31merror[raw-counter]\u{1b}[0m: alert A: "), "{painted}");
        assert_eq!(painted.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", ""), text, "colour is all that differs");
        let github = lint_github(std::slice::from_ref(&report), Severity::Warning);
        assert!(github.starts_with("::error file=a%2Cb.yml,line=5,col=11,title=raw-counter::alert A: "), "{github}");
        assert_eq!(github.lines().count(), 1);
        let json: Value = serde_json::from_str(&lint_json(&[report], Severity::Info)).expect("JSON");
        assert_eq!(json["files"][0]["findings"][0]["id"], "raw-counter");
        assert_eq!(json["errors"], 1);
    }
}
