//! What stands between the braces, and whether anything answers to it.

use super::super::exposed::Exposed;
use super::super::kinds::{self, Severity};
use super::super::subject::{Remark, Role, Subject};
use crate::base::text;
use crate::promql::syntax::{Form, Labelled, Pick, Span};
use crate::promql::{MatchOp, Matcher};

/// What makes a text a regular expression.
const META: &[char] = &['.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$', '\\'];

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    for (pick, span) in subject.tree.picks() {
        let is_named = pick.metric.is_some() || pick.matchers.iter().any(|(m, _)| m.label == "__name__");
        if !is_named {
            let what = format!("`{}` names no metric", subject.quote(span));
            remarks.push(Remark::new(kinds::NAMELESS, span, what));
        }
        for (matcher, span) in &pick.matchers {
            if subject.role != Role::Panel && has_variable(&matcher.value) {
                let what = format!("`{}` asks for the text `{}` itself", subject.quote(span), matcher.value);
                let remark = Remark::new(kinds::GRAFANA_VARIABLE, span, what);
                remarks.push(remark.why("Grafana fills variables in, Prometheus does not: no label has such a value."));
            } else if !subject.is_open(&matcher.value) {
                spelling(subject, matcher, span, remarks);
            }
        }
        contradiction(subject, pick, remarks);
        if let (Some(exposed), Some(metric)) = (subject.known.exposed, &pick.metric) {
            answered(subject, exposed, metric, pick, span, remarks);
        }
    }
    if let Some(exposed) = subject.known.exposed {
        grouped(subject, exposed, remarks);
    }
}

fn spelling(subject: &Subject<'_>, matcher: &Matcher, span: &Span, remarks: &mut Vec<Remark>) {
    let (label, value) = (&matcher.label, &matcher.value);
    let quoted = subject.quote(span);
    match &matcher.op {
        MatchOp::Equal | MatchOp::NotEqual if looks_like_regex(value) => {
            let sign = if matches!(matcher.op, MatchOp::Equal) { "=~" } else { "!~" };
            let what = format!("`{quoted}` compares with the text `{value}`, which looks like a regular expression");
            let remark = Remark::new(kinds::EQUALS_REGEX, span, what);
            let remark = remark.instead(format!("write `{label}{sign}\"{value}\"`"));
            remarks.push(match matcher.op {
                MatchOp::Equal => remark,
                _ => remark.why("`!=` compares letter by letter: every series has another value, nothing is left out."),
            });
        }
        MatchOp::Regex(_) if value == ".*" => {
            let what = format!("`{quoted}` matches every series, with the label or without");
            remarks.push(Remark::new(kinds::MATCH_ALL, span, what));
        }
        MatchOp::NotRegex(_) if value == ".*" => {
            let what = format!("`{quoted}` matches no series: every value is `.*`, none at all too");
            remarks.push(Remark::new(kinds::MATCH_NONE, span, what).why("The selector is empty for ever."));
        }
        MatchOp::Regex(_) | MatchOp::NotRegex(_) => {
            let bare = value.trim_start_matches('^');
            let bare = if bare.ends_with("\\$") { bare } else { bare.trim_end_matches('$') };
            let sign = if matches!(matcher.op, MatchOp::Regex(_)) { "=" } else { "!=" };
            if bare != value && !bare.contains(['^', '$', '|']) {
                let what = format!("`{quoted}` is anchored as it is");
                let remark = Remark::new(kinds::ANCHORED_REGEX, span, what);
                remarks.push(remark.instead(format!("write `{label}{sign}~\"{bare}\"`")));
            } else if !value.contains(META) && !value.is_empty() {
                let what = format!("`{quoted}` has nothing of a regular expression");
                let remark = Remark::new(kinds::PLAIN_REGEX, span, what);
                remarks.push(remark.instead(format!("write `{label}{sign}\"{value}\"`")));
            }
        }
        _ => {}
    }
}

