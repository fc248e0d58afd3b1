//! Divisions and sums whose operands are not what they seem.

use super::super::kinds::{self, Severity};
use super::super::subject::{Remark, Role, Subject};
use super::counter::RATES;
use super::{any, comparison, operators, scaled};
use crate::promql::MatchOp;
use crate::promql::syntax::{Binary, Form, Labelled, Pick, Syntax};

/// Words in the names of events that may not have happened yet.
const MAYBE_NEVER: &[&str] = &[
    "abort",
    "cancel",
    "conflict",
    "dead",
    "denied",
    "drop",
    "error",
    "evict",
    "exceed",
    "exception",
    "exhaust",
    "expire",
    "fail",
    "hit",
    "invalid",
    "lost",
    "miss",
    "oom",
    "overflow",
    "panic",
    "reject",
    "retr",
    "skip",
    "success",
    "throttl",
    "timeout",
    "violation",
];

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    operators(subject.tree, &mut |part, binary| match binary.op.as_str() {
        "/" => division(subject, part, binary, remarks),
        "+" => addition(subject, part, binary, remarks),
        _ => {
            if subject.role == Role::Alert
                && let Some(compared) = comparison(binary)
            {
                compared_ratio(subject, part, &compared, remarks);
            }
        }
    });
}

fn division(subject: &Subject<'_>, part: &Syntax, binary: &Binary, remarks: &mut Vec<Remark>) {
    if binary.group.is_some() {
        return;
    }
    let Some(differing) = differing(&binary.lhs, &binary.rhs) else { return };
    let meets = |label: &String| match &binary.matching {
        Labelled::Unsaid => true,
        Labelled::Only(on) => on.contains(label),
        Labelled::AllBut(ignored) => !ignored.contains(label),
    };
    if differing.is_empty() {
        let what = format!("`{}` is divided by itself", subject.quote(&binary.lhs.span));
        remarks.push(
            Remark::new(kinds::SELF_DIVISION, &part.span, what)
                .why("The result is 1 wherever the series is not 0.")
                .instead("divide by what it is a part of"),
        );
        return;
    }
    let stays = |label: &String| meets(label) && keeps(&binary.lhs, label) && keeps(&binary.rhs, label);
    if !differing.iter().all(stays) {
        return;
    }
    let (lhs, rhs) = (filters(&binary.lhs), filters(&binary.rhs));
    let labels: Vec<&str> = differing.iter().map(String::as_str).collect();
    let labels = crate::base::text::list(labels);
    // Two filters on one label that no series satisfies both.
    let apart = differing.iter().find(|label| {
        let equal = |filters: &[(String, crate::promql::Matcher)]| {
            filters.iter().find(|(l, m)| l == *label && matches!(m.op, MatchOp::Equal)).map(|(_, m)| m.value.clone())
        };
        let refuses = |filters: &[(String, crate::promql::Matcher)], value: &str| {
            filters.iter().any(|(l, m)| l == *label && !m.matches(value))
        };
        equal(&lhs).is_some_and(|value| refuses(&rhs, &value)) || equal(&rhs).is_some_and(|value| refuses(&lhs, &value))
    });
    if let Some(label) = apart {
        let what = format!("`{label}` differs between the two sides, and both keep it: no series finds its partner");
        let remark = Remark::new(kinds::UNMATCHED_LABELS, &part.span, what);
        remarks.push(remark.instead(format!("write `/ ignoring ({label})`, or sum both sides over `{label}`")));
        return;
    }
    // The filter of one side must let through nothing but a part of the other.
    if differing.iter().any(|label| lhs.iter().any(|(l, _)| l == label) && rhs.iter().any(|(l, _)| l == label)) {
        return;
    }
    let sums = matches!(binary.lhs.form, Form::Aggregate { .. });
    let what = if sums {
        format!("both sides keep the label `{labels}` that the filter is about: each group is divided by itself")
    } else {
        format!("both sides keep all labels, `{labels}` among them: each filtered series is divided by itself")
    };
    let remark = Remark::new(kinds::SELF_DIVISION, &part.span, what);
    remarks.push(remark.instead(if sums {
        format!("leave `{labels}` out of `by`")
    } else {
        let (l, r) = (subject.quote(&binary.lhs.span), subject.quote(&binary.rhs.span));
        format!("write `sum({l}) / sum({r})`, with `by (…)` for the labels to tell apart, `{labels}` not among them")
    }));
}

