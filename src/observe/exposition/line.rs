//! One line of a page: what it is and what it says. Both readers of pages stand on it: [`parse`](super::parse), which
//! takes a page whole, and [`lines`](super::lines), which goes on after a line that is not metrics.

use std::borrow::Cow;

use super::{Dialect, number, series};
use crate::base::text::shorten;

/// What a line of a page is.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// Nothing, or nothing but blanks.
    Blank,
    /// Any `#` line that declares nothing.
    Comment,
    /// OpenMetrics: `# EOF`.
    End,
    /// `# HELP`, `# TYPE` or `# UNIT`.
    Declared {
        /// Which of the three.
        word: Word,
        /// Of which family.
        family: Cow<'a, str>,
        /// What follows the name, without the blanks before it.
        text: &'a str,
    },
    /// A sample.
    Sample(Sample<'a>),
}

/// What a `#` line declares of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// What it means.
    Help,
    /// Its type.
    Type,
    /// OpenMetrics: its unit.
    Unit,
}

/// A sample as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// `name{…}` exactly as the page has it.
    pub series: &'a str,
    /// The name in it, escapes not undone.
    pub name: &'a str,
    /// May be NaN or infinite.
    pub value: f64,
    /// In milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// What follows the `#` of an exemplar.
    pub exemplar: Option<&'a str>,
}

/// Reads a line without its end. The error says what is wrong.
#[inline]
pub(super) fn read(line: &str, dialect: Dialect) -> Result<Line<'_>, String> {
    let line = series::skip_blanks(line);
    match line.as_bytes().first() {
        None => Ok(Line::Blank),
        Some(b'#') => comment(line, dialect),
        Some(_) => sample(line, dialect).map(Line::Sample),
    }
}

#[inline]
fn sample(line: &str, dialect: Dialect) -> Result<Sample<'_>, String> {
    let read = series::walk(line, |_, _| ())?;
    if read.name.is_empty() {
        return Err("a series without a name".into());
    }
    let (series, rest) = line.split_at(read.end);
    let (value, rest) = series::token(rest);
    let value = number::value(value)?;
    let (timestamp, exemplar) = if rest.is_empty() { (None, None) } else { tail(rest, dialect)? };
    Ok(Sample { series, name: read.name, value, timestamp, exemplar })
}

/// What follows a value: a timestamp, an exemplar, both.
fn tail(rest: &str, dialect: Dialect) -> Result<(Option<i64>, Option<&str>), String> {
    let mut rest = series::skip_blanks(rest);
    let mut timestamp = None;
    if !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = series::token(rest);
        timestamp = Some(number::timestamp(word, dialect)?);
        rest = series::skip_blanks(after);
    }
    match (rest.strip_prefix('#'), dialect) {
        (None, _) if rest.is_empty() => Ok((timestamp, None)),
        (None, _) => Err(format!("`{}` after the timestamp", shorten(rest, 40))),
        (Some(_), Dialect::Text) => Err("an exemplar on a text page: serve it as application/openmetrics-text".into()),
        (Some(exemplar), Dialect::OpenMetrics) => {
            check_exemplar(exemplar)?;
            Ok((timestamp, Some(exemplar)))
        }
    }
}

fn comment(line: &str, dialect: Dialect) -> Result<Line<'_>, String> {
    if line == "# EOF" && dialect == Dialect::OpenMetrics {
        return Ok(Line::End);
    }
    let text = &line[1..];
    if !text.starts_with([' ', '\t']) {
        return Ok(Line::Comment);
    }
    let (word, rest) = series::token(text);
    let word = match word {
        "HELP" => Word::Help,
        "TYPE" => Word::Type,
        "UNIT" => Word::Unit,
        _ => return Ok(Line::Comment),
    };
    if series::skip_blanks(rest).is_empty() {
        return Ok(Line::Comment);
    }
    let (family, rest) = series::family_name(rest)?;
    Ok(Line::Declared { word, family, text: series::skip_blanks(rest) })
}

/// Exemplars are not kept; a malformed one is still a malformed page.
fn check_exemplar(text: &str) -> Result<(), String> {
    let text = series::skip_blanks(text);
    let read = series::walk(text, |_, _| ()).map_err(|why| format!("exemplar: {why}"))?;
    if !read.name.is_empty() {
        return Err("exemplar: expected `{`".into());
    }
    let (value, rest) = series::token(&text[read.end..]);
    number::value(value).map_err(|why| format!("exemplar: {why}"))?;
    let (timestamp, rest) = series::token(rest);
    if !timestamp.is_empty() {
        number::timestamp(timestamp, Dialect::OpenMetrics).map_err(|why| format!("exemplar: {why}"))?;
    }
    if series::skip_blanks(rest).is_empty() { Ok(()) } else { Err("exemplar: more after its timestamp".into()) }
}
