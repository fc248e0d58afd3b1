//! The words of an expression and where they stand. It is known to be PromQL when it comes here.

use super::Span;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub what: What,
    pub span: Span,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A name or a keyword.
    Word,
    /// A number or a length of time.
    Number,
    /// In quotes.
    Text,
    /// A bracket, an operator, a comma.
    Mark,
}

/// The words of `text`; comments are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (what, len) = match c {
            '#' => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => (What::Text, string(rest, c)),
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                (What::Number, number(rest))
            }
            c if c.is_alphabetic() || c == '_' || (c == ':' && found.last().is_none_or(|t| !in_range(text, t))) => {
                (What::Word, rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len()))
            }
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            _ => {
                let two = rest.get(..2).is_some_and(|two| ["==", "!=", ">=", "<=", "=~", "!~"].contains(&two));
                (What::Mark, if two { 2 } else { c.len_utf8() })
            }
        };
        found.push(Token { what, span: at..at + len });
        at += len;
    }
    found
}

/// Whether a colon after this word parts the range of a subquery from its step.
fn in_range(text: &str, before: &Token) -> bool {
    before.what == What::Number || &text[before.span.clone()] == "["
}

fn string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `1`, `1e-9`, `0x1f`, `1h30m`
fn number(rest: &str) -> usize {
    let hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut before = ' ';
    for (i, c) in rest.char_indices() {
        let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !hex;
        if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || sign) {
            return i;
        }
        before = c;
    }
    rest.len()
}
