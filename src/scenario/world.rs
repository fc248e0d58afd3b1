//! What process faults and hooks act by, and what ends an experiment early.

use std::time::Duration;

use super::{Claim, HeaderValue, Place};

/// A process that the run starts before the load and stops after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What faults call it.
    pub name: String,
    /// The program and its arguments; at least the program.
    pub command: Vec<String>,
    /// Added to its environment.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub dir: Option<String>,
    /// Where it is written, for messages.
    pub place: Place,
}

/// How to break and mend what we do not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What faults call it.
    pub name: String,
    /// Breaks it.
    pub apply: Action,
    /// Mends it.
    pub undo: Action,
    /// Succeeds when all is well.
    pub probe: Action,
    /// How long each of them may take.
    pub within: Duration,
    /// Where it is written, for messages.
    pub place: Place,
}

/// A command or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A program and its arguments; at least the program.
    Exec(Vec<String>),
    /// A request; 2xx is success.
    Http(Call),
}

/// A request to any address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// In upper case.
    pub method: String,
    /// http://HOST:PORT/path; its host is this machine or allowed.
    pub url: String,
    /// Sent with it.
    pub headers: Vec<(String, HeaderValue)>,
    /// The body.
    pub body: Option<String>,
}

/// What ends the experiment early.
#[derive(Debug, Clone, PartialEq)]
pub struct Abort {
    /// As it was typed.
    pub text: String,
    /// What must be seen.
    pub claim: Claim,
    /// For how long without a break.
    pub hold: Duration,
    /// Where it is written, for messages.
    pub place: Place,
}
