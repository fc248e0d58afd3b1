//! What the design notes have, as it is listed in the files beside this one.

use std::collections::BTreeMap;

use proofload::base::yaml::{self, Kind, Node};

/// A row of the list.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Such as `E001`.
    pub id: String,
    /// The folder of the system.
    pub of: String,
    /// What it is; of a metric its name and labels.
    pub says: String,
    /// An expression.
    pub expr: Option<String>,
    /// The type of a metric.
    pub kind: Option<String>,
    /// What must stand in a scenario for a promise to be held.
    pub held: Vec<String>,
    /// The reason for which it is not evaluated.
    pub cannot: Option<String>,
}

/// All rows.
pub struct Rows {
    /// E001 to E140.
    pub expressions: Vec<Row>,
    /// M001, …
    pub metrics: Vec<Row>,
    /// P001, …
    pub promises: Vec<Row>,
    /// What a word in `cannot` means.
    pub reasons: BTreeMap<String, String>,
}

impl Rows {
    /// Reads them.
    pub fn read() -> Rows {
        let promises = file("promises.yaml");
        let reasons = entries(member(&promises, "reasons").expect("reasons"));
        let reasons = reasons.iter().map(|(key, value)| ((*key).to_owned(), word(value).to_owned())).collect();
        Rows {
            expressions: items(&file("expressions.yaml")).iter().map(row).collect(),
            metrics: items(&file("metrics.yaml")).iter().map(row).collect(),
            promises: items(member(&promises, "promises").expect("promises")).iter().map(row).collect(),
            reasons,
        }
    }

    /// All of them, one after the other.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.expressions.iter().chain(&self.metrics).chain(&self.promises)
    }

    /// The expression that is meant: by its id, or as it is written.
    pub fn expression<'r>(&'r self, meant: &'r str) -> &'r str {
        let named = self.expressions.iter().find(|row| row.id == meant);
        named.and_then(|row| row.expr.as_deref()).unwrap_or(meant)
    }
}

fn file(name: &str) -> Node {
    let path = super::root().join("tests/coverage").join(name);
    yaml::parse(&super::text(&path)).unwrap_or_else(|mistake| panic!("{name}: {mistake:?}"))
}

fn row(node: &Node) -> Row {
    let text = |key: &str| member(node, key).map(|value| word(value).to_owned());
    Row {
        id: text("id").unwrap_or_default(),
        of: text("of").unwrap_or_default(),
        says: text("says").unwrap_or_default(),
        expr: text("expr"),
        kind: text("type"),
        held: member(node, "held")
            .map(|held| items(held).iter().map(|h| word(h).to_owned()).collect())
            .unwrap_or_default(),
        cannot: text("cannot"),
    }
}

/// What stands under a key.
pub fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).into_iter().find_map(|(name, value)| (name == key).then_some(value))
}

/// The members of a mapping.
pub fn entries(node: &Node) -> Vec<(&str, &Node)> {
    match &node.kind {
        Kind::Map(all) => all.iter().map(|(key, value)| (key.text.as_str(), value)).collect(),
        _ => Vec::new(),
    }
}

/// The items of a list.
pub fn items(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(all) => all,
        _ => &[],
    }
}

/// A scalar.
pub fn word(node: &Node) -> &str {
    match &node.kind {
        Kind::Scalar { text, .. } => text,
        _ => "",
    }
}
