//! What the platform knows that it did: every planted defect and the end of every execution, and their counts. What the
//! harness finds is held against it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::State;
use crate::base::time;

/// Where the truth goes.
#[derive(Debug, Clone, Default)]
pub enum Truth {
    /// Nowhere.
    #[default]
    Off,
    /// Into a file, a line of JSON per deed and one of totals; made anew, and whole once the target has stopped.
    File(PathBuf),
    /// Into memory.
    Memory(Ledger),
}

/// Deeds and their counts in memory. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<(Vec<Deed>, Totals)>>);

impl Ledger {
    /// All deeds so far.
    pub fn deeds(&self) -> Vec<Deed> {
        self.lock().0.clone()
    }

    /// How many of each.
    pub fn totals(&self) -> Totals {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Deed>, Totals)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that the platform did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Deed {
    /// A signal was taken from the topic.
    Consumed {
        /// Its id.
        signal: String,
    },
    /// A signal came again, and was known again.
    Redelivered {
        /// Its id.
        signal: String,
    },
    /// A message that is no signal.
    Malformed,
    /// A signal that no pipeline waits for.
    Unmatched {
        /// Its id.
        signal: String,
    },
    /// A pipeline was running, and a signal left it alone.
    Skipped {
        /// The signal's id.
        signal: String,
        /// The pipeline's id.
        pipeline: String,
    },
    /// A signal all of whose pipelines were running.
    Swallowed {
        /// Its id.
        signal: String,
    },
    /// Planted: a signal was lost.
    Lost {
        /// Its id.
        signal: String,
        /// Whether a rebalance was the cause.
        rebalance: bool,
    },
    /// Planted: a pipeline was started twice by one signal.
    Duplicated {
        /// The signal's id.
        signal: String,
        /// The pipeline's id.
        pipeline: String,
    },
    /// Planted: a signal was handled after a later one of its key.
    Reordered {
        /// The signal's id.
        signal: String,
        /// The id of the one that overtook it.
        by: String,
    },
    /// Planted: a worker took an execution up and never finishes it.
    Stuck {
        /// The execution's id.
        execution: String,
    },
    /// Planted: a 202 without an id.
    NoId {
        /// The execution's id.
        execution: String,
    },
    /// An attempt failed and is made again.
    Retried {
        /// The execution's id.
        execution: String,
    },
    /// An execution was taken on.
    Started {
        /// Its id.
        execution: String,
        /// The id of the signal that started it.
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
    },
    /// An execution is over.
    Ended {
        /// Its id.
        execution: String,
        /// The id of the signal that started it.
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
        /// As what.
        state: State,
    },
    /// An effect that could not be published.
    Unpublished {
        /// The execution's id.
        execution: String,
    },
    /// A webhook that nobody took.
    Untold {
        /// The execution's id.
        execution: String,
    },
    /// The dispatcher was given partitions anew.
    Rebalanced,
}

/// How many deeds of each kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Signals that were taken from the topic, each time that they came.
    pub consumed: u64,
    /// Those that came again.
    pub redelivered: u64,
    /// Messages that are no signals.
    pub malformed: u64,
    /// Signals that no pipeline waits for.
    pub unmatched: u64,
    /// Pipelines that were left alone because they were running.
    pub skipped: u64,
    /// Signals all of whose pipelines were running.
    pub swallowed: u64,
    /// Planted: signals that were lost, those by rebalances included.
    pub lost: u64,
    /// Planted: signals that rebalances lost.
    pub lost_on_rebalance: u64,
    /// Planted: starts that were made twice.
    pub duplicated: u64,
    /// Planted: signals that were overtaken.
    pub reordered: u64,
    /// Planted: executions that are never finished.
    pub stuck: u64,
    /// Planted: replies without an id.
    pub no_id: u64,
    /// Attempts that were made again.
    pub retried: u64,
    /// Executions that were taken on.
    pub started: u64,
    /// Executions that are over as `COMPLETED`.
    pub completed: u64,
    /// Executions that are over as `FAILED`.
    pub failed: u64,
    /// Executions that are over as anything else.
    pub ended_otherwise: u64,
    /// Effects that could not be published.
    pub unpublished: u64,
    /// Webhooks that nobody took.
    pub untold: u64,
    /// How often the dispatcher was given partitions anew.
    pub rebalances: u64,
}

