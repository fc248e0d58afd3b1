//! What the value of a label looks like.

use crate::base::metrics::rule::{LABEL_EMAIL, LABEL_ID, LABEL_TIMESTAMP, Rule};

/// What a value looks like that should not stand in a label, in words.
pub(super) fn suspicious(value: &str) -> Option<(&'static Rule, &'static str)> {
    if is_email(value) {
        return Some((LABEL_EMAIL, "an e-mail address"));
    }
    if is_uuid(value) {
        return Some((LABEL_ID, "a UUID"));
    }
    if is_instant(value) {
        return Some((LABEL_TIMESTAMP, "an instant"));
    }
    if is_hex(value) {
        return Some((LABEL_ID, "a hash or a trace id"));
    }
    if value.len() >= 6 && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some((LABEL_ID, "a number that counts something"));
    }
    None
}

fn is_email(value: &str) -> bool {
    let Some((user, host)) = value.split_once('@') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    let Some((_, domain)) = host.rsplit_once('.') else { return false };
    !user.is_empty()
        && user.chars().all(plain)
        && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && domain.len() >= 2
        && domain.chars().all(|c| c.is_ascii_alphabetic())
}

fn is_uuid(value: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = value.split('-');
    lengths
        .iter()
        .all(|length| parts.next().is_some_and(|p| p.len() == *length && p.bytes().all(|b| b.is_ascii_hexdigit())))
        && parts.next().is_none()
}

/// `2026-11-27T…`, or seconds, milliseconds, microseconds or nanoseconds since 1970, between 2001 and 2286.
fn is_instant(value: &str) -> bool {
    let bytes = value.as_bytes();
    let dated = bytes.len() >= 16
        && bytes
            .iter()
            .take(10)
            .enumerate()
            .all(|(n, b)| if n == 4 || n == 7 { *b == b'-' } else { b.is_ascii_digit() })
        && matches!(bytes[10], b'T' | b' ')
        && bytes[13] == b':';
    let digits = bytes.iter().all(u8::is_ascii_digit) && matches!(bytes.len(), 10 | 13 | 16 | 19);
    dated || (digits && bytes[0] != b'0')
}

/// At least sixteen hexadecimal digits with both letters and digits among them.
fn is_hex(value: &str) -> bool {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    digits.len() >= 16
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_like_what_they_are() {
        for (value, id) in [
            ("a.b@example.com", "label-email"),
            ("7f3c2a10-9b1e-4c6f-8d2a-0123456789ab", "label-id"),
            ("2026-11-27T03:41:11Z", "label-timestamp"),
            ("1764214871", "label-timestamp"),
            ("1764214871123", "label-timestamp"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "label-id"),
            ("0x4bf92f3577b34da6", "label-id"),
            ("1000042", "label-id"),
        ] {
            assert_eq!(suspicious(value).map(|(rule, _)| rule.id), Some(id), "{value}");
        }
        for value in [
            "",
            "200",
            "65536",
            "/quote",
            "USDC",
            "So11111111111111111111111111111111111111112",
            "GET",
            "v1.2.3",
            "a@b",
            "eu-west-1",
            "0.005",
            "BTC-USDT",
            "2026-11-27",
        ] {
            assert_eq!(suspicious(value).map(|(rule, _)| rule.id), None, "{value}");
        }
    }
}
