//! The page: OpenMetrics for who takes it, Prometheus's own text for who does not.

use std::fmt::Write as _;

use super::{Family, Kind, Metered, families};

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's text format 0.0.4.
    Text,
}

impl Media {
    /// The one that an `Accept` header asks for.
    pub fn accepted(accept: Option<&str>) -> Media {
        match accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            true => Media::OpenMetrics,
            false => Media::Text,
        }
    }

    /// What it calls itself in `Content-Type`.
    pub fn word(self) -> &'static str {
        match self {
            Media::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Media::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes what is known of a run; of none, an empty page.
pub fn page(of: Option<&Metered<'_>>, media: Media) -> String {
    let mut out = String::with_capacity(8 * 1024);
    for family in of.map(families).unwrap_or_default() {
        write(&family, media, &mut out);
    }
    if media == Media::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn write(family: &Family, media: Media, out: &mut String) {
    let open = media == Media::OpenMetrics;
    // Only OpenMetrics calls a family other than its samples.
    let (suffix, kind) = match family.kind {
        Kind::Counter => (if open { "" } else { "_total" }, "counter"),
        Kind::Gauge => ("", "gauge"),
        Kind::Histogram => ("", "histogram"),
        Kind::Info => (if open { "" } else { "_info" }, if open { "info" } else { "gauge" }),
    };
    let _ = writeln!(out, "# HELP {}{suffix} {}", family.name, family.help);
    let _ = writeln!(out, "# TYPE {}{suffix} {kind}", family.name);
    if open && family.name.ends_with("_seconds") {
        let _ = writeln!(out, "# UNIT {} seconds", family.name);
    }
    for sample in &family.samples {
        let _ = write!(out, "{}{}{{", family.name, sample.suffix);
        for (n, (name, value)) in sample.labels.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{name}=\"");
            escape(value, out);
            out.push('"');
        }
        let _ = writeln!(out, "}} {}", number(sample.value));
    }
}

/// A label's value as it stands between quotes.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// A number as both formats read it.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".into(),
        value if value == f64::NEG_INFINITY => "-Inf".into(),
        value if value.is_nan() => "NaN".into(),
        value => value.to_string(),
    }
}
