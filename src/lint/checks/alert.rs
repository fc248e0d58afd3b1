//! What an expression must be to make a good alert.

use super::super::kinds::{self, Severity};
use super::super::subject::{Remark, Subject};
use super::{any, comparison, operators};
use crate::promql::MatchOp;
use crate::promql::syntax::{Form, Side, Syntax};

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    condition(subject, remarks);
    subject.tree.visit(&mut |part| match &part.form {
        Form::Call { name: "irate", .. } => {
            let what = format!("`{}` looks at two samples", subject.quote(&part.span));
            remarks.push(Remark::new(kinds::IRATE_IN_ALERT, &part.span, what));
        }
        Form::Call { name: "absent" | "absent_over_time", args } => {
            args.first().into_iter().for_each(|arg| absent(subject, part, arg, remarks));
        }
        _ => {}
    });
    chosen(subject.tree, remarks);
    silent(subject, remarks);
}

/// `topk` where it decides which series are alerts; beside them, to look up a label, it does no harm.
fn chosen(part: &Syntax, remarks: &mut Vec<Remark>) {
    match &part.form {
        Form::Aggregate { op, .. } if op == "topk" || op == "bottomk" => {
            let what = format!("`{op}` chooses other series at each evaluation");
            remarks.push(Remark::new(kinds::TOPK_IN_ALERT, &part.span, what));
        }
        Form::Binary(binary) => {
            let looks_up_right =
                matches!(binary.op.as_str(), "and" | "unless") || matches!(binary.group, Some((Side::Left, _)));
            let looks_up_left = matches!(binary.group, Some((Side::Right, _)));
            if !looks_up_left {
                chosen(&binary.lhs, remarks);
            }
            if !looks_up_right {
                chosen(&binary.rhs, remarks);
            }
        }
        _ => part.children().into_iter().for_each(|child| chosen(child, remarks)),
    }
}

/// Whether the expression yields something only sometimes.
fn condition(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    let mut filters = false;
    let mut as_bool = None;
    operators(subject.tree, &mut |part, binary| {
        filters |= (binary.compares() && !binary.as_bool) || matches!(binary.op.as_str(), "and" | "unless");
        if binary.as_bool {
            as_bool.get_or_insert(part);
        }
    });
    let is_conditional = any(subject.tree, |part| match &part.form {
        Form::Call { name, .. } => matches!(*name, "absent" | "absent_over_time" | "vector"),
        Form::Selector(pick) => pick.metric.as_deref().is_some_and(|metric| {
            metric == "ALERTS"
                || metric == "ALERTS_FOR_STATE"
                || metric.contains(':')
                || subject.known.recorded.contains(metric)
        }),
        _ => false,
    });
    if filters || is_conditional {
        return;
    }
    let span = &subject.tree.span;
    match as_bool {
        Some(part) => {
            let what = format!("`{}` yields 0 where it is false, and 0 is an alert too", subject.quote(&part.span));
            remarks.push(Remark::new(kinds::BOOL_IN_ALERT, &part.span, what));
        }
        None => {
            let what = format!("`{}` compares nothing: every series is an alert", subject.quote(span));
            // A selector that looks for certain names may mean that there should be none.
            let looks_for = matches!(&subject.tree.form, Form::Selector(pick)
                if pick.matchers.iter().any(|(matcher, _)| matches!(matcher.op, MatchOp::Regex(_))));
            let severity = if looks_for { Severity::Info } else { kinds::NO_COMPARISON.severity };
            remarks.push(Remark::new(kinds::NO_COMPARISON, span, what).graded(severity));
        }
    }
}

fn absent(subject: &Subject<'_>, part: &Syntax, arg: &Syntax, remarks: &mut Vec<Remark>) {
    for (pick, _) in arg.picks() {
        for (matcher, span) in &pick.matchers {
            if matches!(matcher.op, MatchOp::Regex(_)) && matcher.value.contains('|') {
                let what = format!(
                    "`{}` is true only when all of `{}` are gone",
                    subject.quote(&part.span),
                    subject.quote(span)
                );
                remarks.push(Remark::new(kinds::ABSENT_REGEX, &part.span, what));
            } else if matches!(matcher.op, MatchOp::Regex(_)) {
                let what = format!(
                    "`{}` is true only when nothing satisfies `{}`",
                    subject.quote(&part.span),
                    subject.quote(span)
                );
                remarks.push(Remark::new(kinds::ABSENT_REGEX, &part.span, what).graded(Severity::Info));
            }
        }
    }
}

/// `x == 0`, which a series that is gone does not satisfy.
fn silent(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    let guards = any(subject.tree, |part| matches!(&part.form, Form::Call { name: "absent" | "absent_over_time", .. }))
        || any(subject.tree, |part| matches!(&part.form, Form::Binary(binary) if binary.op == "or"));
    if guards {
        return;
    }
    if let Form::Binary(binary) = &subject.tree.form
        && let Some(compared) = comparison(binary)
        && compared.op == "=="
        && compared.bound == 0.0
        && let Form::Selector(pick) = &compared.value.form
        && let Some(metric) = pick.metric.as_deref().filter(|metric| !matches!(*metric, "up" | "probe_success"))
    {
        let what = format!("without any series of `{metric}` there is nothing to compare");
        let remark = Remark::new(kinds::SILENT_WHEN_ABSENT, &subject.tree.span, what);
        remarks.push(remark.instead(format!("add an alert on `absent({})`", subject.quote(&compared.value.span))));
    }
}
