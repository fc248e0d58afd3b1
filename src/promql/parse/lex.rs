//! Tokens of an expression. Finds what is not PromQL but often taken for it, says where, and keeps away what would make
//! the parser walk too deep.

use super::literal;
use crate::base::text;
use crate::promql::error::Error;
use crate::promql::length;

/// Longer texts are no expressions.
const MAX_TEXT: usize = 64 * 1024;
/// The tree is walked by recursion, so its depth, which operators and brackets make, is limited.
const MAX_DEPTH: usize = 250;

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) what: What<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What<'t> {
    Number(f64),
    /// A length of time, in milliseconds.
    Duration(u64),
    Text(String),
    /// A name, a keyword, a function; between brackets without colons.
    Word(&'t str),
    Symbol(&'static str),
    End,
}

/// The longest first where one begins like another.
const SYMBOLS: [&str; 22] = [
    "==", "=~", "!=", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "@", ",", "(", ")", "[", "]", "{",
];

/// The tokens of a text, the last of which is its end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::syntax(text, format!("it is longer than {MAX_TEXT} bytes")));
    }
    if text.trim().is_empty() {
        return Err(Error::syntax(text, "it is empty"));
    }
    Lexer { text, place: 0, open: Vec::new(), depth: 0, tokens: Vec::new() }.run()
}

/// An error at a place, counted in characters from 1.
pub(super) fn wrong(text: &str, place: usize, why: impl std::fmt::Display) -> Error {
    let column = text.get(..place).unwrap_or(text).chars().count() + 1;
    Error::syntax(text.trim(), format!("at character {column}: {why}"))
}

