//! Whether the two sides of an operator find each other.

use std::collections::BTreeSet;

use super::super::kinds::{self, Severity};
use super::super::labels::{Shape, carries_instance, shape};
use super::super::subject::{Remark, Role, Subject};
use super::operators;
use crate::base::text;
use crate::promql::syntax::{Binary, Form, Labelled, Syntax};

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    operators(subject.tree, &mut |part, binary| {
        let (lhs, rhs) = (shape(subject, &binary.lhs), shape(subject, &binary.rhs));
        if binary.op == "or" || lhs == Shape::Number || rhs == Shape::Number {
            return;
        }
        if let (Shape::Exactly(lhs), Shape::Exactly(rhs)) = (&lhs, &rhs) {
            unmatched(part, binary, lhs, rhs, remarks);
        }
        for (labels, other) in [(&lhs, &binary.rhs), (&rhs, &binary.lhs)] {
            if let Shape::Exactly(labels) = labels {
                against_raw(subject, part, binary, labels, other, remarks);
            }
        }
        for (side, labels) in [(&binary.lhs, &lhs), (&binary.rhs, &rhs)] {
            many(subject, binary, side, labels, remarks);
        }
        assumed(subject, part, binary, (&lhs, &rhs), remarks);
    });
}

fn braced(labels: &BTreeSet<String>) -> String {
    format!("({})", text::list(labels.iter().map(String::as_str)))
}

fn unmatched(
    part: &Syntax,
    binary: &Binary,
    lhs: &BTreeSet<String>,
    rhs: &BTreeSet<String>,
    remarks: &mut Vec<Remark>,
) {
    let without = |labels: &BTreeSet<String>, ignored: &[String]| -> BTreeSet<String> {
        labels.iter().filter(|l| !ignored.contains(l)).cloned().collect()
    };
    let (a, b) = match &binary.matching {
        Labelled::Unsaid => (lhs.clone(), rhs.clone()),
        Labelled::AllBut(ignored) => (without(lhs, ignored), without(rhs, ignored)),
        Labelled::Only(on) => {
            let on: BTreeSet<String> = on.iter().cloned().collect();
            (lhs & &on, rhs & &on)
        }
    };
    if a == b {
        return;
    }
    let lost = match binary.op.as_str() {
        "unless" => "nothing is ever left out",
        _ => "nothing ever pairs",
    };
    let what = format!("the left side has {}, the right side {}: {lost}", braced(lhs), braced(rhs));
    let common = &a & &b;
    let instead = if binary.is_set() {
        format!("write `{} on {}`", binary.op, braced(&common))
    } else if a.is_superset(&b) {
        format!("write `{} on {} group_left`", binary.op, braced(&common))
    } else if b.is_superset(&a) {
        format!("write `{} on {} group_right`", binary.op, braced(&common))
    } else {
        "aggregate both sides `by` the same labels".into()
    };
    remarks.push(Remark::new(kinds::UNMATCHED_LABELS, &part.span, what).instead(instead));
}

/// A side without the label `instance`, and one that has not lost it.
fn against_raw(
    subject: &Subject<'_>,
    part: &Syntax,
    binary: &Binary,
    labels: &BTreeSet<String>,
    raw: &Syntax,
    remarks: &mut Vec<Remark>,
) {
    let decides = match &binary.matching {
        Labelled::Unsaid => true,
        Labelled::Only(on) => on.iter().any(|label| label == "instance"),
        Labelled::AllBut(ignored) => !ignored.iter().any(|label| label == "instance"),
    };
    let is_raw = shape(subject, raw) == Shape::Unknown && carries_instance(subject, raw);
    if !decides || !is_raw || labels.contains("instance") {
        return;
    }
    let side = if std::ptr::eq(raw, &binary.rhs) { &binary.lhs } else { &binary.rhs };
    let what = format!(
        "`{}` has {}, and each series of `{}` has at least `instance` besides: nothing ever pairs",
        subject.quote(&side.span),
        if labels.is_empty() { "no labels".into() } else { braced(labels) },
        subject.quote(&raw.span),
    );
    let remark = Remark::new(kinds::UNMATCHED_LABELS, &part.span, what).graded(Severity::Warning);
    let on = if labels.is_empty() { "on ()".into() } else { format!("on {}", braced(labels)) };
    remarks.push(remark.instead(match binary.is_set() {
        true => format!("write `{} {on}`", binary.op),
        false => format!(
            "aggregate both sides alike, or write `{} {on} group_{}`",
            binary.op,
            if std::ptr::eq(raw, &binary.rhs) { "right" } else { "left" }
        ),
    }));
}

/// A side that an aggregation leaves more labels than `on` names.
fn many(subject: &Subject<'_>, binary: &Binary, side: &Syntax, labels: &Shape, remarks: &mut Vec<Remark>) {
    let (Labelled::Only(on), None, false) = (&binary.matching, &binary.group, binary.is_set()) else { return };
    let (Shape::Exactly(labels), Form::Aggregate { .. }) = (labels, &side.form) else { return };
    let more: BTreeSet<String> = labels.iter().filter(|label| !on.contains(label)).cloned().collect();
    if more.is_empty() {
        return;
    }
    let what = format!("`{}` has {} besides the labels of `on`", subject.quote(&side.span), braced(&more));
    remarks.push(Remark::new(kinds::MANY_TO_ONE, &side.span, what));
}

/// Two raw metrics without a word about how they pair.
fn assumed(subject: &Subject<'_>, part: &Syntax, binary: &Binary, sides: (&Shape, &Shape), remarks: &mut Vec<Remark>) {
    let are_raw = *sides.0 == Shape::Unknown && *sides.1 == Shape::Unknown && subject.known.exposed.is_none();
    if !are_raw || binary.matching != Labelled::Unsaid || binary.is_set() || subject.role == Role::Panel {
        return;
    }
    let (lhs, rhs) = (binary.lhs.picks(), binary.rhs.picks());
    if let ([(a, _)], [(b, _)]) = (lhs.as_slice(), rhs.as_slice())
        && a.metric != b.metric
        && let (Some(a), Some(b)) = (&a.metric, &b.metric)
    {
        let what = format!("`{a}` and `{b}` pair only where all their labels are equal");
        remarks.push(Remark::new(kinds::ASSUMED_LABELS, &part.span, what));
    }
}
