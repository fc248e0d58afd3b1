//! Counters are read through `rate` and `increase`, gauges are not.

use super::super::kinds::{self, Severity};
use super::super::names::{self, Nature};
use super::super::subject::{Remark, Role, Subject};
use super::{comparison, operators, scaled};
use crate::promql::syntax::{Form, Pick, Syntax};

/// Functions that take a restart of what they read into account.
pub(super) const RATES: &[&str] = &["rate", "increase", "irate"];

/// Functions that do not.
const DELTAS: &[&str] = &["delta", "idelta", "deriv"];

pub(super) fn check(subject: &Subject<'_>, remarks: &mut Vec<Remark>) {
    subject.tree.visit(&mut |part| {
        if let Form::Call { name, args } = &part.form
            && let Some(arg) = args.first()
        {
            if RATES.contains(name) {
                rated(subject, name, part, arg, remarks);
            } else if DELTAS.contains(name) {
                differed(subject, name, part, arg, remarks);
            }
        }
    });
    operators(subject.tree, &mut |part, binary| {
        if binary.op == "/" {
            lifetime(subject, part, &binary.lhs, &binary.rhs, remarks);
        }
        if let Some(compared) = comparison(binary)
            && subject.role == Role::Alert
        {
            raw(subject, part, &compared, remarks);
            if let ("==", Form::Call { name: "increase", .. }) = (compared.op, &compared.value.form)
                && compared.bound != 0.0
                && compared.bound.fract() == 0.0
            {
                let what =
                    format!("`{}` is hardly ever exactly {}", subject.quote(&compared.value.span), compared.bound);
                let remark = Remark::new(kinds::EXACT_INCREASE, &part.span, what);
                remarks.push(remark.instead(format!("write `> {}`", compared.bound - 0.5)));
            }
        }
    });
}

fn rated(subject: &Subject<'_>, name: &str, part: &Syntax, arg: &Syntax, remarks: &mut Vec<Remark>) {
    match &arg.form {
        Form::Selector(pick) => {
            range(subject, name, part, pick, remarks);
            let Some(metric) = &pick.metric else { return };
            let (nature, by_type) = names::nature(metric, subject.known.exposed);
            let severity = if by_type { Severity::Error } else { kinds::RATE_OF_GAUGE.severity };
            if nature != Nature::Counter && names::is_timestamp(metric) {
                let what = format!("`{metric}` is a point in time: its `{name}` says only that it moves");
                remarks.push(Remark::new(kinds::RATE_OF_TIMESTAMP, &part.span, what));
            } else if nature == Nature::Quantile || pick.matchers.iter().any(|(m, _)| m.label == "quantile") {
                let what = format!("`{}` is a quantile, no counter", subject.quote(&arg.span));
                let remark = Remark::new(kinds::RATE_OF_GAUGE, &part.span, what).graded(Severity::Error);
                remarks.push(remark.instead(format!("for the rate of its events use `{name}({metric}_count[…])`")));
            } else if nature == Nature::Gauge {
                let told = if by_type { "is declared a gauge" } else { "is a gauge, by its name" };
                let what = format!("`{metric}` {told}; `{name}` is for counters");
                let remark = Remark::new(kinds::RATE_OF_GAUGE, &part.span, what).graded(severity);
                let delta = if name == "increase" { "delta" } else { "deriv" };
                let range = pick.range_ms.map(duration).unwrap_or_default();
                remarks
                    .push(remark.instead(format!("write `{delta}({metric}[{range}])`, or compare the gauge itself")));
            } else if nature == Nature::Unknown && !names::may_count(metric) && !subject.is_open(metric) {
                let what = format!("whether `{metric}` is a counter cannot be told from its name");
                remarks.push(Remark::new(kinds::RATE_OF_UNTYPED, &part.span, what));
            }
        }
        Form::Subquery { arg: inner, .. } => {
            if let Form::Aggregate { op, arg, .. } = &inner.form
                && !super::any(arg, |p| matches!(&p.form, Form::Call { name, .. } if RATES.contains(name)))
            {
                let what = format!("`{name}` of `{op}`: the restart of one series looks like one of all");
                remarks.push(Remark::new(kinds::RATE_OF_SUM, &part.span, what));
            }
        }
        _ => {}
    }
}

/// A range that is too short for the scrapes.
fn range(subject: &Subject<'_>, name: &str, part: &Syntax, pick: &Pick, remarks: &mut Vec<Remark>) {
    let Some(range_ms) = pick.range_ms else { return };
    let scrape = subject.known.scrape;
    let wanted = if matches!(name, "irate" | "idelta") { 2 } else { 4 };
    if range_ms < wanted * scrape.every_ms {
        let every = duration(scrape.every_ms);
        let whose = if scrape.is_known {
            format!("the scrape interval of {every}")
        } else {
            format!("a scrape interval of {every}")
        };
        let held = range_ms / scrape.every_ms;
        let what = format!("`[{}]` holds {held} scrapes at {whose}", duration(range_ms));
        let remark = Remark::new(kinds::SHORT_RANGE, &part.span, what);
        remarks.push(remark.instead(format!(
            "write `[{}]` or longer, or tell the scrape interval with `--scrape`",
            duration(4 * scrape.every_ms)
        )));
    }
}

