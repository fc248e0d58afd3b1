//! What OpenMetrics 1.0 asks beyond the text format. The sections are those of its specification.

use std::borrow::Cow;
use std::collections::HashSet;

use super::finding::{At, Book};
use super::layout::suffixes;
use crate::base::metrics::rule;
use crate::observe::exposition::{Kind, Line, Sample};

/// The most characters in the labels of an exemplar ("Exemplars").
const EXEMPLAR: usize = 128;

/// Reads lines beside the reader of both formats.
#[derive(Default)]
pub(super) struct Strict {
    ended: bool,
    /// Sets of labels of the family in force whose samples were read.
    metrics: HashSet<String>,
    /// The one whose samples are being read, whether they have timestamps, and the last of them.
    current: Option<(String, String, Option<i64>)>,
}

impl Strict {
    pub fn line(&mut self, number: usize, line: &str, read: &Result<Line<'_>, String>, book: &mut Book) {
        let at = At::default().on(number);
        let example = || Some(line.to_owned());
        if self.ended {
            book.note(rule::NOT_METRICS, at, || "there is more after `# EOF`".into(), example);
            return;
        }
        match read {
            Ok(Line::End) => self.ended = true,
            Ok(Line::Blank) => book.say(rule::LINE_FOREIGN, at, || "a blank line".into()),
            Ok(Line::Comment) => book.note(rule::LINE_FOREIGN, at, || "a comment".into(), example),
            Ok(Line::Sample(sample)) => {
                let rest = line.strip_prefix(sample.series).unwrap_or(line);
                let body = rest.split(" # ").next().unwrap_or(rest);
                if !body.starts_with(' ') || body.contains("  ") || body.contains('\t') || body.ends_with(' ') {
                    book.note(rule::BLANKS, at, || "parts are not set apart by one blank".into(), example);
                }
            }
            Ok(Line::Declared { .. }) if !line.starts_with("# ") || line.contains('\t') => {
                book.note(rule::BLANKS, at, || "parts are not set apart by one blank".into(), example);
            }
            Ok(Line::Declared { .. }) | Err(_) => {}
        }
    }

    /// A family's type was declared.
    pub fn begin(&mut self, number: usize, name: &str, kind: Kind, book: &mut Book) {
        self.metrics.clear();
        self.current = None;
        if let Some(suffix) = suffixes(kind).iter().find(|suffix| kind != Kind::Info && name.ends_with(**suffix)) {
            let why = || format!("the family itself ends in `{suffix}`, which belongs to its samples");
            book.say(rule::SUFFIX_WRONG, At::metric(name).on(number), why);
        }
    }

    pub fn sample(
        &mut self,
        number: usize,
        sample: &Sample<'_>,
        metric: &str,
        kind: Option<Kind>,
        labels: &[(Cow<'_, str>, Cow<'_, str>)],
        book: &mut Book,
    ) {
        let at = At::metric(metric).on(number);
        let example = || Some(sample.series.to_owned());
        let kind = kind.unwrap_or_default();
        let suffix = sample.name.strip_prefix(metric).unwrap_or_default();
        let bare = match kind {
            Kind::Counter | Kind::Histogram | Kind::GaugeHistogram | Kind::Info => false,
            Kind::Summary => labels.iter().any(|(label, _)| label == "quantile"),
            Kind::Gauge | Kind::StateSet | Kind::Unknown => true,
        };
        if suffix.is_empty() && !bare {
            book.note(rule::SUFFIX_WRONG, at, || format!("a sample of a {} without its suffix", kind.word()), example);
        }
        let allowed = match kind {
            Kind::Info => sample.value == 1.0,
            Kind::StateSet => sample.value == 0.0 || sample.value == 1.0,
            _ => true,
        };
        if !allowed {
            book.note(rule::VALUE_WRONG, at, || format!("{} is not a value of {}", sample.value, kind.word()), example);
        }
        if let Some(exemplar) = sample.exemplar {
            let fits = matches!(
                (kind, suffix),
                (Kind::Counter, "_total") | (Kind::Histogram | Kind::GaugeHistogram, "_bucket")
            );
            let length: usize = exemplar_length(exemplar);
            if !fits || length > EXEMPLAR {
                let why = || match fits {
                    false => "an exemplar on a sample that takes none".into(),
                    true => format!("{length} characters of labels"),
                };
                book.note(rule::EXEMPLAR_WRONG, at, why, example);
            }
        }
        let own: Vec<String> = labels
            .iter()
            .filter(|(label, _)| label != "le" && label != "quantile" && (kind != Kind::StateSet || label != metric))
            .map(|(label, value)| format!("{label:?}={value:?}"))
            .collect();
        let own = own.join(",");
        match &mut self.current {
            Some((of, known, last)) if of == metric && *known == own => {
                let falls = matches!((*last, sample.timestamp), (Some(a), Some(b)) if b < a);
                if falls || last.is_some() != sample.timestamp.is_some() {
                    book.note(rule::TIMESTAMPS_MIXED, at, || "timestamps fall, or some are missing".into(), example);
                }
                *last = sample.timestamp.or(*last);
            }
            _ => {
                let whole = format!("{metric}{{{own}}}");
                if !self.metrics.insert(whole) {
                    let why = || "samples of one set of labels stand apart".into();
                    book.note(rule::METRIC_SPLIT, at, why, example);
                }
                self.current = Some((metric.to_owned(), own, sample.timestamp));
            }
        }
    }

    pub fn finish(self, book: &mut Book) {
        if !self.ended {
            book.say(rule::END_MISSING, At::default(), || "no `# EOF` at the end".into());
        }
    }
}

/// The characters of an exemplar's label names and values.
fn exemplar_length(exemplar: &str) -> usize {
    // A name before the braces makes of it a series that can be read like any other.
    let series = format!("x{}", exemplar.trim_start());
    let labels = crate::observe::exposition::written_labels(&series);
    labels.iter().map(|(label, value)| label.chars().count() + value.chars().count()).sum()
}