/// The labels in whose matchers two parts differ that are alike otherwise; nothing if they differ in more.
fn differing(a: &Syntax, b: &Syntax) -> Option<Vec<String>> {
    let mut labels = match (&a.form, &b.form) {
        (Form::Selector(a), Form::Selector(b)) => {
            if a.metric.is_none() || a.metric != b.metric || a.range_ms != b.range_ms || a.moved != b.moved {
                return None;
            }
            let mut labels = Vec::new();
            for (one, other) in [(a, b), (b, a)] {
                let is_alone = |m: &crate::promql::Matcher| {
                    !other.matchers.iter().any(|(o, _)| {
                        o.label == m.label
                            && o.value == m.value
                            && std::mem::discriminant(&o.op) == std::mem::discriminant(&m.op)
                    })
                };
                labels.extend(one.matchers.iter().filter(|(m, _)| is_alone(m)).map(|(m, _)| m.label.clone()));
            }
            labels
        }
        (Form::Call { name: f, args: a }, Form::Call { name: g, args: b })
            if f == g && a.len() == b.len() && !a.is_empty() =>
        {
            let all: Option<Vec<_>> = a.iter().zip(b).map(|(a, b)| differing(a, b)).collect();
            all?.concat()
        }
        (
            Form::Aggregate { op: f, arg: a, grouping: g, param: None },
            Form::Aggregate { op, arg: b, grouping, param: None },
        ) if f == op && g == grouping => differing(a, b)?,
        (Form::Negate(a), Form::Negate(b)) => differing(a, b)?,
        (Form::Number(a), Form::Number(b)) if a == b => Vec::new(),
        (
            Form::Subquery { arg: a, range_ms: r, step_ms: s, moved: false },
            Form::Subquery { arg: b, range_ms, step_ms, moved: false },
        ) if r == range_ms && s == step_ms => differing(a, b)?,
        _ => return None,
    };
    labels.sort();
    labels.dedup();
    Some(labels)
}

/// Whether a label of the series that a part reads is still there in what it yields.
fn keeps(part: &Syntax, label: &str) -> bool {
    match &part.form {
        Form::Selector(_) => true,
        Form::Aggregate { op, .. } if op == "topk" || op == "bottomk" => true,
        Form::Aggregate { arg, grouping, .. } => {
            let is_kept = match grouping {
                Labelled::Unsaid => false,
                Labelled::Only(by) => by.iter().any(|l| l == label),
                Labelled::AllBut(without) => !without.iter().any(|l| l == label),
            };
            is_kept && keeps(arg, label)
        }
        Form::Call { name: "histogram_quantile", args } => label != "le" && args.iter().any(|arg| keeps(arg, label)),
        Form::Number(_) | Form::Text(_) => false,
        _ => part.children().iter().any(|child| keeps(child, label)),
    }
}

/// The matchers of all selectors of a part, by label.
fn filters(part: &Syntax) -> Vec<(String, crate::promql::Matcher)> {
    let all = part.picks();
    all.iter().flat_map(|(pick, _)| &pick.matchers).map(|(m, _)| (m.label.clone(), m.clone())).collect()
}

/// `sum(rate(a)) + sum(rate(b))` where `b` may not have happened yet.
fn addition(subject: &Subject<'_>, part: &Syntax, binary: &Binary, remarks: &mut Vec<Remark>) {
    for operand in [&binary.lhs, &binary.rhs] {
        let has_default = any(operand, |part| matches!(&part.form, Form::Binary(b) if b.op == "or"));
        let is_sum = any(operand, |part| matches!(&part.form, Form::Binary(b) if b.op == "+"));
        let is_rate = any(operand, |part| matches!(part.form, Form::Call { name, .. } if RATES.contains(&name)));
        if has_default || is_sum || !is_rate {
            continue;
        }
        let picks = operand.picks();
        let [(pick, span)] = picks.as_slice() else { continue };
        if !may_not_have_happened(pick) || is_always_there(subject, pick) {
            continue;
        }
        let name = subject.quote(span);
        let what = format!(
            "before the first event that `{name}` counts, the whole of `{}` is empty",
            subject.quote(&part.span)
        );
        let is_total = matches!(&operand.form, Form::Aggregate { grouping: Labelled::Unsaid, .. });
        let operand_text = subject.quote(&operand.span);
        let instead = if is_total {
            format!("write `({operand_text} or vector(0))`")
        } else {
            "make the service expose the series with 0 from its start, or write `(a or 0 * b) + (b or 0 * a)`".into()
        };
        // Group by group something is always absent; the whole of it gone is what nobody expects.
        let severity = if is_total { kinds::ABSENT_OPERAND.severity } else { Severity::Info };
        remarks.push(Remark::new(kinds::ABSENT_OPERAND, &operand.span, what).instead(instead).graded(severity));
    }
}

/// Whether all that is known says that the series exists from the start.
fn is_always_there(subject: &Subject<'_>, pick: &Pick) -> bool {
    subject.known.exposed.is_some() && !subject.selected(pick).is_empty()
}

fn may_not_have_happened(pick: &Pick) -> bool {
    let speaks = |text: &str| {
        let text = text.to_ascii_lowercase();
        MAYBE_NEVER.iter().any(|word| text.contains(word))
    };
    let is_5xx = |value: &str| value.starts_with('5') && value.len() >= 3 && !value.chars().all(char::is_alphanumeric);
    pick.metric.as_deref().is_some_and(speaks)
        || pick.matchers.iter().any(|(m, _)| speaks(&m.value) || is_5xx(&m.value) || m.value == "500")
}

