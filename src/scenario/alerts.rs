//! The target's own alert rules, and what is promised of them.

use std::fmt;
use std::time::Duration;

use super::claim::Severity;
use super::mistake::Place;
use super::servers::Source;

/// The target's own alert rules, and how they are replayed over what was scraped. What the rules say is for those who
/// know PromQL; here they are files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// The rule files, in the order of the scenario; at least one, unless a server has the rules and has not told them yet.
    pub files: Vec<RuleFile>,
    /// The server's rules are meant, which are known when the run starts.
    pub live: Option<Live>,
    /// Over whose samples they are replayed.
    pub source: Source,
    /// From one evaluation to the next, for groups that say nothing; as written.
    pub interval: Duration,
    /// `for`, intervals and ranges are divided by this: the run's own time scale times that of the rules. 1 for the
    /// rules as they are deployed.
    pub scale: u32,
    /// Whose PromQL; `None` goes by whoever has the samples.
    pub semantics: Option<Semantics>,
    /// Labels of the Prometheus that would evaluate them, for their templates.
    pub external_labels: Vec<(String, String)>,
    /// At how many phases of its interval a group is tried.
    pub phases: u32,
    /// What an alert means that fires outside the faults, by name; `None` for nothing. Alerts that are not here go by
    /// their label `severity`.
    pub expected: Vec<(String, Option<Severity>, Place)>,
}

/// The rules of a running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Only these of its groups, each with where it is named; all of them when there is none.
    pub groups: Vec<(String, Place)>,
    /// Where the scenario asks for them.
    pub place: Place,
}

impl Alerts {
    /// Takes what the server evaluates, as the text of a rule file. Does nothing where files have the rules.
    pub fn learn(&mut self, name: &str, text: String) {
        if let Some(live) = &self.live {
            self.files = vec![RuleFile { name: name.to_owned(), text, place: live.place }];
        }
    }

    /// Whether it is known what the rules are.
    pub fn are_known(&self) -> bool {
        self.live.is_none() || !self.files.is_empty()
    }
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
