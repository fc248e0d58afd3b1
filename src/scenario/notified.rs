//! What is promised of the notifications that an Alertmanager sends.

use std::fmt;
use std::time::Duration;

use crate::base::mistake::Place;
use crate::base::units;

/// A claim about a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The alert that it holds.
    pub alert: String,
    /// Labels that the alert must carry.
    pub labels: Vec<(String, String)>,
    /// Not later than this after the first touch of a fault, or, of one that says that all is well again, after its end;
    /// without a fault, after the start of the measured phase.
    pub within: Duration,
    /// Whether it says that all is well again.
    pub resolved: bool,
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
        let word = if self.resolved { "notified as resolved" } else { "notified" };
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
