//! How the shape of the file is declared: one declaration gives the reader, which collects every mistake instead of
//! stopping at the first, and the JSON Schema, so that the two cannot differ.

use std::time::Duration;

use serde_json::{Value, json};

use super::mistake::Place;
use super::reader::Reader;
use super::value::Decimal;
use super::yaml::{Kind, Node};
use crate::base::units::{self, ByteRate, Rate, Share, Size};

/// A value and the place where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<T> {
    /// Where.
    pub at: Place,
    /// What.
    pub value: T,
}

/// Entries of a mapping with names of the user's choice, in the order of the file.
pub type Named<T> = Vec<(At<String>, T)>;

/// Something that can stand in the file.
pub trait Shape: Sized {
    /// Reads it; `None` after noting at least one mistake.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;
    /// Its JSON Schema (draft 2020-12).
    fn schema() -> Value;
    /// What it is when it is not written; `None` when it must be.
    fn absent() -> Option<Self> {
        None
    }
}

/// What cannot be read counts as not written once its mistake is noted, so that the rest is checked all the same.
impl<T: Shape> Shape for Option<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        Some(T::read(node, reader))
    }
    fn schema() -> Value {
        T::schema()
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Shape> Shape for At<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(|value| At { at: node.at, value })
    }
    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Shape> Shape for Box<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(Box::new)
    }
    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            reader.wrong(
                node.at,
                format!("{} where a list belongs", node.describe()),
                "write `- item` lines or [a, b]",
            );
            return None;
        };
        let read = |(i, item): (usize, &Node)| reader.within(&i.to_string(), |r| T::read(item, r));
        Some(items.iter().enumerate().filter_map(read).collect())
    }
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// A mapping whose keys are names of the user's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Names<T>(pub Named<T>);

impl<T: Shape> Shape for Names<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entries = reader.map(node, "a mapping of names")?;
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if let Some(value) = reader.within(&key.text, |r| T::read(value, r)) {
                all.push((At { at: key.at, value: key.text.clone() }, value));
            }
        }
        Some(Names(all))
    }
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

macro_rules! scalar_shape {
    ($type:ty, $what:literal, $parse:expr, $schema:expr) => {
        impl Shape for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                reader.parsed(node, $what, $parse)
            }
            fn schema() -> Value {
                $schema
            }
        }
    };
}

