//! Where in its file each character of a scalar stands, however it was written: plain, in quotes, over several lines.
//!
//! YAML changes white space and quoting between file and value, nothing else. So the other characters are paired off in
//! order, and what lies between two of them is taken to stand behind the first.

use super::mistake::Place;
use super::yaml::{Kind, Node};

/// Where the characters of a scalar stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spots {
    /// From this character of the value on, counted from 0, they stand side by side from here.
    runs: Vec<(usize, Place)>,
}

impl Spots {
    /// Of a scalar in the text of its file.
    pub fn of(source: &str, scalar: &Node) -> Spots {
        let Kind::Scalar { text, plain } = &scalar.kind else { return Spots::default() };
        let mut cursor = Cursor::at(source, scalar.at);
        let mut spots = Spots { runs: vec![(0, scalar.at)] };
        cursor.skip_properties(text);
        let style = if *plain { Style::Plain } else { cursor.open(text) };
        for (i, c) in text.chars().enumerate().filter(|(_, c)| !c.is_whitespace()) {
            match cursor.pair(c, style) {
                Some(place) => spots.note(i, place),
                None => break,
            }
        }
        spots
    }

    fn note(&mut self, character: usize, place: Place) {
        if self.at(character, 1) != place {
            self.runs.push((character, place));
        }
    }

    /// The place of so many characters of the value from this one on, counted from 0.
    pub fn at(&self, character: usize, length: usize) -> Place {
        let after = self.runs.partition_point(|(from, _)| *from <= character);
        let Some((from, place)) = self.runs[..after].last() else { return Place::default() };
        Place { col: place.col + (character - from) as u32, len: length.max(1) as u32, ..*place }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Also blocks: nothing is escaped.
    Plain,
    Single,
    Double,
}

/// A place in the text of the file.
struct Cursor<'s> {
    rest: std::str::Chars<'s>,
    line: u32,
    col: u32,
}

impl<'s> Cursor<'s> {
    fn at(source: &'s str, place: Place) -> Cursor<'s> {
        let mut cursor = Cursor { rest: source.chars(), line: 1, col: 1 };
        while (cursor.line, cursor.col) < (place.line, place.col) && cursor.step().is_some() {}
        cursor
    }

    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        (self.line, self.col) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.col + 1) };
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Passes over an anchor and a tag, and over the head of a block behind them.
    fn skip_properties(&mut self, text: &str) {
        let found = |cursor: &Self| cursor.peek().filter(|c| "&!".contains(*c) && !text.starts_with(*c)).is_some();
        if !found(self) {
            return;
        }
        while found(self) {
            while self.peek().is_some_and(|c| !c.is_whitespace()) {
                self.step();
            }
            while self.peek().is_some_and(char::is_whitespace) {
                self.step();
            }
        }
        if matches!(self.peek(), Some('|' | '>')) {
            while self.step().is_some_and(|c| c != '\n') {}
        }
    }

    /// Passes over what opens a scalar that is not plain. A block begins with its text, which may begin with a quote.
    fn open(&mut self, text: &str) -> Style {
        let (style, quote, escaped) = match self.peek() {
            Some('"') => (Style::Double, '"', "\"\\"),
            Some('\'') => (Style::Single, '\'', "'''"),
            _ => return Style::Plain,
        };
        if text.starts_with(quote) && !self.rest.as_str().starts_with(escaped) {
            return Style::Plain;
        }
        self.step();
        style
    }

    /// Finds the next character that is no white space; it must be this one.
    fn pair(&mut self, wanted: char, style: Style) -> Option<Place> {
        loop {
            let place = Place { line: self.line, col: self.col, len: 1 };
            match self.step()? {
                c if c.is_whitespace() => {}
                '\\' if style == Style::Double => match self.step()? {
                    // White space, or a line that goes on.
                    c if c.is_whitespace() || "ntr0abefvN_LP".contains(c) => {}
                    hex @ ('x' | 'u' | 'U') => {
                        let digits = [('x', 2), ('u', 4), ('U', 8)].iter().find(|(c, _)| *c == hex).map_or(0, |d| d.1);
                        for _ in 0..digits {
                            self.step();
                        }
                        return Some(place);
                    }
                    c => return (c == wanted).then_some(place),
                },
                c => {
                    if c == '\'' && style == Style::Single && self.peek() == Some('\'') {
                        self.step();
                    }
                    return (c == wanted).then_some(place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::yaml;

    /// Where the text of the only entry has its `@`.
    fn spot(source: &str) -> (u32, u32) {
        let root = yaml::parse(source).expect("it is YAML");
        let Kind::Map(entries) = &root.kind else { panic!("a mapping") };
        let Kind::Scalar { text, .. } = &entries[0].1.kind else { panic!("a scalar") };
        let character = text.chars().position(|c| c == '@').expect("it is there");
        let place = Spots::of(source, &entries[0].1).at(character, 1);
        (place.line, place.col)
    }

    #[test]
    fn a_character_is_found_however_it_was_written() {
        for source in [
            "k: ä b @",
            "k: \"ä b @\"",
            "k: 'it''s @'",
            "k: \"a\\n \\\" \\u00e4 @\"",
            "k:\n  one\n  two @ three",
            "k: |\n  one\n    two @\n  three\n",
            "k: >-\n\n  one\n  two\n\n  @\n",
            "k: |\n  \"one\" @\n",
            "k: \"\\\"one\\\" @\"",
            "k: '''one'' @'",
            "k: |2-\n   one @\n",
            "k: \"one \\\n  two @\"",
            "k: &anchor |\n  @",
            "# a comment\n\nk:    a@ # another",
        ] {
            let before = &source[..source.find('@').expect("it is there")];
            let line = before.matches('\n').count() as u32 + 1;
            let col = before.chars().rev().take_while(|c| *c != '\n').count() as u32 + 1;
            assert_eq!(spot(source), (line, col), "{source:?}");
        }
    }

    #[test]
    fn what_cannot_be_paired_stands_where_the_last_that_could_does() {
        let root = yaml::parse("k: abc").expect("it is YAML");
        let Kind::Map(entries) = &root.kind else { panic!("a mapping") };
        assert_eq!(Spots::of("k: ax", &entries[0].1).at(2, 1), Place { line: 1, col: 6, len: 1 });
        assert_eq!(Spots::default().at(7, 1), Place::default());
    }
}
