//! Go's `fmt`: how values are printed, and `printf`.

use std::iter::Peekable;
use std::str::Chars;

use super::value::Value;

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

/// A number as `%g` prints it: with the fewest digits that name it, or with at most so many. It has an exponent where
/// that is less than -4, or at least the number of digits; where no number of digits is asked for, Go takes 6.
pub(super) fn general(value: f64, digits: Option<usize>) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let scientific = match digits {
        None => format!("{value:e}"),
        Some(digits) => format!("{value:.*e}", digits.max(1) - 1),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let plain: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let plain = match plain.trim_end_matches('0') {
        "" => "0",
        plain => plain,
    };
    let count = plain.len() as i32;
    let limit = match digits.map(|digits| digits.max(1) as i32) {
        None => 6,
        Some(wanted) if wanted > count && count > exponent => count,
        Some(wanted) => wanted,
    };
    if exponent < -4 || exponent >= limit {
        let (head, tail) = plain.split_at(1);
        let tail = if tail.is_empty() { String::new() } else { format!(".{tail}") };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{head}{tail}e{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{plain}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if plain.len() <= whole {
        format!("{sign}{plain}{}", "0".repeat(whole - plain.len()))
    } else {
        format!("{sign}{}.{}", &plain[..whole], &plain[whole..])
    }
}

fn special(value: f64) -> Option<String> {
    match value {
        v if v.is_nan() => Some("NaN".into()),
        v if v.is_infinite() => Some(if v > 0.0 { "+Inf" } else { "-Inf" }.into()),
        _ => None,
    }
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
    fn numbers_are_printed_as_go_prints_them() {
        for (value, text) in [
            (1_234_567.0, "1.234567e+06"),
            (1_000_000.0, "1e+06"),
            (100_000.0, "100000"),
            (123_456.789, "123456.789"),
            (0.00001, "1e-05"),
            (0.0001, "0.0001"),
            (100.0 / 3.0, "33.333333333333336"),
            (0.0, "0"),
            (-0.5, "-0.5"),
            (1e21, "1e+21"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(general(value, None), text);
        }
        for (value, text) in
            [(1.234567, "1.235"), (3333.0, "3333"), (33_330.0, "3.333e+04"), (100.0, "100"), (0.05, "0.05")]
        {
            assert_eq!(general(value, Some(4)), text);
        }
    }

    #[test]
    fn printf_knows_its_verbs() {
        let float = Value::Float(3.14159);
        for (format, arg, text) in [
            ("%.2f%%", float.clone(), "3.14%"),
            ("%6.1f|", float.clone(), "   3.1|"),
            ("%-6.1f|", float.clone(), "3.1   |"),
            ("%06.1f", Value::Float(-3.14159), "-003.1"),
            ("%+.1e", float.clone(), "+3.1e+00"),
            ("%.3g", float.clone(), "3.14"),
            ("%d", float.clone(), "%!d(float64=3.14159)"),
            ("%s", float.clone(), "%!s(float64=3.14159)"),
            ("%v", float.clone(), "3.14159"),
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
        assert_eq!(sprintf("%*.*f", &[Value::Int(7), Value::Int(2), float]), "   3.14");
    }
}
