//! Walks down the tree of a file, and collects every mistake instead of stopping at the first.

use super::mistake::{Mistake, Place};
use super::text;
use super::yaml::{Key, Kind, Node};

/// Collects mistakes on the way down a tree.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was wrong so far.
    pub mistakes: Vec<Mistake>,
    path: Vec<String>,
}

impl Reader {
    /// Notes a mistake at the current path.
    pub fn wrong(&mut self, at: Place, what: impl Into<String>, remedy: impl Into<String>) {
        let path = self.path.join(".");
        self.mistakes.push(Mistake { at, path, what: what.into(), remedy: remedy.into() });
    }

    /// Runs `read` one step further down the path.
    pub fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.enter(step);
        let result = read(self);
        self.leave();
        result
    }

    /// Goes one step down the path, until [`leave`](Self::leave).
    pub fn enter(&mut self, step: &str) {
        self.path.push(step.into());
    }

    /// Goes one step back up the path.
    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// Whether something at or below a path was wrong already: then what seems to be missing there may only be
    /// unreadable, and saying so would lead astray.
    pub fn is_broken(&self, path: &str) -> bool {
        self.mistakes
            .iter()
            .any(|m| m.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// [`is_broken`](Self::is_broken) at the current path.
    pub fn is_broken_here(&self) -> bool {
        self.is_broken(&self.path.join("."))
    }

    /// The entries of a mapping, or a mistake.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ if node.is_null() => Some(&[]),
            _ => {
                self.wrong(
                    node.at,
                    format!("{} where {what} belongs", node.describe()),
                    "write `{ key: value }` or indented keys",
                );
                None
            }
        }
    }

    /// The text of a scalar, or a mistake.
    pub fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                self.wrong(node.at, format!("{} where {what} belongs", node.describe()), format!("write {what}"));
                None
            }
        }
    }

    /// A scalar read by `parse`, or a mistake with its words.
    pub fn parsed<T>(&mut self, node: &Node, what: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.scalar(node, what)?;
        match parse(text) {
            Ok(value) => Some(value),
            // A variable that is not set has been told already.
            Err(_) if self.is_broken_here() => None,
            Err(why) => {
                let (what, remedy) = why.split_once(": ").unwrap_or((&why, ""));
                self.wrong(node.at, what, remedy);
                None
            }
        }
    }

    /// Refuses keys that are neither known nor planned.
    pub fn known(&mut self, entries: &[(Key, Node)], known: &[&str], planned: &[&str]) {
        for (i, (key, value)) in entries.iter().enumerate() {
            let name = key.text.as_str();
            if known.contains(&name) {
                continue;
            }
            if planned.contains(&name) {
                self.wrong(key.at, format!("`{name}` is planned, not built"), "leave it out for now");
                continue;
            }
            // `{ expect: p95(quotes, ok) < 1s }`: YAML has split the promise at its comma.
            let split = value.is_null()
                && i > 0
                && matches!(&entries[i - 1].1.kind, Kind::Scalar { text, .. } if text.contains('(') && !text.contains(')'));
            if split {
                let remedy = "quote the whole promise: YAML ends a value at a comma inside { }";
                self.wrong(key.at, format!("`{name}` was cut off at the comma before it"), remedy);
            } else {
                self.wrong(key.at, format!("unknown key `{name}`"), text::suggest(name, known.iter().copied()));
            }
        }
    }
}

/// Takes `kind` or `{ kind: value }` apart: the kind, its place, and its value (empty for a bare kind).
pub fn tagged<'n>(
    node: &'n Node,
    known: &[&str],
    planned: &[&str],
    reader: &mut Reader,
) -> Option<(&'n str, Place, Node)> {
    let empty = |at| Node { at, kind: Kind::Map(Vec::new()) };
    let (name, at, value) = match &node.kind {
        Kind::Scalar { text, .. } if !node.is_null() => (text.as_str(), node.at, empty(node.at)),
        Kind::Map(entries) if entries.len() == 1 => (entries[0].0.text.as_str(), entries[0].0.at, entries[0].1.clone()),
        Kind::Map(entries) if entries.len() > 1 => {
            reader.wrong(
                entries[1].0.at,
                format!("`{}` beside `{}`", entries[1].0.text, entries[0].0.text),
                "write one kind here",
            );
            return None;
        }
        _ => {
            reader.wrong(
                node.at,
                format!("{} where a kind belongs", node.describe()),
                format!("one of: {}", text::list(known.iter().copied())),
            );
            return None;
        }
    };
    if planned.contains(&name) {
        reader.wrong(
            at,
            format!("`{name}` is planned, not built"),
            format!("built: {}", text::list(known.iter().copied())),
        );
        return None;
    }
    Some((name, at, value))
}
