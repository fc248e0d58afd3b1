//! Quantiles: of buckets that kept their `le`, after a rate, last of all.

use super::super::kinds::{self, Severity};
use super::super::names::{self, Nature};
use super::super::subject::{Remark, Role, Subject};
use super::any;
use crate::evidence::samples::Kind;
use crate::promql::MatchOp;
use crate::promql::syntax::{Form, Labelled, Pick, Syntax};

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    subject.tree.visit(&mut |part| match &part.form {
        Form::Call { name: "histogram_quantile", args } => {
            if let [q, arg] = args.as_slice() {
                outside(q, remarks);
                buckets(subject, part, arg, remarks);
            }
        }
        Form::Call { name: "quantile_over_time", args } => args.first().into_iter().for_each(|q| outside(q, remarks)),
        Form::Aggregate { op, param: Some(q), .. } if op == "quantile" => outside(q, remarks),
        Form::Aggregate { op, arg, .. } if op == "sum" || op == "avg" => averaged(subject, op, part, arg, remarks),
        _ => {}
    });
}

fn outside(q: &Syntax, remarks: &mut Vec<Remark>) {
    let Some(value) = q.number() else { return };
    if !(0.0..=1.0).contains(&value) {
        let remark = Remark::new(kinds::QUANTILE_RANGE, &q.span, format!("{value} is no quantile"));
        remarks.push(match value {
            value if value > 1.0 && value <= 100.0 => remark.instead(format!("write {}", super::number(value / 100.0))),
            _ => remark,
        });
    }
}

fn buckets(subject: &Subject<'_>, part: &Syntax, arg: &Syntax, remarks: &mut Vec<Remark>) {
    let picks = arg.picks();
    let Some((pick, _)) = picks.first() else { return };
    let Some(metric) = pick.metric.as_deref() else { return };
    let is_bucket = metric.ends_with("_bucket");
    if !is_bucket {
        return other(subject, part, arg, pick, metric, remarks);
    }
    if let Some(by) = loses_le(arg) {
        let what = format!("`{by}` drops the label `le`");
        let remark = Remark::new(kinds::QUANTILE_WITHOUT_LE, &arg.span, what);
        remarks.push(remark.instead("add `le` to `by (…)`, or take it out of `without (…)`"));
    }
    let is_rated = any(arg, |part| matches!(part.form, Form::Call { .. })) || pick.range_ms.is_some();
    if !is_rated {
        let what = format!("`{metric}` is read as it is, without a rate");
        remarks.push(Remark::new(kinds::QUANTILE_WITHOUT_RATE, &arg.span, what));
    }
    let is_split = !any(arg, |part| matches!(part.form, Form::Aggregate { .. })) && picks.len() == 1;
    let is_of_requests = ["http", "request", "grpc", "rpc", "response"].iter().any(|word| metric.contains(word));
    if is_split && !tells_one_apart(pick) {
        let what = format!("`{}` gives one quantile for each label set", subject.quote(&part.span));
        let is_grave = subject.role == Role::Alert && is_of_requests;
        let severity = if is_grave { Severity::Warning } else { kinds::SPLIT_QUANTILE.severity };
        let remark = Remark::new(kinds::SPLIT_QUANTILE, &part.span, what).graded(severity);
        remarks.push(
            remark
                .instead(format!("write `sum by (le) ({})`, with the labels to tell apart", subject.quote(&arg.span))),
        );
    }
}

/// Whether the selector itself asks for one route, method or handler.
fn tells_one_apart(pick: &Pick) -> bool {
    let narrow = ["route", "path", "handler", "method", "endpoint", "uri", "verb", "operation"];
    pick.matchers.iter().any(|(m, _)| narrow.contains(&m.label.as_str()) && matches!(m.op, MatchOp::Equal))
}

/// What is no `_bucket`: native histograms are like that, and mistakes.
fn other(subject: &Subject<'_>, part: &Syntax, arg: &Syntax, pick: &Pick, metric: &str, remarks: &mut Vec<Remark>) {
    if metric.contains(':') || subject.is_open(metric) || subject.known.recorded.contains(metric) {
        return;
    }
    let names_le = any(
        arg,
        |part| matches!(&part.form, Form::Aggregate { grouping: Labelled::Only(by), .. } if by.iter().any(|l| l == "le")),
    ) || pick.matchers.iter().any(|(m, _)| m.label == "le");
    let bucket = format!("{metric}_bucket");
    let (severity, what) = match subject.known.exposed {
        Some(exposed) if !exposed.series(&bucket).is_empty() => {
            (Severity::Error, format!("`{metric}` has its buckets in `{bucket}`"))
        }
        Some(exposed) if exposed.kind(metric).is_some_and(|kind| kind != Kind::Unknown && kind != Kind::Histogram) => {
            (Severity::Error, format!("`{metric}` is no histogram"))
        }
        _ if ["_sum", "_count", "_total"].iter().any(|suffix| metric.ends_with(suffix)) => {
            (Severity::Error, format!("`{metric}` has no buckets"))
        }
        _ if names_le => (
            kinds::QUANTILE_OF_OTHER.severity,
            format!("`{metric}` is not named like buckets, and `le` is asked of it"),
        ),
        _ => {
            (Severity::Info, format!("`{metric}` is not named like buckets; if it is a native histogram, all is well"))
        }
    };
    let remark = Remark::new(kinds::QUANTILE_OF_OTHER, &part.span, what).graded(severity);
    remarks.push(remark.instead(format!("write `{bucket}`")));
}

/// The aggregation that drops `le`.
fn loses_le(part: &Syntax) -> Option<String> {
    match &part.form {
        Form::Aggregate { op, arg, grouping, .. } => {
            let lost = match grouping {
                Labelled::Unsaid => !matches!(op.as_str(), "topk" | "bottomk"),
                Labelled::Only(by) => !by.iter().any(|label| label == "le"),
                Labelled::AllBut(without) => without.iter().any(|label| label == "le"),
            };
            let words = match grouping {
                Labelled::Unsaid => op.clone(),
                Labelled::Only(by) => format!("{op} by ({})", by.join(", ")),
                Labelled::AllBut(without) => format!("{op} without ({})", without.join(", ")),
            };
            if lost { Some(words) } else { loses_le(arg) }
        }
        Form::Selector(_) | Form::Number(_) | Form::Text(_) => None,
        _ => part.children().into_iter().find_map(loses_le),
    }
}

/// A sum or an average of quantiles.
fn averaged(subject: &Subject<'_>, op: &str, part: &Syntax, arg: &Syntax, remarks: &mut Vec<Remark>) {
    let arg = super::scaled(arg).of;
    let said = match &arg.form {
        Form::Call { name: "histogram_quantile", .. } => "`histogram_quantile`".to_string(),
        Form::Selector(pick) => {
            let metric = pick.metric.as_deref().unwrap_or_default();
            let asks = pick.matchers.iter().any(|(m, _)| m.label == "quantile" && !m.matches(""));
            if !asks && names::nature(metric, subject.known.exposed).0 != Nature::Quantile {
                return;
            }
            format!("`{}`", subject.quote(&arg.span))
        }
        _ => return,
    };
    let what = format!("`{op}` of {said}: quantiles cannot be added");
    remarks.push(Remark::new(kinds::AVERAGED_QUANTILE, &part.span, what));
}
