//! Tokens of a template: text, and what stands between `{{` and `}}`.

/// A token and the byte of the template at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// Outside of actions.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// White space, which sets a field of the dot apart from one of the word before it.
    Space,
    Word(String),
    /// `.name`
    Field(String),
    /// `$name`, or `$` alone.
    Variable(String),
    Quoted(String),
    Int(i64),
    Float(f64),
    /// `.`, `(`, `)`, `|`, `,`, `=`, `:=`
    Symbol(&'static str),
}

/// The tokens of a template; or what is wrong, in Go's words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { text, place: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    place: usize,
    tokens: Vec<Token>,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut trim = false;
        while self.place < self.text.len() {
            let rest = &self.text[self.place..];
            let end = rest.find("{{").unwrap_or(rest.len());
            let (mut text, after) = rest.split_at(end);
            if trim {
                text = text.trim_start_matches(SPACE);
            }
            if after.len() > 3 && after[2..].starts_with('-') && after[3..].starts_with(SPACE) {
                text = text.trim_end_matches(SPACE);
            }
            if !text.is_empty() {
                self.tokens.push(Token { at: self.place, what: What::Text(text.into()) });
            }
            self.place += end;
            trim = !after.is_empty() && self.action()?;
        }
        Ok(())
    }

    /// Passes over an action; whether the white space after it goes.
    fn action(&mut self) -> Result<bool, String> {
        self.take(2, What::Open);
        let rest = self.rest();
        if rest.starts_with('-') && rest[1..].starts_with(SPACE) {
            self.place += 1;
        }
        let inner = self.rest().trim_start_matches(SPACE);
        if inner.starts_with("/*") {
            return self.comment(inner.len());
        }
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(SPACE).len();
            if blank > 0 && rest[blank..].starts_with("-}}") {
                self.place += blank + 1;
                self.take(2, What::Close);
                return Ok(true);
            }
            if blank > 0 {
                self.take(blank, What::Space);
                continue;
            }
            if rest.starts_with("}}") {
                self.take(2, What::Close);
                return Ok(false);
            }
            self.token()?;
        }
    }

    fn comment(&mut self, length: usize) -> Result<bool, String> {
        self.tokens.pop();
        let start = self.text.len() - length + 2;
        let Some(end) = self.text[start..].find("*/") else { return Err("unclosed comment".into()) };
        let after = &self.text[start + end + 2..];
        let closed = after.trim_start_matches(SPACE);
        let (trim, closed) = match closed.strip_prefix('-') {
            Some(closed) if after.starts_with(SPACE) => (true, closed),
            _ => (false, after),
        };
        let Some(rest) = closed.strip_prefix("}}") else { return Err("comment ends before closing delimiter".into()) };
        self.place = self.text.len() - rest.len();
        Ok(trim)
    }

    fn rest(&self) -> &str {
        &self.text[self.place..]
    }

    fn take(&mut self, length: usize, what: What) {
        self.tokens.push(Token { at: self.place, what });
        self.place += length;
    }

    fn token(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let word = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        let Some(first) = rest.chars().next() else { return Err("unclosed action".into()) };
        let second = rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        match first {
            '"' | '`' | '\'' => self.quoted(first)?,
            '.' if second.is_alphabetic() || second == '_' => {
                let end = 1 + word(&rest[1..]);
                self.take(end, What::Field(rest[1..end].to_owned()));
            }
            '.' if !second.is_ascii_digit() => self.take(1, What::Symbol(".")),
            '$' => {
                let end = 1 + word(&rest[1..]);
                self.take(end, What::Variable(rest[..end].to_owned()));
            }
            ':' if second == '=' => self.take(2, What::Symbol(":=")),
            '+' | '-' | '.' | '0'..='9' => self.number()?,
            '(' => self.take(1, What::Symbol("(")),
            ')' => self.take(1, What::Symbol(")")),
            '|' => self.take(1, What::Symbol("|")),
            ',' => self.take(1, What::Symbol(",")),
            '=' => self.take(1, What::Symbol("=")),
            c if c.is_alphabetic() || c == '_' => {
                let end = word(rest);
                self.take(end, What::Word(rest[..end].to_owned()));
            }
            c => return Err(format!("unexpected `{c}` in an action")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let mut end = 0;
        for (i, c) in rest.char_indices() {
            let sign = matches!(c, '+' | '-') && (i == 0 || matches!(rest.as_bytes()[i - 1], b'e' | b'E'));
            if !(c.is_alphanumeric() || matches!(c, '.' | '_') || sign) {
                break;
            }
            end = i + c.len_utf8();
        }
        let literal = rest[..end].to_owned();
        let plain = literal.replace('_', "");
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let based = |prefix: &str, base| digits.strip_prefix(prefix).and_then(|d| i64::from_str_radix(d, base).ok());
        let int =
            (digits.parse::<i64>().ok().filter(|_| !(digits.starts_with('0') && digits.len() > 1))).or_else(|| {
                based("0x", 16).or_else(|| based("0b", 2)).or_else(|| based("0o", 8)).or_else(|| based("0", 8))
            });
        let what = match (int, plain.parse::<f64>()) {
            (Some(int), _) => What::Int(sign * int),
            (None, Ok(float)) if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => What::Float(float),
            _ => return Err(format!("bad number syntax: {}", super::format::quoted(&literal))),
        };
        self.take(end, what);
        Ok(())
    }

    /// A string, a raw string, or a character, which stands for its number.
    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let rest = self.rest();
        let mut out = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    let what = match (quote, out.chars().next()) {
                        ('\'', Some(only)) if only.len_utf8() == out.len() => What::Int(only as i64),
                        ('\'', _) => return Err(format!("malformed character constant: {}", &rest[..=i])),
                        _ => What::Quoted(out),
                    };
                    self.take(i + 1, what);
                    return Ok(());
                }
                '\n' if quote != '`' => break,
                '\\' if quote != '`' => {
                    let Some((_, escaped)) = chars.next() else { break };
                    let digits = [('x', 2), ('u', 4), ('U', 8)].iter().find(|(c, _)| *c == escaped).map(|(_, n)| *n);
                    if let Some(count) = digits {
                        let hex: String = chars.by_ref().take(count).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or_else(|| format!("`\\{escaped}{hex}` is not an escape"))?);
                        continue;
                    }
                    out.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\x07',
                        'b' => '\x08',
                        'f' => '\x0c',
                        'v' => '\x0b',
                        '\\' | '"' | '\'' => escaped,
                        other => return Err(format!("`\\{other}` is not an escape")),
                    });
                }
                c => out.push(c),
            }
        }
        Err(match quote {
            '`' => "unterminated raw quoted string",
            '\'' => "unterminated character constant",
            _ => "unterminated quoted string",
        }
        .into())
    }
}
