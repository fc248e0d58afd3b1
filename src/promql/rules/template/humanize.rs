//! Numbers for people, as Prometheus writes them.

use crate::promql::go::general;

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn short(value: f64) -> String {
    general(value, Some(4))
}

/// `1.235M`, `50m`
pub(super) fn metric(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        short(value)
    } else if value.abs() >= 1.0 {
        scaled(value, 1_000.0, &LARGE)
    } else {
        fraction(value)
    }
}

/// `976.6ki`
pub(super) fn binary(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return short(value);
    }
    scaled(value, 1_024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

/// `11d 13h 46m 40s`, `50ms`, of seconds.
pub(super) fn duration(value: f64) -> String {
    if !value.is_finite() {
        return short(value);
    }
    if value != 0.0 && value.abs() < 1.0 {
        return fraction(value) + "s";
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(value.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// `5%`, of 0.05.
pub(super) fn percentage(value: f64) -> String {
    short(value * 100.0) + "%"
}

/// `2015-08-27 13:00:00 +0000 UTC`, of seconds since 1970; to the millisecond.
pub(super) fn timestamp(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Ok(short(value));
    }
    let nanoseconds = value * 1e9;
    let time = if nanoseconds.abs() > i64::MAX as f64 {
        None
    } else {
        jiff::Timestamp::from_millisecond(nanoseconds as i64 / 1_000_000).ok()
    };
    let overflow = || {
        format!("{} cannot be represented as a nanoseconds timestamp since it overflows int64", general(value, None))
    };
    let time = time.ok_or_else(overflow)?;
    let text = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let part = format!(".{:03}", time.as_millisecond().rem_euclid(1_000));
    let part = part.trim_end_matches('0').trim_end_matches('.');
    Ok(format!("{text}{part} +0000 UTC"))
}

fn scaled(mut value: f64, by: f64, prefixes: &[&str]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < by {
            break;
        }
        prefix = next;
        value /= by;
    }
    short(value) + prefix
}

fn fraction(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1_000.0;
    }
    short(value) + prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_prometheus_writes_them() {
        assert_eq!([1_234_567.0, 0.05, 0.0, -1_000.0, f64::NAN].map(metric), ["1.235M", "50m", "0", "-1k", "NaN"]);
        assert_eq!([1_000_000.0, 1.0, 1_024.0].map(binary), ["976.6ki", "1", "1ki"]);
        let lengths = [0.05, 1_000_000.0, 0.0, 61.0, 3_600.0, -90.5, 1.5, f64::INFINITY].map(duration);
        assert_eq!(lengths, ["50ms", "11d 13h 46m 40s", "0s", "1m 1s", "1h 0m 0s", "-1m 30s", "1.5s", "+Inf"]);
        assert_eq!([0.05, 33.33, 1.0].map(percentage), ["5%", "3333%", "100%"]);
        let times = [1_435_065_584.128, 0.0, -1.0, f64::NAN].map(timestamp);
        let want = [
            "2015-06-23 13:19:44.128 +0000 UTC",
            "1970-01-01 00:00:00 +0000 UTC",
            "1969-12-31 23:59:59 +0000 UTC",
            "NaN",
        ];
        assert_eq!(times, want.map(|text| Ok(text.to_owned())));
        assert!(timestamp(1e300).expect_err("too far").ends_with("overflows int64"));
    }
}
