//! Exceptions: `# proofload:ignore ID[, ID] because REASON`, above a rule or within it, and `# proofload:ignore-file`
//! for all rules of a file. Without a reason an exception excepts nothing.

use super::finding::Finding;
use super::kinds::{self, Severity};
use crate::base::mistake::Place;

/// An exception, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    pub ids: Vec<String>,
    pub reason: String,
    pub of_file: bool,
    pub at: Place,
}

const MARK: &str = "proofload:ignore";

/// The exception that a comment makes; `text` begins behind its `#`.
pub(super) fn read(text: &str, at: Place) -> Option<Exception> {
    let rest = text.trim_start().strip_prefix(MARK)?;
    let (of_file, rest) = match rest.strip_prefix("-file") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t', ':']) {
        return None;
    }
    let (ids, reason) = rest.split_once("because").unwrap_or((rest, ""));
    let ids = ids.split([',', ' ', ':', '\t']).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    Some(Exception { ids, reason: reason.trim().into(), of_file, at })
}

/// All exceptions of a file, in order.
pub(super) fn of_lines(text: &str) -> Vec<Exception> {
    let line = |(n, line): (usize, &str)| {
        let mark = line.find(MARK)?;
        let hash = line[..mark].rfind('#').filter(|hash| line[hash + 1..mark].trim().is_empty())?;
        let col = line[..hash].chars().count() as u32 + 1;
        let len = line[hash..].trim_end().chars().count() as u32;
        read(&line[hash + 1..], Place { line: n as u32 + 1, col, len })
    };
    text.lines().enumerate().filter_map(line).collect()
}

/// Takes out of `findings` what `exceptions` except; says what is wrong with those, and how many they took out.
///
/// `holds` tells whether an exception is about the rule that a finding is in.
pub(super) fn apply(
    findings: &mut Vec<Finding>,
    exceptions: &[Exception],
    holds: impl Fn(&Exception, &Finding) -> bool,
) -> usize {
    let mut silenced = 0;
    let mut complaints = Vec::new();
    for exception in exceptions {
        let mut complain = |severity, what: String| {
            complaints.push(Finding::new(kinds::IGNORE_COMMENT, exception.at, "", what).graded(severity));
        };
        if exception.ids.is_empty() {
            complain(Severity::Warning, "an exception that names no kind".into());
        }
        if exception.reason.is_empty() {
            complain(Severity::Warning, "an exception without a reason excepts nothing".into());
            continue;
        }
        for id in &exception.ids {
            if kinds::kind(id).is_none() {
                complain(Severity::Warning, format!("there is no kind `{id}`"));
                continue;
            }
            let before = findings.len();
            findings.retain(|finding| finding.kind.id != id || !(exception.of_file || holds(exception, finding)));
            silenced += before - findings.len();
            if findings.len() == before {
                complain(Severity::Info, format!("`{id}` was not found here"));
            }
        }
    }
    findings.extend(complaints);
    silenced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read() {
        let found = of_lines(
            "a: 1\n  # proofload:ignore no-for, raw-counter because it is reset at night\nb: 2 # proofload:ignored\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].ids, ["no-for", "raw-counter"]);
        assert_eq!(found[0].reason, "it is reset at night");
        assert_eq!((found[0].at.line, found[0].at.col), (2, 3));
        assert!(of_lines("x # proofload:ignore-file no-for because so")[0].of_file);
        assert_eq!(of_lines("x: y # proofload:ignore no-for")[0].reason, "");
    }
}
