//! What is wrong with a file that a user wrote: where, what, and what to write instead.

use std::fmt;

use super::text;

/// A place in a file: line and column count characters from 1; `len` is how many characters are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// From 1; 0 when the mistake is not in the file.
    pub line: u32,
    /// From 1.
    pub col: u32,
    /// At least 1 for what can be pointed at; 0 for what must not be quoted, such as a secret.
    pub len: u32,
}

impl Place {
    /// The same place, whose line is never quoted.
    pub fn unquoted(self) -> Place {
        Place { len: 0, ..self }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where the text stands.
    pub at: Place,
    /// Which key, from the top: `traffic.quotes.load.2.hold.for`.
    pub path: String,
    /// What is wrong: a fragment that carries the offending text.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Mistake {
    /// The same mistake with a remedy, if it has none.
    pub fn or_remedy(mut self, remedy: &str) -> Mistake {
        if self.remedy.is_empty() {
            self.remedy = remedy.into();
        }
        self
    }
}

/// All mistakes of one file, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Mistakes {
    /// The file, as it was named.
    pub file: String,
    /// Its text, to quote from.
    pub text: String,
    /// At least one.
    pub all: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unquoted: Vec<u32> = self.all.iter().filter(|m| m.at.len == 0).map(|m| m.at.line).collect();
        for mistake in &self.all {
            let Place { line, col, len } = mistake.at;
            if line == 0 {
                writeln!(f, "{}: {}", self.file, mistake.what)?;
            } else {
                writeln!(f, "{}:{line}:{col}: {}", self.file, mistake.what)?;
            }
            let quoted = self.text.lines().nth((line as usize).wrapping_sub(1));
            let quoted = quoted.filter(|l| !unquoted.contains(&line) && l.chars().count() < 400);
            let gutter = line.to_string().len().max(3);
            if let Some(quoted) = quoted {
                let marks = (len as usize).min(quoted.chars().count().saturating_sub(col as usize - 1).max(1));
                writeln!(f, "{line:>gutter$} | {}", text::shorten(quoted, 400))?;
                writeln!(f, "{:>gutter$} | {:indent$}{}", "", "", "^".repeat(marks), indent = col as usize - 1)?;
            }
            if !mistake.path.is_empty() {
                writeln!(f, "{:>gutter$} = at {}", "", mistake.path)?;
            }
            if !mistake.remedy.is_empty() {
                writeln!(f, "{:>gutter$} = {}", "", mistake.remedy)?;
            }
        }
        Ok(())
    }
}
