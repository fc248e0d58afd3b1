//! Samples as OpenMetrics text, for other tools: `promtool tsdb create-blocks-from openmetrics` takes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Kind, Samples};
use crate::base::series::{Labels, Series, is_stale};

/// Writes every sample with its time in Unix seconds, grouped by metric family, and `# EOF`. OpenMetrics has no way to
/// say that a series ended: stale markers are left out, and an importer sees a gap instead. Names that the classic
/// grammar does not allow are quoted, which Prometheus reads from 3.0 on.
pub fn export_openmetrics(samples: &Samples, out: &mut impl Write) -> io::Result<()> {
    let mut families: BTreeMap<(&str, Kind), BTreeMap<Labels, Vec<&Series>>> = BTreeMap::new();
    for (series, kind) in samples.series.iter().zip(&samples.kinds) {
        let family = family(series.labels.name(), *kind);
        families.entry(family).or_default().entry(point(&series.labels, family.1)).or_default().push(series);
    }
    for ((name, kind), points) in families {
        writeln!(out, "# TYPE {} {}", quoted_unless(classic(name, true), name), word(kind))?;
        for mut series in points.into_values() {
            series.sort_by_cached_key(|series| rank(&series.labels));
            write_points(&series, out)?;
        }
    }
    out.write_all(b"# EOF\n")
}

/// The series of one metric, instant by instant.
fn write_points(series: &[&Series], out: &mut impl Write) -> io::Result<()> {
    let names: Vec<String> = series.iter().map(|series| text(&series.labels)).collect();
    let mut samples: Vec<(i64, usize, f64)> = Vec::new();
    for (n, series) in series.iter().enumerate() {
        samples.extend(series.samples.iter().filter(|s| !is_stale(s.value)).map(|s| (s.at, n, s.value)));
    }
    samples.sort_unstable_by_key(|(at, n, _)| (*at, *n));
    for (at, n, value) in samples {
        let sign = if at < 0 { "-" } else { "" };
        let ms = at.unsigned_abs();
        writeln!(out, "{} {} {sign}{}.{:03}", names[n], number(value), ms / 1000, ms % 1000)?;
    }
    Ok(())
}

/// The family of a series and its type there. A name that does not fit its declared type, such as a counter without
/// `_total`, is a family of unknown type by itself.
fn family(name: &str, kind: Kind) -> (&str, Kind) {
    let suffixes: &[&str] = match kind {
        Kind::Counter => &["_total", "_created"],
        Kind::Histogram => &["_bucket", "_count", "_sum", "_created"],
        Kind::Summary => &["_count", "_sum", "_created", ""],
        Kind::Gauge => &[""],
        _ => &[],
    };
    match suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        Some(base) if !base.is_empty() => (base, kind),
        _ => (name, Kind::Unknown),
    }
}

/// The labels that the series of one metric have in common.
fn point(labels: &Labels, kind: Kind) -> Labels {
    let own = match kind {
        Kind::Histogram => "le",
        Kind::Summary => "quantile",
        _ => "",
    };
    labels.filter(|name| name != "__name__" && name != own)
}

/// The order of the series of one metric: buckets or quantiles upward, then count, sum and the rest.
fn rank(labels: &Labels) -> (u8, u64, String) {
    let bound = ["le", "quantile"].iter().find_map(|name| labels.get(name).parse::<f64>().ok());
    let upward = bound.map_or(0, |b| if b < 0.0 { !b.to_bits() } else { b.to_bits() | 1 << 63 });
    (u8::from(bound.is_none()), upward, labels.name().into())
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Unknown | Kind::GaugeHistogram | Kind::Info | Kind::StateSet => "unknown",
    }
}

fn text(labels: &Labels) -> String {
    let name = labels.name();
    let mut out = if classic(name, true) { format!("{name}{{") } else { format!("{{{},", quoted(name)) };
    for (label, value) in labels.iter().filter(|(label, _)| *label != "__name__") {
        out.push_str(&quoted_unless(classic(label, false), label));
        out.push('=');
        out.push_str(&quoted(value));
        out.push(',');
    }
    if out.ends_with([',', '{']) {
        out.pop();
    }
    match out.contains('{') {
        true => out + "}",
        false => out,
    }
}

fn classic(name: &str, colons: bool) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn quoted_unless(plain: bool, text: &str) -> String {
    if plain { text.into() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        v if v == 0.0 || (1e-5..1e15).contains(&v.abs()) => format!("{v}"),
        v => format!("{v:e}"),
    }
}

#[cfg(test)]
mod tests;
