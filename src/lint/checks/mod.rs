//! The checks of an expression, one file for each thing that they look at.

mod alert;
mod counter;
mod matching;
mod quantile;
mod ratio;
mod selector;
mod threshold;

pub(super) use counter::duration;
pub(super) use ratio::is_share;

use super::subject::{Remark, Role, Subject};
use crate::promql::syntax::{Binary, Form, Syntax};

/// Everything that is wrong with an expression, in the order of its text.
pub fn expression(subject: &Subject<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    selector::check(subject, &mut remarks);
    counter::check(subject, &mut remarks);
    ratio::check(subject, &mut remarks);
    matching::check(subject, &mut remarks);
    quantile::check(subject, &mut remarks);
    threshold::check(subject, &mut remarks);
    if subject.role == Role::Alert {
        alert::check(subject, &mut remarks);
    }
    remarks.sort_by_key(|remark| (remark.span.start, std::cmp::Reverse(remark.severity)));
    remarks.dedup_by(|a, b| a.kind == b.kind && a.span == b.span && a.what == b.what);
    remarks
}

/// Shows `see` every operator in a part.
fn operators<'s>(part: &'s Syntax, see: &mut impl FnMut(&'s Syntax, &'s Binary)) {
    part.visit(&mut |part| {
        if let Form::Binary(binary) = &part.form {
            see(part, binary);
        }
    });
}

/// Whether the part, or a part of it, satisfies `is`.
fn any(part: &Syntax, is: impl Fn(&Syntax) -> bool) -> bool {
    let mut found = false;
    part.visit(&mut |part| found |= is(part));
    found
}

/// A comparison of something with a constant, seen from the something.
struct Comparison<'s> {
    value: &'s Syntax,
    /// As if the constant stood on the right.
    op: &'static str,
    bound: f64,
    as_bool: bool,
}

/// A comparison with a constant, whichever side that stands on.
fn comparison<'s>(binary: &'s Binary) -> Option<Comparison<'s>> {
    let (value, bound, turned) = match (binary.lhs.number(), binary.rhs.number()) {
        (None, Some(bound)) => (&binary.lhs, bound, false),
        (Some(bound), None) => (&binary.rhs, bound, true),
        _ => return None,
    };
    let op = match (binary.op.as_str(), turned) {
        ("==", _) => "==",
        ("!=", _) => "!=",
        (">", false) | ("<", true) => ">",
        ("<", false) | (">", true) => "<",
        (">=", false) | ("<=", true) => ">=",
        ("<=", false) | (">=", true) => "<=",
        _ => return None,
    };
    Some(Comparison { value, op, bound, as_bool: binary.as_bool })
}

/// A value taken apart into `factor` times `of`.
struct Scaled<'s> {
    of: &'s Syntax,
    factor: f64,
}

/// Takes constant factors off.
fn scaled(part: &Syntax) -> Scaled<'_> {
    if let Form::Binary(binary) = &part.form {
        let (inner, factor) = match (binary.op.as_str(), binary.lhs.number(), binary.rhs.number()) {
            ("*", None, Some(k)) => (&binary.lhs, k),
            ("*", Some(k), None) => (&binary.rhs, k),
            ("/", None, Some(k)) if k != 0.0 => (&binary.lhs, 1.0 / k),
            _ => return Scaled { of: part, factor: 1.0 },
        };
        let inner = scaled(inner);
        return Scaled { of: inner.of, factor: inner.factor * factor };
    }
    Scaled { of: part, factor: 1.0 }
}

/// A number as a person writes it.
fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{}", if rounded == 0.0 { value } else { rounded })
}
