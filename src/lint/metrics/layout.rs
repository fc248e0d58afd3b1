//! How a page is laid out: what it is served as, and its lines.

use std::collections::{HashMap, HashSet};

use super::finding::{At, Book, Finding};
use super::openmetrics::Strict;
use crate::base::metrics::rule;
use crate::base::text::shorten;
use crate::observe::exposition::{self, Dialect, Kind, Line, Sample, Word};

/// Everything that is wrong with how a page is laid out. `media` is its `Content-Type`.
pub fn layout(page: &[u8], media: Option<&str>) -> Vec<Finding> {
    let mut book = Book::default();
    let dialect = Dialect::of(media, page);
    served_as(media, &mut book);
    let text = String::from_utf8_lossy(page);
    if let std::borrow::Cow::Owned(_) = text {
        book.say(rule::NOT_METRICS, At::default(), || "not UTF-8 text".into());
    }
    if text.trim_ascii().is_empty() {
        book.say(rule::NOT_METRICS, At::default(), || "an empty page".into());
        return book.findings();
    }
    if !text.ends_with('\n') {
        book.say(rule::LINE_END_MISSING, At::default().on(text.lines().count()), || {
            "the last line does not end".into()
        });
    }
    if text.contains("\r\n") {
        book.say(rule::CARRIAGE_RETURN, At::default(), || "lines end in a carriage return and a line feed".into());
    }
    let mut reader = Reader { strict: (dialect == Dialect::OpenMetrics).then(Strict::default), ..Reader::default() };
    for (number, line, read) in exposition::lines(&text, dialect) {
        reader.line(number, line, read, &mut book);
    }
    reader.finish(&mut book);
    book.findings()
}

/// The `Content-Type`.
fn served_as(media: Option<&str>, book: &mut Book) {
    let Some(media) = media.map(str::trim).filter(|media| !media.is_empty()) else {
        return book.say(rule::MEDIA_MISSING, At::default(), || "no Content-Type".into());
    };
    let mut parts = media.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let version = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("version").then(|| value.trim().trim_matches('"'))
    });
    let known: &[&str] = match kind.to_ascii_lowercase().as_str() {
        "text/plain" => &["0.0.4", "1.0.0"],
        "application/openmetrics-text" => &["1.0.0", "0.0.1"],
        _ => {
            return book.say(rule::MEDIA_WRONG, At::default(), || {
                format!("served as `{}`, which is neither metrics format", shorten(media, 80))
            });
        }
    };
    match version {
        Some(version) if known.contains(&version) => {}
        Some(version) => book.say(rule::MEDIA_VERSION, At::default(), || {
            format!("`{}`: version {} is not known", shorten(media, 80), shorten(version, 20))
        }),
        None => book.say(rule::MEDIA_VERSION, At::default(), || format!("`{}` names no version", shorten(media, 80))),
    }
}

#[derive(Default)]
struct Reader {
    strict: Option<Strict>, // where it is OpenMetrics
    families: HashMap<String, Family>,
    /// The line of each sample name's first sample.
    names: HashMap<String, usize>,
    series: HashSet<String>,
    /// The family whose samples are being read.
    current: Option<String>,
    /// The labels of the histogram whose buckets are being read, and the last bound.
    buckets: Option<(String, f64)>,
}

#[derive(Default)]
struct Family {
    kind: Option<Kind>,
    help: bool,
    unit: bool,
    first: Option<usize>, // the line of its first sample
}

/// The suffixes of a type's samples beside its bare name.
pub(super) fn suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count", "_created"],
        Kind::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        Kind::Summary => &["_sum", "_count", "_created"],
        Kind::Counter => &["_total", "_created"],
        Kind::Info => &["_info"],
        Kind::Gauge | Kind::StateSet | Kind::Unknown => &[],
    }
}

impl Reader {
    fn line(&mut self, number: usize, line: &str, read: Result<Line<'_>, String>, book: &mut Book) {
        if let Some(strict) = &mut self.strict {
            strict.line(number, line, &read, book);
        }
        match read {
            Ok(Line::Blank | Line::Comment | Line::End) => {}
            Ok(Line::Declared { word, family, text }) => self.declared(number, word, &family, text, book),
            Ok(Line::Sample(sample)) => self.sample(number, &sample, book),
            Err(why) => {
                book.note(rule::NOT_METRICS, At::default().on(number), || why, || Some(line.to_owned()));
            }
        }
    }

    fn declared(&mut self, number: usize, word: Word, name: &str, text: &str, book: &mut Book) {
        let at = At::metric(name).on(number);
        let first = |names: &[&str]| {
            let lines = names.iter().filter_map(|suffix| self.names.get(&format!("{name}{suffix}")).copied());
            lines.min()
        };
        match word {
            Word::Type => match exposition::kind(text.trim_ascii_end()) {
                Ok(kind) => {
                    let late = first(&[&[""], suffixes(kind)].concat());
                    let family = self.families.entry(name.into()).or_default();
                    if family.kind.is_some() {
                        book.say(rule::TYPE_REPEATED, at, || "TYPE stands twice".into());
                    } else if let Some(line) = late {
                        book.say(rule::TYPE_LATE, at, || {
                            format!("TYPE on line {number}, after a sample on line {line}")
                        });
                        family.first = family.first.or(Some(line));
                    }
                    if kind == Kind::Unknown {
                        book.say(rule::TYPE_UNKNOWN, at, || format!("declared as `{}`", text.trim()));
                    }
                    family.kind = family.kind.or(Some(kind));
                    if let Some(strict) = &mut self.strict {
                        strict.begin(number, name, kind, book);
                    }
                }
                Err(why) => book.say(rule::NOT_METRICS, at, || why),
            },
            Word::Help => {
                let late = first(&["", "_total", "_bucket", "_sum", "_count"]);
                let family = self.families.entry(name.into()).or_default();
                if family.help {
                    book.say(rule::HELP_REPEATED, at, || "HELP stands twice".into());
                } else if let Some(line) = late {
                    book.say(rule::HELP_LATE, at, || format!("HELP on line {number}, after a sample on line {line}"));
                }
                if text.trim().is_empty() || text.trim() == name {
                    book.say(rule::HELP_EMPTY, at, || "HELP says nothing".into());
                }
                family.help = true;
            }
            Word::Unit => {
                let family = self.families.entry(name.into()).or_default();
                let unit = text.trim();
                if !unit.is_empty() && !name.ends_with(&format!("_{unit}")) {
                    book.say(rule::UNIT_WRONG, at, || {
                        format!("UNIT is `{}`, and the name does not end so", shorten(unit, 40))
                    });
                }
                if family.unit {
                    book.say(rule::TYPE_REPEATED, at, || "UNIT stands twice".into());
                }
                family.unit = true;
            }
        }
    }

