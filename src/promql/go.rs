//! Numbers as Go prints them, and with it Prometheus in its templates and notes.

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

/// What has no digits.
pub(super) fn special(value: f64) -> Option<String> {
    match value {
        v if v.is_nan() => Some("NaN".into()),
        v if v.is_infinite() => Some(if v > 0.0 { "+Inf" } else { "-Inf" }.into()),
        _ => None,
    }
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
}
