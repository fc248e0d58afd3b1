//! What an expression would need to have an answer at all, and does not get.

use super::ast::{Matrix, Operator, Scalar, SetOperator, Vector};
use super::expr::Expr;
use super::part::Part;
use super::selector::Selector;

/// The selectors for want of which an expression can never have an answer, as they are written; none when it can.
/// `known` says whether a selector could find something. A missing operand of `or` is no want when the other is there,
/// nor is one of `absent`, nor the right side of `unless`.
pub fn unmet(expr: &Expr, known: &dyn Fn(&Selector) -> bool) -> Vec<String> {
    let mut wants = wants(expr.root.part(), known);
    let mut seen = Vec::new();
    wants.retain(|want| {
        !seen.contains(want) && {
            seen.push(want.clone());
            true
        }
    });
    wants
}

fn wants(part: Part<'_>, known: &dyn Fn(&Selector) -> bool) -> Vec<String> {
    let of_all = |parts: Vec<Part<'_>>| parts.into_iter().flat_map(|part| wants(part, known)).collect();
    match part {
        Part::Vector(Vector::Selector(selector)) | Part::Matrix(Matrix::Range { selector, .. }) => {
            if known(selector) {
                Vec::new()
            } else {
                vec![part.to_string()]
            }
        }
        Part::Vector(Vector::Absent { .. } | Vector::AbsentOverTime { .. }) => Vec::new(),
        Part::Vector(Vector::Set { op, lhs, rhs, .. }) => {
            let (lhs, rhs) = (wants(Part::Vector(lhs), known), wants(Part::Vector(rhs), known));
            match op {
                SetOperator::And => [lhs, rhs].concat(),
                SetOperator::Unless => lhs,
                SetOperator::Or if lhs.is_empty() || rhs.is_empty() => Vec::new(),
                SetOperator::Or => [lhs, rhs].concat(),
            }
        }
        // NaN satisfies `!=`.
        Part::Vector(Vector::WithScalar { op: Operator::NotEqual, vector, .. }) => wants(Part::Vector(vector), known),
        Part::Scalar(Scalar::Of(_)) | Part::Vector(_) | Part::Matrix(_) | Part::Scalar(_) | Part::Text(_) => {
            of_all(part.children())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    fn of(text: &str) -> Vec<String> {
        unmet(&parse(text).expect("it is PromQL"), &|s| s.metric().is_some_and(|name| name.starts_with("known")))
    }

    #[test]
    fn what_is_missing_is_named_where_it_matters() {
        for (text, wanted) in [
            ("known > 1", vec![]),
            ("gone > 1", vec!["gone"]),
            ("rate(gone[5m]) / rate(known[5m])", vec!["gone[5m]"]),
            ("sum(known) / (sum(known) + sum(gone))", vec!["gone"]),
            ("gone / gone", vec!["gone"]),
            ("gone or vector(0)", vec![]),
            ("gone or lost", vec!["gone", "lost"]),
            ("known unless gone", vec![]),
            ("gone unless known", vec!["gone"]),
            ("known and gone", vec!["gone"]),
            ("absent(gone)", vec![]),
            ("absent_over_time(gone[5m])", vec![]),
            ("known > scalar(gone)", vec!["gone"]),
            ("known != scalar(gone)", vec![]),
            ("vector(1)", vec![]),
            ("max_over_time(gone[5m:1m])", vec!["gone"]),
            ("topk(3, gone)", vec!["gone"]),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }
}
