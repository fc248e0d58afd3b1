//! Reads a metrics page, Prometheus's text format 0.0.4 or OpenMetrics 1.0, without copying it.
//!
//! A page is taken whole or not at all, as Prometheus takes it: one line that is not metrics makes the page an
//! [`Error`] with its line number, so that an HTML error page is never zero samples. Within a line the reader is as
//! tolerant as Prometheus: no blank before the value, a trailing comma, CRLF and a missing last newline are read.
//! Labels stay text until [`labels`] is asked for them, which a steady scrape does once per series.

mod number;
mod series;

use std::borrow::Cow;

use crate::base::series::Labels;
use crate::base::text::shorten;
pub use crate::evidence::samples::{Kind, Row};

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
        let line = series::skip_blanks(line);
        match line.as_bytes().first() {
            None => Ok(()),
            Some(_) if self.ended => Err("there is more after `# EOF`".into()),
            Some(b'#') => self.comment(line),
            Some(_) => self.sample(line),
        }
    }

    fn sample(&mut self, line: &'a str) -> Result<(), String> {
        let read = series::walk(line, |_, _| ())?;
        if read.name.is_empty() {
            return Err("a series without a name".into());
        }
        let (series, rest) = line.split_at(read.end);
        let (value, rest) = series::token(rest);
        let row = Row { series, kind: self.kind_of(read.name), value: number::value(value)?, timestamp: None };
        let timestamp = if rest.is_empty() { None } else { self.tail(rest)? };
        self.page.rows.push(Row { timestamp, ..row });
        Ok(())
    }

    /// What follows a value: a timestamp, an exemplar, both.
    fn tail(&self, rest: &str) -> Result<Option<i64>, String> {
        let mut rest = series::skip_blanks(rest);
        let mut timestamp = None;
        if !rest.is_empty() && !rest.starts_with('#') {
            let (word, after) = series::token(rest);
            timestamp = Some(number::timestamp(word, self.dialect)?);
            rest = series::skip_blanks(after);
        }
        match (rest.strip_prefix('#'), self.dialect) {
            (None, _) if rest.is_empty() => {}
            (None, _) => return Err(format!("`{}` after the timestamp", shorten(rest, 40))),
            (Some(_), Dialect::Text) => {
                return Err("an exemplar on a text page: serve it as application/openmetrics-text".into());
            }
            (Some(exemplar), Dialect::OpenMetrics) => check_exemplar(exemplar)?,
        }
        Ok(timestamp)
    }

    /// The declared type of a series, if it belongs to the family in force.
    fn kind_of(&self, name: &str) -> Kind {
        let Some((family, kind)) = &self.in_force else { return Kind::Unknown };
        match name.strip_prefix(family.as_ref()) {
            Some("" | "_bucket" | "_sum" | "_count" | "_total" | "_created" | "_info" | "_gsum" | "_gcount") => *kind,
            _ => Kind::Unknown,
        }
    }

    fn comment(&mut self, line: &'a str) -> Result<(), String> {
        if line == "# EOF" && self.dialect == Dialect::OpenMetrics {
            self.ended = true;
            return Ok(());
        }
        let text = &line[1..];
        if !text.starts_with([' ', '\t']) {
            return Ok(());
        }
        let (keyword, rest) = series::token(text);
        if !matches!(keyword, "TYPE" | "HELP" | "UNIT") || series::skip_blanks(rest).is_empty() {
            return Ok(());
        }
        let (name, rest) = series::family_name(rest)?;
        let rest = series::skip_blanks(rest);
        let family = self.family(name, keyword);
        match keyword {
            "TYPE" => {
                let kind = kind(rest.trim_ascii_end())?;
                family.kind = Some(kind);
                self.in_force = Some((family.name.clone(), kind));
            }
            "HELP" => family.help = Some(series::unescape(rest)),
            _ => family.unit = Some(rest.trim_ascii_end()),
        }
        Ok(())
    }

    /// The family that is being declared: the last one, unless it has another name or was told this already.
    fn family(&mut self, name: Cow<'a, str>, keyword: &str) -> &mut Family<'a> {
        let families = &mut self.page.families;
        let open = families.last().is_some_and(|f| {
            f.name == name
                && match keyword {
                    "TYPE" => f.kind.is_none(),
                    "HELP" => f.help.is_none(),
                    _ => f.unit.is_none(),
                }
        });
        if !open {
            families.push(Family { name, kind: None, help: None, unit: None });
        }
        let last = families.len() - 1;
        &mut families[last]
    }
}

fn kind(word: &str) -> Result<Kind, String> {
    Ok(match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        "untyped" | "unknown" => Kind::Unknown,
        "gaugehistogram" => Kind::GaugeHistogram,
        "info" => Kind::Info,
        "stateset" => Kind::StateSet,
        _ => return Err(format!("`{}` is not a metric type", shorten(word, 40))),
    })
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

#[cfg(test)]
mod tests;
