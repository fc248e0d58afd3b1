//! What is sent.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json_path::JsonPath;

use super::bearer::Bearer;
use super::effects::Seen;
use super::load::{Arrivals, Segment};
use super::nats::Nats;
use super::part::{Part, part_name};
use super::pipeline::Pipeline;
use super::sign::Sign;
use super::signal::{Signal, Way};
use super::target::HeaderValue;
use super::template::Template;
use super::value::{Feed, Value};
use crate::base::units::{Share, Size};

/// One kind of traffic.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// What promises call it.
    pub name: String,
    /// Which service; the first when unnamed.
    pub service: Option<String>,
    /// What is sent.
    pub kind: Kind,
    /// Names for replies, in the order of the file; the first that matches counts.
    pub classes: Vec<Class>,
    /// How shots are spread.
    pub arrivals: Arrivals,
    /// The rate over time; at least one.
    pub load: Vec<Segment>,
}

impl Traffic {
    /// The routes of its requests, as their paths are written: a quote's path and its hybrid path, or one for each step.
    pub fn routes(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Quote(quote) => {
                let hybrid = quote.hybrid.as_ref().map(|(_, path)| path.as_str());
                [quote.path.as_str()].into_iter().chain(hybrid).collect()
            }
            Kind::Flow(flow) => flow.steps.iter().map(|step| step.shown.as_str()).collect(),
            Kind::Pipeline(pipeline) => pipeline.flow.steps.iter().map(|step| step.shown.as_str()).collect(),
            Kind::Signal(_) => Vec::new(),
        }
    }
}

impl Traffic {
    /// The parts of its shots that are measured by themselves, in order.
    pub fn parts(&self) -> Vec<Part> {
        match &self.kind {
            Kind::Quote(_) => Vec::new(),
            Kind::Flow(flow) => flow.parts(),
            Kind::Pipeline(pipeline) => pipeline.parts(),
            // From when it was due until it was acknowledged.
            Kind::Signal(_) => vec![Part { name: "publish".into(), is_exchange: false }],
        }
    }

    /// What promises and reports call it, or a part of it.
    pub fn called(&self, part: Option<usize>) -> String {
        match part.and_then(|part| self.parts().into_iter().nth(part)) {
            Some(part) => part_name(&self.name, &part.name),
            None => self.name.clone(),
        }
    }

    /// At which length at least a failure counts, where that is not the target's timeout.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Quote(_) | Kind::Flow(_) => None,
            Kind::Pipeline(pipeline) => Some(pipeline.deadline),
            Kind::Signal(signal) => Some(signal.deadline),
        }
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A request for a quote.
    Quote(Box<Quote>),
    /// Requests, one after the other.
    Flow(Box<Flow>),
    /// Work that is started by a request and followed to its end.
    Pipeline(Box<Pipeline>),
    /// Messages, and what comes of them.
    Signal(Box<Signal>),
}

impl Kind {
    /// As it is written.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Quote(_) => "quote",
            Kind::Flow(_) => "flow",
            Kind::Pipeline(_) => "pipeline",
            Kind::Signal(_) => "signal",
        }
    }

    /// Servers of NATS that it needs.
    pub fn nats(&self) -> Vec<&Nats> {
        let seen = match self {
            Kind::Quote(_) | Kind::Flow(_) => None,
            Kind::Pipeline(pipeline) => pipeline.told(),
            Kind::Signal(signal) => Some(&signal.effects.seen),
        };
        let seen = match seen {
            Some(Seen::Nats { server, .. }) => Some(server),
            _ => None,
        };
        let sent = self.signal().and_then(|signal| match &signal.how.way {
            Way::Nats { server, .. } => Some(server),
            Way::Kafka { .. } => None,
        });
        seen.into_iter().chain(sent).collect()
    }

    /// What is started and followed to its end, if that is what is sent.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Kind::Quote(_) | Kind::Flow(_) | Kind::Signal(_) => None,
            Kind::Pipeline(pipeline) => Some(pipeline),
        }
    }

    /// Its requests and what they can name; `None` for quotes, which are all alike.
    pub fn flow(&self) -> Option<&Flow> {
        match self {
            Kind::Quote(_) => None,
            Kind::Flow(flow) => Some(flow),
            Kind::Pipeline(pipeline) => Some(&pipeline.flow),
            Kind::Signal(signal) => Some(&signal.flow),
        }
    }

    /// The signals, if it is some.
    pub fn signal(&self) -> Option<&Signal> {
        match self {
            Kind::Signal(signal) => Some(signal),
            _ => None,
        }
    }
}

/// A request for a quote and what its reply must be.
#[derive(Debug, Clone)]
pub struct Quote {
    /// Which pairs; at least one.
    pub pairs: Vec<Pair>,
    /// How often each.
    pub popularity: Popularity,
    /// How much, in base units.
    pub amount: Amount,
    /// The path.
    pub path: String,
    /// Names of the query parameters: input mint, output mint, amount.
    pub query: [String; 3],
    /// Where the amount that comes out stands; must be above 0.
    pub out_amount: JsonPath,
    /// Where the mints stand, and whether they must be there.
    pub echo: [(JsonPath, bool); 2],
    /// Where the time of the quote stands, in Unix milliseconds, and whether it must be there.
    pub timestamp: (JsonPath, bool),
    /// A share of requests that goes to another path.
    pub hybrid: Option<(Share, String)>,
    /// A quote older than this is invalid.
    pub max_age: Option<Duration>,
    /// A larger body is invalid.
    pub max_body: Size,
    /// Sent with every request.
    pub headers: Vec<(String, HeaderValue)>,
}

/// A pair of mints.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The mint that goes in.
    pub input: String,
    /// The mint that comes out.
    pub output: String,
    /// For weighted popularity; above 0.
    pub weight: f64,
}

/// How often each pair is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Popularity {
    /// Each as often as any other.
    Uniform,
    /// By weight.
    Weighted,
    /// The n-th in proportion to 1 / n^s.
    Zipf(f64),
}

/// How much is asked for, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Always the same.
    Fixed(u64),
    /// Between two amounts, both included.
    Uniform(u64, u64),
    /// Between two amounts on a logarithmic scale.
    LogUniform(u64, u64),
}

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

/// Which replies belong to a class.
#[derive(Debug, Clone)]
pub struct Class {
    /// What promises call it.
    pub name: String,
    /// Where to look.
    pub place: ClassPlace,
    /// What must stand there, as text.
    pub is: String,
}

/// Where a class is read from.
#[derive(Debug, Clone)]
pub enum ClassPlace {
    /// A place in the JSON body.
    Json(JsonPath),
    /// A header.
    Header(String),
}
