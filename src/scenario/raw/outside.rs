//! The outside world.

use std::time::Duration;

use serde_json::{Value, json};

use super::target::Tls;
use crate::base::units::{Rate, Share};
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

record! {
    /// A stub quoter.
    pub struct Upstream {
        /// Whose replies it gives: jupiter, dflow, quicknode or blxr.
        like: Option<At<String>>,
        /// Where it listens: HOST:PORT. Needed unless the target is a practice target.
        listen: Option<At<String>>,
        /// How long a reply takes.
        latency: Option<At<Law>>,
        /// The share of requests that succeed; the rest answer 500. 100% when left out.
        success: Option<At<Share>>,
        /// How many requests it allows before it answers 429.
        rate_limit: Option<RateLimit>,
        /// Replies of your own, tried in order before those of `like`.
        replies: Option<Vec<StubReply>>,
        /// How many times a shot calls it, on average; lets `plan` foresee what a fault will touch.
        calls: Option<At<f64>>,
        /// Passes requests on to a real one: http://HOST:PORT or https://HOST:PORT.
        forward: Option<At<String>>,
        /// What https:// asks for there beyond the defaults.
        tls: Option<Tls>,
    }
}

record! {
    /// A token bucket.
    pub struct RateLimit {
        /// How many requests are allowed over time.
        rate: At<Rate>,
        /// How many may come at once.
        burst: At<u64>,
    }
}

record! {
    /// What a stub answers to a path.
    pub struct StubReply {
        /// The path.
        path: At<String>,
        /// 200 when left out.
        status: Option<At<u64>>,
        /// The media type; application/json when left out.
        media: Option<At<String>>,
        /// The body; `{{query.NAME}}`, `{{in_amount}}`, `{{out_amount}}`, `{{now_ms}}` and `{{slot}}` are filled in.
        body: At<String>,
    }
}

record! {
    /// A TCP proxy.
    pub struct Link {
        /// Where it listens: HOST:PORT.
        listen: Option<At<String>>,
        /// What it leads to: HOST:PORT, upstream/NAME, or target (target/SERVICE where there are several).
        to: Option<At<String>>,
        /// The API of a toxiproxy server that has this link: http://HOST:PORT, instead of `to`.
        toxiproxy: Option<At<String>>,
        /// What it is called there; the link's name when left out.
        proxy: Option<At<String>>,
    }
}

/// A latency law; a bare length of time is a fixed one.
#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    /// Always the same.
    Fixed(Duration),
    /// Spelled out.
    Kind(LawKind),
}

impl Shape for Law {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => LawKind::read(node, reader).map(Law::Kind),
            _ => Duration::read(node, reader).map(Law::Fixed),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [Duration::schema(), LawKind::schema()] })
    }
}

choice! {
    /// A latency law.
    pub enum LawKind {
        /// Always the same.
        Fixed(At<Duration>) = "fixed",
        /// Anything from the first to the second, equally likely.
        Uniform(Vec<At<Duration>>) = "uniform",
        /// The bell curve, cut off at zero.
        Normal(NormalLaw) = "normal",
        /// The logarithm is normal.
        Lognormal(LognormalLaw) = "lognormal",
        /// A heavy tail.
        Pareto(ParetoLaw) = "pareto",
        /// Through the stated quantiles: { p50: 120ms, p95: 280ms }.
        Quantiles(Names<At<Duration>>) = "quantiles",
    }
}

record! {
    /// The bell curve, cut off at zero.
    pub struct NormalLaw {
        /// The mean.
        mean: At<Duration>,
        /// The standard deviation.
        sd: At<Duration>,
    }
}

record! {
    /// The logarithm is normal.
    pub struct LognormalLaw {
        /// The median.
        median: At<Duration>,
        /// The standard deviation of the logarithm; no unit.
        sigma: At<f64>,
    }
}

record! {
    /// A heavy tail.
    pub struct ParetoLaw {
        /// Nothing is shorter.
        min: At<Duration>,
        /// The smaller, the heavier; above 0, no unit.
        alpha: At<f64>,
    }
}
