//! The tree that is evaluated: PromQL with its types made visible. A place that takes a number holds a [`Scalar`], one
//! that takes an instant vector holds a [`Vector`], so the evaluator has no "cannot happen" branch for types.

use regex::Regex;

use super::functions::Map;
use super::over_time::RangeFunction;
use super::selector::{At, Selector};
use crate::base::series::Labels;

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
    },
    SortByLabel {
        arg: Box<Vector>,
        by: Vec<String>,
        descending: bool,
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
    },
    HistogramQuantile {
        q: Box<Scalar>,
        arg: Box<Vector>,
    },
    HistogramFraction {
        lower: Box<Scalar>,
        upper: Box<Scalar>,
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
    Range { selector: Selector, range_ms: i64 },
    Subquery { arg: Box<Vector>, range_ms: i64, step_ms: Option<i64>, offset_ms: i64, at: Option<At> },
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
    Top { k: Box<Scalar>, largest: bool },
    Quantile(Box<Scalar>),
    CountValues(String),
}

/// Which labels make a group.
#[derive(Debug, Clone)]
pub(super) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}
