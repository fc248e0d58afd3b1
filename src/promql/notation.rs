//! Series as text, the way Prometheus's test language and its unit-test files write them: `x{job="a"} 0+10x5 _ stale`.

use super::parse::literal;
use crate::base::series::{Labels, Sample, stale};

/// What stands at one step of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// `_`: no sample.
    Missing,
    /// `stale`: the series has ended.
    Stale,
    /// A number.
    Value(f64),
}

/// More steps in one series are refused.
const MAX_ITEMS: usize = 10_000_000;

/// A metric, `x{a="b"}`, `{__name__="x"}` or `{"x", a="b"}`, and what stands behind it.
pub fn metric(text: &str) -> Result<(Labels, &str), String> {
    let text = text.trim_start();
    let end = text.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut pairs: Vec<(String, String)> = Vec::new();
    if !name.is_empty() {
        pairs.push(("__name__".into(), name.into()));
    }
    let wrong = |what: &str| format!("`{}` is no metric: {what}", crate::base::text::shorten(text.trim(), 80));
    // A histogram may stand behind a bare name.
    if let Some(inner) = rest.trim_start().strip_prefix('{').filter(|inner| !inner.starts_with('{')) {
        rest = inner.trim_start();
        while !rest.starts_with('}') {
            let (label, tail) = if rest.starts_with(QUOTES) {
                quoted(rest).ok_or_else(|| wrong("a quote is never closed, or what it escapes is none"))?
            } else {
                let end = rest.find(['=', ',', '}']).ok_or_else(|| wrong("a brace is never closed"))?;
                (rest[..end].trim().to_owned(), &rest[end..])
            };
            rest = match tail.trim_start().strip_prefix('=') {
                Some(value) => {
                    let value = value.trim_start();
                    let quote = || wrong("the value of a label stands in quotes");
                    let (value, tail) = value.starts_with(QUOTES).then(|| quoted(value)).flatten().ok_or_else(quote)?;
                    pairs.push((label, value));
                    tail
                }
                None if label.is_empty() => return Err(wrong("a label has no name")),
                None => {
                    pairs.push(("__name__".into(), label));
                    tail
                }
            };
            rest = rest.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if rest.starts_with('}') => rest,
                None => return Err(wrong("labels are set apart by commas")),
            };
        }
        rest = &rest[1..];
    }
    Ok((Labels::new(pairs), rest))
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// The text in quotes, with the escapes of the language itself, and what stands behind it. `None` where the quote is never
/// closed or something is escaped that is not.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let inner = &text[quote.len_utf8()..];
    let is_raw = quote == '`';
    let mut is_escaped = false;
    let end = inner.find(|c| {
        let closes = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped && !is_raw;
        closes
    })?;
    let behind = &inner[end + quote.len_utf8()..];
    if is_raw {
        return Some((inner[..end].to_owned(), behind));
    }
    let bytes = literal::unescaped(&inner[..end], quote).ok()?;
    Some((String::from_utf8_lossy(&bytes).into_owned(), behind))
}

/// The values of a series: `1`, `_`, `stale`, `_x3`, `1x3`, `0+10x3`, set apart by white space. `1x3` is four times 1.
pub fn items(text: &str) -> Result<Vec<Item>, String> {
    if text.contains("{{") {
        return Err("native histograms are not part of this evaluator".into());
    }
    let mut all = Vec::new();
    for token in text.split_whitespace() {
        let wrong = || format!("`{token}` is no value: write numbers, `_`, `stale`, `1x3` or `0+10x3`");
        // Digits behind `0x` are how often, too; letters make it one number.
        let repeated = token.rsplit_once('x').filter(|(_, times)| times.bytes().all(|b| b.is_ascii_digit()));
        let Some((what, times)) = repeated else {
            all.push(item(token).ok_or_else(wrong)?);
            continue;
        };
        let times: usize = times.parse().map_err(|_| wrong())?;
        if all.len() + times > MAX_ITEMS {
            return Err(format!("`{token}`: {MAX_ITEMS} values are the most"));
        }
        match what {
            "_" => all.extend(std::iter::repeat_n(Item::Missing, times)),
            "stale" => all.extend(std::iter::repeat_n(Item::Stale, times + 1)),
            _ => {
                let (start, step) = progression(what).ok_or_else(wrong)?;
                let mut value = start;
                for _ in 0..=times {
                    all.push(Item::Value(value));
                    value += step;
                }
            }
        }
    }
    Ok(all)
}

