//! What a flow's templates can name: values that are drawn for each shot, and rows of files.

use serde_json::{Value as Json, json};

use crate::base::units::Share;
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::value::Decimal;
use crate::scenario::yaml::{Kind, Node};

choice! {
    /// A value that is drawn anew for each shot. Numbers have as many decimals as they are written with.
    pub enum Value {
        /// A version 4 UUID.
        Uuid = "uuid",
        /// Counts shots.
        Counter(Counter) = "counter",
        /// One of several texts.
        Choice(Choice) = "choice",
        /// Any number from the first to the second, equally likely.
        Uniform(Vec<At<Decimal>>) = "uniform",
        /// As uniform, on a logarithmic scale.
        LogUniform(Vec<At<Decimal>>) = "log_uniform",
        /// Normally distributed.
        Normal(Normal) = "normal",
        /// A price that moves from shot to shot: a geometric random walk.
        Walk(Walk) = "walk",
    }
}

record! {
    /// Counts shots.
    pub struct Counter {
        /// The value of the first shot; 0 when left out.
        from: Option<At<u64>>,
        /// From one shot to the next; 1 when left out.
        step: Option<At<u64>>,
    }
}

record! {
    /// Normally distributed.
    pub struct Normal {
        /// The mean; says how many decimals are drawn.
        mean: At<Decimal>,
        /// The standard deviation.
        sd: At<Decimal>,
        /// What would be lower is this.
        min: Option<At<Decimal>>,
        /// What would be higher is this.
        max: Option<At<Decimal>>,
    }
}

record! {
    /// A price that moves from shot to shot: a geometric random walk.
    pub struct Walk {
        /// Where it starts; says how many decimals it has.
        from: At<Decimal>,
        /// The standard deviation of a step, of the price.
        step: At<Share>,
        /// It is reflected here.
        min: Option<At<Decimal>>,
        /// It is reflected here.
        max: Option<At<Decimal>>,
    }
}

/// One of several texts: a list, or a mapping from each to its share.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Each as often as any other.
    Even(Vec<At<String>>),
    /// Each with its share.
    Shares(Names<At<Share>>),
}

impl Shape for Choice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::List(_) => Shape::read(node, reader).map(Choice::Even),
            _ => Shape::read(node, reader).map(Choice::Shares),
        }
    }
    fn schema() -> Json {
        json!({ "anyOf": [<Vec<At<String>>>::schema(), <Names<At<Share>>>::schema()] })
    }
}

record! {
    /// Rows of a file, one for each shot.
    pub struct Feed {
        /// A CSV file whose first line names its columns, or a file of JSON objects, one a line (`.jsonl`).
        file: At<String>,
        /// Which row a shot gets; sequential when left out.
        pick: Option<At<Pick>>,
    }
}

choice! {
    /// Which row a shot gets.
    pub enum Pick {
        /// One after the other, and again from the first.
        Sequential = "sequential",
        /// Any, equally likely.
        Random = "random",
        /// One after the other, none twice: the file must be long enough.
        Unique = "unique",
    }
}
