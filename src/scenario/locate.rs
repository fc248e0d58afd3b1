//! Which key a mistake is about, read from its place: a check that knows the place need not know the way there.

use std::collections::HashMap;

use super::mistake::{Mistake, Place};
use super::yaml::{Kind, Node};

/// Makes the path of each mistake whole: from the top down to the key or the item that it points at.
pub fn complete(root: &Node, mistakes: &mut [Mistake]) {
    let mut found: HashMap<(u32, u32), Vec<Found>> =
        mistakes.iter().filter(|m| m.at.line > 0).map(|m| ((m.at.line, m.at.col), Vec::new())).collect();
    walk(root, &mut String::new(), &mut found);
    for mistake in mistakes {
        let all = found.get(&(mistake.at.line, mistake.at.col)).map(Vec::as_slice).unwrap_or_default();
        // A mapping begins where its first key does, and is told from it by its length.
        let is_meant = |f: &&Found| f.len == mistake.at.len || mistake.at.len == 0;
        let below = |f: &&Found| is_at_or_below(&f.path, &mistake.path);
        if let Some(whole) = all.iter().filter(is_meant).filter(below).max_by_key(|f| f.path.len()) {
            mistake.path.clone_from(&whole.path);
        }
    }
}

/// Something at a place of a mistake.
struct Found {
    len: u32,
    path: String,
}

fn walk(node: &Node, path: &mut String, found: &mut HashMap<(u32, u32), Vec<Found>>) {
    note(node.at, path, found);
    let length = path.len();
    let mut step = |name: &str, at: Option<Place>, value: &Node| {
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        if let Some(at) = at {
            note(at, path, found);
        }
        walk(value, path, found);
        path.truncate(length);
    };
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().enumerate().for_each(|(i, item)| step(&i.to_string(), None, item)),
        Kind::Map(entries) => entries.iter().for_each(|(key, value)| step(&key.text, Some(key.at), value)),
    }
}

fn note(at: Place, path: &str, found: &mut HashMap<(u32, u32), Vec<Found>>) {
    if let Some(all) = found.get_mut(&(at.line, at.col)) {
        all.push(Found { len: at.len, path: path.to_owned() });
    }
}

fn is_at_or_below(path: &str, top: &str) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    /// The path of a mistake noted at `path` whose place is that of a text.
    fn path(text: &str, at: &str, path: &str) -> String {
        let before = &text[..text.find(at).expect("it is there")];
        let line = before.matches('\n').count() as u32 + 1;
        let col = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        let at = Place { line, col: col as u32, len: at.len() as u32 };
        let mut all = [Mistake { at, path: path.into(), what: String::new(), remedy: String::new() }];
        complete(&yaml::parse(text).expect("YAML"), &mut all);
        all[0].path.clone()
    }

    #[test]
    fn a_place_is_its_key_or_item() {
        let text = "slo:\n  - expect: p95 < 5ms\n    each: 1s\n  - { expect: x, of: [1, 20] }\n";
        assert_eq!(path(text, "p95 < 5ms", "slo"), "slo.0.expect");
        assert_eq!(path(text, "each", "slo"), "slo.0.each");
        assert_eq!(path(text, "20", "slo.1"), "slo.1.of.1");
        assert_eq!(path(text, "20", "slo.1.of.1"), "slo.1.of.1");
        assert_eq!(path(text, "20", "traffic"), "traffic", "what lies elsewhere is left alone");
        assert_eq!(path(text, "slo", ""), "slo");
    }

    #[test]
    fn a_mapping_is_not_its_first_key() {
        let text = "target:\n  timeout: 1s\n";
        assert_eq!(path(text, "timeout", "target"), "target.timeout");
        let mapping = Place { line: 2, col: 3, len: 1 };
        let mut all = [Mistake { at: mapping, path: "target".into(), what: String::new(), remedy: String::new() }];
        complete(&yaml::parse(text).expect("YAML"), &mut all);
        assert_eq!(all[0].path, "target");
    }

    #[test]
    fn what_an_alias_repeats_has_the_path_of_where_it_was_read() {
        let text = "a: &x { b: 99 }\nc: *x\n";
        assert_eq!(path(text, "99", "a"), "a.b");
        assert_eq!(path(text, "99", "c"), "c.b");
    }
}
