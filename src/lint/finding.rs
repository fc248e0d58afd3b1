//! What a reader is told.

use super::kinds::{Kind, Severity};
use crate::base::mistake::Place;

/// Something that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub kind: &'static Kind,
    /// How grave it is here.
    pub severity: Severity,
    /// Where in the file.
    pub at: Place,
    /// What it is about: `alert HighErrorRate`, `panel P95 latency`; empty for the file itself.
    pub of: String,
    /// What is wrong, with the text and the values that it is about.
    pub what: String,
    /// What it leads to.
    pub why: String,
    /// What to write instead.
    pub instead: String,
}

impl Finding {
    /// A finding of this kind about this place.
    pub(super) fn new(kind: &'static Kind, at: Place, of: &str, what: impl Into<String>) -> Finding {
        Finding {
            kind,
            severity: kind.severity,
            at,
            of: of.into(),
            what: what.into(),
            why: kind.why.into(),
            instead: kind.instead.into(),
        }
    }

    /// With a remedy of its own.
    pub(super) fn instead(mut self, instead: impl Into<String>) -> Finding {
        self.instead = instead.into();
        self
    }

    /// As grave as that.
    pub(super) fn graded(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }
}

/// What was found in a file.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The file, as it was named.
    pub file: String,
    /// Its text, to quote from.
    pub text: String,
    /// How many rules or queries were looked at.
    pub looked_at: usize,
    /// What they are called: `rule`, `query`.
    pub noun: &'static str,
    /// How many queries belong to another language and were passed over.
    pub out_of_scope: usize,
    /// How many findings an exception silenced.
    pub silenced: usize,
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
