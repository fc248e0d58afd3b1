//! What can go wrong with an expression: its text, its reach, or its evaluation.

use crate::base::text;

/// Why an expression has no value. Lower-case fragments that carry the offending text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no PromQL.
    #[error("`{text}` is not PromQL: {why}")]
    Syntax {
        /// The expression, shortened.
        text: String,
        /// What is wrong, and where if that is known.
        why: String,
    },
    /// It is PromQL, or nearly, but this evaluator does not know it.
    #[error("`{what}` is not supported: {why}")]
    Unsupported {
        /// The function, modifier or construct.
        what: String,
        /// Why not, and what to write instead.
        why: String,
    },
    /// Prometheus would answer with this error too; worded as it words it where it has words.
    #[error("{0}")]
    Evaluation(String),
}

impl Error {
    /// Which character of the expression it is about, counted from 0, where that is known.
    pub fn character(&self) -> Option<usize> {
        let Error::Syntax { why, .. } = self else { return None };
        let (column, _) = why.strip_prefix("at character ")?.split_once(':')?;
        column.parse::<usize>().ok()?.checked_sub(1)
    }

    /// `text` is no PromQL, because of `why`.
    pub(super) fn syntax(text: &str, why: impl Into<String>) -> Error {
        Error::Syntax { text: text::shorten(text, 160), why: why.into() }
    }

    /// `what` is not known here, because of `why`.
    pub(super) fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Unsupported { what: what.into(), why: why.into() }
    }
}
