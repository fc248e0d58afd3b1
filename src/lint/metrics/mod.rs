//! The linter of metrics pages. Two readings of the same page:
//!
//! - [`layout`] reads its text line by line: what it is served as, where `HELP` and `TYPE` stand, what is said twice. It
//!   asks nothing of whoever reads the page, so a run notes it with its evidence.
//! - [`model`] reads what was exposed, once or over time: names, labels, counters that fall, histograms that do not add up,
//!   labels that grow with the traffic. It is asked with [`Terms`], and as well of a run that is long over.
//!
//! What can be found stands in one table, [`rule::RULES`]: a name, how grave it is, and what to do about it.

mod cardinality;
mod counters;
mod exposed;
mod finding;
mod histograms;
mod labels;
mod layout;
mod names;
mod openmetrics;
mod summaries;
mod value;
mod watch;

pub use cardinality::{Limits, Load};
pub use counters::restarts;
pub use exposed::{Exposed, Metric};
pub use finding::Finding;
pub use layout::layout;
pub use watch::{Seen, Watch};

pub use crate::base::metrics::{Check, Gravity, Rule, Template, rule};

use finding::Book;

/// What is asked of metrics beyond what the formats ask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// Labels that every series must carry.
    pub labels: Vec<String>,
    /// How metrics must be called.
    pub names: Option<Template>,
    /// How many series and values there may be.
    pub limits: Limits,
}

/// Findings of one kind that are known and accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Except {
    /// Which kind.
    pub id: String,
    /// Of which metrics; `*` stands for anything.
    pub metrics: Vec<String>,
}

impl Except {
    /// Whether it is about a finding.
    pub fn covers(&self, finding: &Finding) -> bool {
        self.id == finding.rule.id && self.metrics.iter().any(|pattern| matches(pattern, &finding.metric))
    }
}

/// Whether a text is what a pattern says, in which `*` stands for anything.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(left) = text.strip_prefix(first) else { return false };
    let mut ends = (0..=left.len()).filter(|at| left.is_char_boundary(*at));
    ends.any(|at| matches(rest, &left[at..]))
}

/// Everything that is wrong with what was exposed. `excused` are spans of time, in milliseconds on the axis of the samples,
/// across which a counter may begin anew; `load` is what was asked of the target meanwhile, where that is known.
pub fn model(exposed: &Exposed<'_>, terms: &Terms, excused: &[(i64, i64)], load: Option<&Load>) -> Vec<Finding> {
    let mut book = Book::default();
    names::names(exposed, terms.names.as_ref(), &mut book);
    labels::labels(exposed, &terms.labels, &mut book);
    counters::counters(exposed, excused, &mut book);
    histograms::histograms(exposed, &mut book);
    summaries::summaries(exposed, &mut book);
    cardinality::cardinality(exposed, &terms.limits, load, &mut book);
    book.findings()
}

/// The findings that are not excepted, and the exceptions that none came under.
pub fn without<'t>(findings: Vec<Finding>, except: &'t [Except]) -> (Vec<Finding>, Vec<&'t Except>) {
    let idle = except.iter().filter(|e| !findings.iter().any(|finding| e.covers(finding))).collect();
    let left = findings.into_iter().filter(|finding| !except.iter().any(|e| e.covers(finding))).collect();
    (left, idle)
}

#[cfg(test)]
mod tests;
