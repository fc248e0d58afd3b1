//! Quantities as people write them: `1.5s`, `1200/min`, `99.2%`, `64KiB`. Units are mandatory; what is printed reads
//! back as the same value. All arithmetic is on integers, so a plan made here is the same plan elsewhere.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text;

/// Shots per second, held in millionths of a shot per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Rate(pub u64);

impl Rate {
    /// `n` per second.
    pub const fn per_second(n: u64) -> Rate {
        Rate(n * 1_000_000)
    }

    /// Per second, as a float.
    pub fn hertz(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// A share of a whole, held in billionths: 0 to 1 000 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// Everything.
    pub const ALL: Share = Share(1_000_000_000);
    /// Nothing.
    pub const NONE: Share = Share(0);

    /// Between 0 and 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e9
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Size(pub u64);

/// Bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ByteRate(pub u64);

const DURATIONS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
/// (unit, length in seconds): a rate of `n/min` is `n` per 60 seconds.
const RATES: &[(&str, u128)] = &[("s", 1), ("sec", 1), ("min", 60), ("m", 60), ("h", 3600)];
const SIZES: &[(&str, u128)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a length of time such as `250ms`, `1.5s` or `1m30s`. The error says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let want = || format!("`{text}` is not a length of time: write a number and a unit, such as 250ms, 1.5s, 2m or 1h");
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err(format!("`{text}` is negative: a length of time cannot be"));
    }
    if rest.is_empty() {
        return Err(want());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(want)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, tail) = after.split_at(end);
        let unit = unit.trim();
        if unit.is_empty() && number.digits == 0 && rest.len() == text.trim().len() {
            return Ok(Duration::ZERO); // 0 is the one length that needs no unit
        }
        let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or_else(want)?;
        total += number.times(*factor).ok_or_else(|| format!("`{text}` is finer than a nanosecond or too long"))?;
        rest = tail.trim_start();
    }
    u64::try_from(total).map(Duration::from_nanos).map_err(|_| format!("`{text}` is too long"))
}

/// Reads a rate such as `20/s`, `1200/min` or `0.5/s`.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let want = || format!("`{text}` is not a rate: write a number per unit of time, such as 20/s or 1200/min");
    let (count, unit) = text.split_once('/').ok_or_else(want)?;
    if count.trim_start().starts_with('-') {
        return Err(format!("`{text}` is negative: a rate cannot be"));
    }
    let (number, tail) = split_number(count.trim()).ok_or_else(want)?;
    let (_, seconds) = RATES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(want)?;
    if !tail.is_empty() {
        return Err(want());
    }
    let micro = number.digits.checked_mul(1_000_000).ok_or_else(want)? / (seconds * 10u128.pow(number.scale));
    u64::try_from(micro)
        .ok()
        .filter(|r| *r <= Rate::per_second(10_000_000).0)
        .map(Rate)
        .ok_or_else(|| format!("`{text}` is more than 10000000/s: no single generator sends that"))
}

/// Reads a share such as `99.2%`.
pub fn parse_share(text: &str) -> Result<Share, String> {
    let want = || format!("`{text}` is not a share: write a percentage between 0% and 100%, such as 99.2%");
    let number = text.trim().strip_suffix('%').ok_or_else(want)?;
    let (number, tail) = split_number(number.trim()).ok_or_else(want)?;
    let parts = number.times(10_000_000).ok_or_else(want)?;
    match u32::try_from(parts) {
        Ok(parts) if tail.is_empty() && parts <= Share::ALL.0 => Ok(Share(parts)),
        _ => Err(want()),
    }
}

/// Reads a size such as `512B`, `10MB` or `64KiB`.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let want = || format!("`{text}` is not a size: write a number and a unit, such as 512B, 10MB or 64KiB");
    let (number, unit) = split_number(text.trim()).ok_or_else(want)?;
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(want)?;
    number.times(*factor).and_then(|bytes| u64::try_from(bytes).ok()).map(Size).ok_or_else(want)
}

