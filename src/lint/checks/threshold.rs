//! Thresholds that the value crosses never or always, or on another scale.

use super::super::bounds::bounds;
use super::super::kinds::{self, Severity};
use super::super::names::{self, Unit};
use super::super::subject::{Remark, Role, Subject};
use super::{Comparison, any, comparison, number, operators, scaled};
use crate::promql::MatchOp;
use crate::promql::syntax::{Binary, Form, Pick, Syntax};

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    operators(subject.tree, &mut |part, binary| {
        if binary.op == "-" {
            milliseconds(subject, part, binary, remarks);
        }
        if !binary.compares() {
            return;
        }
        if let Some(compared) = comparison(binary) {
            if compared.bound.is_nan() {
                let what = format!(
                    "`{}` is {}",
                    subject.quote(&part.span),
                    if binary.op == "!=" { "always true" } else { "never true" }
                );
                remarks.push(Remark::new(kinds::NAN, &part.span, what));
            } else if !compared.as_bool {
                let before = remarks.len();
                possible(subject, part, &compared, remarks);
                buckets(subject, part, &compared, remarks);
                if remarks.len() == before {
                    scale(subject, part, &compared, remarks);
                }
                if subject.role == Role::Alert {
                    high_water_mark(part, &compared, remarks);
                }
            }
        }
    });
}

/// What follows from the value's kind alone.
fn possible(subject: &Subject<'_>, part: &Syntax, compared: &Comparison<'_>, remarks: &mut Vec<Remark>) {
    let known = bounds(subject, compared.value);
    let (can_hold, can_fail) = known.decide(compared.op, compared.bound);
    let value = subject.quote(&compared.value.span);
    if !can_hold {
        let counts = |part: &Syntax| match &part.form {
            Form::Aggregate { op, .. } => op == "count",
            Form::Call { name, .. } => *name == "count_over_time",
            _ => false,
        };
        if counts(compared.value) && compared.bound < 1.0 || counts(compared.value) && compared.op == "<" {
            let what = format!("`{value}` is at least 1 where it is anything at all");
            remarks.push(Remark::new(kinds::COUNT_IS_NEVER_ZERO, &part.span, what));
            return;
        }
        let range = match (known.low.is_finite(), known.high.is_finite()) {
            (true, true) => format!("lies between {} and {}", number(known.low), number(known.high)),
            (true, false) => format!("is never below {}", number(known.low)),
            _ => format!("is never above {}", number(known.high)),
        };
        let what = format!("`{value}` {range}: `{} {}` is never true", compared.op, number(compared.bound));
        let remark = Remark::new(kinds::NEVER_FIRES, &part.span, what);
        remarks.push(if subject.role == Role::Alert { remark } else { remark.why("The expression is always empty.") });
    } else if !can_fail && subject.role == Role::Alert && !is_of_existence(compared.value) {
        let what = format!("`{value}` is always `{} {}`", compared.op, number(compared.bound));
        remarks.push(Remark::new(kinds::ALWAYS_FIRES, &part.span, what));
    }
}

/// Whether the value's being there is what the alert is about.
fn is_of_existence(value: &Syntax) -> bool {
    any(value, |part| match &part.form {
        Form::Call { name, .. } => matches!(*name, "absent" | "absent_over_time" | "present_over_time" | "vector"),
        Form::Aggregate { op, .. } => matches!(op.as_str(), "count" | "group" | "count_values"),
        Form::Binary(binary) => binary.compares() || binary.is_set(),
        _ => false,
    })
}

