//! The JSON Schema of scenario files, made from the same declarations that read them.

use serde_json::{Value, json};

use super::raw::Root;
use super::shape::Shape;

/// The schema (draft 2020-12), for editors.
pub fn schema() -> Value {
    let mut schema = Root::schema();
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("Proofload scenario"));
    }
    schema
}