scalar_shape!(String, "text", |t| Ok(t.to_owned()), json!({ "type": ["string", "number", "boolean"] }));
scalar_shape!(u64, "a whole number", whole, json!({ "type": "integer", "minimum": 0 }));
scalar_shape!(f64, "a number", number, json!({ "type": "number" }));
scalar_shape!(
    Decimal,
    "a decimal number",
    Decimal::parse,
    json!({ "type": ["number", "string"], "pattern": "^-?[0-9_]+(\\.[0-9_]*)?$" })
);
scalar_shape!(
    bool,
    "true or false",
    |t| match t {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{t}` is neither true nor false: write true or false")),
    },
    json!({ "type": "boolean" })
);
scalar_shape!(
    Duration,
    "a length of time such as 1.5s",
    units::parse_duration,
    json!({ "type": "string", "pattern": "^([0-9._]+ ?(ns|us|µs|ms|s|min|m|h|d) ?)+$|^0$", "examples": ["250ms", "1.5s", "2m"] })
);
scalar_shape!(
    Rate,
    "a rate such as 20/s",
    units::parse_rate,
    json!({ "type": "string", "pattern": "^[0-9._]+ ?/ ?(s|sec|min|m|h)$", "examples": ["20/s", "1200/min"] })
);
scalar_shape!(
    Share,
    "a share such as 99.2%",
    units::parse_share,
    json!({ "type": "string", "pattern": "^[0-9._]+ ?%$", "examples": ["100%", "99.2%"] })
);
scalar_shape!(
    Size,
    "a size such as 64KiB",
    units::parse_size,
    json!({ "type": "string", "pattern": "^[0-9._]+ ?(B|KB|MB|GB|KiB|MiB|GiB)$", "examples": ["64KiB", "10MB"] })
);

scalar_shape!(
    ByteRate,
    "a rate of bytes such as 256KB/s",
    units::parse_byte_rate,
    json!({ "type": "string", "pattern": "^[0-9._]+ ?(B|KB|MB|GB|KiB|MiB|GiB) ?/ ?(s|sec)$", "examples": ["256KB/s", "1MiB/s"] })
);

fn whole(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is not a whole number: write digits, such as 1000"))
}

fn number(text: &str) -> Result<f64, String> {
    let want = || format!("`{text}` is not a number: write one, such as 1.1");
    text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(want)
}

/// The name of a field as it is written in the file.
pub fn key(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// A description from doc comments.
pub fn described(mut schema: Value, doc: &[&str]) -> Value {
    let text = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if let (Value::Object(map), false) = (&mut schema, text.is_empty()) {
        map.insert("description".into(), text.into());
    }
    schema
}

/// A mapping with known keys. A field of type `Option<_>` may be left out. Keys named under `planned` are refused as
/// such.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $( $(#[doc = $fdoc:literal])* $field:ident : $type:ty, )*
        }
        $( planned { $($planned:literal),* $(,)? } )?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// Where the mapping starts.
            pub place: $crate::scenario::mistake::Place,
            $( $(#[doc = $fdoc])* pub $field: $type, )*
        }

        impl $crate::scenario::shape::Shape for $name {
            fn read(
                node: &$crate::scenario::yaml::Node,
                reader: &mut $crate::scenario::reader::Reader,
            ) -> Option<Self> {
                let entries = reader.map(node, "a mapping")?;
                reader.known(entries, &[$( $crate::scenario::shape::key(stringify!($field)) ),*], &[$( $($planned),* )?]);
                $(
                    let $field: Option<$type> = {
                        let name = $crate::scenario::shape::key(stringify!($field));
                        match entries.iter().find(|(k, _)| k.text == name) {
                            Some((_, value)) => reader.within(name, |r| <$type as $crate::scenario::shape::Shape>::read(value, r)),
                            None => {
                                let absent = <$type as $crate::scenario::shape::Shape>::absent();
                                if absent.is_none() {
                                    reader.wrong(node.at, format!("`{name}` is missing"), format!("add `{name}:`"));
                                }
                                absent
                            }
                        }
                    };
                )*
                Some($name { place: node.at, $( $field: $field?, )* })
            }

            #[allow(unused_mut, reason = "a record may have no fields")]
            fn schema() -> serde_json::Value {
                use $crate::scenario::shape::described;
                let mut properties = serde_json::Map::new();
                let mut required: Vec<serde_json::Value> = Vec::new();
                $(
                    let name = $crate::scenario::shape::key(stringify!($field));
                    properties.insert(name.into(), described(<$type as $crate::scenario::shape::Shape>::schema(), &[$($fdoc),*]));
                    if <$type as $crate::scenario::shape::Shape>::absent().is_none() {
                        required.push(name.into());
                    }
                )*
                let schema = serde_json::json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                });
                described(schema, &[$($doc),*])
            }
        }
    };
}

/// One of several kinds, written `kind: value` (`kind` alone where it has no settings).
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $( $(#[doc = $vdoc:literal])* $variant:ident $( ( $type:ty ) )? = $key:literal, )*
        }
        $( planned { $($planned:literal),* $(,)? } )?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $( $(#[doc = $vdoc])* $variant $( ($type) )?, )*
        }

        impl $crate::scenario::shape::Shape for $name {
            fn read(
                node: &$crate::scenario::yaml::Node,
                reader: &mut $crate::scenario::reader::Reader,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$( $key ),*];
                const PLANNED: &[&str] = &[$( $($planned),* )?];
                let (name, at, value) = $crate::scenario::reader::tagged(node, KNOWN, PLANNED, reader)?;
                let _ = value;
                match name {
                    $( $key => choice!(@read $name $variant $( $type )? ; name value reader), )*
                    _ => {
                        reader.wrong(at, format!("unknown kind `{name}`"), $crate::base::text::suggest(name, KNOWN.iter().copied()));
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                use $crate::scenario::shape::described;
                let mut kinds: Vec<serde_json::Value> = Vec::new();
                $( kinds.push(described(choice!(@schema $key $( $type )?), &[$($vdoc),*])); )*
                described(serde_json::json!({ "oneOf": kinds }), &[$($doc),*])
            }
        }
    };
    (@read $name:ident $variant:ident $type:ty ; $key:ident $value:ident $reader:ident) => {
        $reader.within($key, |r| <$type as $crate::scenario::shape::Shape>::read(&$value, r)).map($name::$variant)
    };
    (@read $name:ident $variant:ident ; $key:ident $value:ident $reader:ident) => {
        Some($name::$variant)
    };
    (@schema $key:literal $type:ty) => {
        serde_json::json!({
            "type": "object",
            "properties": { $key: <$type as $crate::scenario::shape::Shape>::schema() },
            "required": [$key],
            "additionalProperties": false,
        })
    };
    (@schema $key:literal) => {
        serde_json::json!({ "const": $key })
    };
}
