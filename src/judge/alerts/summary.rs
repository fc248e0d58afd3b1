//! What reports show of the rules: each alert by window, and when it was pending and firing.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::book::Alert;
use super::track::{State, Stint, Track};
use super::{BesideSummary, Replayed, WINDOW_SETTLING};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::verdict::{by_name, instant};
use crate::promql::Semantics;
use crate::scenario::Window;

/// The rules of a run, and what they did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertsSummary {
    /// Whose PromQL: `3` or `2`.
    pub semantics: &'static str,
    /// Over whose samples: `scrape` or `prometheus`.
    pub source: &'static str,
    /// `for`, intervals and ranges are divided by this; above 1 these are not the deployed rules.
    pub scale: u32,
    /// At how many phases of its interval each group was tried.
    pub phases: u32,
    /// The last scrape, up to which they were replayed.
    pub until: Offset,
    /// The alerts, in the order of the files.
    pub alerts: Vec<AlertSummary>,
    /// What is wrong with the rule files: `file:line: what`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<String>,
}

/// One alert, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertSummary {
    /// Its name.
    pub alert: String,
    /// Its group.
    pub group: String,
    /// The rule file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// What was evaluated.
    pub expr: String,
    /// `for`, in nanoseconds.
    #[serde(rename = "for", serialize_with = "nanos")]
    pub hold: Duration,
    /// `keep_firing_for`, in nanoseconds.
    #[serde(serialize_with = "nanos")]
    pub keep_firing_for: Duration,
    /// From one evaluation to the next, in nanoseconds.
    #[serde(serialize_with = "nanos")]
    pub interval: Duration,
    /// How long it needs to fire, in nanoseconds: scrape, interval, `for`, and its range where that must be full.
    #[serde(serialize_with = "nanos")]
    pub needed: Duration,
    /// The labels that the rule sets, as written.
    #[serde(serialize_with = "by_name")]
    pub labels: Vec<(String, String)>,
    /// The worst that it was in each window.
    pub windows: Vec<WindowSummary>,
    /// Its elements and what they did, evaluated from the plan's zero on.
    pub instances: Vec<InstanceSummary>,
    /// The first evaluation that failed, in words.
    pub error: Option<String>,
    /// What it reads that was never exposed, so that it could not fire.
    pub absent: Vec<String>,
    /// What the server says of it itself whose samples these are, element by element.
    pub beside: Vec<BesideSummary>,
}

/// The worst that an alert was in a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowSummary {
    /// `outside the expected`, `during jupiter-hangs`, `settling after jupiter-hangs`
    pub name: String,
    /// At the phase at which it was worst.
    pub state: State,
    /// At how many phases it was so.
    pub phases: u32,
}

/// An element of an alert, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceSummary {
    /// Without `alertname`.
    #[serde(serialize_with = "by_name")]
    pub labels: Vec<(String, String)>,
    /// Filled in, as they were when it was last active.
    #[serde(serialize_with = "by_name")]
    pub annotations: Vec<(String, String)>,
    /// When it was pending and when it fired.
    pub stints: Vec<Stint>,
}

/// The alert that was the first to fire after a fault began to strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstAlert {
    /// Its name.
    pub alert: String,
    /// It fired at the first at the earliest phase and at the second at the latest, in nanoseconds since the plan's zero.
    pub between: [Offset; 2],
}

