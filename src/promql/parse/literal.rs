//! Literals: numbers and strings, as Prometheus writes them.

/// The number that a literal stands for: decimal, `0x1f`, octal with a leading zero, `1_000`, `.5`, `1e3`. `None` when it
/// is none.
pub(super) fn number(literal: &str) -> Option<f64> {
    let bytes = literal.as_bytes();
    let separates = |i: usize| {
        let digit = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_hexdigit() || matches!(b, b'x' | b'X'));
        digit(i.checked_sub(1).and_then(|before| bytes.get(before))) && digit(bytes.get(i + 1))
    };
    if bytes.iter().enumerate().any(|(i, b)| *b == b'_' && !separates(i)) {
        return None;
    }
    let digits = literal.replace('_', "");
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let is_hex = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return is_hex.then(|| hex.bytes().fold(0.0, |value, b| value * 16.0 + f64::from(hex_digit(b))));
    }
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return Some(digits.bytes().fold(0.0, |value, b| value * 8.0 + f64::from(b - b'0')));
    }
    if !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    digits.parse().ok()
}

fn hex_digit(digit: u8) -> u8 {
    (digit as char).to_digit(16).map_or(0, |value| value as u8)
}

/// The bytes that the text between two quotes stands for; on a mistake how far into it that is, and what is wrong.
pub(in crate::promql) fn unescaped(inner: &str, quote: char) -> Result<Vec<u8>, (usize, String)> {
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.char_indices();
    while let Some((place, c)) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let rest = chars.as_str();
        let Some(escaped) = rest.chars().next() else { return Err((place, "`\\` escapes nothing".into())) };
        let wrong = |what: &str| Err((place, format!("`\\{}` {what}", rest.chars().take(4).collect::<String>())));
        // How many digits follow, of what base.
        let (skip, length, base) = match escaped {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='7' => (0, 3, 8),
            _ => {
                out.push(match escaped {
                    'a' => 7,
                    'b' => 8,
                    't' => b'\t',
                    'n' => b'\n',
                    'v' => 11,
                    'f' => 12,
                    'r' => b'\r',
                    '\\' => b'\\',
                    c if c == quote => quote as u8,
                    _ => return wrong("is not an escape"),
                });
                chars.next();
                continue;
            }
        };
        let digits = rest.get(skip..skip + length).filter(|digits| digits.chars().all(|c| c.is_digit(base)));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, base).ok()) else {
            return wrong("has too few digits");
        };
        match (escaped, char::from_u32(code)) {
            ('u' | 'U', Some(c)) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            ('u' | 'U', None) => return wrong("is no character"),
            _ => match u8::try_from(code) {
                Ok(byte) => out.push(byte),
                Err(_) => return wrong("is no byte"),
            },
        }
        chars.nth(skip + length - 1);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_many_ways() {
        for (text, value) in [
            ("0", 0.0),
            ("1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("1.5e+2", 150.0),
            ("0x1F", 31.0),
            ("0Xff", 255.0),
            ("010", 8.0),
            ("08", 8.0),
            ("1_000_000", 1e6),
            ("0x_1f", 31.0),
            ("1_0.5", 10.5),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", ".", "1__0", "1_", "_1", "0x", "0xg", "1e", "1.2.3", "1s", "e3", "1_.5"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_go() {
        let read = |text| unescaped(text, '"').ok().and_then(|bytes| String::from_utf8(bytes).ok());
        assert_eq!(read(r#"a\n\t\\\""#).as_deref(), Some("a\n\t\\\""));
        assert_eq!(read(r"\x41\101\u00e9\U0001F600").as_deref(), Some("AA\u{e9}\u{1f600}"));
        assert_eq!(read(r"\xc3\xa9").as_deref(), Some("\u{e9}"));
        assert_eq!(unescaped(r"\xff", '"').ok(), Some(vec![0xff]));
        for text in [r"\q", r"\'", r"\x4", r"\u12", r"\400", r"\ud800", "\\", "\\\u{e9}"] {
            assert!(unescaped(text, '"').is_err(), "{text}");
        }
    }
}
