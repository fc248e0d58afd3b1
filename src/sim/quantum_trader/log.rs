//! The log: a line of JSON for each thing that happens, with the correlation id of the request that it happens for.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::super::trading::chance::lock;
use crate::base::time;

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To standard output, behind the line that says that the system is ready.
    Stdout,
    /// To a file, which is made anew.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// All is well.
    Info,
    /// Not all is.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        }
    }
}

/// Where it is written to, once it may.
struct Sink {
    out: Option<Box<dyn Write + Send>>,
    early: Option<Vec<u8>>, // what was said before it may be written
}

/// The log of a system.
pub struct Log {
    environment: String,
    version: String,
    sink: Mutex<Sink>,
}

impl Log {
    /// Opens it. What goes to `stdout` is held back until [`Log::begin`].
    pub fn open(target: &Target, stdout: Box<dyn Write + Send>, environment: &str, version: &str) -> io::Result<Log> {
        let sink = match target {
            Target::Stdout => Sink { out: Some(stdout), early: Some(Vec::new()) },
            Target::Off => Sink { out: None, early: None },
            Target::File(path) => {
                let file =
                    File::create(path).map_err(|e| io::Error::new(e.kind(), format!("log {}: {e}", path.display())))?;
                Sink { out: Some(Box::new(BufWriter::new(file))), early: None }
            }
        };
        Ok(Log { environment: environment.to_owned(), version: version.to_owned(), sink: Mutex::new(sink) })
    }

    /// From now on it may be written.
    pub fn begin(&self) {
        let mut sink = lock(&self.sink);
        if let Some(early) = sink.early.take() {
            sink.write(&early);
        }
    }

    /// Hands what was written to the system.
    pub fn flush(&self) -> io::Result<()> {
        lock(&self.sink).out.as_mut().map_or(Ok(()), |out| out.flush())
    }

    /// Writes a line; `more` are fields of its own, a JSON object.
    pub fn line(&self, service: &str, level: Level, correlation: &str, message: &str, more: Value) {
        let mut sink = lock(&self.sink);
        if sink.out.is_none() {
            return;
        }
        let at = jiff::Timestamp::from_millisecond(time::wall() / 1_000_000).unwrap_or_default();
        let mut fields = Map::new();
        for (name, value) in [
            ("timestamp", json!(format!("{at:.3}"))),
            ("levelname", json!(level.word())),
            ("service_name", json!(service)),
            ("service_version", json!(self.version)),
            ("environment", json!(self.environment)),
            ("correlation_id", json!(correlation)),
            ("message", json!(message)),
        ] {
            fields.insert(name.to_owned(), value);
        }
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        let line = format!("{}\n", Value::Object(fields));
        match &mut sink.early {
            Some(early) => early.extend_from_slice(line.as_bytes()),
            None => sink.write(line.as_bytes()),
        }
    }
}

impl Sink {
    /// Writes; a reader who is gone ends the log, not the system.
    fn write(&mut self, bytes: &[u8]) {
        if self.out.as_mut().is_some_and(|out| out.write_all(bytes).and_then(|()| out.flush()).is_err()) {
            self.out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_written_before_it_may_be_and_nothing_is_lost() {
        let out = Shared::default();
        let log = Log::open(&Target::Stdout, Box::new(out.clone()), "test", "1.0").expect("opens");
        log.line("risk", Level::Info, "abc", "Order allowed", json!({ "symbol": "BTCUSDT" }));
        assert!(lock(&out.0).is_empty());
        log.begin();
        log.line("risk", Level::Error, "abd", "It failed", Value::Null);
        let text = String::from_utf8(lock(&out.0).clone()).expect("text");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(
            (lines.len(), &lines[0]["correlation_id"], &lines[0]["symbol"]),
            (2, &json!("abc"), &json!("BTCUSDT"))
        );
        assert_eq!((&lines[1]["levelname"], &lines[1]["environment"]), (&json!("ERROR"), &json!("test")));
        let at = lines[0]["timestamp"].as_str().expect("text");
        assert!(at.len() == 24 && at.ends_with('Z') && at.contains('T'), "{at}");
    }

    #[test]
    fn a_reader_who_is_gone_ends_the_log_alone() {
        let log = Log::open(&Target::Stdout, Box::new(Gone), "test", "1.0").expect("opens");
        log.begin();
        log.line("risk", Level::Info, "a", "one", Value::Null);
        log.line("risk", Level::Info, "a", "two", Value::Null);
        assert!(lock(&log.sink).out.is_none());
        assert!(log.flush().is_ok());
    }
}
