//! A file of rules, rule by rule and as a whole.

use std::collections::BTreeMap;

use super::checks;
use super::finding::{Finding, Report};
use super::kinds::{self, Kind, Severity};
use super::silence;
use super::subject::{Known, Role, Subject};
use super::texts;
use crate::base::mistake::{Mistake, Place};
use crate::promql::rules::{Alert, Group, Rule, file};
use crate::promql::syntax::{Span, syntax};

/// A file of rules, read.
pub struct RuleFile {
    name: String,
    text: String,
    groups: Vec<Group>,
    mistakes: Vec<Mistake>,
}

impl RuleFile {
    /// Reads a file of rules.
    pub fn read(name: &str, text: &str) -> RuleFile {
        let (groups, mistakes) = file::read(name, text);
        RuleFile { name: name.into(), text: text.into(), groups, mistakes }
    }

    fn rules(&self) -> impl Iterator<Item = (&Group, &Rule)> {
        self.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
    }

    /// The names that its recording rules make.
    pub fn recorded(&self) -> impl Iterator<Item = &str> {
        self.rules().filter(|(_, rule)| rule.alert().is_none()).map(|(_, rule)| rule.name.as_str())
    }

    /// The metrics that its expressions ask for.
    pub fn metrics(&self) -> impl Iterator<Item = String> {
        self.rules().flat_map(|(_, rule)| {
            rule.expr.selectors().into_iter().filter_map(|s| s.selector.metric().map(str::to_owned)).collect::<Vec<_>>()
        })
    }

    /// Everything that is wrong with it.
    pub fn lint(&self, known: &Known<'_>) -> Report {
        let mut findings: Vec<Finding> = self.mistakes.iter().map(refused).collect();
        for (group, rule) in self.rules() {
            of_rule(group, rule, &self.text, known, &mut findings);
        }
        self.together(&mut findings);
        let exceptions = silence::of_lines(&self.text);
        let starts = if exceptions.is_empty() { Vec::new() } else { self.starts() };
        let silenced = silence::apply(&mut findings, &exceptions, |exception, finding| {
            rule_at(&starts, finding.at.line) == self.rule_of_comment(&starts, exception.at.line)
        });
        findings.sort_by_key(|f| (f.at, std::cmp::Reverse(f.severity)));
        // What the file's reader refuses and a check finds again is one finding.
        findings.dedup_by(|a, b| a.kind == b.kind && a.at == b.at && a.kind == kinds::TEMPLATE_TEXT);
        Report {
            file: self.name.clone(),
            text: self.text.clone(),
            looked_at: self.rules().count() + self.mistakes.iter().filter(|m| m.path.ends_with(".expr")).count(),
            noun: "rule",
            out_of_scope: 0,
            silenced,
            findings,
        }
    }

    /// What is wrong with rules beside one another.
    fn together(&self, findings: &mut Vec<Finding>) {
        let mut seen: BTreeMap<Identity<'_>, &Rule> = BTreeMap::new();
        for (_, rule) in self.rules() {
            let mut labels: Vec<(&str, &str)> = rule.labels.iter().map(|l| (l.name.as_str(), l.value.text())).collect();
            labels.sort_unstable();
            let key = (rule.alert().is_some(), rule.name.as_str(), labels);
            let Some(first) = seen.get(&key) else {
                seen.insert(key, rule);
                continue;
            };
            let same = squeezed(first.expr.text()) == squeezed(rule.expr.text());
            let what = match same {
                true => format!("it is a copy of the rule in line {}", first.at.line),
                false => format!("name and labels are those of the rule in line {}", first.at.line),
            };
            let finding = Finding::new(kinds::DUPLICATE_RULE, rule.at, &title(rule), what);
            // With another expression the results may well have other labels.
            findings.push(if same { finding } else { finding.graded(Severity::Info) });
        }
    }

    /// Where each rule begins.
    fn starts(&self) -> Vec<u32> {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |line: u32| lines.get(line as usize - 1).is_some_and(|l| l.trim_start().starts_with("- "));
        let start = |rule: &Rule| {
            let first = rule.at.line.min(rule.expr_at.line).max(1);
            (1..=first).rev().find(|line| begins(*line)).unwrap_or(first)
        };
        let mut starts: Vec<u32> = self.rules().map(|(_, rule)| start(rule)).collect();
        starts.sort_unstable();
        starts
    }

    /// The rule that a comment is about: the one that begins below it, or the one that it stands in.
    fn rule_of_comment(&self, starts: &[u32], line: u32) -> Option<usize> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_alone = lines.get(line as usize - 1).is_some_and(|l| l.trim_start().starts_with('#'));
        let next = (line as usize..lines.len())
            .find(|i| !lines[*i].trim().is_empty() && !lines[*i].trim_start().starts_with('#'))
            .map(|i| i as u32 + 1);
        match next.and_then(|next| starts.iter().position(|start| *start == next)) {
            Some(rule) if is_alone => Some(rule),
            _ => rule_at(starts, line),
        }
    }
}

/// The rule that a line belongs to.
fn rule_at(starts: &[u32], line: u32) -> Option<usize> {
    starts.partition_point(|start| *start <= line).checked_sub(1)
}

/// Whether it is an alert, its name, and its labels.
type Identity<'r> = (bool, &'r str, Vec<(&'r str, &'r str)>);

