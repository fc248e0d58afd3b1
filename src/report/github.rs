//! For GitHub's workflows: commands that its runner turns into annotations, and what keeps other text from being taken for
//! one.

use std::fmt::Write as _;

use super::{reconcile, words};
use crate::base::text;
use crate::judge::{Finding, Judgement, Severity, Verdict};

/// So many annotations of a kind are shown of a step; the others are in its summary.
const SHOWN: usize = 10;
/// How long a message may be, in characters.
const MESSAGE: usize = 2_000;
/// So many bytes of a step's summary are kept: GitHub takes a mebibyte of all of a step's.
const SUMMARY: usize = 1_000_000;

/// How grave an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `::notice`
    Notice,
    /// `::warning`
    Warning,
    /// `::error`
    Error,
}

/// A workflow command with what it is about; what has no value is left out.
pub fn command(level: Level, properties: &[(&str, Option<String>)], message: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let word = match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let known = properties.iter().filter_map(|(name, value)| Some(format!("{name}={}", property(value.as_deref()?))));
    let known = known.collect::<Vec<_>>().join(",");
    let blank = if known.is_empty() { "" } else { " " };
    format!("::{word}{blank}{known}::{}\n", data(message))
}

/// An annotation for whatever keeps a run from passing, the gravest first. `file` is the scenario's, `lines` are where its
/// promises stand in it, in their order.
pub fn annotations(judgement: &Judgement, file: &str, lines: &[Option<u32>]) -> String {
    let mut all: Vec<(Level, Option<u32>, String, String)> = Vec::new();
    for reason in &judgement.reasons {
        all.push((Level::Error, None, reason.verdict.word().into(), reason.why.clone()));
    }
    let mut findings: Vec<(usize, &Finding)> = judgement.findings.iter().enumerate().collect();
    findings.retain(|(_, finding)| finding.verdict != Verdict::Pass && finding.severity != Severity::Info);
    findings.sort_by_key(|(_, finding)| (finding.severity, std::cmp::Reverse(finding.verdict)));
    for (nth, finding) in findings {
        let title = format!("{} {}", finding.verdict.word(), text::shorten(&finding.promise, 120));
        let observed = words::observed(finding);
        let (compare, bound, place) = (finding.compare, finding.bound, &finding.window.name);
        let said = format!("observed {observed}, promised {compare} {bound}, {place}: {}", finding.why);
        all.push((level(finding.severity), lines.get(nth).copied().flatten(), title, said));
    }
    for check in judgement.reconcile.iter().filter(|check| check.counts_as != Verdict::Pass) {
        let title = format!("{} {}", check.counts_as.word(), text::shorten(&check.check, 120));
        all.push((level(check.severity), None, title, reconcile::sentence(check)));
    }
    let mut out = String::new();
    for level in [Level::Error, Level::Warning] {
        let of_level: Vec<_> = all.iter().filter(|(of, ..)| *of == level).collect();
        let shown = if of_level.len() > SHOWN { SHOWN - 1 } else { SHOWN };
        let at = |line: Option<u32>, title: &str| {
            [("file", Some(file.to_owned())), ("line", line.map(|n| n.to_string())), ("title", Some(title.to_owned()))]
        };
        for (_, line, title, said) in of_level.iter().take(shown) {
            out.push_str(&command(level, &at(*line, title), &text::shorten(said, MESSAGE)));
        }
        if let Some(more) = of_level.len().checked_sub(shown).filter(|more| *more > 0) {
            let title = format!("and {more} more");
            out.push_str(&command(level, &at(None, &title), "all of them are in the summary of this step"));
        }
    }
    if judgement.verdict == Verdict::Pass {
        let title = format!("PASS {}", text::shorten(&judgement.scenario, 120));
        out.push_str(&command(Level::Notice, &[("title", Some(title))], &words::headline(judgement)));
    }
    out
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical => Level::Error,
        Severity::Warning | Severity::Info => Level::Warning,
    }
}

/// Text in which no line is a workflow command, whatever was put into it.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("::") || line.contains("##[") {
            out.push_str("· ");
            let _ = write!(out, "{}", line.replace("##[", "## ["));
        } else {
            out.push_str(line);
        }
    }
    out
}

/// As much of a summary as GitHub takes, cut at the end of a line.
pub fn step_summary(markdown: &str) -> String {
    if markdown.len() <= SUMMARY {
        return format!("{markdown}\n");
    }
    let cut = markdown.as_bytes()[..SUMMARY].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    format!("{}\nThe rest is in summary.md of the run.\n", &markdown[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_command() {
        let properties = [("file", Some("a,b:c%.yaml".to_owned())), ("line", None)];
        let got = command(Level::Error, &properties, "5 %, then\r\n::error::mine");
        assert_eq!(got, "::error file=a%2Cb%3Ac%25.yaml::5 %25, then%0D%0A::error::mine\n");
        assert_eq!(command(Level::Notice, &[], "well"), "::notice::well\n");
    }

    #[test]
    fn no_line_of_a_text_is_a_command() {
        let text = "plain\n  ::set-output name=x::y\n::error::no\n##[group]x\nend";
        assert_eq!(harmless(text), "plain\n·   ::set-output name=x::y\n· ::error::no\n· ## [group]x\nend");
        assert_eq!(harmless("as: it :: was\n"), "as: it :: was\n");
    }

    #[test]
    fn a_summary_that_is_too_long_is_cut_at_a_line() {
        let long = "é line\n".repeat(200_000);
        let cut = step_summary(&long);
        assert!(cut.len() < SUMMARY + 100 && cut.ends_with("line\n\nThe rest is in summary.md of the run.\n"));
        assert_eq!(step_summary("short"), "short\n");
    }
}
