//! Arrivals that were recorded elsewhere.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Shape};
use crate::scenario::yaml::Node;

record! {
    /// Arrivals that were recorded elsewhere. They say when shots are due, and there is no `load` beside them.
    pub struct Replay {
        /// A CSV file whose column `at` says when each was: seconds, or RFC 3339. Its other columns are rows of data:
        /// `{{arrivals.column}}`.
        file: At<String>,
        /// How many times faster they are played; 1x when left out.
        speed: Option<At<Speed>>,
        /// How much of the beginning is sent and not judged, as it is played.
        warm_up: Option<At<Duration>>,
    }
}

/// How many times faster something goes, written `2x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(pub f64);

impl Shape for Speed {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.parsed(node, "a speed", |text| {
            let number = text.strip_suffix('x').unwrap_or(text).trim().parse::<f64>();
            match number.ok().filter(|n| (0.001..=1000.0).contains(n)) {
                Some(n) => Ok(Speed(n)),
                None => Err(format!("`{text}` is no speed: write 2x for twice as fast, 0.5x for half")),
            }
        })
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "type": "string", "pattern": "^[0-9.]+x$" }, { "type": "number" }] })
    }
}
