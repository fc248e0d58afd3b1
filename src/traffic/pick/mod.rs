//! Picks a few values out of a JSON body without building the rest of it. What is picked is what the same paths find
//! in the whole document: a body that is not JSON to its end has nothing to pick from.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_json_path::JsonPath;

/// So many values are picked without asking for memory.
const FEW: usize = 8;

/// The paths that somebody will ask for.
#[derive(Default)]
pub struct Paths {
    all: Vec<JsonPath>,
}

/// Picks the values at some paths.
pub struct Picker {
    paths: Vec<JsonPath>,
    tree: Option<Node>, // when every path leads straight down
}

/// What stands at the paths of a picker.
#[derive(Debug, Default)]
pub struct Picks<'b> {
    few: [Option<Picked<'b>>; FEW],
    more: Vec<Option<Picked<'b>>>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Picked<'b> {
    /// A string.
    Text(Cow<'b, str>),
    /// A number.
    Number(Number),
    /// Anything else.
    Other(Box<Value>),
}

/// A place in a document that paths lead to or through.
#[derive(Debug, Default, PartialEq)]
struct Node {
    slot: Option<usize>,
    names: Vec<(String, Node)>,
    items: Vec<(usize, Node)>,
}

impl Paths {
    /// Where a path's value will be among the picks.
    pub fn slot(&mut self, path: &JsonPath) -> usize {
        let same = |p: &JsonPath| p.to_string() == path.to_string();
        self.all.iter().position(same).unwrap_or_else(|| {
            self.all.push(path.clone());
            self.all.len() - 1
        })
    }

    /// Whether nobody asks for anything.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Picks them.
    pub fn picker(self) -> Picker {
        let mut tree = Node::default();
        let straight = self
            .all
            .iter()
            .enumerate()
            .all(|(slot, path)| steps(&path.to_string()).is_some_and(|steps| tree.add(&steps, slot)));
        Picker { tree: straight.then_some(tree), paths: self.all }
    }
}

impl Picker {
    /// What stands at the paths; `None` when the body is no JSON.
    pub fn read<'b>(&self, body: &'b [u8]) -> Option<Picks<'b>> {
        let mut picks = Picks::default();
        match &self.tree {
            Some(tree) => {
                // JSON is text: what is skipped must be, too.
                let mut document = serde_json::Deserializer::from_str(std::str::from_utf8(body).ok()?);
                At { node: tree, picks: &mut picks }.deserialize(&mut document).ok()?;
                document.end().ok()?;
            }
            None => {
                let document: Value = serde_json::from_slice(body).ok()?;
                for (slot, path) in self.paths.iter().enumerate() {
                    if let Some(value) = path.query(&document).first() {
                        *picks.slot(slot) = Some(Picked::from_value(value.clone()));
                    }
                }
            }
        }
        Some(picks)
    }
}

impl<'b> Picks<'b> {
    /// What stands at a path.
    pub fn get(&self, slot: usize) -> Option<&Picked<'b>> {
        match self.few.get(slot) {
            Some(picked) => picked.as_ref(),
            None => self.more.get(slot - FEW)?.as_ref(),
        }
    }

    fn slot(&mut self, slot: usize) -> &mut Option<Picked<'b>> {
        if slot < FEW {
            return &mut self.few[slot];
        }
        if self.more.len() <= slot - FEW {
            self.more.resize(slot - FEW + 1, None);
        }
        &mut self.more[slot - FEW]
    }
}

impl Picked<'_> {
    fn from_value(value: Value) -> Picked<'static> {
        match value {
            Value::String(text) => Picked::Text(text.into()),
            Value::Number(number) => Picked::Number(number),
            other => Picked::Other(Box::new(other)),
        }
    }

    /// As text: strings without their quotes.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Picked::Text(text) => Cow::Borrowed(text),
            Picked::Number(number) => Cow::Owned(number.to_string()),
            Picked::Other(value) => Cow::Owned(value.to_string()),
        }
    }

    /// Whether its text is this.
    pub fn is(&self, text: &str) -> bool {
        self.text() == text
    }

    /// Whether it is `null`, which says that there is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Picked::Other(value) if value.is_null())
    }

    /// A number, written as one or as text.
    pub fn amount(&self) -> Option<f64> {
        match self {
            Picked::Text(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
            Picked::Number(number) => number.as_f64(),
            Picked::Other(_) => None,
        }
    }

    /// A whole number, written as one or as text.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Picked::Text(text) => text.parse().ok(),
            Picked::Number(number) => number.as_i64(),
            Picked::Other(_) => None,
        }
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Item(usize),
}

