//! A second opinion: a real Prometheus or promtool on this machine, given samples and asked what expressions over them
//! come to. What it says is compared with our own evaluation; nothing is ever decided by it alone.

mod prometheus;
mod promtool;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::Command;

use crate::base::series::{Labels, Series};

/// Which program is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// A server of our own on a free loopback port: any number of series.
    Prometheus,
    /// `promtool test rules`, which needs no server but counts every millisecond: a few series over some minutes.
    Promtool,
}

/// As it is called on the command line.
impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::Prometheus => "prometheus",
            Which::Promtool => "promtool",
        })
    }
}

/// The version of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3 of 3.1.
    pub major: u32,
    /// 1 of 3.1.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An expression and when it is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// PromQL.
    pub expr: String,
    /// Milliseconds on the axis of the samples.
    pub at_ms: i64,
}

/// The elements of an answer; of a number one without labels. The error is what the program said is wrong.
pub type Told = Result<Vec<(Labels, f64)>, String>;

/// A program that has been given samples.
pub enum Oracle {
    /// A server; it ends when this is dropped.
    Prometheus(Box<prometheus::Server>),
    /// The samples, for a test file with each question.
    Promtool(Vec<Series>),
}

impl Oracle {
    /// Gives the samples of these series to the program. The error says why it cannot be asked.
    pub async fn start(which: Which, series: &[&Series]) -> Result<Oracle, String> {
        Ok(match which {
            Which::Prometheus => Oracle::Prometheus(Box::new(prometheus::Server::start(series).await?)),
            Which::Promtool => Oracle::Promtool(series.iter().map(|one| (*one).clone()).collect()),
        })
    }

    /// What the program says, in the order of the questions. The error says why it answered none.
    pub async fn ask(&self, asked: &[Asked]) -> Result<Vec<Told>, String> {
        match self {
            Oracle::Prometheus(server) => server.ask(asked).await,
            Oracle::Promtool(series) => promtool::ask(series, asked).await,
        }
    }
}

/// The version of the program that would be asked; the error says that it is not there.
pub async fn version(which: Which) -> Result<Version, String> {
    let absent = |why: String| format!("--verify-with {which}: {which} is not to be had here: {why}");
    let output = Command::new(which.to_string()).arg("--version").stdin(Stdio::null()).output();
    let output = tokio::time::timeout(Duration::from_secs(10), output).await;
    let output =
        output.map_err(|_| absent("it does not tell its version".into()))?.map_err(|e| absent(e.to_string()))?;
    // Older ones print it as an error.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    read_version(&said).ok_or_else(|| absent("it tells no version".into()))
}

fn read_version(said: &str) -> Option<Version> {
    let after = said.split_once("version ")?.1;
    let mut parts = after.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some(Version { major: parts.next()?.ok()?, minor: parts.next()?.ok()? })
}

/// A folder of our own for the time being; removed with all that is in it when dropped.
struct Room(PathBuf);

impl Room {
    fn new() -> Result<Room, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("proofload-oracle-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Room(path))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A number as both programs print it.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        let read = |said| read_version(said).map(|v| v.to_string());
        assert_eq!(
            read("prometheus, version 2.42.0+ds (branch: debian/sid)\n  build user: x").as_deref(),
            Some("2.42")
        );
        assert_eq!(read("promtool, version 3.5.0 (branch: HEAD)").as_deref(), Some("3.5"));
        assert_eq!(read("no such thing"), None);
    }

    #[test]
    fn a_room_is_gone_with_what_is_in_it() {
        let room = Room::new().expect("a folder");
        let path = room.0.clone();
        std::fs::write(path.join("x"), "x").expect("a file");
        drop(room);
        assert!(!path.exists());
    }
}
