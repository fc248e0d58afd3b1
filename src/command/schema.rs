//! `proofload schema`

use crate::cli::args::{Described, SchemaArgs};
use crate::cli::print;
use crate::exit::Exit;

/// The JSON Schema of `verdict.json`.
const VERDICT: &str = include_str!("../../docs/verdict.schema.json");

/// The JSON Schema of `capacity.json`.
const CAPACITY: &str = include_str!("../../docs/capacity.schema.json");

/// The JSON Schema of `suite.json`.
const LAUNCH: &str = include_str!("../../docs/suite.schema.json");

/// The JSON Schema of a history.
const HISTORY: &str = include_str!("../../docs/history.schema.json");

/// The JSON Schema of a comparison.
const COMPARE: &str = include_str!("../../docs/compare.schema.json");

/// Prints a JSON Schema.
pub fn schema(args: &SchemaArgs) -> Exit {
    let text = match args.of {
        Described::Scenario => serde_json::to_string_pretty(&crate::scenario::schema()),
        Described::Suite => serde_json::to_string_pretty(&crate::scenario::suite_schema()),
        Described::Capacity => Ok(CAPACITY.trim_end().to_owned()),
        Described::Verdict => Ok(VERDICT.trim_end().to_owned()),
        Described::Launch => Ok(LAUNCH.trim_end().to_owned()),
        Described::History => Ok(HISTORY.trim_end().to_owned()),
        Described::Compare => Ok(COMPARE.trim_end().to_owned()),
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
