//! Dashboard variables: `$name`, `${name:format}`, `[[name]]`, filled in with something of the right kind, so that the
//! query can be read.

use crate::promql::syntax::{Span, syntax};

/// What stands for a name or a text that is not known.
pub(super) const ANYTHING: &str = "PROOFLOAD_ANY";

/// A query with its variables filled in.
pub(super) struct Filled {
    pub text: String,
    /// Each use of a variable, in the original.
    pub used: Vec<(String, Span)>,
    /// Pairs of what stands for what: in the filled text, in the original.
    swaps: Vec<(Span, Span)>,
    originals: Vec<String>,
}

/// Whether Grafana itself defines the variable.
pub(super) fn is_built_in(name: &str) -> bool {
    name.starts_with("__") || matches!(name, "timeFilter" | "interval_ms")
}

/// Fills in.
pub(super) fn fill(query: &str) -> Filled {
    let found = find(query);
    let as_word = swap(query, &found, ANYTHING);
    if found.is_empty() || syntax(&as_word.text).is_ok() {
        return as_word;
    }
    for other in ["1", "5m"] {
        let filled = swap(query, &found, other);
        if syntax(&filled.text).is_ok() {
            return filled;
        }
    }
    as_word
}

/// A use of a variable.
struct Use {
    name: String,
    span: Span,
    place: Around,
}

#[derive(Clone, Copy, PartialEq)]
enum Around {
    Quotes,
    Brackets,
    Offset,
    Nothing,
}

fn find(query: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut quote: Option<char> = None;
    let mut in_range = false;
    let mut at = 0;
    while let Some(c) = query[at..].chars().next() {
        let rest = &query[at..];
        let is_variable = rest.starts_with("${")
            || rest.starts_with("[[")
            || (c == '$' && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
        if is_variable && let Some((name, length)) = name_of(rest) {
            let place = match quote {
                Some(_) => Around::Quotes,
                None if in_range => Around::Brackets,
                None if query[..at].trim_end().to_ascii_lowercase().ends_with("offset") => Around::Offset,
                None => Around::Nothing,
            };
            found.push(Use { name, span: at..at + length, place });
            at += length;
            continue;
        }
        match (quote, c) {
            (Some(_), '\\') => at += rest[1..].chars().next().map_or(0, char::len_utf8),
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '[') => in_range = true,
            (None, ']') => in_range = false,
            _ => {}
        }
        at += c.len_utf8();
    }
    found
}

/// The name that a use begins with, and how long the use is.
fn name_of(rest: &str) -> Option<(String, usize)> {
    let word = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if let Some(inner) = rest.strip_prefix("${") {
        let end = inner.find('}')?;
        let name = &inner[..word(&inner[..end])];
        return (!name.is_empty()).then(|| (name.to_owned(), end + 3));
    }
    if let Some(inner) = rest.strip_prefix("[[") {
        let end = inner.find("]]")?;
        let name = &inner[..word(&inner[..end])];
        return (!name.is_empty()).then(|| (name.to_owned(), end + 4));
    }
    let name = &rest[1..1 + word(&rest[1..])];
    (!name.is_empty()).then(|| (name.to_owned(), 1 + name.len()))
}

fn swap(query: &str, found: &[Use], bare: &str) -> Filled {
    let mut filled = Filled { text: String::new(), used: Vec::new(), swaps: Vec::new(), originals: Vec::new() };
    let mut copied = 0;
    for used in found {
        filled.text.push_str(&query[copied..used.span.start]);
        let start = filled.text.len();
        filled.text.push_str(match (used.place, used.name.as_str()) {
            (Around::Brackets | Around::Offset, "__range") => "1h",
            (Around::Brackets | Around::Offset, "__range_s" | "__interval_ms" | "__range_ms") => "3600",
            (Around::Brackets | Around::Offset, _) => "5m",
            (_, "__interval_ms" | "__range_s" | "__range_ms" | "__from" | "__to") => "3600",
            (Around::Quotes, _) => ANYTHING,
            (Around::Nothing, _) => bare,
        });
        filled.swaps.push((start..filled.text.len(), used.span.clone()));
        filled.originals.push(query[used.span.clone()].to_owned());
        filled.used.push((used.name.clone(), used.span.clone()));
        copied = used.span.end;
    }
    filled.text.push_str(&query[copied..]);
    filled
}

impl Filled {
    /// The part of the original that a part of the filled text stands for.
    pub(super) fn original(&self, span: &Span) -> Span {
        let back = |at: usize, is_end: bool| {
            let mut shift = 0isize;
            for (new, old) in &self.swaps {
                if at >= new.end {
                    shift = old.end as isize - new.end as isize;
                } else if at > new.start || (at == new.start && !is_end) {
                    return if is_end { old.end } else { old.start };
                }
            }
            (at as isize + shift).max(0) as usize
        };
        back(span.start, false)..back(span.end, true)
    }

    /// Whether a variable stands in this part behind such a bracket.
    pub(super) fn touches(&self, span: &Span, bracket: char) -> bool {
        self.swaps.iter().any(|(new, _)| {
            span.start <= new.start && new.end <= span.end && self.text[..new.start].trim_end().ends_with(bracket)
        })
    }

    /// A message about the filled text, in the words of the original.
    pub(super) fn unfill(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for original in &self.originals {
            message = message.replacen(ANYTHING, original, 1);
        }
        message.replace(ANYTHING, "…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_where_they_stand() {
        let text = |query| fill(query).text;
        assert_eq!(
            text("rate(x{a=~\"$a\", b=\"${b:regex}\"}[$__rate_interval])"),
            "rate(x{a=~\"PROOFLOAD_ANY\", b=\"PROOFLOAD_ANY\"}[5m])"
        );
        assert_eq!(text("increase(x[$__range])"), "increase(x[1h])");
        assert_eq!(text("topk($k, x) > $limit"), "topk(1, x) > 1");
        assert_eq!(
            text("sum by ([[by]]) (${name}_total offset $ago)"),
            "sum by (PROOFLOAD_ANY) (PROOFLOAD_ANY_total offset 5m)"
        );
        assert_eq!(
            text("label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")"),
            "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")"
        );
    }

    #[test]
    fn places_are_those_of_the_original() {
        let query = "x{a=\"$abc\"} + y[$i]";
        let filled = fill(query);
        let y = filled.text.find('y').expect("it is there");
        assert_eq!(&query[filled.original(&(y..y + 1))], "y");
        let quoted = filled.text.find("a=").expect("it is there");
        let end = filled.text.find('}').expect("it is there");
        assert_eq!(&query[filled.original(&(quoted..end))], "a=\"$abc\"");
        assert_eq!(filled.unfill("no `a=\"PROOFLOAD_ANY\"`"), "no `a=\"$abc\"`");
        assert_eq!(filled.used.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["abc", "i"]);
    }
}
