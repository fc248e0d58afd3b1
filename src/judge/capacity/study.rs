//! A study: a search for the knee, and another under each fault of a list. Written as `capacity.json` in a folder that
//! also holds the evidence of every probe.

use serde::{Deserialize, Serialize};

use super::{Knee, Probe};
use crate::judge::Verdict;

/// The version of the shape of a [`Study`].
pub const FORMAT: u32 = 1;
/// What it is called within its folder.
pub const FILE: &str = "capacity.json";

/// A search for the knee, and another under each fault of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// The version of this shape.
    pub format: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// Its file, as it was named.
    pub file: String,
    /// The traffic whose rate was searched.
    pub traffic: String,
    /// The seed of the scenario; each probe draws from one of its own.
    pub seed: u64,
    /// What was under test: `sim:quote-service`, or its addresses.
    pub target: String,
    /// How many addresses share the load of the traffic's service.
    pub replicas: u32,
    /// How long a probe is measured at least, in seconds.
    pub probe: f64,
    /// How close the search was to come: 0.02 is 2 %.
    pub resolution: f64,
    /// The highest rate that it was to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<f64>,
    /// The promises that every probe was held to, as typed.
    pub promises: Vec<String>,
    /// What of the scenario was left out of the probes, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The searches: the first without faults, then one for each fault.
    pub searches: Vec<Search>,
    /// What is promised of the knee, and how that came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claimed>,
    /// Of all.
    pub verdict: Verdict,
    /// Why, for a tired human.
    pub why: Vec<String>,
}

/// A promise about the knee: `capacity(quotes) >= 500/s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// As typed.
    pub promise: String,
    /// `>=` or `>`.
    pub compare: String,
    /// What was promised, per second.
    pub bound: f64,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// How it came out: by the whole range of the knee.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
}

/// The search for one knee.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// The fault under which all of it ran; nothing where nothing was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Its probes, in order.
    pub probes: Vec<Probe>,
    /// What they show.
    pub knee: Knee,
    /// Why there are no more; nothing while it goes on, or where it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// Why a search came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The knee is known as closely as was asked for.
    Found,
    /// It is broken at the lowest rate at which its promises can be decided.
    BrokenAtLowest,
    /// It holds at the highest rate that was to be tried.
    HoldsAtMost,
    /// From here on the generator could not keep up: nothing is known of the target beyond.
    Generator,
    /// It did not come back after an overload, so that nothing more could be asked of it.
    NotBack,
    /// The time that it might take was over.
    OutOfTime,
    /// Somebody interrupted it.
    Interrupted,
    /// Somebody terminated it.
    Terminated,
    /// Probes could not be decided, or could not be made; in words.
    Stuck(String),
}

/// Why a study cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Newer {
    /// It is no study.
    #[error("no study: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It was written by a newer program.
    #[error("a study of format {0}, this program reads up to {FORMAT}: use a newer proofload")]
    Format(u32),
}

impl Study {
    /// Reads `capacity.json`.
    pub fn read(text: &str) -> Result<Study, Newer> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text)?;
        if format > FORMAT {
            return Err(Newer::Format(format));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// As `capacity.json` has it.
    pub fn write(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The search without faults.
    pub fn whole(&self) -> Option<&Search> {
        self.searches.iter().find(|search| search.fault.is_none())
    }

    /// What part of the capacity is lost under a search's fault: 0.25 is a quarter. Nothing where either knee is unknown.
    pub fn loss(&self, search: &Search) -> Option<f64> {
        let whole = self.whole()?.knee.rate.filter(|rate| *rate > 0.0)?;
        Some(1.0 - search.knee.rate? / whole)
    }
}
