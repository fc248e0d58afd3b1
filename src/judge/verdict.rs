//! What comes of judging: findings, the harness's fitness, and the one verdict with its exit code.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::alerts::AlertsSummary;
use super::anatomy::Anatomy;
use super::contract::ContractSummary;
use super::course::Course;
use super::fetched::PrometheusSummary;
use super::fitness::FitnessSummary;
use super::gate::GateSummary;
use super::injector::InjectorSummary;
use super::notified::AlertmanagerSummary;
use super::reconcile::Reconciliation;
use super::relative::BaselineSummary;
use super::resources::ResourceSummary;
use super::summary::{ScrapeSummary, TrafficSummary};
use super::toll::{CanarySummary, FaultSummary};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{Margin, Severity};

/// The version of the shape of a [`Judgement`].
pub const FORMAT: u32 = 1;

/// How a promise, or a run, came out. Ordered by precedence: the greatest of many is the verdict of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Measured and kept.
    Pass,
    /// Could not be decided.
    Inconclusive,
    /// The experiment was not what the scenario describes.
    Invalid,
    /// Broken, and that is not the harness's doing.
    Fail,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Invalid => "INVALID",
            Verdict::Fail => "FAIL",
        }
    }
}

/// How a run ends for whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Every critical promise was measured and kept.
    Pass,
    /// A critical promise was broken.
    Fail,
    /// No critical promise was broken, but one could not be decided, or there is none.
    Inconclusive,
    /// The experiment was not what the scenario describes.
    Invalid,
    /// It could not start.
    NotStarted,
    /// A fault could not be undone.
    Stuck,
    /// By SIGINT.
    Interrupted,
    /// By SIGTERM.
    Terminated,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Inconclusive => 3,
            Exit::Invalid => 4,
            Exit::NotStarted => 5,
            Exit::Stuck => 6,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Seconds.
    Time,
    /// A fraction of 1.
    Share,
    /// Per second.
    Rate,
    /// Bytes an hour.
    Growth,
    /// What a baseline comes to that is not known, and so much beside it: of lengths and rates a part of it, of shares a part
    /// of all shots.
    Relative,
    /// Whatever the target says it is.
    Plain,
}

impl Kind {
    /// The unit of its numbers.
    pub fn unit(self) -> &'static str {
        match self {
            Kind::Time => "s",
            Kind::Share => "ratio",
            Kind::Rate => "/s",
            Kind::Growth => "B/h",
            Kind::Relative => "baseline",
            Kind::Plain => "",
        }
    }
}

/// A number with what it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// In seconds, as a fraction of 1, per second, or as it came.
    pub value: f64,
    /// What it is of.
    pub kind: Kind,
}

impl Quantity {
    /// A length of time.
    pub fn time(length: Duration) -> Quantity {
        Quantity { value: length.as_nanos() as f64 / 1e9, kind: Kind::Time }
    }
}

/// For tables and sentences: `612 ms`, `1.2 %`, `87.3/s`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            _ if !self.value.is_finite() => f.write_str(&significant(self.value)),
            Kind::Time if self.value == 0.0 => f.write_str("0 s"),
            Kind::Time => f.write_str(&units::measured(Duration::from_nanos((self.value * 1e9).round() as u64))),
            Kind::Share => f.write_str(&units::percent(self.value)),
            Kind::Rate => write!(f, "{}/s", significant(self.value)),
            Kind::Growth => write!(f, "{}/h", units::bytes(self.value)),
            Kind::Relative => write!(f, "{}", Margin((self.value * 1e9).round() as i64)),
            Kind::Plain => f.write_str(&significant(self.value)),
        }
    }
}

/// A number to four significant digits, without trailing zeros.
fn significant(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".into() } else { format!("{}Inf", if value > 0.0 { "+" } else { "-" }) };
    }
    let whole = value.abs().max(1e-300).log10().floor() as i32;
    if value != 0.0 && !(-5..15).contains(&whole) {
        return format!("{value:.3e}");
    }
    let digits = usize::try_from(3 - whole.max(-5)).unwrap_or(0).min(8);
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape {
            value: f64,
            unit: &'static str,
            text: String,
        }
        Shape { value: self.value, unit: self.kind.unit(), text: self.to_string() }.serialize(s)
    }
}

