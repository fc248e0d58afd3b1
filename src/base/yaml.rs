//! YAML as a tree in which every key and scalar knows its place, so that each mistake can be pointed at.
//!
//! Aliases are expanded under a budget: a file that would grow beyond it is refused, not loaded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::mistake::{Mistake, Place};
use super::text;

/// Larger files are refused before they are read.
pub const MAX_BYTES: u64 = 4 << 20;
/// More nodes than this, aliases expanded, are refused.
const MAX_NODES: usize = 200_000;
/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;

/// A piece of YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub at: Place,
    /// What it is.
    pub kind: Kind,
}

/// The three things that YAML is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text.
    Scalar {
        /// What it says.
        text: String,
        /// Whether it was written without quotes, and not as a block.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file, no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Where it stands.
    pub at: Place,
    /// As written, without quotes.
    pub text: String,
}

impl Node {
    /// What this is, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing".into(),
            Kind::Scalar { text, .. } => format!("`{}`", text::shorten(text, 60)),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a mapping".into(),
        }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }
}

/// Reads one document; a file that is empty or holds several is a mistake. What to write into an empty one is the
/// caller's to say.
pub fn parse(text: &str) -> Result<Node, Mistake> {
    let mut documents = documents(text)?.into_iter();
    match (documents.next(), documents.next()) {
        (Some(root), None) => Ok(root),
        (_, Some(second)) => Err(mistake(second.at, "a second document".into(), "keep one document in a file")),
        (None, None) => Err(mistake(Place { line: 1, col: 1, len: 1 }, "the file is empty".into(), "")),
    }
}

/// Reads every document of a file; those in which nothing is written are left out. Anchors end with their document.
pub fn documents(text: &str) -> Result<Vec<Node>, Mistake> {
    let mut builder = Builder { anchors: HashMap::new(), nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    let mut roots = Vec::new();
    loop {
        match next(&mut parser)? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), _) => builder.anchors.clear(),
            (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, span) => roots.push(builder.node(&mut parser, event, span, 0)?),
        }
    }
    roots.retain(|root| !root.is_null());
    Ok(roots)
}

struct Builder {
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    fn node<'i>(
        &mut self,
        parser: &mut Parser<'i, saphyr_parser::StrInput<'i>>,
        event: Event<'i>,
        span: Span,
        depth: usize,
    ) -> Result<Node, Mistake> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(mistake(
                place(&span),
                "the file is too large or too deep".into(),
                "keep data in files of their own",
            ));
        }
        let at = place(&span);
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, _) => {
                (anchor, Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| mistake(at, "an alias to nothing".into(), "define the anchor first"))?;
                self.nodes += size(&node);
                return Ok(node);
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match next(parser)? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(parser, event, span, depth + 1)?),
                    }
                }
                (anchor, Kind::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Kind::Map(self.entries(parser, depth)?)),
            _ => return Err(mistake(at, "not YAML".into(), "mend the text here")),
        };
        let node = Node { at, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries<'i>(
        &mut self,
        parser: &mut Parser<'i, saphyr_parser::StrInput<'i>>,
        depth: usize,
    ) -> Result<Vec<(Key, Node)>, Mistake> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = next(parser)?;
            if event == Event::MappingEnd {
                break;
            }
            let key = match self.node(parser, event, span, depth + 1)? {
                Node { at, kind: Kind::Scalar { text, .. } } => Key { at, text },
                other => {
                    return Err(mistake(other.at, format!("{} as a key", other.describe()), "keys are plain words"));
                }
            };
            let (event, span) = next(parser)?;
            let value = self.node(parser, event, span, depth + 1)?;
            match value.kind {
                Kind::Map(entries) if key.text == "<<" => merged.extend(entries),
                kind => {
                    if let Some((first, _)) = entries.iter().find(|(k, _)| k.text == key.text) {
                        let what = format!("`{}` is written twice: first in line {}", key.text, first.at.line);
                        return Err(mistake(key.at, what, "keep one of the two"));
                    }
                    entries.push((key, Node { at: value.at, kind }));
                }
            }
        }
        merged.retain(|(key, _)| !entries.iter().any(|(k, _)| k.text == key.text));
        entries.extend(merged);
        Ok(entries)
    }
}

fn next<'i>(parser: &mut Parser<'i, saphyr_parser::StrInput<'i>>) -> Result<(Event<'i>, Span), Mistake> {
    match parser.next_event() {
        Some(Ok(event)) => Ok(event),
        Some(Err(e)) => {
            let place = Place { line: e.marker().line() as u32, col: e.marker().col() as u32 + 1, len: 1 };
            Err(mistake(
                place,
                format!("not YAML: {}", e.info()),
                "mend the text here; check quotes, indentation and brackets",
            ))
        }
        None => Err(mistake(Place::default(), "the text ends in the middle".into(), "close what is open")),
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar { .. } => 1,
        Kind::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, value)| 1 + size(value)).sum::<usize>(),
    }
}

