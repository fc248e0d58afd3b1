//! Which labels series carry, and what stands in them.

use std::collections::{BTreeMap, BTreeSet};

use super::exposed::Exposed;
use super::finding::{At, Book};
use super::value::suspicious;
use crate::base::metrics::rule::{self, Rule};
use crate::observe::exposition::Kind;

/// Labels whose values are long by nature and few.
const BUILD: [&str; 7] = ["version", "revision", "commit", "branch", "goversion", "build", "git_commit"];

/// Values of one label that look like the same thing.
struct Suspects<'a> {
    rule: &'static Rule,
    what: &'static str,
    values: BTreeSet<&'a str>,
}

/// Everything that is wrong with labels.
pub(super) fn labels(exposed: &Exposed<'_>, required: &[String], book: &mut Book) {
    for label in required {
        missing(exposed, label, book);
    }
    for metric in exposed.metrics.iter().filter(|metric| metric.kind != Kind::Info) {
        // By label and kind of suspicion: how many values, and what they look like.
        let mut found: BTreeMap<(&str, &str), Suspects<'_>> = BTreeMap::new();
        for member in &metric.series {
            for (label, value) in member.series.labels.iter() {
                let own =
                    !matches!(label, "__name__" | "le" | "quantile" | "job" | "instance") && !BUILD.contains(&label);
                if let Some((rule, what)) = suspicious(value).filter(|_| own) {
                    let none = || Suspects { rule, what, values: BTreeSet::new() };
                    found.entry((label, rule.id)).or_insert_with(none).values.insert(value);
                }
            }
        }
        for ((label, _), Suspects { rule, what, values }) in found {
            let count = values.len();
            for value in &values {
                let why = || format!("`{label}` holds {what}: {count} such value{}", if count == 1 { "" } else { "s" });
                book.note(rule, At::label(&metric.name, label), why, || Some(format!("{label}=\"{value}\"")));
            }
        }
    }
}

/// A label that must be there: said once where no series has it.
fn missing(exposed: &Exposed<'_>, label: &str, book: &mut Book) {
    let lacks =
        |metric: &super::Metric<'_>| metric.series.iter().filter(|m| m.series.labels.get(label).is_empty()).count();
    let all: usize = exposed.metrics.iter().map(lacks).sum();
    if all > 0 && all == exposed.series() {
        return book.say(rule::LABEL_MISSING, At::label("", label), || format!("no series carries `{label}`"));
    }
    for metric in &exposed.metrics {
        let without = metric.series.iter().filter(|m| m.series.labels.get(label).is_empty());
        let count = lacks(metric);
        for member in without {
            let why = || format!("{count} of {} series without `{label}`", metric.series.len());
            book.note(rule::LABEL_MISSING, At::label(&metric.name, label), why, || {
                Some(member.series.labels.to_string())
            });
        }
    }
}