/// A promise with what was observed and why it came out so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The promise as typed.
    pub promise: String,
    /// The expression of a PromQL promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promql: Option<String>,
    /// What it means when it is broken.
    #[serde(serialize_with = "severity")]
    pub severity: Severity,
    /// Where it must hold.
    pub window: Place,
    /// What was observed; of slices, in the worst. Nothing where there is no number.
    pub observed: Option<Quantity>,
    /// `<`, `<=`, `>`, `>=` or `==`.
    pub compare: &'static str,
    /// What was promised.
    pub bound: Quantity,
    /// The shots it was judged by, or the elements of the answer.
    pub samples: u64,
    /// How many are needed.
    pub needed: u64,
    /// How it came out.
    pub verdict: Verdict,
    /// Why, for a tired human.
    pub why: String,
    /// What became of the slices, where each must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
    /// What the latencies were made of, where a promise about them is broken; of slices, in the worst.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anatomy: Option<Anatomy>,
    /// How the value of a PromQL promise went that was not kept: for the page, and no part of the verdict.
    #[serde(skip)]
    pub course: Option<Course>,
}

/// A window, in words and as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// `during jupiter-hangs, each 10s`
    pub name: String,
    /// Its parts: start and end in nanoseconds since the plan's zero.
    #[serde(serialize_with = "spans")]
    pub parts: Vec<Span>,
}

/// What became of the slices of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Slices {
    /// How many there are.
    pub total: u64,
    /// How many broke the promise.
    pub failed: u64,
    /// How many could not be decided, or were spoilt by us.
    pub undecided: u64,
    /// The worst: start and end in nanoseconds since the plan's zero.
    #[serde(serialize_with = "span")]
    pub worst: Span,
}

fn severity<S: Serializer>(severity: &Severity, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(severity.word())
}

pub(super) fn span<S: Serializer>(span: &Span, s: S) -> Result<S::Ok, S::Error> {
    [span.start, span.end].serialize(s)
}

pub(super) fn maybe_span<S: Serializer>(maybe: &Option<Span>, s: S) -> Result<S::Ok, S::Error> {
    match maybe {
        Some(known) => span(known, s),
        None => s.serialize_none(),
    }
}

fn spans<S: Serializer>(spans: &[Span], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(spans.iter().map(|span| [span.start, span.end]))
}

/// Pairs as a map, in their order.
pub(super) fn by_name<T: Serialize, S: Serializer>(pairs: &[(String, T)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// A fault that could not be undone, and what to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// Its name.
    pub fault: String,
    /// What went wrong.
    pub why: String,
    /// What to type.
    pub remedy: String,
}

/// All findings, the harness's fitness, the verdict. Serialises as `verdict.json`, byte for byte the same for the same
/// evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The version of this shape.
    pub format: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// The name of the run.
    pub run: String,
    /// Time ran this many times faster than written.
    pub time_scale: u32,
    /// The verdict over all critical promises and the experiment itself.
    pub verdict: Verdict,
    /// How the run ends for whoever started it.
    #[serde(rename = "exit_code", serialize_with = "code")]
    pub exit: Exit,
    /// Why the verdict is not that of the critical promises alone, if so.
    pub reasons: Vec<Reason>,
    /// The promises, in the order of the scenario.
    pub findings: Vec<Finding>,
    /// What the harness can be trusted with.
    pub fitness: FitnessSummary,
    /// What was sent and what came back.
    #[serde(serialize_with = "by_name")]
    pub traffic: Vec<(String, TrafficSummary)>,
    /// The run that it is held against, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineSummary>,
    /// Whether the target was steady before the first fault, where a promise says what that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSummary>,
    /// What was broken.
    pub faults: Vec<FaultSummary>,
    /// How the stage did that broke it, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injector: Option<InjectorSummary>,
    /// What was seen of the outside world after the last fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canary: Vec<CanarySummary>,
    /// What was scraped, by job.
    #[serde(serialize_with = "by_name")]
    pub scrapes: Vec<(String, ScrapeSummary)>,
    /// What the target's own alert rules did, where the scenario names some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertsSummary>,
    /// What the metrics and probes of each job came to, where a contract is about them.
    #[serde(rename = "contract", serialize_with = "by_name", skip_serializing_if = "Vec::is_empty")]
    pub contracts: Vec<(String, ContractSummary)>,
    /// What a Prometheus server that watched the target too was asked, and said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusSummary>,
    /// What an Alertmanager had and sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<AlertmanagerSummary>,
    /// What the target's processes took of the machine, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceSummary>,
    /// Our books against the target's, in the order of the scenario.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reconcile: Vec<Reconciliation>,
    /// Faults that could not be undone.
    pub stuck: Vec<Stuck>,
}

