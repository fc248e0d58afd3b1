//! What the server itself had pending and firing: the series `ALERTS`, one sample for each evaluation.

use super::Fetched;
use crate::base::series::{Labels, Series, is_stale};
use crate::evidence::event::Event;
use crate::evidence::servers::Prometheus as Told;
use crate::judge::trial::Trial;

/// The series that say which alerts fired.
const ALERTS: &str = "ALERTS";

/// One element of an alert in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// With `alertname`.
    pub labels: Labels,
    /// `pending` or `firing`.
    pub state: String,
    /// The evaluations at which it was so, in Unix milliseconds of our clock.
    pub at: Vec<i64>,
}

impl Fired {
    pub(super) fn of(series: &Series) -> Fired {
        Fired {
            labels: series.labels.filter(|name| !["alertstate", "__name__"].contains(&name)),
            state: series.labels.get("alertstate").to_owned(),
            at: series.samples.iter().filter(|s| !is_stale(s.value)).map(|s| s.at).collect(),
        }
    }
}

impl Fetched {
    pub(super) fn alerts_series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.labels.name() == ALERTS)
    }

    /// Every element of every alert that it had, by state.
    pub fn fired(&self) -> Vec<Fired> {
        self.alerts_series().map(Fired::of).collect()
    }

    /// Until when, in Unix milliseconds of our clock, it is known what it had; the error says why it is not.
    pub fn alerts_until(&self) -> Result<i64, String> {
        let asked = format!("{{__name__=\"{ALERTS}\"}}");
        let Some(selected) = self.selected.iter().find(|selected| selected.selector == asked) else {
            return Err("its ALERTS were not fetched: the run did not come so far".into());
        };
        match &selected.failed {
            Some(why) => Err(format!("its ALERTS could not be fetched: {why}")),
            None => Ok(selected.to),
        }
    }

    /// Why it could not evaluate a rule in the end, if so.
    pub fn failing(&self, rule: &str, trial: &Trial<'_>) -> Option<String> {
        let failing = trial.evidence.events.iter().filter_map(|event| match event {
            Event::Prometheus { told: Told::Rules { failing, .. }, .. } => Some(failing),
            _ => None,
        });
        failing.flatten().find(|(name, _)| name == rule).map(|(_, why)| why.clone())
    }
}
