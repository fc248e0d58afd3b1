//! `proofload schema`

use crate::cli::args::{Described, SchemaArgs};
use crate::cli::print;
use crate::exit::Exit;

/// The JSON Schema of `verdict.json`.
const VERDICT: &str = include_str!("../../docs/verdict.schema.json");

/// The JSON Schema of `capacity.json`.
const CAPACITY: &str = include_str!("../../docs/capacity.schema.json");

/// Prints a JSON Schema.
pub fn schema(args: &SchemaArgs) -> Exit {
    let text = match args.of {
        Described::Scenario => serde_json::to_string_pretty(&crate::scenario::schema()),
        Described::Suite => serde_json::to_string_pretty(&crate::scenario::suite_schema()),
        Described::Capacity => Ok(CAPACITY.trim_end().to_owned()),
        Described::Verdict => Ok(VERDICT.trim_end().to_owned()),
    };
    match text {
        Ok(text) => {
            print::line(&text);
            Exit::PASS
        }
        Err(why) => {
            print::err(&why.to_string());
            Exit::Usage
        }
    }
}
