//! Raw samples, as the server scraped them: a range selector evaluated at an instant gives every sample of the range with
//! the time of its scrape. Asked piece by piece, so that no answer is too large.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Prometheus, Told, seconds};
use crate::base::series::{Labels, Sample, Series};
use crate::base::text;
use crate::base::time::Offset;
use crate::evidence::samples;
use crate::observe::api::Refused;

/// So many samples are a good answer: 16 MB of JSON.
const GOOD: u64 = 200_000;
/// The first piece of a range, and the limits of those that follow.
const FIRST: i64 = 120_000;
const PIECES: (i64, i64) = (1_000, 3_600_000);
/// The series that say which alerts fired.
const ALERTS: &str = "{__name__=\"ALERTS\"}";

/// What is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which series, as PromQL.
    pub selector: String,
    /// From how long before the plan's zero on.
    pub back: Duration,
}

/// What has come of one selector.
#[derive(Default)]
struct Come {
    series: BTreeSet<Labels>,
    samples: u64,
    failed: Option<String>,
}

impl Prometheus {
    /// Fetches all that is wanted into a new file, and besides which targets were up and which alerts fired. What does not
    /// come until `deadline` is given up, and said to be. The error is that of the file.
    pub async fn fetch(&self, wanted: &[Wanted], path: &Path, deadline: Offset) -> io::Result<()> {
        let mut writer = samples::Writer::create(path, self.clock.wall_nanos(Offset::ZERO).div_euclid(1_000_000))?;
        let mut jobs = BTreeSet::new();
        for wanted in wanted {
            let come = self.one(wanted, &mut writer, deadline).await?;
            jobs.extend(come.series.iter().map(|labels| labels.get("job").to_owned()).filter(|job| !job.is_empty()));
        }
        let back = wanted.iter().map(|w| w.back).max().unwrap_or_default();
        if !jobs.is_empty() {
            let jobs: Vec<String> = jobs.iter().map(|job| regex::escape(job)).collect();
            let selector = format!("{{__name__=\"up\",job=~{}}}", quoted(&jobs.join("|")));
            self.one(&Wanted { selector, back }, &mut writer, deadline).await?;
        }
        self.one(&Wanted { selector: ALERTS.into(), back: Duration::ZERO }, &mut writer, deadline).await?;
        writer.flush()
    }

    async fn one(&self, wanted: &Wanted, writer: &mut samples::Writer, deadline: Offset) -> io::Result<Come> {
        let from = self.on_its_clock(Offset::ZERO - wanted.back);
        let to = self.on_its_clock(self.clock.now());
        let mut come = Come::default();
        let (mut at, mut piece) = (from, FIRST);
        while at < to {
            if self.clock.now() > deadline {
                come.failed = Some("it took too long: given up".into());
                break;
            }
            let end = (at + piece).min(to);
            match self.piece(&wanted.selector, at, end).await {
                Ok((series, trouble)) => {
                    let n: u64 = series.iter().map(|s| s.samples.len() as u64).sum();
                    writer.fetched(&series)?;
                    come.samples += n;
                    come.series.extend(series.into_iter().map(|s| s.labels));
                    come.failed = come.failed.or(trouble);
                    piece = ((end - at) as u64).saturating_mul(GOOD).checked_div(n.max(1)).unwrap_or(0) as i64;
                    piece = piece.clamp(PIECES.0, PIECES.1);
                    at = end;
                }
                Err(why) if why.is_too_much() && end - at > PIECES.0 => piece = ((end - at) / 2).max(PIECES.0),
                Err(why) => {
                    come.failed = Some(why.to_string());
                    break;
                }
            }
        }
        self.tell(Told::Fetched {
            selector: wanted.selector.clone(),
            from,
            to,
            series: come.series.len() as u64,
            samples: come.samples,
            failed: come.failed.clone(),
        });
        Ok(come)
    }

    /// The samples after `from` up to and including `to`, and why they may not be all.
    async fn piece(&self, selector: &str, from: i64, to: i64) -> Result<(Vec<Series>, Option<String>), Refused> {
        let query = format!("{selector}[{}ms]", to - from);
        let (json, _) = self.api.json("/api/v1/query", &[("query", &query), ("time", &seconds(to))]).await?;
        let (mut series, mut trouble) = matrix(&json).map_err(Refused::from)?;
        for series in &mut series {
            // Prometheus 2 gives the first instant of a range too, which is the last of the piece before.
            series.samples.retain(|sample| sample.at > from && sample.at <= to);
        }
        series.retain(|series| !series.samples.is_empty());
        trouble = trouble.or(partial(&json));
        Ok((series, trouble))
    }
}

/// The series of an answer, and why they may not be all.
fn matrix(json: &Value) -> Result<(Vec<Series>, Option<String>), String> {
    let odd = || "/api/v1/query: it answers with what are no samples: is it a Prometheus?".to_owned();
    let result = json.pointer("/data/result").and_then(Value::as_array).ok_or_else(odd)?;
    let (mut all, mut native) = (Vec::with_capacity(result.len()), 0u64);
    for one in result {
        let labels = labels(one.get("metric").ok_or_else(odd)?);
        native += u64::from(one.get("histograms").is_some());
        let values = one.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let samples: Option<Vec<Sample>> = values.iter().map(sample).collect();
        all.push(Series { labels, samples: samples.ok_or_else(odd)? });
    }
    let left_out = (native > 0).then(|| format!("{}, which are not read", text::count(native, "native histogram")));
    Ok((all, left_out))
}

/// Why an answer may hold less than there is: some part of what answers was not reached.
pub(super) fn partial(json: &Value) -> Option<String> {
    let warned = json.get("warnings").and_then(Value::as_array).and_then(|all| all.first()?.as_str());
    let is_partial = json.get("isPartial").and_then(Value::as_bool).unwrap_or(false);
    match (warned, is_partial) {
        (Some(warned), _) => Some(format!("only a part was answered: {}", text::shorten(warned, 120))),
        (None, true) => Some("only a part was answered".into()),
        (None, false) => None,
    }
}

/// `{"a": "b"}` as labels.
pub(super) fn labels(metric: &Value) -> Labels {
    let pairs = metric.as_object().into_iter().flatten();
    Labels::new(pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())))
}

/// `[1700000000.123, "0.5"]` as a sample.
pub(super) fn sample(pair: &Value) -> Option<Sample> {
    let (at, value) = (pair.get(0)?.as_f64()?, pair.get(1)?.as_str()?);
    Some(Sample { at: (at * 1000.0).round() as i64, value: number(value)? })
}

/// A value as Prometheus writes it.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// A string as PromQL writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
