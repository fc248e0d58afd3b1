//! What the service knows that it did, request by request: what tests hold the harness's own numbers against.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::instruments::QuoteError;
use super::quoters::Call;

/// Where the truth goes.
#[derive(Debug, Clone, Default)]
pub enum Truth {
    /// Nowhere.
    #[default]
    Off,
    /// Into a file, a line of JSON per request. The file is made anew; it is whole once the target has stopped.
    File(PathBuf),
    /// Into memory.
    Memory(Ledger),
}

/// Records in memory. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Record>>>);

impl Ledger {
    /// All records so far, in the order in which the requests were answered.
    pub fn records(&self) -> Vec<Record> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a quote came from: what replies and labels call `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The cache.
    Cache,
    /// Pools or quoters.
    Calculated,
    /// The cache, past the price's life: nothing new could be made.
    Stale,
}

impl Source {
    /// As in replies and labels.
    pub fn name(self) -> &'static str {
        match self {
            Source::Cache => "cache",
            Source::Calculated => "calculated",
            Source::Stale => "stale",
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Record {
    /// When it had been read, in nanoseconds on the host's monotonic clock.
    pub arrived_ns: u64,
    /// From then until the answer was ready.
    pub took_ns: u64,
    /// Its trace id, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// `/quote` or `/quote/hybrid`.
    pub path: &'static str,
    /// The mint to sell; empty when it was missing.
    pub input: String,
    /// The mint to buy; empty when it was missing.
    pub output: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Of a quote that was served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Of a quote that was served: the protocol or quoter whose price it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Of a quote that was served from the cache, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Of a request that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<QuoteError>,
    /// Who was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quoters: Vec<Call>,
}

/// Writes records.
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
}

impl Log {
    /// Opens where the truth goes. The error names the file.
    pub fn open(truth: &Truth) -> io::Result<Log> {
        Ok(Log(match truth {
            Truth::Off => Sink::Off,
            Truth::Memory(ledger) => Sink::Memory(ledger.clone()),
            Truth::File(path) => {
                let file = File::create(path).map_err(|e| named(path, &e))?;
                Sink::File(Mutex::new(Lines { out: BufWriter::new(file), failed: None, path: path.clone() }))
            }
        }))
    }

    /// Whether anybody wants records: what is not wanted need not be made.
    pub fn wanted(&self) -> bool {
        !matches!(self.0, Sink::Off)
    }

    /// Writes one record.
    pub fn write(&self, record: Record) {
        match &self.0 {
            Sink::Off => {}
            Sink::Memory(ledger) => ledger.lock().push(record),
            Sink::File(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.failed.is_none() {
                    let written = serde_json::to_writer(&mut lines.out, &record).map_err(io::Error::from);
                    lines.failed = written.and_then(|()| lines.out.write_all(b"\n")).err();
                }
            }
        }
    }

    /// Puts what was written on disk; the error is the first that occurred, and names the file.
    pub fn close(&self) -> io::Result<()> {
        let Sink::File(lines) = &self.0 else { return Ok(()) };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.failed.take() {
            Some(error) => Err(named(&lines.path, &error)),
            None => lines.out.flush().map_err(|e| named(&lines.path, &e)),
        }
    }
}

fn named(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the truth log {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::quote_service::quoters::Outcome;

    fn record() -> Record {
        Record {
            arrived_ns: 5,
            took_ns: 7,
            trace: None,
            path: "/quote",
            input: "a".into(),
            output: "b".into(),
            status: 200,
            source: Some(Source::Calculated),
            provider: Some("Jupiter".into()),
            age_ms: None,
            error: None,
            quoters: vec![Call { quoter: "Jupiter".into(), outcome: Outcome::Answered, attempts: 1 }],
        }
    }

    #[test]
    fn a_file_has_a_line_per_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("truth.jsonl");
        let log = Log::open(&Truth::File(path.clone())).expect("opens");
        assert!(log.wanted());
        log.write(record());
        log.write(record());
        log.close().expect("flushes");
        let text = std::fs::read_to_string(path).expect("reads");
        let line = r#"{"arrived_ns":5,"took_ns":7,"path":"/quote","input":"a","output":"b","status":200,"source":"calculated","provider":"Jupiter","quoters":[{"quoter":"Jupiter","outcome":"answered","attempts":1}]}"#;
        assert_eq!(text, format!("{line}\n{line}\n"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Log::open(&Truth::File("/nowhere/truth.jsonl".into())).err().expect("cannot be made");
        assert!(error.to_string().contains("/nowhere/truth.jsonl"), "{error}");
    }

    #[test]
    fn what_nobody_wants_is_not_made() {
        assert!(!Log::open(&Truth::Off).expect("nothing to open").wanted());
    }
}
