//! Files of rules: Prometheus's own, PrometheusRule objects of Kubernetes, lists of those, several documents in a file.
//!
//! Refuses what Prometheus refuses, all of it at once, each with its place and what to write instead.

use std::collections::HashMap;

use super::group::{Alert, Group, Kind, Label, Rule};
use super::template::Template;
use crate::base::mistake::{Mistake, Place};
use crate::base::reader::Reader;
use crate::base::spots::Spots;
use crate::base::yaml::{self, Key, Node};
use crate::promql::{self, Semantics, parse_length};

const GROUP_KEYS: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE_KEYS: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// Reads a file of rules as Prometheus 3 does. What could be read comes with the mistakes in the rest; only a file
/// without any mistake is one that Prometheus would load.
pub fn read(file: &str, text: &str) -> (Vec<Group>, Vec<Mistake>) {
    read_as(file, text, Semantics::V3)
}

/// [`read`], as a certain Prometheus does: before 3, names have no other characters than ASCII letters, digits, `_` and,
/// those of metrics, `:`.
pub fn read_as(file: &str, text: &str, semantics: Semantics) -> (Vec<Group>, Vec<Mistake>) {
    let documents = match yaml::documents(text) {
        Ok(documents) => documents,
        Err(mistake) => return (Vec::new(), vec![mistake]),
    };
    let mut reading = Reading { file, text, semantics, reader: Reader::default(), groups: Vec::new(), found: false };
    let several = documents.len() > 1;
    for (i, document) in documents.iter().enumerate() {
        if several {
            reading.reader.enter(&i.to_string());
        }
        reading.document(document);
        if several {
            reading.reader.leave();
        }
    }
    if !reading.found && reading.reader.mistakes.is_empty() {
        let at = documents.first().map_or(Place { line: 1, col: 1, len: 1 }, |document| document.at);
        reading.reader.wrong(at, "no rules are written here", "write `groups: [{ name: …, rules: […] }]`");
    }
    let mut mistakes = reading.reader.mistakes;
    mistakes.sort_by_key(|m| m.at);
    (reading.groups, mistakes)
}

struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    semantics: Semantics,
    reader: Reader,
    groups: Vec<Group>,
    /// Whether there was a place for groups, even an empty one.
    found: bool,
}

/// What may stand beside the keys of Prometheus, depending on who reads the file.
#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Prometheus,
    /// The operator hands `partial_response_strategy` on to Thanos.
    Operator,
}

type Entries<'n> = &'n [(Key, Node)];

