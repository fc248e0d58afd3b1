//! What Prometheus adds to an answer: a metric that looks like no counter, a quantile that cannot be. The answer stands;
//! the note says what to look at.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use super::ast::Place;
use super::go::general;

/// How much a note weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth a look.
    Info,
    /// The answer is hardly what was meant.
    Warning,
}

/// A note to an answer; printed as Prometheus words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it weighs.
    pub level: Level,
    /// What it says.
    pub text: String,
    /// Which line of the expression it speaks of, from 1.
    pub line: usize,
    /// Which byte of that line, from 1.
    pub column: usize,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Info => "info",
            Level::Warning => "warning",
        };
        write!(f, "PromQL {level}: {} ({}:{})", self.text, self.line, self.column)
    }
}

/// The notes of an evaluation, each once.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<BTreeSet<(Level, String, usize)>>);

impl Notes {
    pub(super) fn warn(&self, place: Place, text: String) {
        self.0.borrow_mut().insert((Level::Warning, text, place.0));
    }

    pub(super) fn inform(&self, place: Place, text: String) {
        self.0.borrow_mut().insert((Level::Info, text, place.0));
    }

    /// A quantile that lies not between 0 and 1.
    pub(super) fn quantile(&self, place: Place, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            self.warn(place, format!("quantile value should be between 0 and 1, got {}", general(q, None)));
        }
    }

    /// `rate` or `increase` of a metric whose name is not that of a counter.
    pub(super) fn counter(&self, place: Place, name: &str) {
        const ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
        if !name.is_empty() && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let endings = ENDINGS.join("/");
            self.inform(place, format!("metric might not be a counter, name does not end in {endings}: {name:?}"));
        }
    }

    /// The notes, with the places that they have in the text of the expression.
    pub(super) fn told(self, text: &str) -> Vec<Note> {
        let note = |(level, what, place): (Level, String, usize)| {
            let before = text.get(..place).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            Note { level, text: what, line, column }
        };
        self.0.into_inner().into_iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_line_and_column() {
        let notes = Notes::default();
        notes.quantile(Place(8), 1.5);
        notes.quantile(Place(8), 1.5);
        notes.quantile(Place(8), 0.5);
        notes.counter(Place(15), "load");
        notes.counter(Place(15), "hits_total");
        let told: Vec<String> = notes.told("quantile(1.5, x)\n+ y").iter().map(Note::to_string).collect();
        assert_eq!(
            told,
            [
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \
                 \"load\" (1:16)",
                "PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:9)",
            ]
        );
    }
}