/// `0+10`: where it starts, and what is added at each step.
fn progression(text: &str) -> Option<(f64, f64)> {
    let bytes = text.as_bytes();
    let sign = (1..bytes.len()).find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[i - 1], b'e' | b'E'));
    match sign {
        Some(place) => Some((number(&text[..place])?, number(&text[place..])?)),
        None => Some((number(text)?, 0.0)),
    }
}

fn item(text: &str) -> Option<Item> {
    match text {
        "_" => Some(Item::Missing),
        "stale" => Some(Item::Stale),
        text => number(text).map(Item::Value),
    }
}

fn number(text: &str) -> Option<f64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(|n| n as f64),
        None => text.parse().ok(),
    }
}

/// The samples of items that stand `step_ms` apart, the first at 0.
pub fn samples(items: &[Item], step_ms: i64) -> Vec<Sample> {
    let sample = |(i, item): (usize, &Item)| {
        let value = match item {
            Item::Missing => return None,
            Item::Stale => stale(),
            Item::Value(value) => *value,
        };
        Some(Sample { at: i as i64 * step_ms, value })
    };
    items.iter().enumerate().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_in_each_of_their_forms() {
        let want = Labels::new([("__name__", "x"), ("a", "b c"), ("d", "}\"")]);
        for text in [
            "x{a=\"b c\",d=\"}\\\"\"} 1 2",
            "{__name__=\"x\", a='b c', d=`}\"`,} 1 2",
            "{\"x\", a=\"b c\", \"d\"=\"}\\\"\"} 1 2",
            " x { a = \"b c\" , d=\"}\\\"\" } 1 2",
        ] {
            assert_eq!(metric(text), Ok((want.clone(), " 1 2")), "{text}");
        }
        assert_eq!(metric("x"), Ok((Labels::new([("__name__", "x")]), "")));
        assert_eq!(metric("{}"), Ok((Labels::default(), "")));
        for text in ["x{", "x{a", "x{a=b}", "x{a=\"b}", "x{a=\"b\" c=\"d\"}", "x{,}", "{a=}"] {
            assert!(metric(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_escaped_is_what_the_language_escapes() {
        assert_eq!(quoted(r#""a\tb\x41\u00e9\101\\\"" 1"#), Some(("a\tbA\u{e9}A\\\"".into(), " 1")));
        assert_eq!(quoted(r"`a\t\` 1"), Some((r"a\t\".into(), " 1")));
        assert_eq!(quoted(r"'it\'s' 1"), Some(("it's".into(), " 1")));
        for text in [r#""a"#, r#""\d""#, r#""\u00""#, r#"'\""#, r#""\"#, ""] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }

    #[test]
    fn values_repeat_and_grow() {
        use Item::{Missing, Stale, Value};
        for (text, want) in [
            ("1 -2.5 _ stale", vec![Value(1.0), Value(-2.5), Missing, Stale]),
            ("1x2", vec![Value(1.0); 3]),
            ("_x2", vec![Missing; 2]),
            ("0+10x2", vec![Value(0.0), Value(10.0), Value(20.0)]),
            ("5-1.5x1", vec![Value(5.0), Value(3.5)]),
            ("-1-1x1", vec![Value(-1.0), Value(-2.0)]),
            ("1e-3+1e+1x1", vec![Value(0.001), Value(10.001)]),
            ("0x0", vec![Value(0.0)]),
            ("Inf -Inf", vec![Value(f64::INFINITY), Value(f64::NEG_INFINITY)]),
            ("", vec![]),
        ] {
            assert_eq!(items(text), Ok(want), "{text}");
        }
        for text in ["a", "1x", "x3", "1+x3", "{{schema:0}}", "1x99999999999"] {
            assert!(items(text).is_err(), "{text}");
        }
        let at: Vec<i64> = samples(&items("_ 1 stale").expect("items"), 15_000).iter().map(|s| s.at).collect();
        assert_eq!(at, [15_000, 30_000]);
    }
}
