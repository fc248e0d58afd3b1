//! Words for people: the nearest known name, lists, plurals, and what must never be shown.

/// The known name nearest to `word`, if one is near enough that a slip of the finger explains it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The remedy for an unknown name: the nearest known one, or all of them.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let all = list(known);
            if all.is_empty() { "there is none".into() } else { format!("known: {all}") }
        }
    }
}

/// `a, b, c`.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// `1 shot`, `2 shots`; thousands are set apart by thin spaces.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `12 345`, with thin spaces that do not break.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len());
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Whether a variable or header of this name probably holds a secret.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "PASSWORD", "PASSWD", "SECRET", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIAL"]
        .iter()
        .any(|mark| name.contains(mark))
        || name == "AUTHORIZATION"
        || name == "COOKIE"
        || name == "X-API-KEY"
}

/// Cuts `text` to at most `limit` characters, on one line, with control characters made visible.
pub fn shorten(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == limit {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The innermost cause of an error: what the system said, without what everyone above it added.
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_explained_and_a_stranger_is_not() {
        assert_eq!(nearest("hodl", ["hold", "ramp", "spike"]), Some("hold"));
        assert_eq!(nearest("elephant", ["hold", "ramp", "spike"]), None);
        assert_eq!(suggest("x9", ["hold", "ramp"]), "known: hold, ramp");
    }

    #[test]
    fn numbers_are_set_in_thousands() {
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(1, "shot"), "1 shot");
        assert_eq!(count(2, "shot"), "2 shots");
    }

    #[test]
    fn secrets_are_recognised_by_name() {
        assert!(looks_secret("QUOTE_TOKEN") && looks_secret("db_password") && looks_secret("Authorization"));
        assert!(!looks_secret("HOST") && !looks_secret("REPLICAS"));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(shorten("a\u{1b}[31mb\nc", 40), "a\\u{1b}[31mb\\nc");
        assert_eq!(shorten("abcdef", 3), "abc…");
    }
}
