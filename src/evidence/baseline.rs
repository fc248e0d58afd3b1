//! `baseline.json`: the figures of another run that promises of this one are held against. They are copied when the run
//! begins, so that it can be judged by them when the other run is gone.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::Identity;

/// Its name in the folder of a run.
pub const BASELINE: &str = "baseline.json";
/// The version of the format that this program writes.
const FORMAT: u32 = 1;

/// What another run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Version of the format.
    pub format: u32,
    /// What the run is called.
    pub run: String,
    /// Where its evidence was.
    pub folder: String,
    /// How it was judged when it was taken.
    pub verdict: String,
    /// How it was run.
    pub identity: Identity,
    /// Why it was no fair one, where it was taken all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfair: Vec<String>,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// A figure of a run, and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is: `p99(quotes)`, `p95(orders.submit, service, ok)`.
    pub of: String,
    /// Where it was measured: `the measured phase`.
    pub window: String,
    /// In seconds, as a fraction of 1, or per second.
    pub value: f64,
    /// Its standard error: of lengths and rates that of their logarithm, of shares their own.
    pub error: f64,
    /// From how many blocks of the run that is known.
    pub blocks: usize,
    /// How long a block is, in seconds.
    pub block: f64,
    /// The shots that it was measured by.
    pub samples: u64,
}

impl Baseline {
    /// The figures of a run.
    pub fn new(run: &str, folder: &str, verdict: &str, identity: Identity, figures: Vec<Figure>) -> Baseline {
        Baseline {
            format: FORMAT,
            run: run.into(),
            folder: folder.into(),
            verdict: verdict.into(),
            identity,
            unfair: Vec::new(),
            figures,
        }
    }

    /// As it is written.
    pub fn text(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self).map_err(io::Error::other)? + "\n")
    }

    /// Reads it from the folder of a run; one that was run without has none.
    pub fn read(path: &Path) -> io::Result<Option<Baseline>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let read: Baseline = serde_json::from_str(&text).map_err(io::Error::other)?;
        match read.format {
            newer if newer > FORMAT => Err(io::Error::other(format!("of format {newer}; use a newer proofload"))),
            _ => Ok(Some(read)),
        }
    }

    /// A figure by its name and window.
    pub fn figure(&self, of: &str, window: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.of == of && figure.window == window)
    }
}
