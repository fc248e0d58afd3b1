//! Selectors: which series an expression reads, and when.

use regex::Regex;

use super::ast::{Edges, Length};
use crate::base::series::Labels;

/// Which series, and when.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All of them must match. A metric name is the matcher `__name__`.
    pub matchers: Vec<Matcher>,
    /// Back in time; negative for the future.
    pub(super) offset: Length,
    /// The `@` modifier.
    pub at: Option<At>,
    /// `anchored` or `smoothed`.
    pub(super) edges: Edges,
    /// Sets this selector apart from the others of its expression.
    pub(super) id: usize,
}

/// A selector of an expression, and the range in its brackets.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'e> {
    /// Which series, and when.
    pub selector: &'e Selector,
    /// Milliseconds; `None` for an instant selector, which reads the newest sample within the lookback.
    pub range_ms: Option<i64>,
}

/// The instant that an `@` modifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds on the axis of the samples.
    Ms(i64),
    /// `@ start()`: the first instant of the query.
    Start,
    /// `@ end()`: its last.
    End,
}

/// A condition on one label. A label that is missing has the value `""`.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub label: String,
    /// How to compare.
    pub op: MatchOp,
    /// As written, without quotes.
    pub value: String,
}

/// How a [`Matcher`] compares. Expressions are anchored at both ends, and `.` matches a line feed too.
#[derive(Debug, Clone)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex(Regex),
    /// `!~`
    NotRegex(Regex),
}

impl Matcher {
    /// Whether a label of this value satisfies the condition.
    pub fn matches(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex(regex) => regex.is_match(value),
            MatchOp::NotRegex(regex) => !regex.is_match(value),
        }
    }
}

impl Selector {
    /// The metric's name, if the selector asks for exactly one.
    pub fn metric(&self) -> Option<&str> {
        let name = self.matchers.iter().find(|m| m.label == "__name__" && matches!(m.op, MatchOp::Equal))?;
        Some(&name.value)
    }

    /// Milliseconds back in time; negative for the future.
    pub fn offset_ms(&self) -> i64 {
        self.offset.ms()
    }

    /// Whether a series of these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.get(&m.label)))
    }
}
