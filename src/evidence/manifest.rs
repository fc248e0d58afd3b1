//! `manifest.json`: what was run, where, and how it ended.

use serde::{Deserialize, Serialize};

use crate::base::time::Offset;

/// The version of the evidence format that this program writes.
pub const FORMAT: u32 = 1;

/// What was run, where, and how it ended. Written when the run begins, and again when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub format: u32,
    /// Version of the program.
    pub proofload: String,
    /// What the run is called: its folder's name, a time.
    pub run: String,
    /// The name of the scenario.
    pub scenario: String,
    /// The file, as it was named.
    pub file: String,
    /// SHA-256 of `scenario.yaml`.
    pub scenario_digest: String,
    /// SHA-256 of the plan.
    pub plan_digest: String,
    /// The seed.
    pub seed: u64,
    /// Time ran this many times faster than written.
    pub time_scale: u32,
    /// Every file that the scenario names.
    pub inputs: Vec<InputFile>,
    /// Nanoseconds since the Unix epoch at the plan's zero.
    pub wall_zero: i64,
    /// The plan's zero on the kernel's monotonic clock, in nanoseconds.
    pub monotonic_zero: u64,
    /// The zero of the stage's axis on the same clock: its decisions count from there.
    pub stage_zero: u64,
    /// Where it ran.
    pub host: Host,
    /// Services of the target by name.
    pub services: Vec<(String, String)>,
    /// Where clients found each Kafka cluster: name and HOST:PORT, separated by commas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kafka: Vec<(String, String)>,
    /// Connections that the sender may open.
    pub connections: u32,
    /// The timeout of a reply, in nanoseconds.
    pub timeout: u64,
    /// The lag above which a shot was late by our doing, in nanoseconds.
    pub lag_limit: u64,
    /// How it ended; nothing when it never did.
    pub end: Option<End>,
}

/// How something was run, as far as it bears on what came of it: two runs can be compared whose identities are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// SHA-256 of the plan.
    pub plan: String,
    /// The seed.
    pub seed: u64,
    /// Time ran this many times faster than written.
    pub time_scale: u32,
    /// Where it ran.
    pub host: Host,
    /// Version of the program.
    pub proofload: String,
    /// The timeout of a reply, in nanoseconds.
    pub timeout: u64,
}

impl Manifest {
    /// How much later the decisions of the stage are on the run's axis than on its own, in nanoseconds: it stood before the
    /// plan's zero was known.
    pub fn stage_shift(&self) -> i64 {
        self.stage_zero as i64 - self.monotonic_zero as i64
    }

    /// When its load began: `2026-11-27 17:09:18 UTC`.
    pub fn began(&self) -> String {
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.wall_zero)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        time.strftime("%F %T UTC").to_string()
    }

    /// How it was run.
    pub fn identity(&self) -> Identity {
        Identity {
            plan: self.plan_digest.clone(),
            seed: self.seed,
            time_scale: self.time_scale,
            host: self.host.clone(),
            proofload: self.proofload.clone(),
            timeout: self.timeout,
        }
    }
}

/// A file that the scenario names, kept under `inputs/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// As the scenario names it.
    pub name: String,
    /// Its name under `inputs/`.
    pub kept: String,
    /// SHA-256.
    pub digest: String,
}

/// Where it ran.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host {
    /// The kernel's word for itself.
    pub system: String,
    /// Cores that this process could use.
    pub cores: u32,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub how: How,
    /// When the last shot was over.
    pub at: Offset,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As planned.
    Complete,
    /// By SIGINT.
    Interrupted,
    /// By SIGTERM.
    Terminated,
    /// What was promised to be steady was not before the first fault: none was applied.
    Unsteady(String),
    /// What the scenario says must end it was seen.
    Aborted(String),
    /// We could not go on.
    CutShort(String),
    /// Before the first measured shot: could not start.
    NotStarted(String),
}
