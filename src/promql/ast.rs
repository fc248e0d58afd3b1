//! The tree that is evaluated: PromQL with its types made visible. A place that takes a number holds a [`Scalar`], one
//! that takes an instant vector holds a [`Vector`], so the evaluator has no "cannot happen" branch for types.

use std::fmt;

use regex::Regex;

use super::functions::{self, Map};
use super::over_time::RangeFunction;
use super::selector::{At, Selector};
use crate::base::series::Labels;

/// Where a part begins in the text, in bytes. Trees that differ in nothing else are the same: its `Debug` is silent.
#[derive(Clone, Copy)]
pub(super) struct Place(pub(super) usize);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// A length of time.
#[derive(Debug, Clone)]
pub(super) enum Length {
    /// Milliseconds.
    Ms(i64),
    /// Seconds that depend on the step or the range of the query.
    Of(Box<Scalar>),
}

impl Length {
    /// A length of so many seconds, computed at once where that can be done; no number of seconds is `i64::MIN`.
    pub(super) fn of(seconds: Scalar) -> Length {
        match seconds.constant() {
            Some(seconds) if seconds.is_nan() => Length::Ms(i64::MIN),
            Some(seconds) => Length::Ms((seconds * 1e3).round() as i64),
            None => Length::Of(Box::new(seconds)),
        }
    }

    /// Whether it is no length at all.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Length::Ms(0))
    }

    /// Milliseconds; what is computed from step and range is nothing, as in a query at one instant.
    pub(super) fn ms(&self) -> i64 {
        match self {
            Length::Ms(ms) => *ms,
            Length::Of(_) => 0,
        }
    }
}

/// What is known of a series at the edges of a range or at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edges {
    /// Only what was sampled between them.
    AsSampled,
    /// `anchored`: the value before an edge holds until there.
    Anchored,
    /// `smoothed`: between two samples the value moves in a straight line.
    Smoothed,
}

/// An expression of any type.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Scalar(Box<Scalar>),
    Vector(Box<Vector>),
    Matrix(Box<Matrix>),
    Text(String),
}

impl From<Scalar> for Node {
    fn from(scalar: Scalar) -> Node {
        Node::Scalar(Box::new(scalar))
    }
}

impl From<Vector> for Node {
    fn from(vector: Vector) -> Node {
        Node::Vector(Box::new(vector))
    }
}

impl From<Matrix> for Node {
    fn from(matrix: Matrix) -> Node {
        Node::Matrix(Box::new(matrix))
    }
}

/// What evaluates to one number.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Number(f64),
    Time,
    Query(QueryFact),
    /// `scalar(v)`
    Of(Box<Vector>),
    Negate(Box<Scalar>),
    /// A comparison yields 0 or 1.
    Binary {
        op: Operator,
        lhs: Box<Scalar>,
        rhs: Box<Scalar>,
    },
    /// `min_of` and `max_of`
    Extreme {
        largest: bool,
        of: Box<[Scalar; 2]>,
    },
}

impl Scalar {
    /// The number, if it is the same at all times and in all queries.
    pub(super) fn constant(&self) -> Option<f64> {
        match self {
            Scalar::Number(value) => Some(*value),
            Scalar::Negate(arg) => arg.constant().map(|value| -value),
            Scalar::Binary { op, lhs, rhs } => Some(op.apply(lhs.constant()?, rhs.constant()?)),
            Scalar::Extreme { largest, of } => {
                let (a, b) = (of[0].constant()?, of[1].constant()?);
                Some(if *largest { functions::larger(a, b) } else { functions::smaller(a, b) })
            }
            Scalar::Time | Scalar::Query(_) | Scalar::Of(_) => None,
        }
    }
}

/// What is known of the query itself: `start()`, `end()`, `range()`, `step()`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryFact {
    Start,
    End,
    Range,
    Step,
}

