//! Single requests and what they carry.

use std::time::Duration;

use serde_json::{Value, json};

use super::Sign;
use crate::scenario::mistake::Place;
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

record! {
    /// One request. Exactly one of get, post, put and delete.
    pub struct Step {
        /// What promises call it, as `TRAFFIC.NAME`; its position in the flow when left out.
        name: Option<At<String>>,
        /// The path to get.
        get: Option<At<String>>,
        /// The path to post to.
        post: Option<At<String>>,
        /// The path to put to.
        put: Option<At<String>>,
        /// The path to delete.
        delete: Option<At<String>>,
        /// A JSON body.
        json: Option<At<Json>>,
        /// A body of any kind.
        body: Option<At<String>>,
        /// Sent with this request.
        headers: Option<Names<Header>>,
        /// What the reply must be, one thing or a list of them; any 2xx when left out.
        expect: Option<Expects>,
        /// Names for what the reply says, for later steps of a flow.
        capture: Option<Names<Capture>>,
        /// How long a flow rests before this step.
        think: Option<At<Duration>>,
        /// Repeats the step until its reply says that it is over.
        until: Option<Until>,
        /// How this request is signed; as the flow says when left out.
        sign: Option<Sign>,
        /// Which service, where there are several; as the traffic says when left out.
        to: Option<At<String>>,
    }
}

record! {
    /// When a step that is repeated is over.
    pub struct Until {
        /// A place in the JSON body that must be there; JSONPath.
        json: Option<At<String>>,
        /// A header that must be there.
        header: Option<At<String>>,
        /// A regular expression that must be found in the body.
        body: Option<At<String>>,
        /// What must stand there, as text; one of several.
        is: Option<OneOrMany<String>>,
        /// A regular expression that must be found there.
        matches: Option<At<String>>,
        /// How long after a reply it is asked for again; 100ms when left out.
        every: Option<At<Duration>>,
        /// How long after it was due the step is given up; 10s when left out.
        within: Option<At<Duration>>,
    }
}

impl Step {
    /// One of which nothing is written.
    pub fn bare(place: Place) -> Step {
        Step {
            place,
            name: None,
            get: None,
            post: None,
            put: None,
            delete: None,
            json: None,
            body: None,
            headers: None,
            expect: None,
            capture: None,
            think: None,
            until: None,
            sign: None,
            to: None,
        }
    }
}

/// What a reply must be: one thing, or a list of things that must all be so.
#[derive(Debug, Clone, PartialEq)]
pub struct Expects(pub Vec<Expect>);

impl Shape for Expects {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::List(_) => Shape::read(node, reader).map(Expects),
            _ => Expect::read(node, reader).map(|one| Expects(vec![one])),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [Expect::schema(), <Vec<Expect>>::schema()] })
    }
}

record! {
    /// What a reply must be.
    pub struct Expect {
        /// The status.
        status: Option<OneOrMany<u64>>,
        /// A place in the JSON body that must exist; JSONPath.
        json: Option<At<String>>,
        /// A header that must be there.
        header: Option<At<String>>,
        /// A regular expression that must be found in the body.
        body: Option<At<String>>,
        /// What must stand there, as text; one of several.
        is: Option<OneOrMany<String>>,
        /// A regular expression that must be found there.
        matches: Option<At<String>>,
    }
}

/// One value, or a list of which one will do.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany<T>(pub Vec<At<T>>);

impl<T: Shape> Shape for OneOrMany<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::List(_) => Shape::read(node, reader).map(OneOrMany),
            _ => At::read(node, reader).map(|one| OneOrMany(vec![one])),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [T::schema(), { "type": "array", "items": T::schema() }] })
    }
}

/// Where a flow finds what it captures: a JSONPath, or a mapping.
#[derive(Debug, Clone, PartialEq)]
pub enum Capture {
    /// A place in the JSON body; JSONPath.
    Json(At<String>),
    /// Somewhere else, or a part of it.
    Part(Part),
}

impl Shape for Capture {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Part::read(node, reader).map(Capture::Part),
            _ => At::read(node, reader).map(Capture::Json),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [String::schema(), Part::schema()] })
    }
}

record! {
    /// Where something is captured: one of `json`, `header` and `body`.
    pub struct Part {
        /// A place in the JSON body; JSONPath.
        json: Option<At<String>>,
        /// The name of a header.
        header: Option<At<String>>,
        /// A regular expression over the body: its first group, or all that it finds.
        body: Option<At<String>>,
        /// A regular expression over what stands there: its first group, or all that it finds.
        matches: Option<At<String>>,
    }
}

/// Any JSON value, written as YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

impl Shape for Json {
    fn read(node: &Node, _: &mut Reader) -> Option<Self> {
        Some(Json(json_value(node)))
    }
    fn schema() -> Value {
        json!(true)
    }
}

/// Plain scalars that read as JSON numbers, booleans or null are those; everything else is text.
fn json_value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { text, plain: true } => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => text.clone().into(),
        },
        Kind::Scalar { text, .. } => text.clone().into(),
        Kind::List(items) => items.iter().map(json_value).collect(),
        Kind::Map(entries) => entries.iter().map(|(k, v)| (k.text.clone(), json_value(v))).collect(),
    }
}

record! {
    /// A value that comes from the environment and is never stored or shown.
    pub struct Secret {
        /// The name of the environment variable.
        secret: At<String>,
    }
}

/// The value of a header: text, or `{ secret: NAME }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Header {
    /// Sent as it is.
    Text(At<String>),
    /// Read from the environment.
    Secret(Secret),
}

impl Shape for Header {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Secret::read(node, reader).map(Header::Secret),
            _ => At::read(node, reader).map(Header::Text),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [String::schema(), Secret::schema()] })
    }
}