impl Totals {
    fn count(&mut self, deed: &Deed) {
        let total = match deed {
            Deed::Consumed { .. } => &mut self.consumed,
            Deed::Redelivered { .. } => &mut self.redelivered,
            Deed::Malformed => &mut self.malformed,
            Deed::Unmatched { .. } => &mut self.unmatched,
            Deed::Skipped { .. } => &mut self.skipped,
            Deed::Swallowed { .. } => &mut self.swallowed,
            Deed::Lost { rebalance, .. } => {
                self.lost_on_rebalance += u64::from(*rebalance);
                &mut self.lost
            }
            Deed::Duplicated { .. } => &mut self.duplicated,
            Deed::Reordered { .. } => &mut self.reordered,
            Deed::Stuck { .. } => &mut self.stuck,
            Deed::NoId { .. } => &mut self.no_id,
            Deed::Retried { .. } => &mut self.retried,
            Deed::Started { .. } => &mut self.started,
            Deed::Ended { state: State::Completed, .. } => &mut self.completed,
            Deed::Ended { state: State::Failed, .. } => &mut self.failed,
            Deed::Ended { .. } => &mut self.ended_otherwise,
            Deed::Unpublished { .. } => &mut self.unpublished,
            Deed::Untold { .. } => &mut self.untold,
            Deed::Rebalanced => &mut self.rebalances,
        };
        *total += 1;
    }
}

/// Writes deeds down.
pub struct Log(Sink);

enum Sink {
    Off,
    Memory(Ledger),
    File(Mutex<Lines>),
}

struct Lines {
    out: BufWriter<File>,
    failed: Option<io::Error>, // the first; nothing is written after it
    path: PathBuf,
    totals: Totals,
}

impl Log {
    /// Opens where the truth goes. The error names the file.
    pub fn open(truth: &Truth) -> io::Result<Log> {
        Ok(Log(match truth {
            Truth::Off => Sink::Off,
            Truth::Memory(ledger) => Sink::Memory(ledger.clone()),
            Truth::File(path) => {
                let out = BufWriter::new(File::create(path).map_err(|e| named(path, &e))?);
                let (failed, totals) = (None, Totals::default());
                Sink::File(Mutex::new(Lines { out, failed, path: path.clone(), totals }))
            }
        }))
    }

    /// Writes one deed down, if anybody wants to know; what nobody wants is not made.
    pub fn write(&self, deed: impl FnOnce() -> Deed) {
        match &self.0 {
            Sink::Off => {}
            Sink::Memory(ledger) => {
                let (mut kept, deed) = (ledger.lock(), deed());
                kept.1.count(&deed);
                kept.0.push(deed);
            }
            Sink::File(lines) => {
                let (mut lines, deed) = (lines.lock().unwrap_or_else(PoisonError::into_inner), deed());
                lines.totals.count(&deed);
                lines.line(&Stamped { at_ns: time::monotonic(), deed: &deed });
            }
        }
    }

    /// Writes the totals and puts everything on disk; the error is the first that occurred, and names the file.
    pub fn close(&self) -> io::Result<()> {
        let Sink::File(lines) = &self.0 else { return Ok(()) };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = lines.totals;
        lines.line(&serde_json::json!({ "what": "totals", "totals": totals }));
        match lines.failed.take() {
            Some(error) => Err(named(&lines.path, &error)),
            None => lines.out.flush().map_err(|e| named(&lines.path, &e)),
        }
    }
}

impl Lines {
    fn line(&mut self, line: &impl serde::Serialize) {
        if self.failed.is_none() {
            let written = serde_json::to_writer(&mut self.out, line).map_err(io::Error::from);
            self.failed = written.and_then(|()| self.out.write_all(b"\n")).err();
        }
    }
}

/// A deed and when it was done, in nanoseconds on the host's monotonic clock.
#[derive(serde::Serialize)]
struct Stamped<'a> {
    at_ns: u64,
    #[serde(flatten)]
    deed: &'a Deed,
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the truth log {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_line_per_deed_and_one_of_totals() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("truth.jsonl");
        let log = Log::open(&Truth::File(path.clone())).expect("opens");
        log.write(|| Deed::Lost { signal: "s".into(), rebalance: true });
        log.write(|| Deed::Ended { execution: "e".into(), signal: None, state: State::NeedsReconciliation });
        log.close().expect("flushes");
        let text = std::fs::read_to_string(path).expect("reads");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((&lines[0]["what"], &lines[0]["signal"]), (&"lost".into(), &"s".into()));
        assert!(lines[0]["at_ns"].is_u64());
        assert_eq!(lines[1]["state"], "NEEDS_RECONCILIATION");
        let totals: Totals = serde_json::from_value(lines[2]["totals"].clone()).expect("totals");
        let wanted = Totals { lost: 1, lost_on_rebalance: 1, ended_otherwise: 1, ..Totals::default() };
        assert_eq!(totals, wanted);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Log::open(&Truth::File("/nowhere/truth.jsonl".into())).err().expect("cannot be made");
        assert!(error.to_string().contains("/nowhere/truth.jsonl"), "{error}");
    }

    #[test]
    fn what_nobody_wants_is_not_made() {
        Log::open(&Truth::Off).expect("nothing to open").write(|| unreachable!("nobody asked"));
    }
}
