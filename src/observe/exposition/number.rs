//! The numbers on a metrics page: values, timestamps and the bounds of buckets.

use super::Dialect;
use crate::base::text::shorten;

/// Reads a value: a decimal number or, in any case and with or without sign, `Inf`, `Infinity` or `NaN`. Every NaN is
/// read as the one ordinary NaN, so that a page cannot forge the marker of a series' end.
pub(super) fn value(text: &str) -> Result<f64, String> {
    let bytes = text.as_bytes();
    if (1..=18).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        // most values are counters: so many digits fit a u64, whose conversion rounds as the general reader does
        return Ok(bytes.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0')) as f64);
    }
    match text.parse::<f64>() {
        Ok(v) if v.is_nan() => Ok(f64::NAN),
        Ok(v) if v.is_infinite() && bytes.iter().any(u8::is_ascii_digit) => {
            Err(format!("`{}` is beyond what a float can hold", shorten(text, 40)))
        }
        Ok(v) => Ok(v),
        Err(_) if text.is_empty() => Err("a series without a value".into()),
        Err(_) => Err(format!("`{}` is not a number", shorten(text, 40))),
    }
}

/// Reads a timestamp as milliseconds since the Unix epoch: whole milliseconds in the text format, seconds with a
/// fraction in OpenMetrics.
pub(super) fn timestamp(text: &str, dialect: Dialect) -> Result<i64, String> {
    const YEARS_280_000: f64 = 9e15; // beyond that floats skip milliseconds
    match dialect {
        Dialect::Text => {
            text.parse().map_err(|_| format!("timestamp `{}` is not a whole number of milliseconds", shorten(text, 40)))
        }
        Dialect::OpenMetrics => match text.parse::<f64>().map(|seconds| (seconds * 1000.0).round()) {
            Ok(ms) if ms.abs() < YEARS_280_000 => Ok(ms as i64),
            _ => Err(format!("timestamp `{}` is not a number of seconds", shorten(text, 40))),
        },
    }
}

/// A bound as Prometheus 3 writes it on ingestion: the shortest digits that read back the same, an exponent from a
/// million up and below a ten-thousandth, and always recognisably a float. `None` when `text` is not a number.
pub(super) fn canonical(text: &str) -> Option<String> {
    let value = text.parse::<f64>().ok()?;
    if value.is_nan() {
        return Some("NaN".into());
    }
    if value.is_infinite() {
        return Some(if value > 0.0 { "+Inf" } else { "-Inf" }.into());
    }
    if value == 0.0 {
        return Some("0.0".into());
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if (-4..6).contains(&exponent) {
        return Some(format!("{value:?}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{digits}e{sign}{:02}", exponent.abs()))
}
