//! What reports show of the Alertmanager.

use serde::Serialize;

use super::super::trial::Trial;
use crate::base::time::Offset;
use crate::evidence::event::Event;
use crate::evidence::servers::{Alertmanager as Told, Pairs};

/// So many notifications and alerts are shown.
const MOST: usize = 200;

/// Who the Alertmanager is, what it had and what it sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertmanagerSummary {
    /// Its version; nothing where it was never asked.
    pub version: Option<String>,
    /// The version of its API: `v2` or `v1`.
    pub api: Option<String>,
    /// How many times it answered.
    pub good: u64,
    /// How many times it did not.
    pub failed: u64,
    /// The notifications that the run received, in order.
    pub notifications: Vec<NotificationSummary>,
    /// How many are not shown here.
    pub more: u64,
    /// The last that was known of each alert that it had.
    pub alerts: Vec<HeldSummary>,
    /// The groups in which it sent alerts on, in the order in which they came to be.
    pub groups: Vec<GroupSummary>,
    /// What it did not answer, or sent and was not understood.
    pub trouble: Vec<String>,
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationSummary {
    /// When it came, in nanoseconds since the plan's zero.
    pub at: Offset,
    /// Whose.
    pub receiver: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// By what its alerts were grouped: `alertname="High", service="api"`.
    pub group: String,
    /// How many alerts.
    pub alerts: u64,
}

/// A group of alerts that it sent on together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupSummary {
    /// To whom.
    pub receiver: String,
    /// What its alerts have in common: `alertname="High", service="api"`.
    pub labels: String,
    /// When it was first seen, in nanoseconds since the plan's zero.
    pub since: Offset,
    /// When it was first seen to be gone; nothing when it never was.
    pub until: Option<Offset>,
    /// The most alerts that it had.
    pub alerts: u64,
}

/// An alert that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldSummary {
    /// Its labels.
    pub labels: String,
    /// `active`, `suppressed`, `unprocessed`, or `gone`.
    pub state: String,
    /// Since when, in nanoseconds since the plan's zero.
    pub since: Offset,
    /// The silences that keep it from being sent on.
    pub silenced_by: Vec<String>,
    /// The alerts that do.
    pub inhibited_by: Vec<String>,
    /// Whom its routes lead to.
    pub receivers: Vec<String>,
}

/// What reports show; nothing where no Alertmanager was watched.
pub fn summary(trial: &Trial<'_>) -> Option<AlertmanagerSummary> {
    trial.scenario.alertmanager.as_ref()?;
    let mut summary = AlertmanagerSummary {
        version: None,
        api: None,
        good: 0,
        failed: 0,
        notifications: Vec::new(),
        more: 0,
        alerts: Vec::new(),
        groups: Vec::new(),
        trouble: Vec::new(),
    };
    for event in &trial.evidence.events {
        let Event::Alertmanager { at, told } = event else { continue };
        match told {
            Told::Itself { version, api, .. } => {
                (summary.version, summary.api) = (version.clone(), Some(api.clone()));
            }
            Told::Notified { .. } if summary.notifications.len() == MOST => summary.more += 1,
            Told::Notified { receiver, status, group, alerts, left_out } => {
                summary.notifications.push(NotificationSummary {
                    at: *at,
                    receiver: receiver.clone(),
                    status: status.clone(),
                    group: listed(group),
                    alerts: alerts.len() as u64 + left_out,
                });
            }
            Told::Alert { labels, state, silenced_by, inhibited_by, receivers } => {
                let held = HeldSummary {
                    labels: listed(labels),
                    state: state.clone(),
                    since: *at,
                    silenced_by: silenced_by.clone(),
                    inhibited_by: inhibited_by.clone(),
                    receivers: receivers.clone(),
                };
                match summary.alerts.iter().position(|known| known.labels == held.labels) {
                    Some(known) => summary.alerts[known] = held,
                    None if summary.alerts.len() < MOST => summary.alerts.push(held),
                    None => {}
                }
            }
            Told::Group { receiver, labels, alerts, left_out } => {
                summary.grouped(*at, (receiver, listed(labels)), alerts.len() as u64 + left_out);
            }
            Told::Polls { good, failed, dropped } => {
                (summary.good, summary.failed) = (*good, *failed);
                summary.more += dropped;
            }
            Told::Failed { asked, why } => summary.trouble.push(format!("{asked}: {why}")),
        }
    }
    Some(summary)
}

impl AlertmanagerSummary {
    /// A group was seen with so many alerts.
    fn grouped(&mut self, at: Offset, (receiver, labels): (&str, String), alerts: u64) {
        let is_it = |g: &GroupSummary| g.receiver == receiver && g.labels == labels && g.until.is_none();
        match (self.groups.iter().rposition(is_it), alerts) {
            (Some(known), 0) => self.groups[known].until = Some(at),
            (Some(known), _) => self.groups[known].alerts = self.groups[known].alerts.max(alerts),
            (None, 1..) if self.groups.len() < MOST => {
                let (receiver, until) = (receiver.to_owned(), None);
                self.groups.push(GroupSummary { receiver, labels, since: at, until, alerts });
            }
            (None, _) => {}
        }
    }
}

fn listed(labels: &Pairs) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(", ")
}
