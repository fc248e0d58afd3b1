//! `proofload schema`

use crate::cli::print;
use crate::exit::Exit;

/// Prints the JSON Schema of scenario files.
pub fn schema() -> Exit {
    match serde_json::to_string_pretty(&crate::scenario::schema()) {
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