/// Reads a rate of bytes such as `256KB/s` or `1MiB/s`.
pub fn parse_byte_rate(text: &str) -> Result<ByteRate, String> {
    let want = || format!("`{text}` is not a rate of bytes: write a size per second, such as 256KB/s or 1MiB/s");
    let (size, unit) = text.split_once('/').ok_or_else(want)?;
    match (parse_size(size), unit.trim()) {
        (Ok(size), "s" | "sec") => Ok(ByteRate(size.0)),
        _ => Err(want()),
    }
}

/// Reads how fast something grows, such as `1MB/h`, `64KiB/min` or `24 MB/d`: bytes an hour.
pub fn parse_growth(text: &str) -> Result<u64, String> {
    let want = || format!("`{text}` is not a growth: write a size per unit of time, such as 1MB/h or 64KiB/min");
    let (size, unit) = text.split_once('/').ok_or_else(want)?;
    let per = match unit.trim() {
        "d" => 86_400,
        unit => RATES.iter().find(|(name, _)| *name == unit).ok_or_else(want)?.1,
    };
    let size = parse_size(size).map_err(|_| want())?;
    u64::try_from(u128::from(size.0) * 3_600 / per).map_err(|_| format!("`{text}` is too much"))
}

/// A decimal number: `digits / 10^scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// The number times `factor`, if that is whole and fits.
    fn times(&self, factor: u128) -> Option<u128> {
        let product = self.digits.checked_mul(factor)?;
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then_some(product / divisor)
    }
}

/// Splits a plain decimal number off the front of `text`.
fn split_number(text: &str) -> Option<(Decimal, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let plain = number.replace('_', "");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') || part.len() > 18 || whole.len() > 20 {
        return None;
    }
    let digits = format!("{whole}{part}").parse().ok()?;
    Some((Decimal { digits, scale: part.len() as u32 }, rest))
}

/// Prints a number of bytes, or of bytes per something, for sentences and tables: `1.42 MB`, `-310 kB`.
pub fn bytes(bytes: f64) -> String {
    let (value, unit) = match bytes.abs() {
        n if n >= 999.5e6 => (bytes / 1e9, "GB"),
        n if n >= 999.5e3 => (bytes / 1e6, "MB"),
        n if n >= 999.5 => (bytes / 1e3, "kB"),
        _ => (bytes, "B"),
    };
    let digits = match value.abs() {
        n if n >= 99.95 || unit == "B" => 0,
        n if n >= 9.995 => 1,
        _ => 2,
    };
    // Less than half a byte is none, on either side.
    let value = if unit == "B" && value.abs() < 0.5 { 0.0 } else { value };
    format!("{value:.digits$} {unit}")
}

/// Prints a length of time in the largest unit that keeps it short and exact: `1.5s`, `250ms`, `2m`.
pub fn duration(length: Duration) -> String {
    let ns = length.as_nanos();
    let exact = |unit: u128, name: &str| format!("{}{name}", decimal(ns, unit));
    match ns {
        0 => "0s".into(),
        _ if ns.is_multiple_of(3_600_000_000_000) => exact(3_600_000_000_000, "h"),
        _ if ns.is_multiple_of(60_000_000_000) => exact(60_000_000_000, "m"),
        _ if ns >= 1_000_000_000 => exact(1_000_000_000, "s"),
        _ if ns >= 1_000_000 => exact(1_000_000, "ms"),
        _ if ns >= 1_000 => exact(1_000, "us"),
        _ => exact(1, "ns"),
    }
}

/// Prints a measured length of time to three significant digits, for tables: `7.42 ms`.
pub fn measured(length: Duration) -> String {
    let ns = length.as_nanos() as f64;
    if length.is_zero() {
        return "0 s".into();
    }
    let (value, unit) = match ns {
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e6 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "µs"),
        n => (n, "ns"),
    };
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// Ten times as much is so much more, as a part.
const TENFOLD: f64 = 9.0;