/// A quantile against the bounds of its buckets.
fn buckets(subject: &Subject<'_>, part: &Syntax, compared: &Comparison<'_>, remarks: &mut Vec<Remark>) {
    let value = scaled(compared.value);
    let Form::Call { name: "histogram_quantile", args } = &value.of.form else { return };
    let Some(arg) = args.get(1) else { return };
    let picks = arg.picks();
    let [(pick, _)] = picks.as_slice() else { return };
    let all = known_bounds(subject, pick);
    if all.is_empty() || value.factor <= 0.0 {
        return;
    }
    let threshold = compared.bound / value.factor;
    let rises = matches!(compared.op, ">" | ">=");
    let largest = all.iter().filter_map(|bounds| bounds.last().copied()).fold(f64::NEG_INFINITY, f64::max);
    if rises && (threshold > largest || (compared.op == ">" && threshold >= largest)) {
        let what = format!(
            "the largest bucket of `{}` ends at {}, and no quantile is taken to be above it: `{} {}` is never true",
            pick.metric.as_deref().unwrap_or_default(),
            number(largest),
            compared.op,
            number(compared.bound),
        );
        let remark = Remark::new(kinds::NEVER_FIRES, &part.span, what);
        remarks.push(remark.instead(format!(
            "add buckets above {}, or lower the threshold below {}",
            number(threshold),
            number(largest)
        )));
        return;
    }
    let inside = all.iter().find(|bounds| {
        !bounds.iter().any(|b| (b - threshold).abs() <= threshold.abs() * 1e-9) && bounds.iter().any(|b| *b > threshold)
    });
    if let Some(bounds) = inside {
        let below = bounds.iter().copied().filter(|b| *b < threshold).fold(0.0, f64::max);
        let above = bounds.iter().copied().filter(|b| *b > threshold).fold(f64::INFINITY, f64::min);
        let what = format!("{} lies inside the bucket from {} to {}", number(threshold), number(below), number(above));
        let remark = Remark::new(kinds::UNDECIDED_THRESHOLD, &part.span, what);
        remarks.push(remark.instead(format!(
            "add a bucket at {}, or compare with {} or {}",
            number(threshold),
            number(below * value.factor),
            number(above * value.factor)
        )));
    }
}

