//! Promises about what an Alertmanager does with an alert: that it is routed, or notified in time, to whom, and in which group.
//! Judged by the notifications that the run received and by what the Alertmanager said of its alerts and groups meanwhile.

mod routed;
mod sent;
mod summary;

use std::time::Duration;

use super::evaluate;
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity, Verdict};
use crate::base::text;
use crate::base::time::Offset;
use crate::evidence::event::Event;
use crate::evidence::servers::{Alertmanager as Told, Pairs, has};
use crate::scenario::{Handled, Notified, Promise, Window};

pub use summary::{AlertmanagerSummary, GroupSummary, HeldSummary, NotificationSummary, summary};

/// A verdict, after how many seconds, and why.
type Decision = (Verdict, Option<f64>, String);

/// What a promise about an Alertmanager comes to.
pub fn finding(trial: &Trial<'_>, promise: &Promise, claim: &Notified) -> Finding {
    let bound = Quantity::time(claim.within);
    let (start, parts) = match promise.window {
        Window::After(fault) => {
            let strike = trial.windows.faults[fault].strikes().next();
            match (strike, claim.handled) {
                (Some(strike), Handled::Resolved) => (Some(strike.end), vec![strike]),
                (Some(strike), Handled::Routed | Handled::Notified) => (Some(strike.start), vec![strike]),
                (None, _) => (None, Vec::new()),
            }
        }
        _ => {
            let measured = trial.timeline.measured(None);
            (Some(measured.start), vec![measured])
        }
    };
    let mut finding = evaluate::blank(trial, promise, parts, bound, "<=");
    finding.needed = 1;
    let Some(start) = start else {
        finding.why = evaluate::why_empty(trial, promise.window);
        return finding;
    };
    let watched = Watched { trial };
    let (verdict, observed, why) = match claim.handled {
        Handled::Routed => {
            let every = trial.scenario.alertmanager.as_ref().map_or(Duration::ZERO, |server| server.every);
            routed::decide(&watched, claim, start, every)
        }
        Handled::Notified => sent::decide(&watched, claim, start, "firing"),
        Handled::Resolved => sent::decide(&watched, claim, start, "resolved"),
    };
    finding.samples = u64::from(observed.is_some());
    finding.observed = observed.map(|after| Quantity { value: after, kind: Kind::Time });
    (finding.verdict, finding.why) = (verdict, why);
    finding
}

/// What an Alertmanager told while it was watched.
struct Watched<'a> {
    trial: &'a Trial<'a>,
}

impl<'a> Watched<'a> {
    fn told(&self) -> impl Iterator<Item = (Offset, &'a Told)> + use<'a> {
        self.trial.evidence.events.iter().filter_map(|event| match event {
            Event::Alertmanager { at, told } => Some((*at, told)),
            _ => None,
        })
    }

    /// Until when it was watched, and notifications were received.
    fn until(&self) -> Offset {
        let over = self.told().filter(|(_, told)| matches!(told, Told::Polls { .. })).map(|(at, _)| at);
        over.max().unwrap_or(self.trial.windows.seen)
    }

    /// How many times it was asked and answered, and how many times it did not.
    fn polls(&self) -> (u64, u64) {
        let polls = self.told().filter_map(|(_, told)| match told {
            Told::Polls { good, failed, .. } => Some((*good, *failed)),
            _ => None,
        });
        polls.last().unwrap_or_default()
    }

    /// Whether it still had a group at an instant, as far as it was told by then.
    fn stood(&self, (of, by): (&str, &Pairs), at: Offset) -> bool {
        let told = self.told().take_while(|(then, _)| *then <= at).filter_map(|(_, told)| match told {
            Told::Group { receiver, labels, alerts, .. } if receiver == of && labels == by => Some(!alerts.is_empty()),
            _ => None,
        });
        told.last().unwrap_or(false)
    }

    /// What it had of the alert meanwhile, in words.
    fn standing(&self, claim: &Notified) -> String {
        let mut seen = None;
        for (_, told) in self.told() {
            let Told::Alert { labels, state, silenced_by, inhibited_by, receivers } = told else { continue };
            if is_meant(claim, labels) && state != "gone" {
                let because = match (inhibited_by.as_slice(), silenced_by.as_slice()) {
                    ([by, ..], _) => format!(": inhibited by {by}"),
                    ([], [by, ..]) => format!(": silenced by {by}"),
                    ([], []) if state == "suppressed" => ": muted".to_owned(),
                    ([], []) => format!(" for {}", text::list(receivers.iter().map(String::as_str))),
                };
                seen = Some(format!("; Alertmanager had it {state}{because}"));
            }
        }
        seen.unwrap_or_else(|| "; Alertmanager never had it: it did not fire, or Prometheus does not send there".into())
    }
}

/// Whether the alerts of a group have these labels in common, and no others; the error says what they have.
fn same_labels(wanted: &[String], group: &Pairs) -> Result<(), String> {
    let mut is: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
    let mut want: Vec<&str> = wanted.iter().map(String::as_str).collect();
    is.sort_unstable();
    want.sort_unstable();
    if is == want {
        return Ok(());
    }
    Err(format!("grouped by [{}] and not by [{}]", text::list(is), text::list(want)))
}

/// Whether an alert is the one that is promised.
fn is_meant(claim: &Notified, labels: &[(String, String)]) -> bool {
    has(labels, "alertname", &claim.alert) && claim.labels.iter().all(|(name, value)| has(labels, name, value))
}