/// A ratio that is compared with a constant.
fn compared_ratio(subject: &Subject<'_>, part: &Syntax, compared: &super::Comparison<'_>, remarks: &mut Vec<Remark>) {
    let mut value = scaled(compared.value);
    let mut falls = matches!(compared.op, "<" | "<=");
    // `1 - good / all > 0.05` asks what `good / all < 0.95` asks.
    if let Form::Binary(rest) = &value.of.form
        && rest.op == "-"
        && rest.lhs.number().is_some()
        && compared.op != "=="
        && compared.op != "!="
    {
        value = scaled(&rest.rhs);
        falls = !falls;
    }
    let Form::Binary(ratio) = &value.of.form else { return };
    if ratio.op != "/" || !any(&ratio.rhs, |p| matches!(p.form, Form::Call { name, .. } if RATES.contains(&name))) {
        return;
    }
    let is_part = differing(&ratio.lhs, &ratio.rhs).is_some_and(|labels| !labels.is_empty());
    let has_default = any(&ratio.lhs, |part| matches!(&part.form, Form::Binary(b) if b.op == "or"));
    let picks = ratio.lhs.picks();
    let may_be_absent = picks.len() == 1 && may_succeed(picks[0].0);
    if falls && !has_default && may_be_absent && ratio.group.is_none() {
        let what = format!("without any `{}` the ratio is empty, and the alert silent", subject.quote(picks[0].1));
        let remark = Remark::new(kinds::SILENT_OUTAGE, &part.span, what);
        remarks.push(if matches!(&ratio.lhs.form, Form::Aggregate { grouping: Labelled::Unsaid, .. }) {
            remark.instead(format!("write `({} or vector(0)) / …`", subject.quote(&ratio.lhs.span)))
        } else {
            remark.instead(
                "alert on the share of the bad ones, or make the service expose the series with 0 from its start",
            )
        });
    }
    if matches!(compared.op, ">" | ">=")
        && !has_default
        && is_part
        && picks.len() == 1
        && may_not_have_happened(picks[0].0)
    {
        let what = format!(
            "before the first event that `{}` counts there is no ratio, and that event itself is not seen",
            subject.quote(picks[0].1)
        );
        let remark = Remark::new(kinds::ABSENT_OPERAND, &ratio.lhs.span, what).graded(Severity::Info);
        remarks.push(remark.why("A series that is born with its first event has no increase at that event; there is no alert, which is right while there is none.").instead("make the service expose the series with 0 from its start"));
    }
    let idle = if is_part { "0/0: no alert" } else { "0/0 or infinite" };
    let guards = any(subject.tree, |p| matches!(&p.form, Form::Binary(b) if b.op == "and" || b.op == "unless"));
    if !guards {
        let what = format!("without traffic `{}` is {idle}", subject.quote(&value.of.span));
        remarks.push(Remark::new(kinds::IDLE_RATIO, &value.of.span, what));
    }
}

/// Whether what a selector counts is the good ones among all: there is none while everything fails.
fn may_succeed(pick: &Pick) -> bool {
    let good = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["success", "succeeded", "completed", "served", "delivered"].iter().any(|w| text.contains(w)) || text == "ok"
    };
    let is_2xx = |value: &str| ["2..", "2xx", "200", "2.*", "2[0-9]{2}", "2[0-9][0-9]"].contains(&value);
    let by_filter = |(m, _): &(crate::promql::Matcher, _)| {
        matches!(m.op, MatchOp::Equal | MatchOp::Regex(_)) && (good(&m.value) || is_2xx(&m.value))
    };
    pick.metric.as_deref().is_some_and(good) || pick.matchers.iter().any(by_filter)
}

/// Whether a part is a share of another: alike but for filters that leave a part of it, and aggregated alike.
pub(in super::super) fn is_share(binary: &Binary) -> bool {
    if binary.op != "/" {
        return false;
    }
    let adds = |part: &Syntax| match &part.form {
        Form::Aggregate { op, .. } => op == "sum" || op == "count",
        Form::Call { name, .. } => RATES.contains(name),
        Form::Selector(_) => true,
        _ => false,
    };
    let lhs = filters(&binary.lhs);
    let holds = filters(&binary.rhs).iter().all(|(label, matcher)| {
        lhs.iter().any(|(l, m)| {
            l == label
                && m.value == matcher.value
                && std::mem::discriminant(&m.op) == std::mem::discriminant(&matcher.op)
        })
    });
    // Beside the whole, not beside another part of it.
    let meets = !matches!(binary.matching, Labelled::AllBut(_));
    meets && adds(&binary.lhs) && holds && differing(&binary.lhs, &binary.rhs).is_some()
}