fn title(rule: &Rule) -> String {
    format!("{} {}", if rule.alert().is_some() { "alert" } else { "record" }, rule.name)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What Prometheus refuses, sorted by what stands behind it.
fn refused(mistake: &Mistake) -> Finding {
    let what = &mistake.what;
    let in_expr = mistake.path.ends_with(".expr");
    let in_text = mistake.path.contains(".annotations.") || mistake.path.contains(".labels.");
    let calls_sum = ["rate(sum", "increase(sum", "rate (sum"].iter().any(|call| squeezed(what).contains(call));
    let kind: &'static Kind = match () {
        () if in_expr && (what.contains("LogQL") || what.contains("} !=") || what.contains("Loki")) => kinds::LOGQL,
        () if in_expr && what.contains("is a variable that nobody") => kinds::GRAFANA_VARIABLE,
        () if in_expr && what.contains("a range such as") && calls_sum => kinds::RATE_OF_SUM,
        () if in_expr && what.contains("is not supported") => kinds::NOT_EVALUATED,
        () if in_expr => kinds::NOT_PROMQL,
        () if in_text && mistake.remedy.contains("template") => kinds::TEMPLATE_TEXT,
        () => kinds::RULE_FILE,
    };
    let finding = Finding::new(kind, mistake.at, "", what.clone());
    let has_own = kind != kinds::NOT_PROMQL && kind != kinds::RULE_FILE;
    if has_own || mistake.remedy.is_empty() { finding } else { finding.instead(mistake.remedy.clone()) }
}

fn of_rule(group: &Group, rule: &Rule, file: &str, known: &Known<'_>, findings: &mut Vec<Finding>) {
    let text = rule.expr.text();
    let Ok(tree) = syntax(text) else { return };
    let of = title(rule);
    let role = if rule.alert().is_some() { Role::Alert } else { Role::Record };
    let subject = Subject { text, tree: &tree, role, known };
    for remark in checks::expression(&subject) {
        let finding = Finding {
            kind: remark.kind,
            severity: remark.severity,
            at: place(rule, text, &remark.span),
            of: of.clone(),
            what: remark.what,
            why: remark.why,
            instead: remark.instead,
        };
        findings.push(finding);
    }
    match rule.alert() {
        Some(alert) => of_alert(group, rule, alert, file, &subject, findings),
        None if !rule.name.contains(':') => {
            let what = format!("`{}` does not say what it is made of", rule.name);
            findings.push(Finding::new(kinds::RECORD_NAME, rule.at, &of, what));
        }
        None => {}
    }
}

/// Where a part of an expression stands in the file: its first line, as far as it goes there.
fn place(rule: &Rule, text: &str, span: &Span) -> Place {
    let before = text.get(..span.start).unwrap_or_default().chars().count();
    let part = text.get(span.clone()).unwrap_or_default();
    rule.place(before, part.lines().next().unwrap_or_default().trim_end().chars().count().max(1))
}

fn of_alert(group: &Group, rule: &Rule, alert: &Alert, file: &str, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let of = title(rule);
    let mut say = |kind, at, what: String| findings.push(Finding::new(kind, at, &of, what));
    if alert.for_ms == 0 {
        say(kinds::NO_FOR, rule.at, format!("`{}` has no `for`", rule.name));
    } else if let Some(interval) = group.interval_ms.filter(|interval| alert.for_ms < *interval) {
        let (held, every) = (checks::duration(alert.for_ms), checks::duration(interval));
        say(kinds::SHORT_FOR, rule.at, format!("`for: {held}`, and the group is evaluated every {every}"));
    }
    let severity = rule.severity();
    if severity.is_empty() {
        say(kinds::NO_SEVERITY, rule.at, format!("`{}` has no label `severity`", rule.name));
    } else if let Some(said) = comment_severity(file, rule.at.line).filter(|said| !severity.eq_ignore_ascii_case(said))
    {
        say(kinds::SEVERITY_COMMENT, rule.at, format!("the comment says {said}, the label {severity}"));
    }
    if !alert.annotations.iter().any(|a| matches!(a.name.as_str(), "summary" | "description" | "message" | "title")) {
        say(kinds::NO_SUMMARY, rule.at, format!("`{}` has neither `summary` nor `description`", rule.name));
    }
    for text in rule.labels.iter().chain(&alert.annotations) {
        if let Some(why) = text.value.unknown() {
            let what = format!("`{}`: {why}", text.name);
            findings.push(Finding::new(kinds::TEMPLATE_FUNCTION, text.value_at, &of, what));
        }
        for fault in texts::check(subject, &text.name, text.value.text()) {
            let finding = Finding::new(fault.kind, text.value_at, &of, fault.what);
            findings.push(match fault.instead {
                Some(instead) => finding.instead(instead),
                None => finding,
            });
        }
    }
}

/// The severity that the comment above a line begins with: `# Critical: …`.
fn comment_severity(file: &str, line: u32) -> Option<String> {
    let above = file.lines().nth((line as usize).checked_sub(2)?)?.trim_start().strip_prefix('#')?;
    let (word, _) = above.trim_start().split_once(':')?;
    let word = word.to_ascii_lowercase();
    ["critical", "warning", "info", "page", "error"].contains(&word.as_str()).then_some(word)
}
