//! Lengths of time as Prometheus writes them: `30s`, `1h30m`, `7d`.

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// It is written otherwise.
    Shape,
    /// It is longer than can be counted.
    TooLong,
}

/// Milliseconds of a length of time such as `1h30m`: whole numbers, each unit at most once, the longest first.
pub(super) fn counted(text: &str) -> Result<u64, Odd> {
    let (mut rest, mut total, mut units) = (text, 0_u64, UNITS.iter());
    if rest.is_empty() {
        return Err(Odd::Shape);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0).ok_or(Odd::Shape)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (_, size) = units.find(|(unit, _)| *unit == &tail[..end]).ok_or(Odd::Shape)?;
        let part = number.parse().ok().and_then(|n: u64| n.checked_mul(*size));
        total = part.and_then(|part| total.checked_add(part)).ok_or(Odd::TooLong)?;
        rest = &tail[end..];
    }
    Ok(total)
}

/// Milliseconds as a rule file has them; `0` needs no unit.
pub fn parse_length(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    let within = |ms: u64| i64::try_from(ms).ok().filter(|ms| *ms <= i64::MAX / 1_000_000).ok_or(Odd::TooLong);
    counted(text).and_then(within).map_err(|odd| match odd {
        Odd::Shape => {
            format!("`{text}` is not a length of time: write digits and units, such as 30s, 1h30m or 7d")
        }
        Odd::TooLong => format!("`{text}` is too long: 292 years are the most"),
    })
}

/// As Prometheus prints it: years and weeks only where nothing remains, so `90d` and not `12w6d`.
pub fn print_length(ms: i64) -> String {
    let mut rest = ms.unsigned_abs();
    let mut out = String::from(if ms < 0 { "-" } else { "" });
    for (unit, size) in UNITS {
        let whole_only = matches!(unit, "y" | "w");
        if rest >= size && !(whole_only && rest % size != 0) {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if ms == 0 { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_takes_is_taken_and_nothing_else() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("0m", 0),
            ("15ms", 15),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1y2w3d4h5m6s7ms", ((365 + 14 + 3) * 24 + 4) * 3_600_000 + 306_007),
        ] {
            assert_eq!(parse_length(text), Ok(ms), "{text}");
        }
        for text in ["", "5", "m", "1.5s", "-1s", "5m1h", "1m1m", "5 m", "1min", "300y", "99999999999999999999s", "1hm"]
        {
            assert!(parse_length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn units_are_counted_as_far_as_they_can_be() {
        assert_eq!(counted("1y2w3d4h5m6s7ms"), Ok(31_536_000_000 + 1_209_600_000 + 259_200_000 + 14_706_007));
        assert_eq!((counted("1h30m"), counted("0s")), (Ok(5_400_000), Ok(0)));
        for text in ["", "5", "1m1h", "1m1m", "1x", "m", "1.5m"] {
            assert_eq!(counted(text), Err(Odd::Shape), "{text}");
        }
        for text in ["99999999999999999999s", "9999999999999999y"] {
            assert_eq!(counted(text), Err(Odd::TooLong), "{text}");
        }
    }

    #[test]
    fn a_length_is_printed_as_prometheus_does() {
        for (ms, text) in
            [(0, "0s"), (90_000, "1m30s"), (7 * 86_400_000, "1w"), (90 * 86_400_000, "90d"), (1_001, "1s1ms")]
        {
            assert_eq!(print_length(ms), text);
        }
    }
}