/// The steps of a path that leads straight down; `None` for any other, and where in doubt.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = match inner.as_bytes().first()? {
                quote @ (b'\'' | b'"') => {
                    let end = inner[1..].find(char::from(*quote))? + 1;
                    (Step::Name(inner[1..end].into()), inner[end + 1..].strip_prefix(']')?)
                }
                _ => {
                    let (digits, after) = inner.split_once(']')?;
                    (Step::Item(digits.parse().ok()?), after)
                }
            };
            if matches!(&step, Step::Name(name) if name.contains('\\')) {
                return None;
            }
            steps.push(step);
            rest = after;
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Name(name[..end].into()));
            rest = &name[end..];
        }
    }
    Some(steps)
}

impl Node {
    /// Adds a path; false when it ends within another or another within it.
    fn add(&mut self, steps: &[Step], slot: usize) -> bool {
        if self.slot.is_some() {
            return false;
        }
        let Some((step, rest)) = steps.split_first() else {
            self.slot = Some(slot);
            return self.names.is_empty() && self.items.is_empty();
        };
        let child = match step {
            Step::Name(name) => child(&mut self.names, name),
            Step::Item(index) => child(&mut self.items, index),
        };
        child.add(rest, slot)
    }

    /// Forgets what was picked at and below it: of two members with one name the later counts.
    fn forget(&self, picks: &mut Picks<'_>) {
        if let Some(slot) = self.slot {
            *picks.slot(slot) = None;
        }
        self.names.iter().for_each(|(_, node)| node.forget(picks));
        self.items.iter().for_each(|(_, node)| node.forget(picks));
    }
}

fn child<'n, K: Clone + PartialEq>(children: &'n mut Vec<(K, Node)>, key: &K) -> &'n mut Node {
    let at = children.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
        children.push((key.clone(), Node::default()));
        children.len() - 1
    });
    &mut children[at].1
}

/// Reads the value at a node.
struct At<'p, 'o, 'b> {
    node: &'p Node,
    picks: &'o mut Picks<'b>,
}

impl<'b> DeserializeSeed<'b> for At<'_, '_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.node.slot {
            Some(slot) => {
                *self.picks.slot(slot) = Some(deserializer.deserialize_any(Leaf)?);
                Ok(())
            }
            None => deserializer.deserialize_any(self),
        }
    }
}

impl<'b> Visitor<'b> for At<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(at) = map.next_key_seed(Name(&self.node.names))? {
            match at {
                Some(at) => {
                    let node = &self.node.names[at].1;
                    node.forget(self.picks);
                    map.next_value_seed(At { node, picks: self.picks })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = match self.node.items.iter().find(|(i, _)| *i == index) {
                Some((_, node)) => seq.next_element_seed(At { node, picks: self.picks })?,
                None => seq.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    // A path that leads through a scalar leads nowhere.
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a member's name: its position among those that lead somewhere.
struct Name<'p>(&'p [(String, Node)]);

impl<'b> DeserializeSeed<'b> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|(n, _)| n == name))
    }
}

/// Reads a value that is wanted.
struct Leaf;

impl<'b> Visitor<'b> for Leaf {
    type Value = Picked<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'b str) -> Result<Picked<'b>, E> {
        Ok(Picked::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Picked<'b>, E> {
        Ok(Picked::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Picked<'b>, E> {
        Ok(Picked::Number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Picked<'b>, E> {
        Ok(Picked::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Picked<'b>, E> {
        Ok(Number::from_f64(number).map_or_else(|| Picked::Other(Box::new(Value::Null)), Picked::Number))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Picked<'b>, E> {
        Ok(Picked::Other(Box::new(Value::Bool(value))))
    }

    fn visit_unit<E: Error>(self) -> Result<Picked<'b>, E> {
        Ok(Picked::Other(Box::new(Value::Null)))
    }

    fn visit_map<A: MapAccess<'b>>(self, map: A) -> Result<Picked<'b>, A::Error> {
        let value = Value::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Picked::Other(Box::new(value)))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, seq: A) -> Result<Picked<'b>, A::Error> {
        let value = Value::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
        Ok(Picked::Other(Box::new(value)))
    }
}

#[cfg(test)]
mod tests;