/// Prints a share to four significant digits, for tables: `0.1234 %`.
pub fn percent(fraction: f64) -> String {
    let value = fraction * 100.0;
    let digits = match value.abs() {
        v if v >= 99.995 || v == 0.0 => 0,
        v if v >= 9.9995 => 2,
        v if v >= 0.99995 => 3,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// Prints a change as a part of what was before: `+4.2 %`; from the tenfold on in times of that, which people can picture:
/// `7 147 times`.
pub fn change(part: f64) -> String {
    if part >= TENFOLD {
        return format!("{} times", text::thousands((part + 1.0).round() as u64));
    }
    let sign = if part < 0.0 { "-" } else { "+" };
    format!("{sign}{}", percent(part.abs()))
}

/// `value / unit` as a plain decimal without trailing zeros. `unit` must divide a power of ten times itself.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = (unit as f64).log10().round() as usize;
    let part = format!("{rest:0width$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", decimal(u128::from(self.0), 1_000_000))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Size(self.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal(u128::from(self.0), 10_000_000))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("GiB", 1u64 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("KB", 1_000),
        ];
        match units.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("250 µs"), Ok(Duration::from_micros(250)));
        assert_eq!(parse_rate("20/s"), Ok(Rate::per_second(20)));
        assert_eq!(parse_rate("1200/min"), Ok(Rate::per_second(20)));
        assert_eq!(parse_rate("0.5/s"), Ok(Rate(500_000)));
        assert_eq!(parse_share("99.2%"), Ok(Share(992_000_000)));
        assert_eq!(parse_size("64KiB"), Ok(Size(65_536)));
    }

    #[test]
    fn refuses_what_is_not_a_quantity_and_says_what_is() {
        for bad in ["", "5", "s", "5 parsecs", "-1s", "1..2s", "1.5", "ms5", "99999999999999999999s", "0.1ns"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "20", "/s", "20/day", "-1/s", "20 per s", "99999999999/s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
        for bad in ["", "99", "101%", "-1%", "%", "5 %%"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "5kb", "MB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        for bad in ["", "256KB", "256/s", "256KB/min", "KB/s", "-1B/s", "1B/s/s"] {
            assert!(parse_byte_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_in_the_unit_a_person_would_choose() {
        assert_eq!(duration(Duration::from_millis(1500)), "1.5s");
        assert_eq!(duration(Duration::from_secs(120)), "2m");
        assert_eq!(duration(Duration::from_secs(90)), "90s");
        assert_eq!(Rate::per_second(20).to_string(), "20/s");
        assert_eq!(Share(992_000_000).to_string(), "99.2%");
        assert_eq!(Size(10_000_000).to_string(), "10MB");
        assert_eq!(measured(Duration::from_micros(7_420)), "7.42 ms");
        assert_eq!(percent(0.001234), "0.1234 %");
        assert_eq!(percent(1.0), "100 %");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ns in 0u64..1 << 60, rate in 0u64..10_000_000_000_000, share in 0u32..=1_000_000_000, size: u64) {
            let length = Duration::from_nanos(ns);
            prop_assert_eq!(parse_duration(&duration(length)), Ok(length));
            prop_assert_eq!(parse_rate(&Rate(rate).to_string()), Ok(Rate(rate)));
            prop_assert_eq!(parse_share(&Share(share).to_string()), Ok(Share(share)));
            prop_assert_eq!(parse_size(&Size(size / 2).to_string()), Ok(Size(size / 2)));
            prop_assert_eq!(parse_byte_rate(&ByteRate(size / 2).to_string()), Ok(ByteRate(size / 2)));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = (parse_duration(&text), parse_rate(&text), parse_share(&text), parse_size(&text), parse_byte_rate(&text));
        }
    }
}