impl Reading<'_> {
    fn document(&mut self, node: &Node) {
        let Some(entries) = self.reader.map(node, "a file of rules") else { return };
        if get(entries, "kind").is_some() || get(entries, "apiVersion").is_some() {
            return self.object(entries);
        }
        // Mimir and Cortex keep the name of a namespace beside the groups.
        self.reader.known(entries, &["groups", "namespace"], &[]);
        match get(entries, "groups") {
            Some(groups) => self.groups(groups, Dialect::Prometheus),
            None if self.reader.is_broken_here() => {}
            None => self.reader.wrong(node.at, "`groups` is missing", "add `groups:`"),
        }
    }

    /// An object of Kubernetes. Those of other kinds have no rules and are passed over.
    fn object(&mut self, entries: Entries<'_>) {
        let scalar = |key| get(entries, key).and_then(text_of).unwrap_or_default();
        let kind = scalar("kind");
        if kind.ends_with("List") {
            if let Some(items) = get(entries, "items") {
                self.each("items", items, |reading, item| {
                    if let Some(entries) = reading.reader.map(item, "an object of Kubernetes") {
                        reading.object(entries);
                    }
                });
            }
            return;
        }
        if kind != "PrometheusRule" {
            return;
        }
        let version = scalar("apiVersion");
        if version != "monitoring.coreos.com/v1" {
            let at = get(entries, "apiVersion").or_else(|| get(entries, "kind")).map_or(Place::default(), |n| n.at);
            let what = format!("`{version}` is no version of PrometheusRule");
            self.reader.within("apiVersion", |r| r.wrong(at, what, "write `apiVersion: monitoring.coreos.com/v1`"));
        }
        self.found = true;
        let Some(spec) = get(entries, "spec") else { return };
        self.reader.enter("spec");
        if let Some(entries) = self.reader.map(spec, "the spec of a PrometheusRule") {
            self.reader.known(entries, &["groups"], &[]);
            if let Some(groups) = get(entries, "groups") {
                self.groups(groups, Dialect::Operator);
            }
        }
        self.reader.leave();
    }

    fn groups(&mut self, node: &Node, dialect: Dialect) {
        self.found = true;
        let mut names: HashMap<String, u32> = HashMap::new();
        self.each("groups", node, |reading, node| {
            let Some(group) = reading.group(node, dialect) else { return };
            if let Some(line) = names.get(&group.name) {
                let what = format!("there are two groups `{}`: the first in line {line}", group.name);
                reading.reader.within("name", |r| r.wrong(group.at, what, "give each group of a file its own name"));
            } else {
                names.insert(group.name.clone(), group.at.line);
            }
            reading.groups.push(group);
        });
    }

    /// Reads each item of a list, one step down the path.
    fn each(&mut self, key: &str, node: &Node, mut read: impl FnMut(&mut Self, &Node)) {
        self.reader.enter(key);
        match &node.kind {
            yaml::Kind::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.reader.enter(&i.to_string());
                    read(self, item);
                    self.reader.leave();
                }
            }
            _ if node.is_null() => {}
            _ => {
                let what = format!("{} where a list belongs", node.describe());
                self.reader.wrong(node.at, what, "write `- item` lines");
            }
        }
        self.reader.leave();
    }

    fn group(&mut self, node: &Node, dialect: Dialect) -> Option<Group> {
        let entries = self.reader.map(node, "a group")?;
        let mut known = GROUP_KEYS.to_vec();
        if dialect == Dialect::Operator {
            known.push("partial_response_strategy");
        }
        self.reader.known(entries, &known, &[]);
        let name = match get(entries, "name") {
            Some(node) => self.reader.within("name", |r| r.scalar(node, "the name of the group")).map(|n| (n, node.at)),
            None => {
                self.reader.wrong(node.at, "`name` is missing", "add `name:`");
                None
            }
        };
        if let Some(("", at)) = name {
            self.reader.within("name", |r| r.wrong(at, "the name of a group is empty", "write one"));
        }
        let interval_ms = self.length(entries, "interval").filter(|ms| *ms > 0);
        let query_offset_ms = self.length(entries, "query_offset");
        let limit =
            get(entries, "limit").and_then(|node| self.reader.within("limit", |r| r.parsed(node, LIMIT, limit)));
        let labels = self.labels(entries, "labels", Text::Template);
        let mut rules = Vec::new();
        if let Some(node) = get(entries, "rules") {
            self.each("rules", node, |reading, node| rules.extend(reading.rule(node, &labels)));
        }
        let (name, at) = name.unwrap_or(("", node.at));
        Some(Group {
            name: name.into(),
            at,
            file: self.file.into(),
            interval_ms,
            query_offset_ms,
            limit: limit.unwrap_or_default(),
            rules,
        })
    }

    fn rule(&mut self, node: &Node, of_group: &[Label]) -> Option<Rule> {
        let entries = self.reader.map(node, "a rule")?;
        self.reader.known(entries, RULE_KEYS, &[]);
        let (record, alert) = (get(entries, "record"), get(entries, "alert"));
        let name = match (record, alert) {
            (Some(_), Some(alert)) => {
                self.reader.wrong(alert.at, "both `record` and `alert`", "make two rules of it");
                None
            }
            (None, None) => {
                let remedy = "name what it records with `record:`, or the alert with `alert:`";
                self.reader.wrong(node.at, "neither `record` nor `alert`", remedy);
                None
            }
            (Some(node), None) => self.metric(node),
            (None, Some(node)) => self.reader.within("alert", |r| r.scalar(node, "the name of the alert")),
        };
        let expr = self.expr(node, entries);
        let lengths = ["for", "keep_firing_for"].map(|key| self.length(entries, key).unwrap_or_default());
        let mut labels = self.labels(entries, "labels", if record.is_some() { Text::Plain } else { Text::Template });
        let annotations = self.labels(entries, "annotations", Text::Template);
        if record.is_some() {
            for key in ["for", "keep_firing_for", "annotations"] {
                if let Some((key, _)) = entries.iter().find(|(k, v)| k.text == key && !is_nothing(v)) {
                    let what = format!("`{}` in a rule that records", key.text);
                    self.reader.within(&key.text, |r| r.wrong(key.at, what, "only alerts have it: leave it out"));
                }
            }
        }
        let inherited = of_group.iter().filter(|g| labels.iter().all(|l| l.name != g.name)).cloned();
        labels = inherited.chain(labels.iter().cloned()).collect();
        let name_at = record.or(alert).map_or(node.at, |n| n.at);
        let (expr, expr_at, spots, indent) = expr?;
        let kind = match alert {
            Some(_) => Kind::Alert(Alert { for_ms: lengths[0], keep_firing_for_ms: lengths[1], annotations }),
            None => Kind::Record,
        };
        Some(Rule { name: name?.into(), at: name_at, expr, expr_at, spots, indent, labels, kind })
    }

    fn expr(&mut self, rule: &Node, entries: Entries<'_>) -> Option<(promql::Expr, Place, Spots, usize)> {
        let written = |node: &&Node| !node.is_null() && text_of(node).is_none_or(|text| !text.trim().is_empty());
        let Some(node) = get(entries, "expr").filter(written) else {
            self.reader.wrong(rule.at, "`expr` is missing", "add `expr:` with what is evaluated");
            return None;
        };
        let text = self.reader.within("expr", |r| r.scalar(node, "an expression"))?;
        let spots = Spots::of(self.text, node);
        let indent = text.chars().take_while(|c| c.is_whitespace()).count();
        let wrong = |why: String, at: Place, remedy: &str, reader: &mut Reader| {
            reader.within("expr", |r| r.wrong(at, why, remedy));
        };
        match promql::parse_for(text, self.semantics) {
            Ok(expr) if matches!(expr.kind(), promql::Kind::Matrix | promql::Kind::Text) => {
                let why = "it is neither a number nor an instant vector".to_owned();
                let remedy = "write rate(…) or …_over_time(…), not a range or a text";
                wrong(why, spots.at(indent, 1), remedy, &mut self.reader);
                None
            }
            Ok(expr) => Some((expr, spots.at(indent, 1), spots, indent)),
            Err(why) => {
                let at = spots.at(why.character().unwrap_or(indent), 1);
                wrong(why.to_string(), at, "write PromQL as Prometheus 3 reads it", &mut self.reader);
                None
            }
        }
    }

    /// The name of a metric that is recorded.
    fn metric<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        self.reader.within("record", |r| r.scalar(node, "the name of a metric")).filter(|name| {
            let braces = name.contains(['{', '}']);
            let valid = !name.is_empty() && !braces && self.is_name(name, "_:");
            if !valid {
                let what = format!("`{name}` cannot be the name of a metric");
                let remedy = match braces {
                    true => "write labels under `labels:`, and the expression under `expr:`",
                    false => "letters, digits, `_` and `:` make a name",
                };
                self.reader.within("record", |r| r.wrong(node.at, what, remedy));
            }
            valid
        })
    }

    /// Whether a name has no characters that its Prometheus does not know in names.
    fn is_name(&self, name: &str, beside: &str) -> bool {
        let known = |c: char| c.is_ascii_alphanumeric() || beside.contains(c);
        self.semantics == Semantics::V3 || (name.chars().all(known) && !name.starts_with(|c: char| c.is_ascii_digit()))
    }

    fn length(&mut self, entries: Entries<'_>, key: &str) -> Option<i64> {
        let node = get(entries, key).filter(|node| !node.is_null())?;
        self.reader.within(key, |r| r.parsed(node, "a length of time such as 5m", parse_length))
    }

    fn labels(&mut self, entries: Entries<'_>, key: &str, kind: Text) -> Vec<Label> {
        let Some(node) = get(entries, key) else { return Vec::new() };
        self.reader.enter(key);
        let named = self.reader.map(node, "names and texts").unwrap_or_default();
        let mut all = Vec::with_capacity(named.len());
        for (name, value) in named {
            self.reader.enter(&name.text);
            all.extend(self.label(key, name, value, kind));
            self.reader.leave();
        }
        self.reader.leave();
        all
    }

    fn label(&mut self, key: &str, name: &Key, value: &Node, kind: Text) -> Option<Label> {
        let (article, noun) = if key == "labels" { ("a", "label") } else { ("an", "annotation") };
        if name.text.is_empty() || name.text == "__name__" || !self.is_name(&name.text, "_") {
            let what = format!("`{}` cannot be the name of {article} {noun}", name.text);
            self.reader.wrong(name.at, what, "letters, digits and `_` make a name");
        }
        let text = match text_of(value) {
            Some(text) => text,
            None if value.is_null() => "",
            None => {
                let what = format!("{} where the text of the {noun} belongs", value.describe());
                self.reader.wrong(value.at, what, "write a text");
                return None;
            }
        };
        let value_at = value.at;
        let template = match kind {
            Text::Plain => Template::plain(text),
            Text::Template => match Template::parse(text) {
                Ok(template) => template,
                Err(why) => {
                    self.reader.wrong(value.at, why, "mend the template; Prometheus refuses the whole file for it");
                    Template::plain(text)
                }
            },
        };
        Some(Label { name: name.text.clone(), at: name.at, value: template, value_at })
    }
}

/// Whether the text of a label is expanded.
#[derive(Clone, Copy)]
enum Text {
    Plain,
    Template,
}

const LIMIT: &str = "how many series or alerts a rule may make";

fn limit(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number: write digits, such as 100; 0 for any number"))
}

fn get<'n>(entries: Entries<'n>, key: &str) -> Option<&'n Node> {
    entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.kind {
        yaml::Kind::Scalar { text, .. } if !node.is_null() => Some(text),
        _ => None,
    }
}

/// Whether nothing, an empty text, list or mapping, or a length of nothing is written.
fn is_nothing(node: &Node) -> bool {
    match &node.kind {
        yaml::Kind::Scalar { text, .. } => node.is_null() || text.trim().is_empty() || parse_length(text) == Ok(0),
        yaml::Kind::List(items) => items.is_empty(),
        yaml::Kind::Map(entries) => entries.is_empty(),
    }
}

#[cfg(test)]
mod tests;
