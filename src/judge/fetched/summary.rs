//! What reports show of the Prometheus server that watched the target too.

use serde::Serialize;

use super::super::trial::Trial;
use super::super::verdict::maybe_span;
use super::fired::Fired;
use super::{CheckSummary, Fetched};
use crate::base::series::{Sample, Series, is_stale};
use crate::base::time::{Offset, Span};
use crate::evidence::event::Event;
use crate::evidence::servers::Prometheus as Told;

/// Who the server is, what was fetched from it, and what it says itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrometheusSummary {
    /// `Prometheus`, `Mimir`, `Thanos`, `VictoriaMetrics`; nothing where it was never asked.
    pub product: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Whose PromQL its samples are judged by: 2 or 3.
    pub semantics: Option<u32>,
    /// How that is known: `scenario`, `version` or `assumed`.
    pub semantics_by: Option<String>,
    /// How far its clock was ahead of ours, in seconds.
    pub ahead: Option<f64>,
    /// How far that may be off, in seconds.
    pub doubt: Option<f64>,
    /// Whether its instants were moved by that to be ours.
    pub moved: bool,
    /// What was fetched.
    pub selectors: Vec<SelectedSummary>,
    /// Markers of staleness that were inferred from scrapes which brought no sample.
    pub stale_by_scrapes: u64,
    /// Markers of staleness that were inferred from gaps.
    pub stale_by_gaps: u64,
    /// Each promise that was judged by it, beside its own answer.
    pub checks: Vec<CheckSummary>,
    /// The alerts that it had while the run went on.
    pub alerts: Vec<FiredSummary>,
    /// Rules that it could not evaluate.
    pub failing_rules: Vec<String>,
    /// What else it did not answer.
    pub trouble: Vec<String>,
}

/// What was fetched of one selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelectedSummary {
    /// As PromQL.
    pub selector: String,
    /// How many series.
    pub series: u64,
    /// How many samples.
    pub samples: u64,
    /// Why not all of it came.
    pub failed: Option<String>,
}

/// An alert that the server had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FiredSummary {
    /// Its name and labels.
    pub alert: String,
    /// `pending` or `firing`.
    pub state: String,
    /// From its first to its last evaluation in that state: in nanoseconds since the plan's zero; where it came and went,
    /// as a whole.
    #[serde(serialize_with = "maybe_span")]
    pub span: Option<Span>,
    /// How many times it came.
    pub times: u64,
}

impl Fetched {
    /// What reports show; nothing where no server was watched.
    pub(in crate::judge) fn summary(&self, trial: &Trial<'_>, checks: Vec<CheckSummary>) -> Option<PrometheusSummary> {
        trial.scenario.prometheus.as_ref()?;
        let identity = self.identity.as_ref();
        let told = || {
            trial.evidence.events.iter().filter_map(|event| match event {
                Event::Prometheus { told, .. } => Some(told),
                _ => None,
            })
        };
        let failing = told().filter_map(|told| match told {
            Told::Rules { failing, .. } => Some(failing.iter().map(|(name, why)| format!("{name}: {why}"))),
            _ => None,
        });
        let trouble = told().filter_map(|told| match told {
            Told::Failed { asked, why } if why.starts_with(asked) => Some(why.clone()),
            Told::Failed { asked, why } => Some(format!("{asked}: {why}")),
            _ => None,
        });
        let selector = |s: &super::cover::Selected| SelectedSummary {
            selector: s.selector.clone(),
            series: s.series,
            samples: s.samples,
            failed: s.failed.clone(),
        };
        Some(PrometheusSummary {
            product: identity.map(|i| i.product.clone()),
            version: identity.and_then(|i| i.version.clone()),
            semantics: identity.map(|i| i.semantics),
            semantics_by: identity.map(|i| i.by.clone()),
            ahead: identity.map(|i| i.ahead as f64 / 1e9),
            doubt: identity.map(|i| i.doubt as f64 / 1e9),
            moved: identity.is_some_and(|i| i.shift != 0),
            selectors: self.selected.iter().map(selector).collect(),
            stale_by_scrapes: self.marked.by_scrapes,
            stale_by_gaps: self.marked.by_gaps,
            checks,
            alerts: self.alerts(trial),
            failing_rules: failing.flatten().collect(),
            trouble: trouble.collect(),
        })
    }

    fn alerts(&self, trial: &Trial<'_>) -> Vec<FiredSummary> {
        let zero = trial.evidence.manifest.wall_zero.div_euclid(1_000_000);
        let on_axis = |at: i64| Offset::from_millis(at - zero);
        let of = |series: &Series| {
            let Fired { labels, state, at } = Fired::of(series);
            let span = at.first().zip(at.last()).map(|(a, b)| Span { start: on_axis(*a), end: on_axis(*b) });
            let mut named = labels.filter(|name| name != "alertname");
            named.set("__name__", labels.get("alertname"));
            FiredSummary { alert: named.to_string(), state, span, times: times(&series.samples) }
        };
        let mut all: Vec<FiredSummary> = self.alerts_series().map(of).collect();
        all.sort_by(|a, b| (&a.alert, &a.state).cmp(&(&b.alert, &b.state)));
        all
    }
}

/// How many times a series came: rows of samples between markers.
fn times(samples: &[Sample]) -> u64 {
    let live: Vec<bool> = samples.iter().map(|sample| !is_stale(sample.value)).collect();
    let begins = live.iter().zip([false].iter().chain(&live)).filter(|(now, before)| **now && !**before);
    begins.count() as u64
}
