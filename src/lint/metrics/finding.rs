//! What was found, and the book in which the same thing is written once, however often it is seen.

use std::collections::BTreeMap;

use crate::base::metrics::rule::{Rule, rule};
use crate::base::text::shorten;
use crate::evidence::page::Remark;

/// So many examples of a finding are kept.
const EXAMPLES: usize = 3;

/// One kind of thing that is wrong with one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub rule: &'static Rule,
    /// Of which metric; empty for the page as a whole.
    pub metric: String,
    /// The label that it is about.
    pub label: Option<String>,
    /// The first line with it, from 1; nothing where it is not on a line.
    pub line: Option<u64>,
    /// How often.
    pub count: u64,
    /// In words, of the first.
    pub why: String,
    /// A few, shortened.
    pub examples: Vec<String>,
}

impl Finding {
    /// A finding seen once.
    pub fn new(rule: &'static Rule, metric: impl Into<String>, why: impl Into<String>) -> Finding {
        let (metric, why) = (metric.into(), why.into());
        Finding { rule, metric, label: None, line: None, count: 1, why, examples: Vec::new() }
    }

    /// As it is kept with the evidence.
    pub fn remark(self) -> Remark {
        let Finding { rule, metric, label: _, line, count, why, examples } = self;
        Remark { id: rule.id.into(), metric, line, count, why, examples }
    }

    /// As it was kept; `None` when this program does not know its kind.
    pub fn of(remark: &Remark) -> Option<Finding> {
        Some(Finding {
            rule: rule(&remark.id)?,
            metric: remark.metric.clone(),
            label: None,
            line: remark.line,
            count: remark.count,
            why: remark.why.clone(),
            examples: remark.examples.clone(),
        })
    }
}

/// Findings by kind, metric and label.
#[derive(Debug, Default)]
pub(super) struct Book {
    all: BTreeMap<(&'static str, String, Option<String>), Finding>,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At<'a> {
    pub metric: &'a str,
    pub label: Option<&'a str>,
    pub line: Option<usize>,
}

impl<'a> At<'a> {
    /// A metric as a whole.
    pub fn metric(metric: &'a str) -> At<'a> {
        At { metric, ..At::default() }
    }

    /// A label of a metric.
    pub fn label(metric: &'a str, label: &'a str) -> At<'a> {
        At { metric, label: Some(label), line: None }
    }

    /// On a line.
    pub fn on(self, line: usize) -> At<'a> {
        At { line: Some(line), ..self }
    }
}

impl Book {
    /// Notes something. `why` is asked the first time only, `example` the first few times.
    pub fn note(
        &mut self,
        rule: &'static Rule,
        at: At<'_>,
        why: impl FnOnce() -> String,
        example: impl FnOnce() -> Option<String>,
    ) {
        let key = (rule.id, at.metric.to_owned(), at.label.map(str::to_owned));
        let finding = self.all.entry(key).or_insert_with(|| Finding {
            rule,
            metric: at.metric.to_owned(),
            label: at.label.map(str::to_owned),
            line: at.line.map(|n| n as u64),
            count: 0,
            why: why(),
            examples: Vec::new(),
        });
        finding.count += 1;
        if finding.examples.len() < EXAMPLES
            && let Some(example) = example().map(|example| shorten(&example, 160))
            && !finding.examples.contains(&example)
        {
            finding.examples.push(example);
        }
    }

    /// Notes something that needs no example.
    pub fn say(&mut self, rule: &'static Rule, at: At<'_>, why: impl FnOnce() -> String) {
        self.note(rule, at, why, || None);
    }

    /// All of them: by line where they have one, the rest by check, kind and metric.
    pub fn findings(self) -> Vec<Finding> {
        let mut all: Vec<Finding> = self.all.into_values().collect();
        all.sort_by(|a, b| {
            let key = |f: &Finding| (f.rule.gravity, f.rule.check, f.line.unwrap_or(u64::MAX));
            key(a).cmp(&key(b)).then_with(|| (a.rule.id, &a.metric).cmp(&(b.rule.id, &b.metric)))
        });
        all
    }
}
