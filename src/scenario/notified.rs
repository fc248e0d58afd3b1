//! What is promised of an Alertmanager: to whom it sends an alert on, in which group, and when.

use std::fmt;
use std::time::Duration;

use crate::base::mistake::Place;
use crate::base::units;

/// How far an alert must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Into a group for a receiver, as the Alertmanager itself says.
    Routed,
    /// Into a notification that it fires, which the run received.
    Notified,
    /// Into one that all is well again.
    Resolved,
}

/// A claim about what an Alertmanager does with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Its name.
    pub alert: String,
    /// Labels that the alert must carry.
    pub labels: Vec<(String, String)>,
    /// Not later than this after the first touch of a fault, or, of one that says that all is well again, after its end;
    /// without a fault, after the start of the measured phase.
    pub within: Duration,
    /// How far it must come.
    pub handled: Handled,
    /// Whose it is, as Alertmanager's configuration names it; anybody's when unnamed.
    pub receiver: Option<String>,
    /// The labels by which its alerts are grouped, in any order; any when unnamed.
    pub grouped_by: Option<Vec<String>>,
    /// Where the name of the alert is written.
    pub place: Place,
}

/// `High{service="api"} notified within 30s to pagers, grouped by [alertname]`
impl fmt::Display for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.alert)?;
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            write!(f, "{{{}}}", labels.join(","))?;
        }
        let word = match self.handled {
            Handled::Routed => "routed",
            Handled::Notified => "notified",
            Handled::Resolved => "notified as resolved",
        };
        write!(f, " {word} within {}", units::duration(self.within))?;
        if let Some(receiver) = &self.receiver {
            write!(f, " to {receiver}")?;
        }
        match &self.grouped_by {
            Some(labels) => write!(f, ", grouped by [{}]", labels.join(", ")),
            None => Ok(()),
        }
    }
}