/// Something about the experiment as a whole that bears on the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The verdict that it makes the least possible.
    pub verdict: Verdict,
    /// In words.
    pub why: String,
}

fn code<S: Serializer>(exit: &Exit, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u8(exit.code())
}

impl Judgement {
    /// The reconciliations that decide.
    pub fn reconciled(&self) -> impl Iterator<Item = &Reconciliation> {
        self.reconcile.iter().filter(|c| c.severity == Severity::Critical)
    }

    /// The findings that decide.
    pub fn critical(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Critical)
    }
}

/// An instant for sentences: `20 s`, `20.35 s`.
pub(super) fn instant(at: Offset) -> String {
    let ms = at.nanos().div_euclid(1_000_000);
    let text = format!("{}{}.{:03}", if ms < 0 { "-" } else { "" }, ms.abs() / 1000, ms.abs() % 1000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A span for sentences: `20 s–30 s`.
pub(super) fn stretch(span: Span) -> String {
    format!("{}–{}", instant(span.start), instant(span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_has_precedence() {
        let order = [Verdict::Pass, Verdict::Inconclusive, Verdict::Invalid, Verdict::Fail];
        assert!(order.is_sorted());
        assert_eq!(order.iter().max(), Some(&Verdict::Fail));
    }

    #[test]
    fn quantities_read_like_a_person_wrote_them() {
        let show = |value, kind| Quantity { value, kind }.to_string();
        assert_eq!(show(0.6124, Kind::Time), "612 ms");
        assert_eq!(show(0.0, Kind::Time), "0 s");
        assert_eq!(show(0.0123, Kind::Share), "1.23 %");
        assert_eq!(show(87.3, Kind::Rate), "87.3/s");
        assert_eq!(show(1_420_000.0, Kind::Growth), "1.42 MB/h");
        assert_eq!(show(-310_400.0, Kind::Growth), "-310 kB/h");
        assert_eq!(show(0.0, Kind::Growth), "0 B/h");
        assert_eq!(show(0.0, Kind::Plain), "0");
        assert_eq!(show(0.751234, Kind::Plain), "0.7512");
        assert_eq!(show(123_456.0, Kind::Plain), "123456");
        assert_eq!(show(f64::NAN, Kind::Plain), "NaN");
        assert_eq!(show(f64::INFINITY, Kind::Share), "+Inf");
        assert_eq!(show(1e-9, Kind::Plain), "1.000e-9");
    }

    #[test]
    fn instants_lose_their_idle_digits() {
        assert_eq!(instant(Offset::from_millis(20_000)), "20 s");
        assert_eq!(instant(Offset::from_millis(20_350)), "20.35 s");
        assert_eq!(instant(Offset::from_millis(-5)), "-0.005 s");
        assert_eq!(stretch(Span { start: Offset::ZERO, end: Offset::from_millis(1_500) }), "0 s–1.5 s");
    }
}
