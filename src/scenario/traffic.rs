//! What is sent.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::effects::Seen;
use super::flow::Flow;
use super::load::{Arrivals, Segment};
use super::nats::Nats;
use super::part::{Part, part_name};
use super::pipeline::Pipeline;
use super::signal::{Signal, Way};
use super::target::HeaderValue;
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
            Way::Nats { server, .. } => Some(server.as_ref()),
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