/// The bounds of the buckets: those that are exposed, or those that the selector itself names.
fn known_bounds(subject: &Subject<'_>, pick: &Pick) -> Vec<Vec<f64>> {
    if let (Some(exposed), Some(metric)) = (subject.known.exposed, &pick.metric) {
        let selected = subject.selected(pick);
        return exposed.bounds(metric, |labels| selected.iter().any(|l| std::ptr::eq(*l, labels)));
    }
    let named = pick.matchers.iter().find(|(m, _)| m.label == "le" && matches!(m.op, MatchOp::Regex(_)));
    let Some((matcher, _)) = named else { return Vec::new() };
    let words: Vec<f64> = matcher.value.split('|').filter_map(|w| w.replace("\\.", ".").parse().ok()).collect();
    let mut finite: Vec<f64> = words.into_iter().filter(|b: &f64| b.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    if finite.is_empty() { Vec::new() } else { vec![finite] }
}

/// A share taken for a percentage, milliseconds for seconds.
fn scale(subject: &Subject<'_>, part: &Syntax, compared: &Comparison<'_>, remarks: &mut Vec<Remark>) {
    let bound = compared.bound;
    let value = subject.quote(&compared.value.span);
    let mut say = |what: String, instead: String| {
        remarks.push(Remark::new(kinds::WRONG_SCALE, &part.span, what).instead(instead));
    };
    let reach = bounds(subject, compared.value);
    if reach.low == 0.0 && reach.high == 100.0 && bound > 0.0 && bound < 1.0 && matches!(compared.op, ">" | ">=") {
        return say(
            format!("`{value}` is a percentage, and {} of it is next to nothing", number(bound)),
            format!("write `{} {}`, or leave out the factor 100", compared.op, number(bound * 100.0)),
        );
    }
    let value_of = scaled(compared.value);
    let Some((metric, how)) = measured(value_of.of) else { return };
    let rises = matches!(compared.op, ">" | ">=");
    match names::unit(metric) {
        // How long things took, not how long they last.
        Some(Unit::Seconds)
            if how == How::Latency && rises && !lasts(metric) && value_of.factor == 1.0 && bound >= 500.0 =>
        {
            say(
                format!("`{metric}` counts seconds: {} are {}", number(bound), minutes(bound)),
                format!("write {} if milliseconds were meant", number(bound / 1000.0)),
            )
        }
        Some(Unit::Milliseconds) if value_of.factor == 1.0 && bound > 0.0 && bound <= 1.0 => say(
            format!("`{metric}` counts milliseconds: {} is next to nothing", number(bound)),
            format!("write {} if seconds were meant", number(bound * 1000.0)),
        ),
        Some(Unit::Share) if how == How::Plain && value_of.factor == 1.0 && bound >= 5.0 => say(
            format!("`{metric}` is a share by its name: {} of the whole is more than all of it", number(bound)),
            format!("write {} if a percentage was meant", number(bound / 100.0)),
        ),
        Some(Unit::Percent) if how == How::Plain && value_of.factor == 1.0 && bound > 0.0 && bound < 0.5 => say(
            format!("`{metric}` is a percentage by its name: {} of a hundred is next to nothing", number(bound)),
            format!("write {} if a share was meant", number(bound * 100.0)),
        ),
        _ => {}
    }
}

/// Whether a metric tells of ages and deadlines, which are long by nature.
fn lasts(metric: &str) -> bool {
    ["expir", "age_", "ttl", "uptime", "lifetime", "backup", "interval", "lag"].iter().any(|word| metric.contains(word))
}

fn minutes(seconds: f64) -> String {
    if seconds >= 7200.0 {
        format!("{} hours", number((seconds / 360.0).round() / 10.0))
    } else {
        format!("{} minutes", number((seconds / 6.0).round() / 10.0))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// A quantile or a mean of how long things took.
    Latency,
    /// The value itself.
    Plain,
}

/// The metric whose unit a value has.
fn measured(value: &Syntax) -> Option<(&str, How)> {
    match &value.form {
        Form::Selector(pick) if pick.range_ms.is_none() => Some((pick.metric.as_deref()?, How::Plain)),
        Form::Call { name: "histogram_quantile", args } => {
            let picks = args.get(1)?.picks();
            Some((picks.first()?.0.metric.as_deref()?, How::Latency))
        }
        Form::Call {
            name: "avg_over_time" | "max_over_time" | "min_over_time" | "quantile_over_time" | "abs",
            args,
        } => match &args.last()?.form {
            Form::Selector(pick) => Some((pick.metric.as_deref()?, How::Plain)),
            _ => None,
        },
        Form::Aggregate { op, arg, .. } if matches!(op.as_str(), "max" | "min" | "avg") => measured(arg),
        // A mean: `rate(x_sum) / rate(x_count)`.
        Form::Binary(binary) if binary.op == "/" => {
            let (sum, count) = (binary.lhs.picks(), binary.rhs.picks());
            let (sum, count) = (sum.first()?.0.metric.as_deref()?, count.first()?.0.metric.as_deref()?);
            (sum.strip_suffix("_sum")? == count.strip_suffix("_count")?).then_some((sum, How::Latency))
        }
        _ => None,
    }
}

/// `time() - x` where `x` is in milliseconds.
fn milliseconds(subject: &Subject<'_>, part: &Syntax, binary: &Binary, remarks: &mut Vec<Remark>) {
    let is_time = |part: &Syntax| matches!(part.form, Form::Call { name: "time", .. });
    for (time, other) in [(&binary.lhs, &binary.rhs), (&binary.rhs, &binary.lhs)] {
        let other = match &other.form {
            Form::Aggregate { op, arg, .. } if op == "max" || op == "min" => arg,
            _ => other,
        };
        if is_time(time)
            && let Form::Selector(pick) = &other.form
            && let Some(metric) = pick.metric.as_deref().filter(|metric| names::is_millisecond_time(metric))
        {
            let what = format!("`time()` is in seconds, `{metric}` in milliseconds");
            let remark = Remark::new(kinds::MILLISECOND_TIME, &part.span, what);
            remarks.push(remark.instead(format!("write `time() - {} / 1000`", subject.quote(&other.span))));
        }
    }
}

fn high_water_mark(part: &Syntax, compared: &Comparison<'_>, remarks: &mut Vec<Remark>) {
    if let Form::Selector(pick) = &scaled(compared.value).of.form
        && let Some(metric) = pick.metric.as_deref().filter(|metric| names::is_high_water_mark(metric))
        && matches!(compared.op, ">" | ">=")
        && pick.range_ms.is_none()
    {
        let what = format!(
            "`{metric}` is the highest so far, by its name: once above {}, it stays there",
            number(compared.bound)
        );
        remarks.push(Remark::new(kinds::HIGH_WATER_MARK, &part.span, what).graded(Severity::Warning));
    }
}
