//! The target's own alert rules, and what is promised of them.

use std::fmt;
use std::time::Duration;

use super::claim::Severity;
use super::mistake::Place;

/// The target's own alert rules, and how they are replayed over what was scraped. What the rules say is for those who
/// know PromQL; here they are files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// The rule files, in the order of the scenario; at least one.
    pub files: Vec<RuleFile>,
    /// From one evaluation to the next, for groups that say nothing; as written.
    pub interval: Duration,
    /// `for`, intervals and ranges are divided by this: the run's own time scale times that of the rules. 1 for the
    /// rules as they are deployed.
    pub scale: u32,
    /// Whose PromQL.
    pub semantics: Semantics,
    /// Labels of the Prometheus that would evaluate them, for their templates.
    pub external_labels: Vec<(String, String)>,
    /// At how many phases of its interval a group is tried.
    pub phases: u32,
    /// What an alert means that fires outside the faults, by name; `None` for nothing. Alerts that are not here go by
    /// their label `severity`.
    pub expected: Vec<(String, Option<Severity>, Place)>,
}

/// A rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// As the scenario names it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// Where the scenario names it.
    pub place: Place,
}

/// Whose PromQL rules are read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Semantics {
    /// Prometheus 3.
    #[default]
    V3,
    /// Prometheus 2, before 2.49.
    V2,
}

impl Semantics {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Semantics::V3 => "3",
            Semantics::V2 => "2",
        }
    }
}

/// A claim about an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertClaim {
    /// Its name.
    pub alert: String,
    /// Labels that it must carry.
    pub labels: Vec<(String, String)>,
    /// What it must do.
    pub must: Must,
    /// Where its name is written.
    pub place: Place,
}

/// What an alert must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Must {
    /// Fire, not later than this after the first touch of a fault.
    Fire(Duration),
    /// Have let go, not later than this after the end of a fault.
    Resolve(Duration),
    /// Not fire.
    StaySilent,
}

/// `HighErrorRate{team="quotes"}`
impl fmt::Display for AlertClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.alert)?;
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            write!(f, "{{{}}}", labels.join(","))?;
        }
        Ok(())
    }
}
