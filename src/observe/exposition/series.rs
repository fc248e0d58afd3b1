//! The text of a series, `name{label="value",…}`: where it ends, what it says, and its escapes.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a walk over the text of a series found.
pub(super) struct Walk<'a> {
    /// The length of the text in bytes.
    pub end: usize,
    /// As written, escapes not undone; empty when there is none.
    pub name: &'a str,
}

/// Walks over the series that `text` begins with and tells `each` label: name and value as written, without quotes,
/// escapes not undone. The name may stand before the braces or, quoted, inside them. No label may stand twice.
pub(super) fn walk<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Result<Walk<'a>, String> {
    let bytes = text.as_bytes();
    let end = word(bytes, 0, METRIC);
    let mut read = Walk { end, name: &text[..end] };
    let mut at = blanks(bytes, end);
    if bytes.get(at) != Some(&b'{') {
        return if end > 0 { Ok(read) } else { Err(stranger(bytes)) };
    }
    at += 1;
    let mut names = Names::default();
    loop {
        at = blanks(bytes, at);
        let label = match bytes.get(at) {
            Some(b'}') => break,
            Some(b'"') => {
                let (name, after) = quoted(text, at)?;
                at = blanks(bytes, after);
                if bytes.get(at) != Some(&b'=') {
                    if !read.name.is_empty() || name.is_empty() {
                        return Err(format!("`\"{name}\"` is neither a label nor the one name of a series"));
                    }
                    read.name = name;
                    at = separator(bytes, at)?;
                    continue;
                }
                name
            }
            _ => {
                let end = word(bytes, at, LABEL);
                let name = &text[at..end];
                at = blanks(bytes, end);
                name
            }
        };
        if label.is_empty() || label == "__name__" {
            return Err("expected a label name or `}`".into());
        }
        if bytes.get(at) != Some(&b'=') {
            return Err(format!("expected `=` after the label name `{label}`"));
        }
        at = blanks(bytes, at + 1);
        if bytes.get(at) != Some(&b'"') {
            return Err(format!("the value of label `{label}` is not in double quotes"));
        }
        let (value, after) = quoted(text, at)?;
        each(label, value);
        if !names.add(label) {
            return Err(format!("the label `{label}` stands twice"));
        }
        at = separator(bytes, blanks(bytes, after))?;
    }
    read.end = at + 1;
    Ok(read)
}

/// The label names of one series. Most have a few, which need no set.
#[derive(Default)]
struct Names<'a> {
    few: [&'a str; 8],
    count: usize,
    many: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Whether the name is new.
    fn add(&mut self, name: &'a str) -> bool {
        if self.few[..self.count].contains(&name) || self.many.contains(name) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(place) => {
                *place = name;
                self.count += 1;
            }
            None => drop(self.many.insert(name)),
        }
        true
    }
}

/// The name in a `# TYPE`, `# HELP` or `# UNIT` line, and what follows it.
pub(super) fn family_name(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let text = skip_blanks(text);
    if text.starts_with('"') {
        let (name, after) = quoted(text, 0)?;
        return Ok((unescape(name), &text[after..]));
    }
    let end = word(text.as_bytes(), 0, METRIC);
    match text.as_bytes().get(end) {
        None | Some(b' ' | b'\t') if end > 0 => Ok((Cow::Borrowed(&text[..end]), &text[end..])),
        _ => Err("expected a metric name".into()),
    }
}

/// Undoes `\\`, `\"` and `\n`; any other backslash stands for itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().as_bytes().first()) {
            ('\\', Some(b'n')) => out.push('\n'),
            ('\\', Some(b'\\')) => out.push('\\'),
            ('\\', Some(b'"')) => out.push('"'),
            _ => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    Cow::Owned(out)
}

/// The next run of characters that are not blank, and what follows it.
pub(super) fn token(text: &str) -> (&str, &str) {
    let text = skip_blanks(text);
    let end = text.bytes().position(|b| b == b' ' || b == b'\t').unwrap_or(text.len());
    text.split_at(end)
}

/// `text` without the blanks that it begins with.
pub(super) fn skip_blanks(text: &str) -> &str {
    &text[blanks(text.as_bytes(), 0)..]
}

const METRIC: u8 = 1;
const LABEL: u8 = 2;
/// Which names a byte may stand in; digits may not begin one.
const WORDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => METRIC | LABEL,
            b':' => METRIC,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// Where the name that begins at `at` ends; `at` itself when none does.
fn word(bytes: &[u8], at: usize, kind: u8) -> usize {
    if bytes.get(at).is_none_or(u8::is_ascii_digit) {
        return at;
    }
    let length = bytes[at..].iter().position(|b| WORDS[usize::from(*b)] & kind == 0);
    length.map_or(bytes.len(), |n| at + n)
}

fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The string whose opening quote is at `at`, as written, and where its closing quote ends.
fn quoted(text: &str, at: usize) -> Result<(&str, usize), String> {
    let bytes = text.as_bytes();
    let start = at + 1;
    let mut end = start;
    loop {
        match bytes.get(end) {
            Some(b'"') => return Ok((&text[start..end], end + 1)),
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
            None => return Err("a quoted string does not end on its line".into()),
        }
    }
}

/// Past the comma between two labels, or at the closing brace.
fn separator(bytes: &[u8], at: usize) -> Result<usize, String> {
    match bytes.get(at) {
        Some(b',') => Ok(at + 1),
        Some(b'}') => Ok(at),
        _ => Err("expected `,` or `}` after a label".into()),
    }
}

/// Why a line that begins neither with a name nor with a brace is no metric.
fn stranger(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(b'<') => "this is HTML, not metrics",
        Some(b'[') => "this is JSON, not metrics",
        _ => "expected a metric name",
    }
    .into()
}