struct Lexer<'t> {
    text: &'t str,
    place: usize,
    open: Vec<(&'static str, usize)>,
    depth: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    fn run(mut self) -> Result<Vec<Token<'t>>, Error> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '"' | '\'' | '`' => self.string(c)?,
                '#' => self.place += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len()),
                ':' if self.within("[") => self.take(What::Symbol(":"), 1),
                c if c.is_ascii_alphabetic() || c == '_' || c == ':' => self.word(),
                c if c.is_ascii_digit() => self.number()?,
                '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
                c if c.is_whitespace() => self.place += c.len_utf8(),
                _ => self.symbol()?,
            }
        }
        match self.open.pop() {
            Some((bracket, place)) => Err(wrong(self.text, place, format!("`{bracket}` is never closed"))),
            None => {
                self.take(What::End, 0);
                Ok(self.tokens)
            }
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.place..]
    }

    fn wrong<T>(&self, why: impl std::fmt::Display) -> Result<T, Error> {
        Err(wrong(self.text, self.place, why))
    }

    /// Whether the innermost bracket that is no parenthesis is this one.
    fn within(&self, bracket: &str) -> bool {
        self.open.iter().rev().find(|(open, _)| *open != "(").is_some_and(|(open, _)| *open == bracket)
    }

    fn take(&mut self, what: What<'t>, length: usize) {
        let start = self.place;
        self.place += length;
        self.tokens.push(Token { what, start, end: self.place });
    }

    /// Operators and brackets nest; what stands between braces does not.
    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += usize::from(!self.within("{"));
        if self.depth > MAX_DEPTH {
            return self.wrong(format!("more than {MAX_DEPTH} operators and brackets: split the expression"));
        }
        Ok(())
    }

    fn symbol(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        if rest.starts_with("{{") {
            return Err(Error::unsupported("{{…}}", "native histograms are not part of this evaluator"));
        }
        if rest.starts_with('}') {
            return self.leave("}");
        }
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) else { return self.foreign() };
        match symbol {
            "(" | "[" | "{" => {
                self.open.push((symbol, self.place));
                self.deeper()?;
            }
            ")" | "]" => return self.leave(symbol),
            "," => {}
            _ => self.deeper()?,
        }
        self.take(What::Symbol(symbol), symbol.len());
        Ok(())
    }

    fn leave(&mut self, bracket: &'static str) -> Result<(), Error> {
        let opening = match bracket {
            ")" => "(",
            "]" => "[",
            _ => "{",
        };
        match self.open.pop() {
            Some((open, _)) if open == opening => {
                self.take(What::Symbol(bracket), 1);
                Ok(())
            }
            Some((open, _)) => self.wrong(format!("`{bracket}` closes `{open}`")),
            None => self.wrong(format!("`{bracket}` closes nothing")),
        }
    }

    /// A character that no expression has.
    fn foreign(&self) -> Result<(), Error> {
        let rest = self.rest();
        if rest.starts_with('|') {
            let why = "LogQL pipes are not PromQL: this looks like a query to Loki";
            return Err(Error::unsupported(text::shorten(rest, 40), why));
        }
        if rest.starts_with('$') {
            let name = text::shorten(rest.split_whitespace().next().unwrap_or("$"), 40);
            return self.wrong(format!("`{name}` is a variable that nobody has filled in"));
        }
        let c: String = rest.chars().take(1).collect();
        self.wrong(format!("`{c}` is not part of PromQL outside strings"))
    }

    fn string(&mut self, quote: char) -> Result<(), Error> {
        let inner = &self.rest()[1..];
        let mut end = None;
        let mut chars = inner.char_indices();
        while let Some((place, c)) = chars.next() {
            match c {
                c if c == quote => {
                    end = Some(place);
                    break;
                }
                '\\' if quote != '`' => _ = chars.next(),
                '\n' if quote != '`' => break,
                _ => {}
            }
        }
        let Some(end) = end else { return self.wrong("the string is never closed") };
        let inner = &inner[..end];
        let bytes = match quote {
            '`' => inner.as_bytes().to_vec(),
            _ => literal::unescaped(inner, quote)
                .map_err(|(place, why)| wrong(self.text, self.place + 1 + place, why))?,
        };
        let Ok(string) = String::from_utf8(bytes) else {
            let literal = &self.rest()[..end + 2];
            return self.wrong(format!("invalid label name {literal} or value: its bytes are no text (UTF-8)"));
        };
        self.take(What::Text(string), end + 2);
        Ok(())
    }

    fn word(&mut self) {
        let colons = !self.within("[") && !self.within("{");
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || (c == ':' && colons));
        let end = self.rest().find(ends).unwrap_or(self.rest().len());
        // A colon between braces begins no name: taken alone, it is what the parser will complain of.
        let word = &self.rest()[..end.max(1)];
        self.take(What::Word(word), word.len());
    }

    /// A number or a length of time.
    fn number(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
        let mut end = 0;
        for (place, c) in rest.char_indices() {
            let exponent_sign = matches!(c, '+' | '-') && !is_hex && rest[..place].ends_with(['e', 'E']);
            if !(c.is_alphanumeric() || matches!(c, '.' | '_') || exponent_sign) {
                break;
            }
            end = place + c.len_utf8();
        }
        let literal = &rest[..end];
        let what = if let Some(value) = literal::number(literal) {
            What::Number(value)
        } else if let Ok(ms) = length::counted(literal) {
            What::Duration(ms)
        } else if literal.contains(|c: char| "smhdwy".contains(c)) && !is_hex {
            let why = "is no length of time: write whole numbers, longest unit first, such as 1h30m";
            return self.wrong(format!("`{literal}` {why}"));
        } else {
            return self.wrong(format!("`{literal}` is no number"));
        };
        self.take(what, literal.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_belong_to_names_but_not_to_lengths_of_time() {
        let words = |text| -> Vec<String> {
            let tokens = tokens(text).expect("it has tokens");
            tokens.iter().map(|t| text[t.start..t.end].to_owned()).filter(|t| !t.is_empty()).collect()
        };
        assert_eq!(words("a:b:c[5m:1m]"), ["a:b:c", "[", "5m", ":", "1m", "]"]);
        assert_eq!(words("x{a=~\"b\"}>=1e-3"), ["x", "{", "a", "=~", "\"b\"", "}", ">=", "1e-3"]);
        assert_eq!(words("1+2 # sum\n-3"), ["1", "+", "2", "-", "3"]);
        assert_eq!(words("0x1e-3"), ["0x1e", "-", "3"]);
    }
}
