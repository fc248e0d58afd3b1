//! How metrics and labels are called.

use std::collections::BTreeSet;

use super::exposed::{Exposed, Metric};
use super::finding::{At, Book};
use crate::base::metrics::{Template, rule};
use crate::observe::exposition::Kind;

/// What libraries call their own metrics: nobody here chose those names.
const LIBRARIES: [&str; 14] = [
    "process_",
    "go_",
    "python_",
    "jvm_",
    "nodejs_",
    "dotnet_",
    "ruby_",
    "rust_",
    "tokio_",
    "promhttp_",
    "otel_",
    "target_",
    "scrape_",
    "otelcol_",
];
/// Units that are not base units, and what to write instead.
const NOT_BASE: [(&str, &[&str]); 4] = [
    (
        "seconds",
        &[
            "ms",
            "millis",
            "milliseconds",
            "us",
            "micros",
            "microseconds",
            "ns",
            "nanos",
            "nanoseconds",
            "minutes",
            "hours",
            "days",
        ],
    ),
    (
        "bytes",
        &[
            "kb",
            "kib",
            "mb",
            "mib",
            "gb",
            "gib",
            "kilobytes",
            "kibibytes",
            "megabytes",
            "mebibytes",
            "gigabytes",
            "bits",
        ],
    ),
    ("ratio", &["percent", "percentage", "pct"]),
    ("celsius", &["fahrenheit", "kelvin"]),
];
/// Words for lengths of time.
const LENGTHS: [&str; 5] = ["duration", "latency", "elapsed", "uptime", "age"];
const TYPES: [&str; 6] = ["counter", "gauge", "histogram", "summary", "untyped", "metric"];

/// Everything that is wrong with names.
pub(super) fn names(exposed: &Exposed<'_>, template: Option<&Template>, book: &mut Book) {
    for metric in &exposed.metrics {
        charset(metric, book);
        labels(metric, book);
        if LIBRARIES.iter().any(|library| metric.name.starts_with(library)) {
            continue;
        }
        suffixes(metric, book);
        words(metric, book);
        if let Some(template) = template {
            let counted = metric.kind == Kind::Counter && metric.series.iter().any(|m| m.part == "_total");
            let name = if counted { format!("{}_total", metric.name) } else { metric.name.clone() };
            if !template.fits(&name) {
                let why = || format!("not `{}`", template.text());
                book.say(rule::NAME_NOT_AS_TEMPLATE, At::metric(&metric.name), why);
            }
        }
    }
}

fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_snake(name: &str) -> bool {
    !name.chars().any(|c| c.is_ascii_uppercase())
        && !name.contains("__")
        && !name.ends_with('_')
        && !name.starts_with('_')
}

fn charset(metric: &Metric<'_>, book: &mut Book) {
    let at = At::metric(&metric.name);
    if metric.name.contains(':') {
        book.say(rule::NAME_COLON, at, || "a colon in the name".into());
    } else if !is_plain(&metric.name) {
        book.say(rule::NAME_CHARSET, at, || "other characters than letters, digits and `_`".into());
    } else if !is_snake(&metric.name) {
        book.say(rule::NAME_NOT_SNAKE_CASE, at, || "not snake_case".into());
    }
}

fn labels(metric: &Metric<'_>, book: &mut Book) {
    let all: BTreeSet<&str> = metric
        .series
        .iter()
        .flat_map(|m| m.series.labels.iter().map(|(label, _)| label))
        .filter(|l| *l != "__name__")
        .collect();
    for label in all {
        let at = At::label(&metric.name, label);
        if !is_plain(label) {
            book.say(rule::LABEL_CHARSET, at, || {
                format!("the label `{label}` has other characters than letters, digits and `_`")
            });
        } else if !is_snake(label) && !label.starts_with("__") {
            book.say(rule::LABEL_NOT_SNAKE_CASE, at, || format!("the label `{label}` is not snake_case"));
        }
        let own = !matches!(label, "le" | "quantile" | "job" | "instance");
        if own && metric.name.contains(&format!("_by_{label}")) {
            book.say(rule::NAME_HAS_LABEL, at, || format!("`by_{label}` in the name of what has the label `{label}`"));
        }
    }
}

fn suffixes(metric: &Metric<'_>, book: &mut Book) {
    let at = At::metric(&metric.name);
    let is_counter = metric.kind == Kind::Counter;
    if is_counter && metric.series.iter().any(|m| m.part.is_empty() && !m.series.labels.name().ends_with("_total")) {
        book.say(rule::COUNTER_WITHOUT_TOTAL, at, || "a counter whose name does not end in `_total`".into());
    }
    if metric.name.ends_with("_total") && !matches!(metric.kind, Kind::Counter | Kind::Unknown) {
        book.say(rule::TOTAL_WITHOUT_COUNTER, at, || format!("a {} whose name ends in `_total`", metric.kind.word()));
    }
    let aggregated = matches!(metric.kind, Kind::Histogram | Kind::GaugeHistogram | Kind::Summary);
    if let Some(suffix) = ["_bucket", "_sum", "_count"].into_iter().find(|s| metric.name.ends_with(s) && !aggregated) {
        let why = || format!("a {} whose name ends in `{suffix}`", metric.kind.word());
        book.say(rule::NAME_SUFFIX_RESERVED, at, why);
    }
}

fn words(metric: &Metric<'_>, book: &mut Book) {
    let at = At::metric(&metric.name);
    let bare = metric.name.strip_suffix("_total").unwrap_or(&metric.name).to_ascii_lowercase();
    let words: Vec<&str> = bare.split(['_', ':']).collect();
    if let Some(word) = words.iter().find(|word| TYPES.contains(word)) {
        book.say(rule::NAME_HAS_TYPE, at, || format!("`{word}` in the name"));
    }
    let last = words.last().copied().unwrap_or_default();
    if let Some((base, _)) = NOT_BASE.iter().find(|(_, units)| units.contains(&last)) {
        book.say(rule::NAME_UNIT_NOT_BASE, at, || format!("in `{last}`: the base unit is `{base}`"));
        return;
    }
    let in_seconds = words.contains(&"seconds") || words.contains(&"timestamp");
    if let Some(word) = words.iter().find(|word| LENGTHS.contains(word) && !in_seconds) {
        book.say(rule::NAME_UNIT_MISSING, at, || format!("`{word}` in the name, and no unit"));
    }
}
