//! A process of this host, known by its id and by when it started: a signal never reaches another one that was given
//! the same id since.

use std::fmt;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How often a state that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A process of this host, this one and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
}

/// What a process is doing, as far as faults ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or would if there were something to do.
    Running,
    /// It was stopped by a signal.
    Stopped,
    /// It has ended; perhaps nobody has taken notice yet. Also when another process has its id.
    Gone,
}

impl Process {
    /// The process that has an id now. The error says that there is none.
    pub fn find(pid: u32) -> Result<Process, String> {
        match read_stat(pid) {
            Some((state, started)) if state != State::Gone => Ok(Process { pid, started }),
            _ => Err(format!("there is no process {pid}")),
        }
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        match read_stat(self.pid) {
            Some((state, started)) if started == self.started => state,
            _ => State::Gone,
        }
    }

    /// Sends it a signal; whether it was there to get it. Errors: when we may not.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            // What the descriptor stands for cannot change any more: looked at now, it is the one that is signalled.
            Ok(_) if self.state() == State::Gone => return Ok(false),
            Ok(process) => pidfd_send_signal(process, signal),
            Err(rustix::io::Errno::NOSYS) if self.state() == State::Gone => return Ok(false),
            Err(rustix::io::Errno::NOSYS) => kill_process(pid, signal),
            Err(why) => Err(why),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(why) => Err(why.into()),
        }
    }

    /// Waits until it does what is wanted; whether it came to that within a time.
    pub async fn comes_to(&self, wanted: impl Fn(State) -> bool, within: Duration) -> bool {
        let looks = async {
            while !wanted(self.state()) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(within, looks).await.is_ok()
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}

/// Every process whose environment has exactly this entry, `NAME=value`; children inherit it. Those whose environment we
/// may not read, and we ourselves, are left out.
pub fn marked(entry: &str) -> Vec<Process> {
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
        })
        .filter_map(|pid| Process::find(pid).ok())
        .collect()
}

fn read_stat(pid: u32) -> Option<(State, u64)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&stat))
}

/// The state and the start time. What stands in parentheses is a name of anybody's choice.
fn parse_stat(stat: &str) -> Option<(State, u64)> {
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = match words.next()? {
        "T" => State::Stopped,
        "Z" | "X" | "x" => State::Gone,
        _ => State::Running,
    };
    Some((state, words.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Does nothing until it is stopped.
    fn idle(mark: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("60").env("PROOFLOAD_TEST", mark).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("starts")
    }

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_name_cannot_forge_what_is_read() {
        let rest = "0 ".repeat(18);
        let forged = format!("7 (x) Z 9) S {rest}4242 1 2");
        assert_eq!(parse_stat(&forged), Some((State::Running, 4242)));
        assert_eq!(parse_stat("7 (x"), None);
        assert_eq!(parse_stat("7 (x) S 1"), None);
    }

    #[tokio::test]
    async fn a_process_is_stopped_continued_and_ended() {
        let mut child = idle("a");
        let process = Process::find(child.id()).expect("lives");
        assert_eq!(process.state(), State::Running);
        for (signal, state) in
            [(Signal::STOP, State::Stopped), (Signal::CONT, State::Running), (Signal::KILL, State::Gone)]
        {
            assert!(process.signal(signal).expect("ours"));
            assert!(process.comes_to(|s| s == state, SOON).await, "{state:?}");
        }
        child.wait().expect("reaped");
        assert!(!process.signal(Signal::CONT).expect("nobody is there"));
        assert!(Process::find(child.id()).is_err());
    }

    #[tokio::test]
    async fn another_process_with_the_same_id_gets_no_signal() {
        let mut child = idle("b");
        let process = Process::find(child.id()).expect("lives");
        let earlier = Process { started: process.started - 1, ..process };
        assert_eq!(earlier.state(), State::Gone);
        assert!(!earlier.signal(Signal::KILL).expect("not sent"));
        assert!(!process.comes_to(|s| s == State::Gone, Duration::from_millis(50)).await);
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    #[test]
    fn a_process_is_found_by_its_mark() {
        let mark = format!("m{}", std::process::id());
        let mut child = idle(&mark);
        // Between fork and exec it has our environment.
        let found = (0..500).find_map(|_| {
            std::thread::sleep(LOOK);
            let found = marked(&format!("PROOFLOAD_TEST={mark}"));
            (!found.is_empty()).then_some(found)
        });
        assert_eq!(found, Process::find(child.id()).ok().map(|p| vec![p]));
        assert_eq!(marked(&format!("PROOFLOAD_TEST={mark}x")), []);
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
