//! Reads a metrics page, Prometheus's text format 0.0.4 or OpenMetrics 1.0, without copying it.
//!
//! A page is taken whole or not at all, as Prometheus takes it: one line that is not metrics makes the page an
//! [`Error`] with its line number, so that an HTML error page is never zero samples. Within a line the reader is as
//! tolerant as Prometheus: no blank before the value, a trailing comma, CRLF and a missing last newline are read.
//! Labels stay text until [`labels`] is asked for them, which a steady scrape does once per series. Whoever wants to know
//! how a page is laid out, mistakes included, asks for its [`lines`].

mod line;
mod number;
mod series;

use std::borrow::Cow;

use crate::base::series::Labels;
use crate::base::text::shorten;
pub use crate::evidence::samples::{Kind, Row};
pub use line::{Line, Sample, Word};

/// The `Accept` header of a scrape. OpenMetrics comes first because its `# EOF` shows that a page is complete.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Which of the two formats a page is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus text format 0.0.4: timestamps in milliseconds, no exemplars.
    Text,
    /// OpenMetrics 1.0: timestamps in seconds, exemplars, and `# EOF` at the end.
    OpenMetrics,
}

impl Dialect {
    /// What the `Content-Type` says. Without one, a page that ends in `# EOF` is OpenMetrics.
    pub fn of(content_type: Option<&str>, page: &[u8]) -> Dialect {
        let open = match content_type.map(|t| t.split(';').next().unwrap_or_default().trim()) {
            Some(media) if !media.is_empty() => media.eq_ignore_ascii_case("application/openmetrics-text"),
            _ => page.trim_ascii_end().ends_with(b"\n# EOF"),
        };
        if open { Dialect::OpenMetrics } else { Dialect::Text }
    }
}

/// Why a page is not metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}{}", if excerpt.is_empty() { String::new() } else { format!(": `{excerpt}`") })]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub why: String,
    /// The start of the line, fit to print.
    pub excerpt: String,
}

/// What a page says about a metric family in its `# TYPE`, `# HELP` and `# UNIT` lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family<'a> {
    /// As declared: in OpenMetrics a counter's is without `_total`.
    pub name: Cow<'a, str>,
    /// `None` when there was no `# TYPE`.
    pub kind: Option<Kind>,
    /// Escapes undone.
    pub help: Option<Cow<'a, str>>,
    /// OpenMetrics only.
    pub unit: Option<&'a str>,
}

/// A page that was read. It may be without samples only if it declared a family or, in OpenMetrics, its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page<'a> {
    /// In the page's order, repeats included.
    pub rows: Vec<Row<'a>>,
    /// In the page's order; a family that is declared in two places stands here twice.
    pub families: Vec<Family<'a>>,
}

/// Reads a page.
pub fn parse(page: &[u8], dialect: Dialect) -> Result<Page<'_>, Error> {
    let text = match std::str::from_utf8(page) {
        Ok(text) => text,
        Err(e) => return Err(not_text(page, e.valid_up_to())),
    };
    if text.trim_ascii().is_empty() {
        return Err(Error { line: 1, why: "empty page".into(), excerpt: String::new() });
    }
    let mut reader = Reader { dialect, page: Page::default(), in_force: None, ended: false };
    reader.page.rows.reserve(page.len() / 96); // about the length of a line: saves most regrowth
    let mut last = 0;
    for (n, line) in text.split('\n').enumerate() {
        last = n + 1;
        reader.line(line.strip_suffix('\r').unwrap_or(line)).map_err(|why| at(last, line, why))?;
    }
    let page = reader.page;
    if dialect == Dialect::OpenMetrics && !reader.ended {
        return Err(at(last, "", "the page ends without `# EOF`: it is truncated".into()));
    }
    if page.rows.is_empty() && page.families.is_empty() && !reader.ended {
        return Err(at(1, text.lines().next().unwrap_or_default(), "comments only: this is no metrics page".into()));
    }
    Ok(page)
}