/// What evaluates to an instant vector.
#[derive(Debug, Clone)]
pub(super) enum Vector {
    Selector(Selector),
    /// `vector(s)`
    Constant(Box<Scalar>),
    Negate(Box<Vector>),
    Map {
        map: &'static Map,
        arg: Box<Vector>,
    },
    Clamp {
        arg: Box<Vector>,
        limits: Box<Limits>,
    },
    Round {
        arg: Box<Vector>,
        to: Option<Box<Scalar>>,
    },
    Timestamp(Box<Vector>),
    Sort {
        arg: Box<Vector>,
        descending: bool,
        place: Place,
    },
    SortByLabel {
        arg: Box<Vector>,
        by: Vec<String>,
        descending: bool,
        place: Place,
    },
    LabelReplace(Box<LabelReplace>),
    LabelJoin {
        arg: Box<Vector>,
        to: String,
        separator: String,
        from: Vec<String>,
    },
    Absent {
        arg: Box<Vector>,
        labels: Labels,
    },
    AbsentOverTime {
        arg: Matrix,
        labels: Labels,
    },
    OverTime {
        function: &'static RangeFunction,
        params: Vec<Scalar>,
        arg: Matrix,
        /// Of the first argument.
        place: Place,
    },
    HistogramQuantile {
        q: Box<Scalar>,
        arg: Box<Vector>,
        /// Of the two arguments.
        places: [Place; 2],
    },
    HistogramFraction {
        lower: Box<Scalar>,
        upper: Box<Scalar>,
        arg: Box<Vector>,
        /// Of the vector.
        place: Place,
    },
    /// `histogram_quantiles`: each quantile in an element of its own, told apart by the label `to`.
    HistogramQuantiles {
        arg: Box<Vector>,
        to: String,
        qs: Vec<Scalar>,
        /// Of the vector and of each quantile.
        places: Vec<Place>,
    },
    /// `histogram_count` and the like: functions of native histograms, of which there are none.
    OfNative {
        function: &'static str,
        arg: Box<Vector>,
    },
    Aggregate {
        op: Aggregation,
        grouping: Grouping,
        arg: Box<Vector>,
    },
    /// An operator between a vector and a number; `scalar_first` tells on which side the number stands.
    WithScalar {
        op: Operator,
        vector: Box<Vector>,
        scalar: Box<Scalar>,
        scalar_first: bool,
        as_bool: bool,
    },
    /// An operator between two vectors.
    Match {
        op: Operator,
        lhs: Box<Vector>,
        rhs: Box<Vector>,
        matching: Matching,
        as_bool: bool,
    },
    Set {
        op: SetOperator,
        lhs: Box<Vector>,
        rhs: Box<Vector>,
        on: MatchLabels,
    },
}

/// The limits of `clamp_min`, `clamp_max` and `clamp`.
#[derive(Debug, Clone)]
pub(super) enum Limits {
    Min(Scalar),
    Max(Scalar),
    Both([Scalar; 2]),
}

/// `label_replace(v, to, replacement, from, pattern)`
#[derive(Debug, Clone)]
pub(super) struct LabelReplace {
    pub(super) arg: Vector,
    pub(super) to: String,
    pub(super) replacement: String,
    pub(super) from: String,
    pub(super) pattern: String,
    pub(super) regex: Regex,
}

/// What evaluates to the samples of a range.
#[derive(Debug, Clone)]
pub(super) enum Matrix {
    Range { selector: Selector, range: Length },
    Subquery { arg: Box<Vector>, range: Length, step: Option<Length>, offset: Length, at: Option<At> },
}

/// Arithmetic and comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

/// `and`, `or`, `unless`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperator {
    And,
    Or,
    Unless,
}

/// Which labels decide whether two elements belong together.
#[derive(Debug, Clone)]
pub(super) enum MatchLabels {
    On(Vec<String>),
    /// All but these and the metric's name.
    Ignoring(Vec<String>),
}

/// How the elements of two vectors find each other.
#[derive(Debug, Clone)]
pub(super) struct Matching {
    pub(super) labels: MatchLabels,
    pub(super) group: Group,
    pub(super) fill: Fill,
}

/// What stands for an element that has no partner, by the side on which it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Fill {
    pub(super) left: Option<f64>,
    pub(super) right: Option<f64>,
}

/// Which side may have several elements of a match group, and which labels of the other side it takes over.
#[derive(Debug, Clone)]
pub(super) enum Group {
    OneToOne,
    Left(Vec<String>),
    Right(Vec<String>),
}

/// What an aggregation makes of the elements of a group.
#[derive(Debug, Clone)]
pub(super) enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Top {
        k: Box<Scalar>,
        largest: bool,
    },
    /// `limitk`: the first so many.
    Limit(Box<Scalar>),
    /// `limit_ratio`: about that share of them, always the same.
    Ratio {
        ratio: Box<Scalar>,
        place: Place,
    },
    Quantile {
        q: Box<Scalar>,
        place: Place,
    },
    CountValues(String),
}

/// Which labels make a group.
#[derive(Debug, Clone)]
pub(super) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}
