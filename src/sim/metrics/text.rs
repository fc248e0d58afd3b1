//! Lines of Prometheus's text format.

use std::fmt::Write;

/// A line of a value; `labels` is the inside of the braces.
pub fn line(out: &mut String, name: &str, suffix: &str, labels: &str, value: f64) {
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    let _ = write!(out, "{name}{suffix}{open}{labels}{close} ");
    number(out, value);
    out.push('\n');
}

/// A value as the format writes it.
pub fn number(out: &mut String, value: f64) {
    let _ = match value {
        v if v.is_nan() => write!(out, "NaN"),
        v if v.is_infinite() => write!(out, "{}Inf", if v > 0.0 { '+' } else { '-' }),
        v => write!(out, "{v}"),
    };
}

/// A label's value as it stands between quotes.
pub fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
