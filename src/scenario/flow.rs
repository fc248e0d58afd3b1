//! Flows: requests, one after the other, and what replies to them must be.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json_path::JsonPath;

use super::bearer::Bearer;
use super::part::Part;
use super::sign::Sign;
use super::target::HeaderValue;
use super::template::Template;
use super::value::{Feed, Value};
use crate::base::units::Share;

/// Requests, one after the other, and what their templates can name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flow {
    /// Drawn anew for each shot.
    pub values: Vec<Value>,
    /// Rows of files, one for each shot.
    pub feeds: Vec<Arc<Feed>>,
    /// Names of what is captured from replies.
    pub captures: Vec<String>,
    /// In order, at least one; the first that fails ends the flow. Those of one branch after those of another.
    pub steps: Vec<Step>,
    /// Of which each shot takes one; nothing where all take every step.
    pub branches: Vec<Branch>,
    /// How a token is got that its requests carry.
    pub login: Option<Bearer>,
}

/// Steps that a share of shots takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// What promises call it.
    pub name: String,
    /// How many take it.
    pub share: Share,
    /// Which steps of the flow are its own; at least one.
    pub steps: Range<usize>,
}

impl Flow {
    /// Its parts: its branches and their steps, `look` and `look.1`, or its steps alone.
    pub fn parts(&self) -> Vec<Part> {
        self.pieces().into_iter().map(|(name, _)| Part { name, is_exchange: true }).collect()
    }

    /// The position among its parts of what is measured of a step, and of a branch.
    pub fn part_of(&self, piece: Portion) -> Option<usize> {
        self.pieces().iter().position(|(_, of)| *of == piece)
    }

    /// The share of shots that come to a part where none fails.
    pub fn share_of(&self, part: usize) -> f64 {
        let of = self.pieces().get(part).map(|(_, piece)| *piece);
        let branch = |of: &Branch| of.share.fraction();
        match of {
            Some(Portion::Branch(branch_of)) => self.branches.get(branch_of).map_or(1.0, branch),
            Some(Portion::Step(step)) => self.branches.iter().find(|b| b.steps.contains(&step)).map_or(1.0, branch),
            None => 1.0,
        }
    }

    /// What is measured by itself, and what it is called. A step is called by its position from 1 unless it has a name; a
    /// single one without a name is its whole.
    fn pieces(&self) -> Vec<(String, Portion)> {
        let steps = |range: Range<usize>, before: &str| {
            let alone = range.len() == 1 && self.steps[range.start].name.is_none();
            let first = range.start;
            let named = move |i: usize| {
                let name = self.steps[i].name.clone().unwrap_or_else(|| (i - first + 1).to_string());
                (format!("{before}{name}"), Portion::Step(i))
            };
            if alone { Vec::new() } else { range.map(named).collect() }
        };
        match self.branches.is_empty() {
            true => steps(0..self.steps.len(), ""),
            false => {
                let all = self.branches.iter().enumerate().map(|(i, branch)| {
                    let mut pieces = vec![(branch.name.clone(), Portion::Branch(i))];
                    pieces.extend(steps(branch.steps.clone(), &format!("{}.", branch.name)));
                    pieces
                });
                all.flatten().collect()
            }
        }
    }
}

/// What is measured of a flow by itself, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// All steps of a branch together.
    Branch(usize),
    /// A step.
    Step(usize),
}

/// When a step that is repeated is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Until {
    /// What its reply must be then.
    pub test: Test,
    /// How long after a reply it is asked for again.
    pub every: Duration,
    /// How long after it was due it is given up.
    pub within: Duration,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What promises call it; by its position where it has no name.
    pub name: Option<String>,
    /// How long a flow rests before it.
    pub think: Duration,
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: Template,
    /// The path as it is written.
    pub shown: String,
    /// The body with its media type.
    pub body: Option<(Template, String)>,
    /// Sent with this request.
    pub headers: Vec<(String, HeaderValue)>,
    /// As `headers`, and not the same for every shot.
    pub written: Vec<(String, Template)>,
    /// The statuses that are right; any 2xx when there is none.
    pub statuses: Vec<u16>,
    /// What the reply must be besides.
    pub tests: Vec<Test>,
    /// What is captured from the reply.
    pub captures: Vec<Capture>,
    /// It is repeated until then.
    pub until: Option<Until>,
    /// How it is signed.
    pub sign: Option<Sign>,
    /// Which service; as the traffic says when unnamed.
    pub service: Option<String>,
}

/// Something that a reply must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What is looked at; it must be there.
    pub place: ReplyPlace,
    /// What must stand there, as text: one of these, or anything when there is none.
    pub is: Vec<Template>,
    /// A regular expression that must be found there.
    pub matches: Option<String>,
}

/// What is captured from a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// The position of its name among the flow's captures.
    pub name: usize,
    /// Where it stands.
    pub place: ReplyPlace,
    /// A regular expression: its first group is captured, or all that it finds.
    pub matches: Option<String>,
    /// Whether it goes where control characters must not, such as a header.
    pub printable: bool,
}

/// A part of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyPlace {
    /// A place in the JSON body.
    Json(JsonPath),
    /// A header.
    Header(String),
    /// The body.
    Body,
}

impl Step {
    /// What it asks for, as it is written.
    pub fn what(&self) -> String {
        format!("{} {}", self.method.word(), self.shown)
    }
}

/// HTTP methods that a step can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}
