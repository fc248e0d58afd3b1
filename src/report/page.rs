//! What the linter of metrics pages found, for people, for machines, and as annotations of GitHub's.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::github::{Level, command};
use crate::base::text;
use crate::base::units;
use crate::lint::metrics::{Except, Finding, Gravity, Load};

/// A page that was looked at.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is.
    pub url: String,
    /// What it is served as.
    pub media: Option<String>,
    /// How large it is, uncompressed.
    pub bytes: usize,
    /// Whether it came compressed.
    pub gzip: bool,
    /// How often it was fetched.
    pub fetches: usize,
    /// The longest that it took.
    pub slowest: Duration,
    /// How many metrics it has.
    pub metrics: usize,
    /// How many series.
    pub series: usize,
    /// What the growth of labels was measured by.
    pub requests: Option<Load>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Exceptions that nothing came under.
    pub idle: Vec<Except>,
}

impl Page {
    fn count(&self, gravity: Gravity) -> u64 {
        self.findings.iter().filter(|finding| finding.rule.gravity == gravity).count() as u64
    }

    /// How many requests there were while it was watched, and by whose count.
    fn rose(&self) -> Option<(u64, &str)> {
        let load = self.requests.as_ref()?;
        let rose = load.requests.last()?.1 - load.requests.first()?.1;
        (rose > 0.0).then_some((rose as u64, load.by.as_str()))
    }
}

/// For people.
pub fn text(page: &Page, colour: bool) -> String {
    let mut out = String::new();
    let media = page.media.as_deref().unwrap_or("no Content-Type");
    let _ = writeln!(
        out,
        "{}: {media}, {} bytes{}, {}, {} series, slowest of {} {}",
        page.url,
        text::thousands(page.bytes as u64),
        if page.gzip { " (gzip)" } else { "" },
        text::count(page.metrics as u64, "metric"),
        text::thousands(page.series as u64),
        text::thousands(page.fetches as u64),
        units::measured(page.slowest)
    );
    if let Some((rose, by)) = page.rose() {
        let _ = writeln!(out, "growth measured over {} {by}", text::count(rose, "request"));
    }
    out.push('\n');
    for finding in &page.findings {
        let code = match finding.rule.gravity {
            Gravity::Error => 31,
            Gravity::Warning => 33,
        };
        let word = format!("{:<8}", finding.rule.gravity.word());
        let word = if colour { format!("\u{1b}[1;{code}m{word}\u{1b}[0m") } else { word };
        let _ = writeln!(out, "{word} {}{}", finding.rule.id, place(finding));
        let times =
            if finding.count > 1 { format!(" ({} times)", text::thousands(finding.count)) } else { String::new() };
        let _ = writeln!(out, "         {}{times}", finding.why);
        for example in &finding.examples {
            let _ = writeln!(out, "         e.g. {example}");
        }
        let _ = writeln!(out, "         → {}", finding.rule.remedy);
    }
    if !page.findings.is_empty() {
        out.push('\n');
    }
    for except in &page.idle {
        let _ = writeln!(out, "note: nothing came under --except {}={}", except.id, except.metrics.join(","));
    }
    let (errors, warnings) = (page.count(Gravity::Error), page.count(Gravity::Warning));
    let _ = writeln!(out, "{}, {}", text::count(errors, "error"), text::count(warnings, "warning"));
    out
}

fn place(finding: &Finding) -> String {
    let metric = if finding.metric.is_empty() { String::new() } else { format!("  {}", finding.metric) };
    let line = finding.line.map_or_else(String::new, |line| format!("  line {line}"));
    format!("{metric}{line}")
}

/// For machines.
pub fn json(page: &Page) -> String {
    let findings: Vec<Value> = page
        .findings
        .iter()
        .map(|f| {
            json!({
                "id": f.rule.id,
                "part": f.rule.check.word(),
                "gravity": f.rule.gravity.word(),
                "metric": f.metric,
                "label": f.label,
                "line": f.line,
                "count": f.count,
                "why": f.why,
                "remedy": f.rule.remedy,
                "examples": f.examples,
            })
        })
        .collect();
    let value = json!({
        "url": page.url,
        "media": page.media,
        "bytes": page.bytes,
        "gzip": page.gzip,
        "fetches": page.fetches,
        "slowest": page.slowest.as_secs_f64(),
        "metrics": page.metrics,
        "series": page.series,
        "requests": page.rose().map(|(rose, by)| json!({ "count": rose, "by": by })),
        "errors": page.count(Gravity::Error),
        "warnings": page.count(Gravity::Warning),
        "findings": findings,
        "unused_exceptions": page.idle.iter().map(|e| json!({ "id": e.id, "metrics": e.metrics })).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&value).unwrap_or_else(|why| format!("{{\"error\": \"{why}\"}}"));
    text + "\n"
}

/// Workflow commands, one a finding.
pub fn github(page: &Page) -> String {
    let mut out = String::new();
    for finding in &page.findings {
        let title = format!("{}{}", finding.rule.id, place(finding));
        let said = format!("{}: {}; {}", page.url, finding.why, finding.rule.remedy);
        let level = match finding.rule.gravity {
            Gravity::Error => Level::Error,
            Gravity::Warning => Level::Warning,
        };
        out.push_str(&command(level, &[("title", Some(title))], &said));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::metrics::rule;

    fn page() -> Page {
        let mut finding = Finding::new(rule::TYPE_MISSING, "a_b", "no TYPE: 5 %, then\nmore");
        finding.line = Some(7);
        Page {
            url: "http://h:1/metrics".into(),
            media: None,
            bytes: 1234,
            gzip: false,
            fetches: 1,
            slowest: Duration::from_millis(3),
            metrics: 2,
            series: 3,
            requests: None,
            findings: vec![finding],
            idle: vec![Except { id: "label-id".into(), metrics: vec!["x".into()] }],
        }
    }

    #[test]
    fn each_form_carries_the_finding() {
        let shown = text(&page(), false);
        let painted = text(&page(), true);
        assert!(painted.contains("\u{1b}[1;31merror   \u{1b}[0m type-missing"), "{painted}");
        for part in
            ["type-missing  a_b  line 7", "no TYPE", "→ write `# TYPE", "1 error, 0 warnings", "--except label-id=x"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let value: Value = serde_json::from_str(&json(&page())).expect("json");
        assert_eq!((&value["errors"], &value["findings"][0]["line"]), (&json!(1), &json!(7)));
        let annotation = github(&page());
        assert!(
            annotation.starts_with(
                "::error title=type-missing  a_b  line 7::http://h:1/metrics: no TYPE: 5 %25, then%0Amore; "
            )
        );
        assert_eq!(annotation.lines().count(), 1);
    }
}