fn place(span: &Span) -> Place {
    let same_line = span.start.line() == span.end.line();
    Place {
        line: span.start.line() as u32,
        col: span.start.col() as u32 + 1,
        len: if same_line { (span.end.col().saturating_sub(span.start.col()) as u32).max(1) } else { 1 },
    }
}

fn mistake(at: Place, what: String, remedy: &str) -> Mistake {
    Mistake { at, path: String::new(), what, remedy: remedy.into() }
}

/// Writes a tree as YAML that reads back as the same tree: block style, one key a line, scalars quoted where a plain
/// one could be misread.
pub fn print(node: &Node) -> String {
    let mut out = String::new();
    write_block(node, 0, &mut out);
    out
}

fn write_block(node: &Node, indent: usize, out: &mut String) {
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 || !out.ends_with("- ") {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(&scalar(&key.text, true));
                out.push(':');
                write_value(value, indent + 2, out);
            }
        }
        Kind::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !out.ends_with("- ") {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                match &item.kind {
                    Kind::Map(entries) if !entries.is_empty() => write_block(item, indent + 2, out),
                    Kind::List(items) if !items.is_empty() => write_block(item, indent + 2, out),
                    _ => {
                        out.pop();
                        write_value(item, indent + 2, out);
                    }
                }
            }
        }
        _ => write_value(node, indent, out),
    }
}

fn write_value(node: &Node, indent: usize, out: &mut String) {
    match &node.kind {
        Kind::Scalar { text, plain } => {
            out.push(' ');
            out.push_str(&scalar(text, *plain));
            out.push('\n');
        }
        Kind::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Kind::List(items) if items.is_empty() => out.push_str(" []\n"),
        _ => {
            out.push('\n');
            write_block(node, indent, out);
        }
    }
}

fn scalar(text: &str, plain: bool) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./%$+".contains(c);
    let simple = plain && !text.is_empty() && text.chars().all(safe) && !text.starts_with(['-', '%']);
    if simple { text.into() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let root = parse("a: 1\nb:\n  - { c: ä, d: \"x y\" }\n").expect("valid");
        let Kind::Map(entries) = &root.kind else { panic!("a mapping") };
        assert_eq!((entries[1].0.at.line, entries[1].0.at.col), (2, 1));
        let Kind::List(items) = &entries[1].1.kind else { panic!("a list") };
        let Kind::Map(inner) = &items[0].kind else { panic!("a mapping") };
        assert_eq!((inner[1].1.at.line, inner[1].1.at.col), (3, 16));
        assert_eq!(inner[1].1.kind, Kind::Scalar { text: "x y".into(), plain: false });
    }

    #[test]
    fn what_is_not_one_document_is_refused_with_a_place() {
        for (text, line) in
            [("", 1), ("a: [1", 1), ("a: 1\na: 2", 2), ("a: 1\n---\nb: 2\n", 3), ("? [a]\n: 1", 1), ("a: *b", 1)]
        {
            let mistake = parse(text).expect_err(text);
            assert!(mistake.at.line >= line || mistake.at.line == 0, "{text:?} {mistake:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(parse(&text).expect_err("too large").what.contains("too large"));
        assert!(parse(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn merge_keys_fill_in_what_is_not_written() {
        let root = parse("base: &b { x: 1, y: 2 }\nuse: { <<: *b, y: 3 }").expect("valid");
        assert!(print(&root).ends_with("use:\n  y: 3\n  x: 1\n"), "{}", print(&root));
    }

    #[test]
    fn aliases_cannot_blow_the_stack() {
        let deep = format!("{}x{}", "[".repeat(60), "]".repeat(60));
        assert!(parse(&deep).is_ok());
        assert!(parse(&format!("{}x{}", "[".repeat(200), "]".repeat(200))).is_err());
    }

    /// The tree without places.
    fn bare(node: &Node) -> serde_json::Value {
        match &node.kind {
            Kind::Scalar { text, .. } => text.clone().into(),
            Kind::List(items) => items.iter().map(bare).collect(),
            Kind::Map(entries) => entries.iter().map(|(k, v)| (k.text.clone(), bare(v))).collect(),
        }
    }

    fn tree() -> impl Strategy<Value = Node> {
        let at = Place::default();
        let leaf = (".{0,12}", any::<bool>()).prop_map(move |(text, plain)| {
            let plain = plain && text.chars().all(|c| c.is_ascii_alphanumeric()) && !text.is_empty();
            Node { at, kind: Kind::Scalar { text, plain } }
        });
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(move |items| Node { at, kind: Kind::List(items) }),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..4).prop_map(move |entries| Node {
                    at,
                    kind: Kind::Map(entries.into_iter().map(|(text, v)| (Key { at, text }, v)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(entries in prop::collection::btree_map("[a-z]{1,6}", tree(), 1..4)) {
            let at = Place::default();
            let root = Node { at, kind: Kind::Map(entries.into_iter().map(|(text, v)| (Key { at, text }, v)).collect()) };
            let text = print(&root);
            let back = parse(&text);
            prop_assert_eq!(back.as_ref().map(bare), Ok(bare(&root)), "{}", text);
        }

        #[test]
        fn never_panics(text in "(?s).{0,200}") {
            let _ = parse(&text);
        }
    }
}