/// `$name`, `${name}`, `[[name]]`
fn has_variable(value: &str) -> bool {
    let named = value.match_indices('$').any(|(at, _)| {
        value[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || value[at + 1..].starts_with('{')
    });
    named || (value.starts_with("[[") && value.ends_with("]]"))
}

/// `a|b`, `5..`, `.*`, `^x`: what no label value is likely to be.
fn looks_like_regex(value: &str) -> bool {
    let is_alternative = value.contains('|') && !value.contains([' ', '/']);
    let is_class = value.len() >= 3 && value.ends_with("..") && value.starts_with(|c: char| c.is_ascii_digit());
    is_alternative || is_class || value.contains(".*") || value.contains(".+") || value.starts_with('^')
}

/// Two matchers on one label that no value satisfies.
fn contradiction(subject: &Subject<'_>, pick: &Pick, remarks: &mut Vec<Remark>) {
    for (i, (matcher, span)) in pick.matchers.iter().enumerate() {
        if !matches!(matcher.op, MatchOp::Equal) || subject.is_open(&matcher.value) {
            continue;
        }
        let others = pick.matchers.iter().enumerate().filter(|(j, (m, _))| *j != i && m.label == matcher.label);
        for (j, (other, _)) in others {
            let both_equal = matches!(other.op, MatchOp::Equal);
            if !subject.is_open(&other.value) && !other.matches(&matcher.value) && (i < j || !both_equal) {
                let label = &matcher.label;
                let what = format!("`{label}` cannot be `{}` and satisfy the other matcher on it", matcher.value);
                remarks.push(Remark::new(kinds::MATCH_NONE, span, what));
            }
        }
    }
}

/// Whether the selector selects anything of what is exposed.
fn answered(
    subject: &Subject<'_>,
    exposed: &Exposed,
    metric: &str,
    pick: &Pick,
    span: &Span,
    remarks: &mut Vec<Remark>,
) {
    if subject.is_open(metric) || subject.known.recorded.contains(metric) {
        return;
    }
    if !exposed.has(metric) {
        let what = format!("`{metric}` is not exposed by {}", exposed.source());
        let remark = Remark::new(kinds::UNKNOWN_METRIC, span, what);
        remarks.push(match exposed.nearest(metric) {
            Some(near) => remark.instead(format!("did you mean `{near}`? {}", kinds::UNKNOWN_METRIC.instead)),
            None => remark,
        });
        return;
    }
    let series = exposed.series(metric);
    if series.is_empty() {
        return;
    }
    for (matcher, span) in &pick.matchers {
        let (label, value) = (&matcher.label, &matcher.value);
        // What lets the missing label through asks for nothing.
        if label == "__name__" || matcher.matches("") || subject.is_open(value) || exposed.may_add(label) {
            continue;
        }
        let seen: std::collections::BTreeSet<&str> =
            series.iter().map(|labels| labels.get(label)).filter(|value| !value.is_empty()).collect();
        if seen.is_empty() {
            let what = format!("no series of `{metric}` has the label `{label}`");
            remarks.push(nearest_label(Remark::new(kinds::UNKNOWN_LABEL, span, what), series, label));
        } else if !seen.iter().any(|value| matcher.matches(value)) {
            let shown = text::list(seen.iter().take(8).copied());
            let more = if seen.len() > 8 { ", …" } else { "" };
            let what = format!("no series of `{metric}` satisfies `{}`; seen: {shown}{more}", subject.quote(span));
            let remark = Remark::new(kinds::UNKNOWN_VALUE, span, what);
            let near = || {
                let other_case = seen.iter().copied().find(|seen| seen.eq_ignore_ascii_case(value));
                other_case.or_else(|| text::nearest(value, seen.iter().copied()))
            };
            let near = matches!(matcher.op, MatchOp::Equal).then(near).flatten();
            remarks.push(match near {
                Some(near) => remark.instead(format!("did you mean `{near}`? {}", kinds::UNKNOWN_VALUE.instead)),
                None => remark,
            });
        }
    }
}

fn nearest_label(remark: Remark, series: &[crate::base::series::Labels], label: &str) -> Remark {
    let names: std::collections::BTreeSet<&str> =
        series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).filter(|n| *n != "__name__").collect();
    let instead = match text::nearest(label, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {}", kinds::UNKNOWN_LABEL.instead),
        None if names.is_empty() => format!("it has no labels; {}", kinds::UNKNOWN_LABEL.instead),
        None => format!("it has {}; {}", text::list(names.iter().copied()), kinds::UNKNOWN_LABEL.instead),
    };
    remark.instead(instead)
}

/// `by` a label that the one metric below it does not have.
fn grouped(subject: &Subject<'_>, exposed: &Exposed, remarks: &mut Vec<Remark>) {
    subject.tree.visit(&mut |part| {
        let Form::Aggregate { arg, grouping: Labelled::Only(by), .. } = &part.form else { return };
        let picks = arg.picks();
        let [(Pick { metric: Some(metric), .. }, _)] = picks.as_slice() else { return };
        let series = exposed.series(metric);
        let rewrites =
            super::any(arg, |part| matches!(part.form, Form::Call { name: "label_replace" | "label_join", .. }));
        if series.is_empty() || rewrites {
            return;
        }
        for label in by.iter().filter(|label| !exposed.may_add(label) && !subject.is_open(label)) {
            if series.iter().all(|labels| labels.get(label).is_empty()) {
                let what = format!("`by ({label})`, and no series of `{metric}` has that label: all fall in one group");
                let remark = Remark::new(kinds::UNKNOWN_LABEL, &part.span, what).graded(Severity::Warning);
                remarks.push(nearest_label(remark, series, label));
            }
        }
    });
}
