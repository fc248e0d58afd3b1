//! The tree that is evaluated: PromQL with its types made visible. A place that takes a number holds a [`Scalar`], one
//! that takes an instant vector holds a [`Vector`], so the evaluator has no "cannot happen" branch for types.

use regex::Regex;

use super::functions::Map;
use super::over_time::RangeFunction;
use crate::base::series::Labels;

/// An expression that can be evaluated. Made by [`parse`](super::parse).
#[derive(Debug, Clone)]
pub struct Expr {
    pub(super) text: String,
    pub(super) root: Node,
}

/// An expression of any type.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Scalar(Scalar),
    Vector(Vector),
    Matrix(Matrix),
    Text(String),
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

/// Which series, and when.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All of them must match. A metric name is the matcher `__name__`.
    pub matchers: Vec<Matcher>,
    /// Milliseconds back in time; negative for the future.
    pub offset_ms: i64,
    /// The `@` modifier.
    pub at: Option<At>,
    /// Sets this selector apart from the others of its expression.
    pub(super) id: usize,
}

/// A selector of an expression, and the range in its brackets.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'e> {
    /// Which series, and when.
    pub selector: &'e Selector,
    /// Milliseconds; `None` for an instant selector, which reads the newest sample within the lookback.
    pub range_ms: Option<i64>,
}

/// The instant that an `@` modifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds on the axis of the samples.
    Ms(i64),
    /// `@ start()`: the first instant of the query.
    Start,
    /// `@ end()`: its last.
    End,
}

/// A condition on one label. A label that is missing has the value `""`.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub label: String,
    /// How to compare.
    pub op: MatchOp,
    /// As written, without quotes.
    pub value: String,
}

/// How a [`Matcher`] compares. Expressions are anchored at both ends, and `.` matches a line feed too.
#[derive(Debug, Clone)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex(Regex),
    /// `!~`
    NotRegex(Regex),
}

impl Matcher {
    /// Whether a label of this value satisfies the condition.
    pub fn matches(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex(regex) => regex.is_match(value),
            MatchOp::NotRegex(regex) => !regex.is_match(value),
        }
    }
}

impl Selector {
    /// The metric's name, if the selector asks for exactly one.
    pub fn metric(&self) -> Option<&str> {
        let name = self.matchers.iter().find(|m| m.label == "__name__" && matches!(m.op, MatchOp::Equal))?;
        Some(&name.value)
    }

    /// Whether a series of these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.get(&m.label)))
    }
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

/// A part of an expression, of any type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'e> {
    Scalar(&'e Scalar),
    Vector(&'e Vector),
    Matrix(&'e Matrix),
    Text(&'e str),
}

impl Node {
    pub(super) fn part(&self) -> Part<'_> {
        match self {
            Node::Scalar(s) => Part::Scalar(s),
            Node::Vector(v) => Part::Vector(v),
            Node::Matrix(m) => Part::Matrix(m),
            Node::Text(t) => Part::Text(t),
        }
    }
}

impl<'e> Part<'e> {
    /// The parts that this part is made of, in the order in which they are written.
    pub(super) fn children(self) -> Vec<Part<'e>> {
        match self {
            Part::Text(_) => Vec::new(),
            Part::Matrix(Matrix::Range { .. }) => Vec::new(),
            Part::Matrix(Matrix::Subquery { arg, .. }) => vec![Part::Vector(arg)],
            Part::Scalar(scalar) => match scalar {
                Scalar::Number(_) | Scalar::Time | Scalar::Query(_) => Vec::new(),
                Scalar::Of(arg) => vec![Part::Vector(arg)],
                Scalar::Negate(arg) => vec![Part::Scalar(arg)],
                Scalar::Binary { lhs, rhs, .. } => vec![Part::Scalar(lhs), Part::Scalar(rhs)],
                Scalar::Extreme { of, .. } => of.iter().map(Part::Scalar).collect(),
            },
            Part::Vector(vector) => vector.children(),
        }
    }
}

impl Vector {
    fn children(&self) -> Vec<Part<'_>> {
        match self {
            Vector::Selector(_) => Vec::new(),
            Vector::Constant(arg) => vec![Part::Scalar(arg)],
            Vector::Negate(arg)
            | Vector::Map { arg, .. }
            | Vector::Timestamp(arg)
            | Vector::Sort { arg, .. }
            | Vector::SortByLabel { arg, .. }
            | Vector::LabelJoin { arg, .. }
            | Vector::Absent { arg, .. } => vec![Part::Vector(arg)],
            Vector::LabelReplace(call) => vec![Part::Vector(&call.arg)],
            Vector::Clamp { arg, limits } => {
                let limits = match &**limits {
                    Limits::Min(limit) | Limits::Max(limit) => std::slice::from_ref(limit),
                    Limits::Both(both) => both,
                };
                std::iter::once(Part::Vector(arg)).chain(limits.iter().map(Part::Scalar)).collect()
            }
            Vector::Round { arg, to } => {
                std::iter::once(Part::Vector(arg)).chain(to.iter().map(|to| Part::Scalar(to))).collect()
            }
            Vector::AbsentOverTime { arg, .. } => vec![Part::Matrix(arg)],
            Vector::OverTime { params, arg, .. } => {
                std::iter::once(Part::Matrix(arg)).chain(params.iter().map(Part::Scalar)).collect()
            }
            Vector::HistogramQuantile { q, arg } => vec![Part::Scalar(q), Part::Vector(arg)],
            Vector::HistogramFraction { lower, upper, arg } => {
                vec![Part::Scalar(lower), Part::Scalar(upper), Part::Vector(arg)]
            }
            Vector::Aggregate { op, arg, .. } => match op {
                Aggregation::Top { k: param, .. } | Aggregation::Quantile(param) => {
                    vec![Part::Scalar(param), Part::Vector(arg)]
                }
                _ => vec![Part::Vector(arg)],
            },
            Vector::WithScalar { vector, scalar, scalar_first: true, .. } => {
                vec![Part::Scalar(scalar), Part::Vector(vector)]
            }
            Vector::WithScalar { vector, scalar, .. } => vec![Part::Vector(vector), Part::Scalar(scalar)],
            Vector::Match { lhs, rhs, .. } | Vector::Set { lhs, rhs, .. } => {
                vec![Part::Vector(lhs), Part::Vector(rhs)]
            }
        }
    }
}

impl Expr {
    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every selector, in the order in which they are written.
    pub fn selectors(&self) -> Vec<Selection<'_>> {
        let mut found = Vec::new();
        self.root.part().visit(&mut |part| match part {
            Part::Vector(Vector::Selector(selector)) => found.push(Selection { selector, range_ms: None }),
            Part::Matrix(Matrix::Range { selector, range_ms }) => {
                found.push(Selection { selector, range_ms: Some(*range_ms) });
            }
            _ => {}
        });
        found
    }
}

impl<'e> Part<'e> {
    /// Shows `see` this part and all parts of it.
    pub(super) fn visit(self, see: &mut impl FnMut(Part<'e>)) {
        see(self);
        self.children().into_iter().for_each(|child| child.visit(see));
    }
}
