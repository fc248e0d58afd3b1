//! The labels and annotations of an alert: what they use of it, and on which scale they show its value.

use std::collections::BTreeSet;

use super::bounds::bounds;
use super::kinds::{self, Kind};
use super::labels::shape;
use super::subject::Subject;
use crate::promql::syntax::{Form, Syntax};

/// What is wrong with a text.
pub(super) struct Fault {
    pub kind: &'static Kind,
    pub what: String,
    pub instead: Option<String>,
}

/// What is wrong with the text of a label or an annotation.
pub(super) fn check(subject: &Subject<'_>, name: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(open) = text.rfind("{{").filter(|open| !text[*open..].contains("}}")) {
        let what = format!("`{name}`: `{}` is never closed", crate::base::text::shorten(&text[open..], 40));
        faults.push(Fault { kind: kinds::TEMPLATE_TEXT, what, instead: Some("close it with `}}`".into()) });
    }
    if let Some(known) = shape(subject, subject.tree).at_most() {
        for label in uses(text).into_iter().filter(|label| !known.contains(label)) {
            let has = match known.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has {}", crate::base::text::list(known.iter().map(String::as_str))),
            };
            let what = format!("`{name}` uses `$labels.{label}`, and the result has no such label: {has}");
            faults.push(Fault { kind: kinds::TEMPLATE_LABEL, what, instead: None });
        }
    }
    let top = value(subject.tree);
    let reach = bounds(subject, top);
    let is_share = reach.low >= 0.0 && reach.high == 1.0;
    let is_percentage = matches!(&top.form, Form::Binary(binary) if binary.op == "*"
        && (binary.lhs.number() == Some(100.0) || binary.rhs.number() == Some(100.0)))
        || reach.high == 100.0;
    let as_share = actions(text).any(|action| action.contains("$value") && action.contains("humanizePercentage"));
    let as_percentage = text.match_indices("}}%").any(|(end, _)| {
        let action = text[..end].rfind("{{").map(|start| &text[start + 2..end]).unwrap_or_default();
        action.contains("$value") && !action.contains("humanizePercentage") && !action.contains("100")
    });
    if is_percentage && as_share {
        let what = format!("`{name}` shows a percentage with `humanizePercentage`, which multiplies by 100 again");
        let instead = Some("write `{{ printf \"%.1f\" $value }}%`, or leave out the factor 100".into());
        faults.push(Fault { kind: kinds::TEMPLATE_SCALE, what, instead });
    } else if is_share && as_percentage {
        let what = format!("`{name}` puts a `%` behind a share between 0 and 1");
        let instead = Some("write `{{ $value | humanizePercentage }}`".into());
        faults.push(Fault { kind: kinds::TEMPLATE_SCALE, what, instead });
    }
    let is_of_period = ["in the last ", "in the past ", "within the last "].iter().any(|w| text.contains(w));
    let shows_value = actions(text).any(|action| action.contains("$value"));
    if is_of_period && shows_value && !reads_a_range(subject.tree) {
        let what = format!("`{name}` tells the value of a period, and the expression looks at no range");
        faults.push(Fault { kind: kinds::TEMPLATE_PERIOD, what, instead: None });
    }
    faults
}

/// Whether it looks back by itself; a recorded series may do so.
fn reads_a_range(tree: &Syntax) -> bool {
    let mut found = false;
    tree.visit(&mut |part| {
        found |= match &part.form {
            Form::Subquery { .. } => true,
            Form::Selector(pick) => {
                let recorded = pick.metric.as_deref().is_some_and(|metric| metric.contains(':'));
                pick.range_ms.is_some() || !pick.moved.is_empty() || recorded
            }
            _ => false,
        };
    });
    found
}

/// What `$value` is: what a comparison lets through, the left side of `and`.
fn value(tree: &Syntax) -> &Syntax {
    match &tree.form {
        Form::Binary(binary) if binary.compares() && !binary.as_bool => match binary.lhs.number() {
            Some(_) => value(&binary.rhs),
            None => value(&binary.lhs),
        },
        Form::Binary(binary) if binary.op == "and" || binary.op == "unless" => value(&binary.lhs),
        _ => tree,
    }
}

/// What stands between `{{` and `}}`.
fn actions(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next())
}

/// The labels of the alert that a text uses, as far as it says so plainly: not where a query or a loop has others.
fn uses(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for action in actions(text) {
        for (at, mark) in action.match_indices("$labels.") {
            let rest = &action[at + mark.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            labels.insert(rest[..end].to_owned());
        }
        if let Some((_, rest)) = action.split_once("index $labels \"")
            && let Some((label, _)) = rest.split_once('"')
        {
            labels.insert(label.to_owned());
        }
    }
    labels.remove("");
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_in_actions_only() {
        let text = "a $labels.no {{ $labels.a }} {{if $labels.b}}{{ index $labels \"c\" | title }}{{end}} {{ $value }}";
        assert_eq!(uses(text).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