/// The labels of a series text that [`parse`] accepted, `__name__` included. As in Prometheus 3 the `le` of a
/// histogram and the `quantile` of a summary are written as floats: `le="1"` becomes `le="1.0"`.
pub fn labels(series: &str, kind: Kind) -> Labels {
    let mut labels = Labels::default();
    let read = series::walk(series, |name, value| {
        let value = series::unescape(value);
        let bound = matches!((kind, name), (Kind::Histogram, "le") | (Kind::Summary, "quantile"));
        match bound.then(|| number::canonical(&value)).flatten() {
            Some(float) => labels.set(name, float),
            None => labels.set(series::unescape(name), value),
        }
    });
    if let Ok(read) = read {
        labels.set("__name__", series::unescape(read.name));
    }
    labels
}

fn at(line: usize, text: &str, why: String) -> Error {
    Error { line, why, excerpt: shorten(text.trim(), 80) }
}

fn not_text(page: &[u8], valid: usize) -> Error {
    let (before, _) = page.split_at(valid);
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let why = if page.starts_with(&[0x1f, 0x8b]) {
        "compressed, not text: ask for an identity encoding"
    } else {
        "not UTF-8 text"
    };
    let excerpt = &page[start..page.len().min(start + 160)];
    at(line, &String::from_utf8_lossy(excerpt), why.into())
}

struct Reader<'a> {
    dialect: Dialect,
    page: Page<'a>,
    /// The family that the last `# TYPE` opened.
    in_force: Option<(Cow<'a, str>, Kind)>,
    ended: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), String> {
        match line::read(line, self.dialect) {
            Ok(Line::Blank) => Ok(()),
            _ if self.ended => Err("there is more after `# EOF`".into()),
            Ok(Line::Sample(sample)) => {
                let Sample { series, name, value, timestamp, .. } = sample;
                let kind = self.kind_of(name);
                self.page.rows.push(Row { series, kind, value, timestamp });
                Ok(())
            }
            Ok(Line::Comment) => Ok(()),
            Ok(Line::End) => {
                self.ended = true;
                Ok(())
            }
            Ok(Line::Declared { word, family, text }) => self.declared(word, family, text),
            Err(why) => Err(why),
        }
    }

    /// The declared type of a series, if it belongs to the family in force.
    fn kind_of(&self, name: &str) -> Kind {
        let Some((family, kind)) = &self.in_force else { return Kind::Unknown };
        match name.strip_prefix(family.as_ref()) {
            Some("" | "_bucket" | "_sum" | "_count" | "_total" | "_created" | "_info" | "_gsum" | "_gcount") => *kind,
            _ => Kind::Unknown,
        }
    }

    fn declared(&mut self, word: Word, name: Cow<'a, str>, text: &'a str) -> Result<(), String> {
        let family = self.family(name, word);
        match word {
            Word::Type => {
                let kind = kind(text.trim_ascii_end())?;
                family.kind = Some(kind);
                self.in_force = Some((family.name.clone(), kind));
            }
            Word::Help => family.help = Some(series::unescape(text)),
            Word::Unit => family.unit = Some(text.trim_ascii_end()),
        }
        Ok(())
    }

    /// The family that is being declared: the last one, unless it has another name or was told this already.
    fn family(&mut self, name: Cow<'a, str>, word: Word) -> &mut Family<'a> {
        let families = &mut self.page.families;
        let open = families.last().is_some_and(|f| {
            f.name == name
                && match word {
                    Word::Type => f.kind.is_none(),
                    Word::Help => f.help.is_none(),
                    Word::Unit => f.unit.is_none(),
                }
        });
        if !open {
            families.push(Family { name, kind: None, help: None, unit: None });
        }
        let last = families.len() - 1;
        &mut families[last]
    }
}

/// The type that a `# TYPE` line names. The error says that it names none.
pub fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| format!("`{}` is not a metric type", shorten(word, 40)))
}

/// Every line of a page with its number, from 1, whatever it is worth: `Err` says what is wrong with it. Lines end with LF;
/// a CR before it belongs to no line.
pub fn lines(page: &str, dialect: Dialect) -> impl Iterator<Item = (usize, &str, Result<Line<'_>, String>)> {
    let body = page.strip_suffix('\n').unwrap_or(page);
    body.split('\n').enumerate().map(move |(n, line)| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        (n + 1, line, line::read(line, dialect))
    })
}

/// The labels of a series text in the order in which they are written, `__name__` left out; escapes undone. Nothing of a
/// text that cannot be read.
pub fn written_labels(series: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut all = Vec::new();
    let _ = series::walk(series, |name, value| all.push((series::unescape(name), series::unescape(value))));
    all
}

#[cfg(test)]
mod tests;