fn differed(subject: &Subject<'_>, name: &str, part: &Syntax, arg: &Syntax, remarks: &mut Vec<Remark>) {
    let Form::Selector(pick) = &arg.form else { return };
    range(subject, name, part, pick, remarks);
    let Some(metric) = &pick.metric else { return };
    if let (Nature::Counter, by_type) = names::nature(metric, subject.known.exposed) {
        let told = if by_type { "is declared a counter" } else { "is a counter, by its name" };
        let rate = if name == "delta" { "increase" } else { "rate" };
        let what = format!("`{metric}` {told}; after a restart its `{name}` is negative");
        let severity = if by_type { Severity::Error } else { Severity::Warning };
        let remark = Remark::new(kinds::DELTA_OF_COUNTER, &part.span, what).graded(severity);
        remarks.push(remark.instead(format!("write `{rate}({})`", subject.quote(&arg.span))));
    }
}

/// A counter as it is, compared with a constant.
fn raw(subject: &Subject<'_>, part: &Syntax, compared: &super::Comparison<'_>, remarks: &mut Vec<Remark>) {
    let value = scaled(compared.value).of;
    let Some((pick, counter)) = bare_counter(subject, value) else { return };
    if !pick.moved.is_empty() {
        return;
    }
    let told = match (compared.op, compared.bound) {
        (">" | ">=", _) | ("!=", 0.0) => {
            "once true, it stays true until the process restarts: the alert never resolves"
        }
        ("<" | "<=", _) | ("==", 0.0) => "once false, it stays false until the process restarts",
        _ => return,
    };
    let how = if counter == Told::ByType { "is declared a counter" } else { "is a counter, by its name" };
    let metric = pick.metric.as_deref().unwrap_or_default();
    let what = format!("`{metric}` {how}: {told}");
    let remark = Remark::new(kinds::RAW_COUNTER, &part.span, what);
    // Beside another condition it is no more than "has ever happened", which may be meant.
    let is_alone =
        !super::any(subject.tree, |p| matches!(&p.form, Form::Binary(b) if b.op == "and" || b.op == "unless"));
    let remark = if is_alone { remark } else { remark.graded(Severity::Info) };
    let braces = pick.matchers.iter().map(|(_, span)| subject.quote(span)).collect::<Vec<_>>().join(", ");
    let braces = if braces.is_empty() { braces } else { format!("{{{braces}}}") };
    let instead = match compared.op {
        "<" | "<=" | "==" => format!("write `increase({metric}{braces}[5m]) == 0`"),
        _ => format!("write `increase({metric}{braces}[5m]) > 0`"),
    };
    remarks.push(remark.instead(instead));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    ByType,
    ByName,
}

/// The counter that a part is, aggregated or not, without any function that looks at its growth.
fn bare_counter<'s>(subject: &Subject<'_>, part: &'s Syntax) -> Option<(&'s Pick, Told)> {
    match &part.form {
        Form::Selector(pick) if pick.range_ms.is_none() => {
            let metric = pick.metric.as_deref()?;
            match names::nature(metric, subject.known.exposed) {
                (Nature::Counter, true) => Some((pick, Told::ByType)),
                (Nature::Counter, false) if metric.ends_with("_total") => Some((pick, Told::ByName)),
                _ => None,
            }
        }
        Form::Aggregate { op, arg, .. } if matches!(op.as_str(), "sum" | "max" | "min" | "avg") => {
            bare_counter(subject, arg)
        }
        Form::Call { name: "abs" | "round" | "floor" | "ceil", args } => bare_counter(subject, args.first()?),
        _ => None,
    }
}

/// `a_total / b_total`
fn lifetime(subject: &Subject<'_>, part: &Syntax, lhs: &Syntax, rhs: &Syntax, remarks: &mut Vec<Remark>) {
    let (Some((a, _)), Some((b, _))) = (bare_counter(subject, lhs), bare_counter(subject, rhs)) else { return };
    let (a, b) = (a.metric.as_deref().unwrap_or_default(), b.metric.as_deref().unwrap_or_default());
    let what = format!("`{a}` and `{b}` count since their process started, and so does their ratio");
    let remark = Remark::new(kinds::LIFETIME_RATIO, &part.span, what);
    remarks.push(remark.instead(format!("write `increase({a}[1h]) / increase({b}[1h])`")));
}

/// A length of time as PromQL writes it.
pub(in super::super) fn duration(ms: i64) -> String {
    const UNITS: &[(&str, i64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut out = String::new();
    let mut rest = ms;
    for (unit, size) in UNITS {
        if rest >= *size {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}
