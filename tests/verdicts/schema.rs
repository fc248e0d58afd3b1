//! Holds `verdict.json` to its JSON Schema, `docs/verdict.schema.json`: as any validator would, and more strictly, since
//! whatever is written must be described. Knows the words of JSON Schema that the schema uses, and refuses others.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::Value;

const TEXT: &str = include_str!("../../docs/verdict.schema.json");

/// The schema of `verdict.json`.
pub struct Schema {
    root: Value,
}

/// A check under way: where it is in the document, and what has come of it.
struct Check<'s> {
    schema: &'s Schema,
    path: Vec<String>,
    wrong: Vec<String>,
    met: BTreeSet<String>,
}

impl Schema {
    /// As it ships.
    #[allow(dead_code, reason = "not all who include this file ask")]
    pub fn shipped() -> Schema {
        Schema::of(TEXT)
    }

    /// Another.
    pub fn of(text: &str) -> Schema {
        Schema { root: serde_json::from_str(text).expect("the schema is JSON") }
    }

    /// What is wrong with a document, and the properties that it has: the descriptions they go by.
    pub fn check(&self, document: &Value) -> (Vec<String>, BTreeSet<String>) {
        let mut check = Check { schema: self, path: Vec::new(), wrong: Vec::new(), met: BTreeSet::new() };
        check.value(&self.root, document);
        (check.wrong, check.met)
    }

    /// Every property that is described, as [`check`](Schema::check) names them.
    #[allow(dead_code, reason = "not all who include this file ask")]
    pub fn described(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut rest = vec![&self.root];
        while let Some(schema) = rest.pop() {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                all.insert(label(name, property));
            }
            rest.extend(schema.as_object().into_iter().flat_map(|map| map.values()));
            rest.extend(schema.as_array().into_iter().flatten());
        }
        all
    }

    fn definition(&self, reference: &str) -> &Value {
        let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        found.unwrap_or_else(|| panic!("nothing at {reference}"))
    }
}

/// The name of a property, told apart from its namesakes by what it says.
fn label(name: &str, property: &Value) -> String {
    let says = property["description"].as_str().or(property["$ref"].as_str()).unwrap_or_default();
    format!("{name}: {says}")
}

impl Check<'_> {
    fn wrong(&mut self, what: String) {
        self.wrong.push(format!("{}: {what}", self.path.join(".")));
    }

    fn within(&mut self, step: &str, schema: &Value, value: &Value) {
        self.path.push(step.to_owned());
        self.value(schema, value);
        self.path.pop();
    }

    fn value(&mut self, schema: &Value, value: &Value) {
        let words = schema.as_object().expect("a schema is a mapping");
        for (word, says) in words {
            match word.as_str() {
                "$schema" | "$defs" | "title" | "description" | "properties" | "additionalProperties" => {}
                "$ref" => self.value(self.schema.definition(text(says)), value),
                "type" if !is_of_type(says, value) => self.wrong(format!("{value} is not {says}")),
                "const" if value != says => self.wrong(format!("{value} is not {says}")),
                "enum" if !list(says).contains(value) => self.wrong(format!("{value} is none of {says}")),
                "minimum" if value.as_f64().is_some_and(|n| n < number(says)) => {
                    self.wrong(format!("{value} < {says}"))
                }
                "maximum" if value.as_f64().is_some_and(|n| n > number(says)) => {
                    self.wrong(format!("{value} > {says}"))
                }
                "minItems" if list(value).len() < number(says) as usize => self.wrong(format!("fewer than {says}")),
                "maxItems" if list(value).len() > number(says) as usize => self.wrong(format!("more than {says}")),
                "items" => {
                    for (i, item) in list(value).iter().enumerate() {
                        self.within(&i.to_string(), says, item);
                    }
                }
                "propertyNames" => {
                    for name in value.as_object().into_iter().flat_map(|map| map.keys()) {
                        self.within(name, says, &Value::from(name.as_str()));
                    }
                }
                "required" => {
                    for name in list(says).iter().filter(|name| value.get(text(name)).is_none()) {
                        self.wrong(format!("{name} is missing"));
                    }
                }
                "anyOf" => self.any_of(list(says), value),
                "type" | "const" | "enum" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
                other => panic!("the schema says `{other}`, which nobody here checks"),
            }
        }
        if words.contains_key("properties") || words.contains_key("additionalProperties") {
            self.members(schema, value);
        }
    }

    fn members(&mut self, schema: &Value, value: &Value) {
        for (name, member) in value.as_object().into_iter().flatten() {
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(property), _) => {
                    self.met.insert(label(name, property));
                    self.within(name, property, member);
                }
                (None, Some(any)) => self.within(name, any, member),
                (None, None) => self.wrong(format!("`{name}` is not described")),
            }
        }
    }

    fn any_of(&mut self, choices: &[Value], value: &Value) {
        let before = self.wrong.len();
        for choice in choices {
            self.wrong.truncate(before);
            self.value(choice, value);
            if self.wrong.len() == before {
                return;
            }
        }
        // What the last choice had against it says little: a value that is there is meant to be the first.
        self.wrong.truncate(before);
        self.value(&choices[0], value);
    }
}

fn is_of_type(says: &Value, value: &Value) -> bool {
    let one = |says: &Value| match text(says) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("`{other}` is no type"),
    };
    says.as_array().map_or_else(|| one(says), |any| any.iter().any(one))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
