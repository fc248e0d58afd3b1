//! Groups of rules, as Prometheus evaluates them.

use super::template::Template;
use crate::base::mistake::Place;
use crate::base::spots::Spots;
use crate::promql::Expr;

/// Rules that are evaluated one after the other, at the same instants.
#[derive(Debug, Clone)]
pub struct Group {
    /// Unique in its file.
    pub name: String,
    /// Where the name stands.
    pub at: Place,
    /// The file, as it was named.
    pub file: String,
    /// From one evaluation to the next, in milliseconds; the server's `evaluation_interval` when there is none.
    pub interval_ms: Option<i64>,
    /// How far back in time the rules look, in milliseconds.
    pub query_offset_ms: Option<i64>,
    /// The most series or alerts that one rule may make; 0 for any number.
    pub limit: usize,
    /// In the order of the file. A rule that cannot be read is not among them.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The alert's name, or that of the metric that is recorded.
    pub name: String,
    /// Where the name stands.
    pub at: Place,
    /// What is evaluated.
    pub expr: Expr,
    /// Where the text of `expr` begins.
    pub expr_at: Place,
    /// Where each of its characters stands.
    pub(super) spots: Spots,
    /// How many characters of white space were written before `expr.text()`.
    pub(super) indent: usize,
    /// Set on each series or alert; those of the group are among them unless the rule has its own.
    pub labels: Vec<Label>,
    /// What becomes of the answer.
    pub kind: Kind,
}

/// What becomes of the answer of a rule.
#[derive(Debug, Clone)]
pub enum Kind {
    /// It is recorded as series.
    Record,
    /// Each element is an alert.
    Alert(Alert),
}

/// When an alert fires, and what it says.
#[derive(Debug, Clone, Default)]
pub struct Alert {
    /// How long an element must be there until it fires, in milliseconds.
    pub for_ms: i64,
    /// How long it goes on firing once the element is gone, in milliseconds.
    pub keep_firing_for_ms: i64,
    /// What is said of it, in the order of the file.
    pub annotations: Vec<Label>,
}

/// A label or an annotation.
#[derive(Debug, Clone)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: Place,
    /// What it says.
    pub value: Template,
    /// Where the value stands.
    pub value_at: Place,
}

impl Rule {
    /// Where so many characters of [`Expr::text`] stand in the file, from this one on; both in characters, from 0.
    pub fn place(&self, character: usize, length: usize) -> Place {
        self.spots.at(self.indent + character, length)
    }

    /// The alert that it makes.
    pub fn alert(&self) -> Option<&Alert> {
        match &self.kind {
            Kind::Alert(alert) => Some(alert),
            Kind::Record => None,
        }
    }

    /// The name of the label `severity`, which routes alerts nearly everywhere; empty when there is none.
    pub fn severity(&self) -> &str {
        self.labels.iter().find(|label| label.name == "severity").map_or("", |label| label.value.text())
    }
}
