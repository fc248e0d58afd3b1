//! Where strings stand in a JSON text that is known to be one.

use crate::base::mistake::Place;

/// The places of the strings that stand under one key, in the order of the text.
pub(super) struct Strings(std::vec::IntoIter<Place>);

impl Strings {
    /// The places of the opening quotes of all strings that stand under `key`.
    pub(super) fn of(text: &str, key: &str) -> Strings {
        let mut found = Vec::new();
        let (mut line, mut col) = (1, 1);
        let mut chars = text.chars().peekable();
        let mut last = String::new();
        let mut under = false;
        while let Some(c) = chars.next() {
            let at = Place { line, col, len: 1 };
            col += 1;
            match c {
                '\n' => (line, col) = (line + 1, 1),
                '"' => {
                    if under && last == key {
                        found.push(at);
                    }
                    last.clear();
                    under = false;
                    while let Some(c) = chars.next() {
                        col += 1;
                        match c {
                            '"' => break,
                            '\\' => {
                                last.push(c);
                                last.extend(chars.next());
                                col += 1;
                            }
                            c => last.push(c),
                        }
                    }
                }
                ':' => under = true,
                c if c.is_whitespace() => {}
                _ => {
                    under = false;
                    last.clear();
                }
            }
        }
        Strings(found.into_iter())
    }
}

impl Iterator for Strings {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        self.0.next()
    }
}

/// How many characters of the inside of a string literal make its first `count` characters.
pub(super) fn written(literal: &str, count: usize) -> usize {
    let mut chars = literal.chars();
    let mut at = 0;
    for _ in 0..count {
        match chars.next() {
            None | Some('"') => break,
            Some('\\') => match chars.next() {
                Some('u') => {
                    at += 6;
                    chars.by_ref().take(4).for_each(drop);
                }
                _ => at += 2,
            },
            Some(_) => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strings_under_the_key_count() {
        let text = "{\"expr\": \"up\",\n \"x\": [\"expr\", \"no\"], \"a\\\"b\": {\"expr\" : \"y\", \"expr\": 3}}";
        let found: Vec<(u32, u32)> = Strings::of(text, "expr").map(|p| (p.line, p.col)).collect();
        assert_eq!(found, [(1, 10), (2, 41)]);
    }

    #[test]
    fn escapes_take_more_than_one_character() {
        assert_eq!(written("a\\\"b\\u00e9c\"", 4), 10);
        assert_eq!(written("ab", 9), 2);
    }
}
