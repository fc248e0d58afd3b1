//! Go's `fmt`: how values are printed, and `printf`.

use std::iter::Peekable;
use std::str::Chars;

use super::value::Value;
use crate::promql::go::{general, special};

/// As `%q` prints it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

/// `printf`
pub(super) fn sprintf(format: &str, args: &[Value<'_>]) -> String {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "+-# 0".contains(*c)) {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.left = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        spec.width = number(&mut chars, &mut args);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars, &mut args).unwrap_or_default());
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(arg) => out.push_str(&spec.print(verb, arg)),
            },
        }
    }
    let extra: Vec<String> = args.map(|arg| format!("{}={arg}", arg.go_type())).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// A width or a precision: digits, or `*` for the next argument.
fn number<'v, 'd: 'v>(
    chars: &mut Peekable<Chars<'_>>,
    args: &mut impl Iterator<Item = &'v Value<'d>>,
) -> Option<usize> {
    if chars.next_if_eq(&'*').is_some() {
        return match args.next() {
            Some(Value::Int(n)) => Some(n.unsigned_abs().min(MAX_WIDTH) as usize),
            _ => None,
        };
    }
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok().map(|n: u64| n.min(MAX_WIDTH) as usize)
}

/// Nobody pads further than that.
const MAX_WIDTH: u64 = 1_000;

/// Flags, width and precision of a verb.
#[derive(Debug, Default)]
struct Spec {
    plus: bool,
    left: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn print(&self, verb: char, arg: &Value<'_>) -> String {
        let text = match (verb, arg) {
            ('v', Value::Float(value)) => Some(self.signed(general(*value, self.precision))),
            ('v' | 's', Value::Text(text)) => Some(self.cut(text)),
            ('v' | 'd', Value::Int(int)) => Some(self.signed(int.to_string())),
            ('v', other) => Some(other.to_string()),
            ('s', Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Nil) => None,
            ('s', other) => Some(other.to_string()),
            ('q', Value::Text(text)) => Some(quoted(&self.cut(text))),
            ('x', Value::Text(text)) => Some(text.bytes().map(|b| format!("{b:02x}")).collect()),
            ('X', Value::Text(text)) => Some(text.bytes().map(|b| format!("{b:02X}")).collect()),
            ('t', Value::Bool(value)) => Some(value.to_string()),
            ('g' | 'G', Value::Float(value)) => Some(self.signed(cased(verb, general(*value, self.precision)))),
            ('f' | 'F', Value::Float(value)) => {
                let plain = special(*value).unwrap_or_else(|| format!("{value:.*}", self.precision.unwrap_or(6)));
                Some(self.signed(plain))
            }
            ('e' | 'E', Value::Float(value)) => {
                let plain = special(*value).unwrap_or_else(|| scientific(*value, self.precision.unwrap_or(6)));
                Some(self.signed(cased(verb, plain)))
            }
            ('b', Value::Int(int)) => Some(self.signed(based(*int, |n| format!("{n:b}")))),
            ('o', Value::Int(int)) => Some(self.signed(based(*int, |n| format!("{n:o}")))),
            ('x', Value::Int(int)) => Some(self.signed(based(*int, |n| format!("{n:x}")))),
            ('X', Value::Int(int)) => Some(self.signed(based(*int, |n| format!("{n:X}")))),
            ('c', Value::Int(int)) => {
                Some(u32::try_from(*int).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string())
            }
            _ => None,
        };
        match text {
            Some(text) => self.pad(text, matches!(arg, Value::Int(_) | Value::Float(_))),
            None if matches!(arg, Value::Nil) => format!("%!{verb}(<nil>)"),
            None => format!("%!{verb}({}={arg})", arg.go_type()),
        }
    }

    /// At most as many characters as the precision says.
    fn cut(&self, text: &str) -> String {
        self.precision.map_or_else(|| text.to_owned(), |limit| text.chars().take(limit).collect())
    }

    fn signed(&self, text: String) -> String {
        match text.strip_prefix('+').filter(|rest| *rest == "Inf") {
            Some(rest) if !self.plus => format!("+{rest}"),
            _ if text.starts_with(['-', '+']) => text,
            _ if self.plus => format!("+{text}"),
            _ if self.space => format!(" {text}"),
            _ => text,
        }
    }

    fn pad(&self, text: String, is_number: bool) -> String {
        let missing = self.width.unwrap_or_default().saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        if self.left {
            return text + &" ".repeat(missing);
        }
        let finite = text.ends_with(|c: char| c.is_ascii_hexdigit()) && !text.ends_with("Inf");
        if self.zero && (!is_number || finite) {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+', ' '])));
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        " ".repeat(missing) + &text
    }
}

fn cased(verb: char, text: String) -> String {
    if verb.is_ascii_uppercase() { text.replace('e', "E") } else { text }
}

fn based(int: i64, print: impl Fn(u64) -> String) -> String {
    format!("{}{}", if int < 0 { "-" } else { "" }, print(int.unsigned_abs()))
}

fn scientific(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printf_knows_its_verbs() {
        let float = Value::Float(3.25159);
        for (format, arg, text) in [
            ("%.2f%%", float.clone(), "3.25%"),
            ("%6.1f|", float.clone(), "   3.3|"),
            ("%-6.1f|", float.clone(), "3.3   |"),
            ("%06.1f", Value::Float(-3.25159), "-003.3"),
            ("%+.1e", float.clone(), "+3.3e+00"),
            ("%.3g", float.clone(), "3.25"),
            ("%d", float.clone(), "%!d(float64=3.25159)"),
            ("%s", float.clone(), "%!s(float64=3.25159)"),
            ("%v", float.clone(), "3.25159"),
            ("%f", Value::Float(f64::INFINITY), "+Inf"),
            ("%d", Value::Int(-7), "-7"),
            ("%05d", Value::Int(42), "00042"),
            ("%x", Value::Int(255), "ff"),
            ("%f", Value::Int(1), "%!f(int=1)"),
            ("%s", Value::Text("a".into()), "a"),
            ("%5s|", Value::Text("a".into()), "    a|"),
            ("%.1s", Value::Text("abc".into()), "a"),
            ("%q", Value::Text("a\"b".into()), "\"a\\\"b\""),
            ("%t", Value::Bool(true), "true"),
            ("%v", Value::Nil, "<nil>"),
            ("no verb", Value::Int(1), "no verb%!(EXTRA int=1)"),
            ("%", Value::Int(1), "%!(NOVERB)%!(EXTRA int=1)"),
            ("%s %s", Value::Text("a".into()), "a %!s(MISSING)"),
        ] {
            assert_eq!(sprintf(format, &[arg]), text, "{format}");
        }
        assert_eq!(sprintf("%*.*f", &[Value::Int(7), Value::Int(2), float]), "   3.25");
    }
}