fn nanos<S: Serializer>(length: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

impl Replayed<'_> {
    /// What reports show.
    pub fn summary(&self) -> AlertsSummary {
        let of = |(i, alert): (usize, &Alert)| self.of_alert(i, alert);
        let mistakes = self.book.mistakes.iter();
        AlertsSummary {
            semantics: match self.basis.options(self.alerts.semantics).semantics {
                Semantics::V3 => "3",
                Semantics::V2 => "2",
            },
            source: self.alerts.source.word(),
            scale: self.alerts.scale,
            phases: self.alerts.phases,
            until: self.last,
            alerts: self.book.alerts.iter().enumerate().map(of).collect(),
            mistakes: mistakes.map(|(file, _, m)| format!("{file}:{}: {}", m.at.line, m.what)).collect(),
        }
    }

    fn of_alert(&self, i: usize, alert: &Alert) -> AlertSummary {
        let tracks: Vec<&Track> = self.phases.iter().map(|phase| &phase[i]).collect();
        let instances = tracks.first().map(|track| track.instances.as_slice()).unwrap_or_default();
        let instances = instances.iter().map(|instance| InstanceSummary {
            labels: (instance.labels.iter().filter(|(name, _)| *name != "alertname"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            annotations: instance.annotations.clone(),
            stints: instance.stints.clone(),
        });
        let error = tracks
            .iter()
            .flat_map(|track| &track.failures)
            .map(|f| format!("at {}: {}", instant(f.span.start), f.why))
            .next();
        AlertSummary {
            alert: alert.name.clone(),
            group: self.book.groups[alert.group].name.clone(),
            file: alert.file.clone(),
            line: alert.line,
            expr: alert.expr.text().to_owned(),
            hold: alert.hold,
            keep_firing_for: alert.keep,
            interval: alert.interval,
            needed: alert.needed(self.scrape),
            labels: alert.labels.clone(),
            windows: self.windows(i, alert).into_iter().map(|(name, parts)| window(name, &parts, &tracks)).collect(),
            instances: instances.collect(),
            error,
            absent: self.unmet(alert),
            beside: self.beside[i].clone(),
        }
    }

    /// The windows of the table. Together they are the whole measured phase and what is after it.
    fn windows(&self, i: usize, alert: &Alert) -> Vec<(String, Vec<Span>)> {
        let trial = self.basis.trial;
        let measured = trial.windows.cut(Window::Measured, None).parts;
        if trial.scenario.faults.is_empty() {
            return vec![("whole run".into(), measured)];
        }
        let settling = alert.settling(self.scrape);
        let mut all = vec![("outside the expected".into(), self.without_faults(measured, &[i]))];
        for (fault, times) in trial.scenario.faults.iter().zip(&trial.windows.faults) {
            let after = |span: Span| Span { start: span.end, end: span.end + settling };
            all.push((format!("during {}", fault.name), times.strikes().collect()));
            all.push((format!("{WINDOW_SETTLING} {}", fault.name), times.strikes().map(after).collect()));
        }
        all
    }

    /// The alert that was the first to fire once a fault had begun to strike, and not already before; within the time in
    /// which the fault explains it.
    pub fn first(&self, strike: Span) -> Option<FirstAlert> {
        let of = |(i, alert): (usize, &Alert)| {
            let until = strike.end + alert.settling(self.scrape);
            let fired = |track: &Track| {
                let spans = track.spans(State::Firing, &[]);
                let is_old = spans.iter().any(|span| span.contains(strike.start));
                spans.iter().map(|s| s.start).find(|s| !is_old && strike.start <= *s && *s < until)
            };
            let times: Vec<Offset> = self.phases.iter().filter_map(|phase| fired(&phase[i])).collect();
            let between = [*times.iter().min()?, *times.iter().max()?];
            // At every phase: what depends on it is no detection.
            (times.len() == self.phases.len()).then(|| FirstAlert { alert: alert.name.clone(), between })
        };
        self.book.alerts.iter().enumerate().filter_map(of).min_by_key(|first| first.between)
    }
}

impl Replayed<'_> {
    /// What is said of alerts beside when a fault was felt here: the first that fired, of the first strike after which one did.
    pub fn beside_detection(&self, fault: usize) -> String {
        let strikes = self.basis.trial.windows.faults[fault].strikes();
        let first = strikes.into_iter().find_map(|strike| Some((strike, self.first(strike)?)));
        match first {
            Some((strike, FirstAlert { alert, between })) => {
                let [from, to] = between.map(|at| units::duration(at.since(strike.start)));
                let span = if from == to { to } else { format!("{from} to {to}") };
                format!("; the first alert, {alert}, {span} after it began{}", self.scaled())
            }
            None => "; no alert fired".to_owned(),
        }
    }
}

fn window(name: String, parts: &[Span], tracks: &[&Track]) -> WindowSummary {
    let states: Vec<State> = tracks.iter().map(|track| track.worst(parts)).collect();
    let state = states.iter().max().copied().unwrap_or(State::Never);
    WindowSummary { name, state, phases: states.iter().filter(|s| **s == state).count() as u32 }
}
