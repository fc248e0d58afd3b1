//! The same expression in a world that runs faster: every length of time in it divided by a factor.

use std::time::Duration;

use super::error::Error;
use super::print;

/// An expression whose ranges, subqueries, steps and offsets are divided by a factor, on whole milliseconds and not
/// below one. Numbers stay: nobody can tell from `> 300` whether it counts seconds. Nor does `@`, an instant and no
/// length, move.
pub fn scaled(text: &str, by: u32) -> Result<String, Error> {
    let mut scaling = Scaling { text, place: 0, out: String::with_capacity(text.len()), by: by.max(1) };
    scaling.walk()?;
    Ok(scaling.out)
}

struct Scaling<'t> {
    text: &'t str,
    place: usize, // what is before it is in `out`
    out: String,
    by: u32,
}

impl<'t> Scaling<'t> {
    fn walk(&mut self) -> Result<(), Error> {
        let mut braces = 0_u32;
        while let Some(c) = self.rest().chars().next() {
            match c {
                '"' | '\'' | '`' => self.keep(string_length(self.rest(), c)),
                '#' => self.keep(self.rest().find(['\n', '\r']).unwrap_or(self.rest().len())),
                '[' => self.brackets()?,
                '{' | '}' => {
                    braces = if c == '{' { braces + 1 } else { braces.saturating_sub(1) };
                    self.keep(1);
                }
                c if c.is_alphanumeric() || c == '_' || c == ':' => {
                    let end = self.rest().find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '.'));
                    let word = &self.rest()[..end.unwrap_or(self.rest().len())];
                    self.keep(word.len());
                    if braces == 0 && word.eq_ignore_ascii_case("offset") {
                        self.offset()?;
                    }
                }
                c => self.keep(c.len_utf8()),
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.place..]
    }

    /// Takes over so many bytes as they are.
    fn keep(&mut self, length: usize) {
        self.out.push_str(&self.rest()[..length]);
        self.place += length;
    }

    fn keep_spaces(&mut self) {
        self.keep(self.rest().len() - self.rest().trim_start().len());
    }

    /// `[5m]`, `[1h:30s]`, `[1h:]`
    fn brackets(&mut self) -> Result<(), Error> {
        self.keep(1);
        loop {
            self.keep_spaces();
            match self.rest().chars().next() {
                Some(']') => {
                    self.keep(1);
                    return Ok(());
                }
                Some(':') => self.keep(1),
                Some(c) if c.is_ascii_digit() || c == '.' => self.length()?,
                Some(c) => {
                    return Err(Error::syntax(self.text.trim(), format!("`{c}` in brackets is no length of time")));
                }
                None => return Err(Error::syntax(self.text.trim(), "`[` is never closed")),
            }
        }
    }

    /// What follows the word, if it is a length: `offset` may be the name of a label.
    fn offset(&mut self) -> Result<(), Error> {
        self.keep_spaces();
        if self.rest().starts_with(['+', '-']) {
            self.keep(1);
            self.keep_spaces();
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '.') { self.length() } else { Ok(()) }
    }

    fn length(&mut self) -> Result<(), Error> {
        let end = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(self.rest().len());
        let literal = &self.rest()[..end];
        let ms = milliseconds(literal)
            .ok_or_else(|| Error::syntax(self.text.trim(), format!("`{literal}` is no length of time")))?;
        let scaled = if ms == 0 { 0 } else { ((ms + i64::from(self.by) / 2) / i64::from(self.by)).max(1) };
        self.out.push_str(&print::duration(scaled));
        self.place += end;
        Ok(())
    }
}

/// How long a string is, its quotes included. One that is never closed goes on to the end: parsing says so.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped && quote != '`';
        closes
    });
    end.map_or(text.len(), |(i, c)| i + c.len_utf8())
}

/// `1h30m`, or a bare number of seconds.
fn milliseconds(literal: &str) -> Option<i64> {
    if let Ok(seconds) = literal.parse::<f64>() {
        return Some(Duration::try_from_secs_f64(seconds).ok()?.as_millis().try_into().ok()?);
    }
    let mut rest = literal;
    let mut ms = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| digits + i);
        let each = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        ms = ms.checked_add(rest[..digits].parse::<i64>().ok()?.checked_mul(each)?)?;
        rest = &rest[unit_end..];
    }
    Some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    #[test]
    fn lengths_shrink_and_nothing_else_does() {
        for (text, by, wanted) in [
            ("rate(x[5m]) > 0.05", 10, "rate(x[30s]) > 0.05"),
            ("max_over_time(rate(x[1m])[1h:30s])", 60, "max_over_time(rate(x[1s])[1m:500ms])"),
            ("sum_over_time(x[5m:])", 2, "sum_over_time(x[2m30s:])"),
            ("x offset 5m", 5, "x offset 1m"),
            ("x OFFSET -1h30m", 3, "x OFFSET -30m"),
            ("rate(x[ 90 ])", 3, "rate(x[ 30s ])"),
            ("sum by (offset) (x{offset=\"5m\"})", 5, "sum by (offset) (x{offset=\"5m\"})"),
            ("x{a=\"[5m]\", b='offset 5m'} # [5m]\n> 300", 5, "x{a=\"[5m]\", b='offset 5m'} # [5m]\n> 300"),
            ("x{a=`\\`} * rate(y[5m])", 5, "x{a=`\\`} * rate(y[1m])"),
            ("x{a=\"\\\"[5m]\"}[5m]", 5, "x{a=\"\\\"[5m]\"}[1m]"),
            ("rate(x[1ms])", 100, "rate(x[1ms])"),
            ("x @ 300", 10, "x @ 300"),
            ("job:offset:rate5m > 5", 5, "job:offset:rate5m > 5"),
            ("rate(x[5m])", 1, "rate(x[5m])"),
        ] {
            let is = scaled(text, by).expect("it scales");
            assert_eq!(is, wanted, "{text}");
            assert!(parse(&is).is_ok(), "{is}");
        }
        for bad in ["rate(x[5q])", "rate(x[5m", "rate(x[five])"] {
            assert!(scaled(bad, 2).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_it_reads_shrinks_as_well() {
        for text in ["rate(a[5m]) / rate(b[10m] offset 5m)", "max_over_time(rate(x[1m])[10m:30s] offset 2m)"] {
            let reach = |text: &str| parse(text).expect("it is PromQL").reach().back_ms;
            assert_eq!(reach(&scaled(text, 10).expect("it scales")) * 10, reach(text), "{text}");
        }
    }
}
