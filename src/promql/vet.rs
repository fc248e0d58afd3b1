//! A look at the text before the parser sees it: finds what is not PromQL but often taken for it, says where, and keeps
//! away what the parser would choke on (lengths of time beyond all measure, endless nesting, bytes that are no text).

use super::error::Error;
use super::functions::MAPS;
use super::over_time::RANGE_FUNCTIONS;
use super::print;
use crate::base::text;

/// Longer texts are no expressions.
const MAX_TEXT: usize = 64 * 1024;
/// The parser's tree is walked by recursion, so its depth, which operators and brackets make, is limited.
const MAX_DEPTH: usize = 250;

/// Names before a parenthesis that are not in the tables of functions.
const OTHER_CALLS: &[&str] = &[
    "absent",
    "absent_over_time",
    "and",
    "avg",
    "bool",
    "bottomk",
    "by",
    "clamp",
    "clamp_max",
    "clamp_min",
    "count",
    "count_values",
    "end",
    "group",
    "group_left",
    "group_right",
    "histogram_fraction",
    "histogram_quantile",
    "ignoring",
    "label_join",
    "label_replace",
    "max",
    "max_of",
    "min",
    "min_of",
    "on",
    "or",
    "pi",
    "quantile",
    "range",
    "round",
    "scalar",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "start",
    "stddev",
    "stdvar",
    "step",
    "sum",
    "time",
    "timestamp",
    "topk",
    "unless",
    "vector",
    "without",
    "atan2",
];

/// Known to the parser and refused when its tree is lowered, with a better reason than being unknown.
const REFUSED_LATER: &[&str] = &[
    "fill",
    "fill_left",
    "fill_right",
    "histogram_avg",
    "histogram_count",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "info",
    "integral",
    "limit_ratio",
    "limitk",
    "start_timestamp",
];

/// Passes what is worth parsing, with raw strings written as quoted ones: the parser would look for escapes in them.
pub(super) fn vet(text: &str) -> Result<String, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::syntax(text, format!("it is longer than {MAX_TEXT} bytes")));
    }
    if text.trim().is_empty() {
        return Err(Error::syntax(text, "it is empty"));
    }
    Vet { text, place: 0, open: Vec::new(), depth: 0, passed: String::new(), copied: 0 }.run()
}

struct Vet<'t> {
    text: &'t str,
    /// In bytes.
    place: usize,
    open: Vec<(char, usize)>,
    depth: usize,
    /// What the parser will see of the first `copied` bytes.
    passed: String,
    copied: usize,
}

