//! Walking an expression part by part, whatever the types of the parts are.

use super::ast::{Aggregation, Limits, Matrix, Node, Scalar, Vector};

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
            | Vector::OfNative { arg, .. }
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
            Vector::HistogramQuantile { q, arg, .. } => vec![Part::Scalar(q), Part::Vector(arg)],
            Vector::HistogramQuantiles { arg, qs, .. } => {
                std::iter::once(Part::Vector(arg)).chain(qs.iter().map(Part::Scalar)).collect()
            }
            Vector::HistogramFraction { lower, upper, arg, .. } => {
                vec![Part::Scalar(lower), Part::Scalar(upper), Part::Vector(arg)]
            }
            Vector::Aggregate { op, arg, .. } => match op {
                Aggregation::Top { k: param, .. }
                | Aggregation::Limit(param)
                | Aggregation::Ratio { ratio: param, .. }
                | Aggregation::Quantile { q: param, .. } => {
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

impl<'e> Part<'e> {
    /// Shows `see` this part and all parts of it.
    pub(super) fn visit(self, see: &mut impl FnMut(Part<'e>)) {
        see(self);
        self.children().into_iter().for_each(|child| child.visit(see));
    }
}
