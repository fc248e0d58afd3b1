//! The shape of a suite file.

use crate::scenario::shape::{At, Names};

record! {
    /// Scenarios that are run in turn, with one table and one exit code.
    pub struct Suite {
        /// Version of the language; 1.
        suite: At<u64>,
        /// What the table is called; the file's name when left out.
        name: Option<At<String>>,
        /// The scenario files, in order, relative to this one.
        run: Vec<At<String>>,
        /// The address that every scenario sends to, instead of its own target's: http://HOST:PORT.
        target: Option<At<String>>,
        /// What follows a scenario that is not PASS: continue (default), or stop.
        on_failure: Option<OnFailure>,
        /// Values set in every scenario, as by `--set`: dots between keys, indices for lists.
        set: Option<Names<At<String>>>,
    }
}

choice! {
    /// What follows a scenario that is not PASS.
    pub enum OnFailure {
        /// The next one.
        Continue = "continue",
        /// Nothing.
        Stop = "stop",
    }
}
