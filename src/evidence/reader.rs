//! What a run left on disk, read back. Whatever is missing or torn is said, not hidden; what is whole is used.

use std::fs;
use std::io;
use std::path::Path;

use super::baseline::{BASELINE, Baseline};
use super::event::Event;
use super::folder::Folder;
use super::latency::LatencyLog;
use super::manifest::{FORMAT, Manifest};
use super::samples;
use super::servers::FETCHED;
use super::touches::{DECISIONS, Decision, Log, PARTS, PartTouch, SHOTS, ShotTouch};
use crate::base::series::Series;

/// What a run left on disk.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What was run, and how it ended.
    pub manifest: Manifest,
    /// What happened, in the order in which it was written.
    pub events: Vec<Event>,
    /// How long everything took.
    pub latency: LatencyLog,
    /// Shots that were under way while a fault was.
    pub shots: Log<ShotTouch>,
    /// Their parts.
    pub parts: Log<PartTouch>,
    /// What the stage decided.
    pub decisions: Log<Decision>,
    /// What was fetched from a Prometheus server that watched the target too: its raw samples, in Unix milliseconds of
    /// its own clock.
    pub fetched: Vec<Series>,
    /// The run that it is held against, if any.
    pub baseline: Option<Baseline>,
    /// What was missing or torn.
    pub gaps: Vec<String>,
}

/// Why evidence cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a run's folder.
    #[error("{path}: no evidence here: {source}; name the folder of a run, the one that holds manifest.json")]
    Missing {
        /// The folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is unreadable.
    #[error("{path}: the manifest cannot be read: {why}")]
    Manifest {
        /// The folder.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Written by a newer program.
    #[error("{path}: evidence of format {found}, this program reads up to {FORMAT}; use a newer proofload")]
    Newer {
        /// The folder.
        path: String,
        /// Its format.
        found: u32,
    },
}

impl Evidence {
    /// Reads the folder of a run, without the scraped samples.
    pub fn read(folder: &Folder) -> Result<Evidence, ReadError> {
        let path = folder.path().display().to_string();
        let text = fs::read_to_string(folder.file("manifest.json"))
            .map_err(|source| ReadError::Missing { path: path.clone(), source })?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|e| ReadError::Manifest { path: path.clone(), why: e.to_string() })?;
        if manifest.format > FORMAT {
            return Err(ReadError::Newer { path, found: manifest.format });
        }
        let mut gaps = Vec::new();
        let events = read_events(&folder.file("events.jsonl"), &mut gaps);
        let latency = keep(LatencyLog::read(&folder.file("latency.hlog")), "latency.hlog", &mut gaps);
        // Every run has this one, if only empty: without it a fault would seem to have met nothing.
        if !folder.file(SHOTS).exists() {
            gaps.push(format!("{SHOTS}: not there"));
        }
        let shots = keep(Log::open(&folder.file(SHOTS), 0), SHOTS, &mut gaps);
        let parts = keep(Log::open(&folder.file(PARTS), 0), PARTS, &mut gaps);
        let decisions = keep(Log::open(&folder.file(DECISIONS), manifest.stage_shift()), DECISIONS, &mut gaps);
        let fetched = read_fetched(&folder.file(FETCHED), &mut gaps);
        let baseline = Baseline::read(&folder.file(BASELINE)).unwrap_or_else(|why| {
            gaps.push(format!("{BASELINE}: {why}"));
            None
        });
        Ok(Evidence { manifest, events, latency, shots, parts, decisions, fetched, baseline, gaps })
    }
}

fn keep<T: Default>(read: io::Result<(T, Option<String>)>, name: &str, gaps: &mut Vec<String>) -> T {
    match read {
        Ok((value, torn)) => {
            gaps.extend(torn);
            value
        }
        Err(why) => {
            gaps.push(format!("{name}: {why}"));
            T::default()
        }
    }
}

/// A run that watched no server has no such file.
fn read_fetched(path: &Path, gaps: &mut Vec<String>) -> Vec<Series> {
    if !path.exists() {
        return Vec::new();
    }
    match samples::read(path) {
        Ok(read) => {
            gaps.extend(read.torn.map(|why| format!("{FETCHED}: {why}")));
            read.series
        }
        Err(why) => {
            gaps.push(why.to_string());
            Vec::new()
        }
    }
}

fn read_events(path: &Path, gaps: &mut Vec<String>) -> Vec<Event> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) => {
            gaps.push(format!("{}: {why}", path.display()));
            return Vec::new();
        }
    };
    let mut events = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(why) => gaps.push(format!("{}:{}: {why}", path.display(), n + 1)),
        }
    }
    events
}
