//! What process faults and hooks act by.

use std::time::Duration;

use super::request::Header;
use crate::scenario::shape::{At, Names};

record! {
    /// A process that the run starts before the load and stops after it.
    pub struct Program {
        /// The program and its arguments; no shell.
        command: Vec<At<String>>,
        /// Added to its environment.
        env: Option<Names<At<String>>>,
        /// Where it runs; the folder of the scenario when left out.
        dir: Option<At<String>>,
    }
}

record! {
    /// How to break and mend what we do not know.
    pub struct Hook {
        /// Breaks it.
        apply: At<Action>,
        /// Mends it.
        undo: At<Action>,
        /// Succeeds when all is well: before it is broken, and after it is mended.
        probe: At<Action>,
        /// How long each of them may take; 10s when left out.
        within: Option<At<Duration>>,
    }
}

choice! {
    /// A command or a request.
    pub enum Action {
        /// A program and its arguments, no shell; exit code 0 is success. Needs --allow-exec.
        Exec(Vec<At<String>>) = "exec",
        /// A request; 2xx is success.
        Http(Call) = "http",
    }
}

record! {
    /// A request to any address.
    pub struct Call {
        /// The method; POST when left out.
        method: Option<At<String>>,
        /// Where: http://HOST:PORT/path.
        url: At<String>,
        /// Sent with it.
        headers: Option<Names<Header>>,
        /// The body.
        body: Option<At<String>>,
    }
}