impl<'t> Vet<'t> {
    fn run(mut self) -> Result<String, Error> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '"' | '\'' | '`' => self.string(c)?,
                '#' => self.place += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len()),
                '(' | '[' | '{' => self.enter(c)?,
                ')' | ']' | '}' => self.leave(c)?,
                '|' => {
                    return Err(Error::unsupported(
                        text::shorten(self.rest(), 40),
                        "LogQL pipes are not PromQL: this looks like a query to Loki",
                    ));
                }
                '$' => {
                    let name = text::shorten(self.rest().split_whitespace().next().unwrap_or("$"), 40);
                    return self.wrong(format!("`{name}` is a variable that nobody has filled in"));
                }
                ':' if matches!(self.open.last(), Some(('[', _))) => self.place += 1,
                c if c.is_alphabetic() || c == '_' || c == ':' => self.word()?,
                c if c.is_ascii_digit() || c == '.' => self.number()?,
                '+' | '-' | '*' | '/' | '%' | '^' | '=' | '!' | '<' | '>' | '@' => {
                    self.place += 1;
                    self.deeper()?;
                }
                c => self.place += c.len_utf8(),
            }
        }
        match self.open.pop() {
            Some((bracket, place)) => {
                self.place = place;
                self.wrong(format!("`{bracket}` is never closed"))
            }
            None => Ok(self.passed + &self.text[self.copied..]),
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.place..]
    }

    /// An error at the current place, counted in characters from 1.
    fn wrong<T>(&self, why: impl std::fmt::Display) -> Result<T, Error> {
        let column = self.text[..self.place].chars().count() + 1;
        Err(Error::syntax(self.text.trim(), format!("at character {column}: {why}")))
    }

    /// Operators and brackets nest; what stands between braces does not.
    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += usize::from(!matches!(self.open.last(), Some(('{', _))));
        if self.depth > MAX_DEPTH {
            return self.wrong(format!("more than {MAX_DEPTH} operators and brackets: split the expression"));
        }
        Ok(())
    }

    fn enter(&mut self, bracket: char) -> Result<(), Error> {
        if bracket == '{' && self.rest().starts_with("{{") {
            return Err(Error::unsupported("{{…}}", "native histograms are not part of this evaluator"));
        }
        self.open.push((bracket, self.place));
        self.deeper()?;
        self.place += 1;
        Ok(())
    }

    fn leave(&mut self, bracket: char) -> Result<(), Error> {
        let opening = match bracket {
            ')' => '(',
            ']' => '[',
            _ => '{',
        };
        match self.open.pop() {
            Some((open, _)) if open == opening => {
                self.place += 1;
                Ok(())
            }
            Some((open, _)) => self.wrong(format!("`{bracket}` closes `{open}`")),
            None => self.wrong(format!("`{bracket}` closes nothing")),
        }
    }

    /// Passes over a string. Escapes that name a byte are refused: the parser would take it for a character.
    fn string(&mut self, quote: char) -> Result<(), Error> {
        let start = self.place;
        self.place += 1;
        loop {
            let mut chars = self.rest().chars();
            match (chars.next(), chars.next()) {
                (None, _) => {
                    self.place = start;
                    return self.wrong("the string is never closed");
                }
                (Some(c), _) if c == quote => {
                    self.place += 1;
                    if quote == '`' {
                        self.passed.push_str(&self.text[self.copied..start]);
                        self.passed.push_str(&print::quoted(&self.text[start + 1..self.place - 1]));
                        self.copied = self.place;
                    }
                    return Ok(());
                }
                (Some('\\'), Some(escaped)) if quote != '`' => {
                    let is_byte = match escaped {
                        'x' => self.rest()[2..].starts_with(|c: char| !('0'..='7').contains(&c)),
                        '2'..='7' => true,
                        _ => false,
                    };
                    if is_byte {
                        let end = self.text[start + 1..].find(quote).map_or(self.text.len(), |i| start + i + 2);
                        let literal = &self.text[start..end];
                        return self.wrong(format!(
                            "bytes above \\x7f are no text and make an invalid label name {literal} or value: write the \
                             character itself"
                        ));
                    }
                    if !escaped.is_ascii() {
                        return self.wrong(format!("`\\{escaped}` is not an escape"));
                    }
                    self.place += 2;
                }
                (Some(c), _) => self.place += c.len_utf8(),
            }
        }
    }

    /// A word: a name, a keyword, a function.
    fn word(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let word = &rest[..end];
        let lower = word.to_ascii_lowercase();
        let in_braces = matches!(self.open.last(), Some(('{', _)));
        let is_called = rest[end..].trim_start().starts_with('(');
        if in_braces {
            self.place += end;
            return Ok(());
        }
        if is_called && !is_known(word) && !is_known(&lower) {
            return Err(unknown(word));
        }
        if matches!(lower.as_str(), "and" | "or" | "unless" | "atan2" | "offset") {
            self.deeper()?;
        }
        self.place += end;
        if lower == "offset" {
            self.after_offset()?;
        }
        if matches!(lower.as_str(), "anchored" | "smoothed") && !is_called && self.follows_operand(end) {
            return Err(Error::unsupported(word, "it is experimental in Prometheus"));
        }
        Ok(())
    }

    /// Whether the word of this length that ends here stands behind a selector or a call.
    fn follows_operand(&self, length: usize) -> bool {
        let before = self.text[..self.place - length].trim_end();
        before.ends_with([']', ')', '}']) || before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }

    /// The parser takes any number for a length of time here, endless ones too.
    fn after_offset(&mut self) -> Result<(), Error> {
        let rest = self.rest().trim_start();
        let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest).trim_start();
        if rest.starts_with(|c: char| c.is_alphabetic()) && rest.len() >= 3 {
            let word = rest.get(..3).unwrap_or_default().to_ascii_lowercase();
            if word == "inf" || word == "nan" {
                return self.wrong("`offset` takes a length of time such as 5m");
            }
        }
        Ok(())
    }

    /// A number or a length of time: digits before a unit must fit, and a bare number that stands for seconds must too.
    fn number(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        let mut end = 0;
        let mut before = ' ';
        for c in rest.chars() {
            let exponent_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !rest.starts_with("0x");
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || exponent_sign) {
                break;
            }
            end += c.len_utf8();
            before = c;
        }
        let literal = &rest[..end.max(1)];
        let before = self.text[..self.place].trim_end();
        let before = before.strip_suffix(['+', '-']).unwrap_or(before).trim_end();
        let is_length = matches!(self.open.last(), Some(('[', _))) || before.to_ascii_lowercase().ends_with("offset");
        if is_length {
            match literal.parse::<f64>() {
                Ok(seconds) if seconds.is_nan() || seconds >= 1e11 => {
                    return self.wrong(format!("`{literal}` seconds are longer than 1000 years"));
                }
                _ if literal.starts_with("0x") && literal.len() > 10 => {
                    return self.wrong(format!("`{literal}` seconds are longer than 1000 years"));
                }
                _ => {}
            }
        }
        let has_unit = literal.contains(['s', 'm', 'h', 'd', 'w', 'y']) && !literal.starts_with("0x");
        if has_unit && literal.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 9) {
            return self.wrong(format!("`{literal}` is longer than 1000 years"));
        }
        self.place += literal.len();
        Ok(())
    }
}

fn is_known(name: &str) -> bool {
    let all = [OTHER_CALLS, REFUSED_LATER];
    all.iter().any(|names| names.contains(&name))
        || MAPS.iter().any(|map| map.name == name)
        || RANGE_FUNCTIONS.iter().any(|function| function.name == name)
}

fn unknown(name: &str) -> Error {
    let why = match name {
        "holt_winters" => "Prometheus 3 calls it `double_exponential_smoothing`".into(),
        "sum_over" | "avg_over" | "count_over" => format!("did you mean `{name}_time`?"),
        "bytes_over_time" | "bytes_rate" | "line_format" | "unwrap" | "label_format" => {
            "it belongs to LogQL, not to PromQL".into()
        }
        _ => {
            let known = (RANGE_FUNCTIONS.iter().map(|function| function.name))
                .chain(MAPS.iter().map(|map| map.name))
                .chain(OTHER_CALLS.iter().copied());
            match text::nearest(name, known) {
                Some(near) => format!("there is no such function; did you mean `{near}`?"),
                None => "there is no such function".into(),
            }
        }
    };
    Error::unsupported(format!("{name}()"), why)
}
