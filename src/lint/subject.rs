//! What a check looks at, an expression and what is known around it, and what it says about it.

use std::collections::BTreeSet;

use super::exposed::Exposed;
use super::kinds::{Kind, Severity};
use crate::promql::syntax::{Pick, Span, Syntax};

/// An expression and what is known around it.
pub struct Subject<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Its parts.
    pub tree: &'a Syntax,
    /// What it is for.
    pub role: Role,
    /// What is known of the world.
    pub known: &'a Known<'a>,
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whatever it yields is an alert.
    Alert,
    /// Whatever it yields is kept under another name.
    Record,
    /// Somebody looks at it.
    Panel,
}

/// What is known of the world that an expression is evaluated in.
#[derive(Default)]
pub struct Known<'a> {
    /// What is exposed, if anyone looked.
    pub exposed: Option<&'a Exposed>,
    /// The names that recording rules make.
    pub recorded: BTreeSet<String>,
    /// How often targets are scraped, in milliseconds, and who says so.
    pub scrape: Scrape,
    /// Values that stand for anything: what dashboard variables were filled in with.
    pub wildcards: Vec<String>,
}

/// How often targets are scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrape {
    /// Milliseconds.
    pub every_ms: i64,
    /// Whether it was seen or said; otherwise it is the usual one.
    pub is_known: bool,
}

/// The usual one.
impl Default for Scrape {
    fn default() -> Scrape {
        Scrape { every_ms: 15_000, is_known: false }
    }
}

/// What a check says.
#[derive(Debug, Clone)]
pub struct Remark {
    /// Which kind.
    pub kind: &'static Kind,
    /// How grave it is here.
    pub severity: Severity,
    /// Where in the expression.
    pub span: Span,
    /// What is wrong, with the text and the values that it is about.
    pub what: String,
    /// What it leads to.
    pub why: String,
    /// What to write instead.
    pub instead: String,
}

impl Remark {
    /// A remark of this kind about this place.
    pub fn new(kind: &'static Kind, span: &Span, what: impl Into<String>) -> Remark {
        Remark {
            kind,
            severity: kind.severity,
            span: span.clone(),
            what: what.into(),
            why: kind.why.into(),
            instead: kind.instead.into(),
        }
    }

    /// With a remedy of its own.
    pub fn instead(mut self, instead: impl Into<String>) -> Remark {
        self.instead = instead.into();
        self
    }

    /// With a reason of its own.
    pub fn why(mut self, why: impl Into<String>) -> Remark {
        self.why = why.into();
        self
    }

    /// As grave as that.
    pub fn graded(mut self, severity: Severity) -> Remark {
        self.severity = severity;
        self
    }
}

impl Subject<'_> {
    /// The text of a part.
    pub fn quote(&self, span: &Span) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        crate::base::text::shorten(&text.split_whitespace().collect::<Vec<_>>().join(" "), 100)
    }

    /// Whether a value may stand for anything: it holds what a variable was filled in with.
    pub fn is_open(&self, value: &str) -> bool {
        self.known.wildcards.iter().any(|wildcard| value.contains(wildcard.as_str()))
    }

    /// The series that a selector selects, of those that are exposed.
    pub fn selected(&self, pick: &Pick) -> Vec<&crate::base::series::Labels> {
        let (Some(exposed), Some(metric)) = (self.known.exposed, &pick.metric) else { return Vec::new() };
        let fits = |labels: &&crate::base::series::Labels| {
            pick.matchers.iter().all(|(matcher, _)| {
                let value = labels.get(&matcher.label);
                (value.is_empty() && exposed.may_add(&matcher.label))
                    || self.is_open(&matcher.value)
                    || matcher.matches(value)
            })
        };
        exposed.series(metric).iter().filter(fits).collect()
    }
}