    /// The family that a sample's name belongs to, by what was declared so far.
    fn family_of<'n>(&self, name: &'n str) -> &'n str {
        const ALL: [&str; 8] = ["_bucket", "_sum", "_count", "_total", "_created", "_gsum", "_gcount", "_info"];
        let of = |suffix: &&str| {
            let base = name.strip_suffix(suffix)?;
            let kind = self.families.get(base)?.kind?;
            suffixes(kind).contains(suffix).then_some(base)
        };
        ALL.iter().find_map(of).unwrap_or(name)
    }

    fn sample(&mut self, number: usize, sample: &Sample<'_>, book: &mut Book) {
        let name = sample.name;
        let metric = self.family_of(name).to_owned();
        self.names.entry(name.into()).or_insert(number);
        let kind = self.families.get(&metric).and_then(|f| f.kind);
        let at = At::metric(&metric).on(number);

        if self.current.as_ref() != Some(&metric) {
            let family = self.families.entry(metric.clone()).or_default();
            if let Some(first) = family.first {
                book.note(
                    rule::FAMILY_SPLIT,
                    at,
                    || format!("its samples began on line {first} and go on here, after those of others"),
                    || Some(sample.series.to_owned()),
                );
            }
            family.first = family.first.or(Some(number));
            self.current = Some(metric.clone());
        }
        let labels = exposition::written_labels(sample.series);
        for (label, value) in &labels {
            let reserved = match label.as_ref() {
                "job" | "instance" => true,
                "le" => !name.ends_with("_bucket"),
                "quantile" => !matches!(kind, None | Some(Kind::Summary | Kind::Unknown)),
                label => label.starts_with("__"),
            };
            let at = At::label(&metric, label).on(number);
            let example = || Some(sample.series.to_owned());
            if reserved {
                book.note(rule::LABEL_RESERVED, at, || format!("the label `{label}` is not its to set"), example);
            }
            if value.is_empty() {
                book.note(rule::LABEL_EMPTY, at, || format!("the label `{label}` is empty"), example);
            }
        }
        if sample.timestamp.is_some() {
            book.note(
                rule::TIMESTAMPED,
                at,
                || "a sample with a timestamp of its own".into(),
                || Some(sample.series.into()),
            );
        }
        let bound = labels.iter().find(|(label, _)| label == "le").and_then(|(_, le)| le.parse::<f64>().ok());
        let mut sorted: Vec<&(_, _)> = labels.iter().collect();
        sorted.sort_unstable();
        let key = |all: &[&(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)]| {
            let pairs: Vec<String> = all.iter().map(|(label, value)| format!("{label:?}={value:?}")).collect();
            format!("{name}{{{}}}", pairs.join(","))
        };
        if !self.series.insert(key(&sorted)) {
            book.note(rule::SERIES_REPEATED, at, || "one series twice".into(), || Some(sample.series.into()));
        }
        sorted.retain(|(label, _)| label != "le");
        let whose = key(&sorted);
        match (bound, &mut self.buckets) {
            (Some(bound), Some((known, last))) if *known == whose => {
                if bound <= *last {
                    let why = || format!("the bucket `le=\"{bound}\"` stands after `le=\"{last}\"`");
                    book.note(rule::BOUNDS_UNSORTED, at, why, || Some(sample.series.into()));
                }
                *last = bound;
            }
            (Some(bound), buckets) => *buckets = Some((whose, bound)),
            (None, buckets) => *buckets = None,
        }
        if let Some(strict) = &mut self.strict {
            strict.sample(number, sample, &metric, kind, &labels, book);
        }
    }

    fn finish(mut self, book: &mut Book) {
        let families: Vec<(&String, usize)> =
            self.families.iter().filter_map(|(name, family)| Some((name, family.first?))).collect();
        // What stands below a family that was declared late is not without a type.
        let late = |name: &str| {
            self.families.iter().any(|(base, family)| {
                family.kind.is_some_and(|k| suffixes(k).iter().any(|s| name.strip_suffix(s) == Some(base)))
            })
        };
        for (name, line) in families {
            let family = &self.families[name];
            let at = At::metric(name).on(line);
            if family.kind.is_none() && !late(name) {
                book.say(rule::TYPE_MISSING, at, || "no TYPE".into());
            }
            if !family.help && !late(name) {
                book.say(rule::HELP_MISSING, at, || "no HELP".into());
            }
        }
        if let Some(strict) = self.strict.take() {
            strict.finish(book);
        }
    }
}
