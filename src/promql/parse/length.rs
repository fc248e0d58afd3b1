//! Lengths of time: of ranges, steps and offsets. Most are literals; Prometheus's duration expressions compute one from
//! literals and from the step and the range of the query.

use super::grammar::{Operand, Parsed, Parser};
use crate::promql::ast::{Length, Node, Operator, QueryFact, Scalar};

/// Longer ranges, offsets and steps than a thousand years are refused, so that no sum of a few of them overflows.
pub(super) const LONGEST_MS: i64 = 1_000 * 365 * 86_400_000;

impl Parser<'_> {
    /// A length between brackets, which is not nothing.
    pub(super) fn length(&mut self, wanted: &str) -> Parsed<Length> {
        let place = self.place();
        if self.comes("]") || self.comes(":") {
            return self.unexpected(wanted);
        }
        let operand = self.expr(0)?;
        match self.as_length(operand)? {
            Length::Ms(ms) if ms <= 0 => self.wrong(place, "duration must be greater than 0"),
            length => Ok(length),
        }
    }

    /// The length behind `offset`: a literal, a call, or anything between parentheses, perhaps with a sign.
    pub(super) fn offset(&mut self) -> Parsed<Length> {
        let place = self.place();
        let negative = self.accept("-");
        if !negative {
            self.accept("+");
        }
        let mut operand = self.primary()?;
        if negative {
            operand.node = self.negated(place, operand.node)?;
        }
        self.as_length(operand)
    }

    fn as_length(&self, operand: Operand) -> Parsed<Length> {
        let place = operand.place();
        let scalar = match operand.node {
            Node::Scalar(scalar) if is_length(&scalar) => scalar,
            other => return self.wrong(place, format!("a length of time such as 5m is wanted, not `{other}`")),
        };
        match Length::of(*scalar) {
            Length::Ms(ms) if ms.unsigned_abs() > LONGEST_MS.unsigned_abs() => {
                self.wrong(place, "it is longer than 1000 years, or no number")
            }
            length => Ok(length),
        }
    }
}

/// Whether a number depends on nothing but the query.
fn is_length(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Number(_) | Scalar::Query(QueryFact::Step | QueryFact::Range) => true,
        Scalar::Negate(arg) => is_length(arg),
        Scalar::Binary { op, lhs, rhs } => is_arithmetic(*op) && is_length(lhs) && is_length(rhs),
        Scalar::Extreme { of, .. } => of.iter().all(is_length),
        Scalar::Time | Scalar::Query(_) | Scalar::Of(_) => false,
    }
}

fn is_arithmetic(op: Operator) -> bool {
    !op.is_comparison() && op != Operator::Atan2
}
