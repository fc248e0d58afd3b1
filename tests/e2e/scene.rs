//! A scenario in a folder of its own, the program run over it, and what that left.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::schema::Schema;

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_proofload");
/// How long a command may take, in steps of [`STEP`], before it counts as hung.
const PATIENCE: usize = 3_000;
const STEP: Duration = Duration::from_millis(20);

/// So many runs may load this machine at once: light loads, whose limits are wide.
const AT_ONCE: usize = 8;
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A place among the runs that load this machine, given back when dropped.
pub struct Turn(usize);

impl Turn {
    /// One of several.
    pub fn take() -> Turn {
        Turn::wait(1)
    }

    /// With half as many beside as else: for several servers at once.
    pub fn heavy() -> Turn {
        Turn::wait(AT_ONCE / 2)
    }

    /// With nobody beside.
    pub fn alone() -> Turn {
        Turn::wait(AT_ONCE)
    }

    fn wait(places: usize) -> Turn {
        let taken = RUNNING.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut taken =
            RUNNING.1.wait_while(taken, |taken| *taken + places > AT_ONCE).unwrap_or_else(|e| e.into_inner());
        *taken += places;
        Turn(places)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(|e| e.into_inner()) -= self.0;
        RUNNING.1.notify_all();
    }
}

/// A scenario whose quotes go to a target, with some load and some promises; the generator's own limits are wide.
pub fn scenario(target: &str, load: &str, slo: &str) -> String {
    format!(
        "proofload: 1
name: a scene
target: {target}
traffic:
  q:
    quote: {{ pairs: {{ file: pairs.csv }}, amount: {{ fixed: 1000000 }} }}
    classes:
      fast: {{ json: $.class, is: fast }}
      slow: {{ json: $.class, is: slow }}
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
"
    )
}

/// `- hold: …` for [`scenario`].
pub fn hold(rate: &str, length: &str) -> String {
    format!("{{ hold: {{ at: {rate}, for: {length} }} }}")
}

/// A scenario file in a folder of its own.
pub struct Scene {
    folder: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it printed on standard error.
    pub err: String,
}

/// A command on its way.
pub struct Going {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Scene {
    /// Writes the scenario and the pairs that it names.
    pub fn new(yaml: &str) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("scenes")).expect("made");
        fs::write(folder.path().join("scenes/scene.yaml"), yaml).expect("written");
        fs::write(folder.path().join("scenes/pairs.csv"), "input,output\nSOL,USDC\nUSDC,SOL\n").expect("written");
        Scene { folder }
    }

    /// The scenario file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("scenes/scene.yaml")
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where runs leave their reports.
    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// A run of the scenario, not yet started.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(self.file()).arg("--out").arg(self.out()).args(more);
        command
    }

    /// Starts a run.
    pub fn start(&self, more: &[&str]) -> Going {
        Going::start(self.command(more), self.folder.path())
    }

    /// Runs it, beside others.
    pub fn run(&self, more: &[&str]) -> Ended {
        let _turn = Turn::take();
        self.start(more).wait()
    }

    /// Runs any command of the program.
    pub fn ask(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        Going::start(command, self.folder.path()).wait()
    }

    /// The folder of the one run.
    pub fn evidence(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "one run in {}", self.out().display());
        runs[0].clone()
    }

    /// The folders of all runs so far.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut found = vec![self.out()];
        for _ in 0..3 {
            let inside = |folder: &PathBuf| {
                fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>()
            };
            found = found.iter().flat_map(inside).collect();
        }
        // Those of suites stand beside them.
        found.retain(|run| !run.join("suite.json").exists());
        found.sort();
        found
    }

    /// Waits until a run's load is on its way, and for so many seconds of it to be on disk.
    pub fn wait_for_load(&self, seconds: usize) {
        for _ in 0..PATIENCE {
            let events = |run: &PathBuf| fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
            let ticks = self.runs().iter().map(|run| ticks_with_shots(&events(run))).max();
            if ticks.unwrap_or(0) >= seconds {
                return;
            }
            thread::sleep(STEP);
        }
        assert_eq!(self.runs().len(), 1, "the load never began");
    }

    /// `verdict.json` of the one run.
    pub fn verdict(&self) -> Value {
        verdict(&self.evidence())
    }

    /// Every file under its reports.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        let mut folders = vec![self.out()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => all.push(entry.path()),
                }
            }
        }
        all
    }
}

fn ticks_with_shots(events: &str) -> usize {
    let events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["event"] == "tick" && event["traffic"][0][0].is_object()).count()
}

/// `verdict.json` in a folder, which is what its schema says.
pub fn verdict(folder: &Path) -> Value {
    let path = folder.join("verdict.json");
    let text = fs::read(&path).unwrap_or_default();
    match serde_json::from_slice(&text) {
        Ok(verdict) => {
            assert_eq!(Schema::shipped().check(&verdict).0, Vec::<String>::new(), "{}", path.display());
            verdict
        }
        Err(why) => Value::String(format!("{}: {why}", path.display())),
    }
}

impl Going {
    /// Starts a command; what it prints goes to files below `folder`.
    pub fn start(mut command: Command, folder: &Path) -> Going {
        let printed = tempfile::tempdir_in(folder).expect("a folder").keep();
        let (out, err) = (printed.join("stdout"), printed.join("stderr"));
        command.stdin(std::process::Stdio::null());
        command.stdout(File::create(&out).expect("created")).stderr(File::create(&err).expect("created"));
        Going { child: command.spawn().expect("starts"), out, err }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        for _ in 0..PATIENCE {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return self.ended(status);
            }
            thread::sleep(STEP);
        }
        let _ = self.child.kill();
        let status = self.child.wait().expect("waits");
        let ended = self.ended(status);
        assert_eq!(Some(0), None, "it hung: {ended:?}");
        ended
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Ended { code: status.code(), out: read(&self.out), err: read(&self.err) }
    }
}

/// Sends a process a signal.
pub fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// The children of a process: their ids and command lines.
pub fn children(of: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("a Linux").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if state(pid).is_some_and(|(_, parent)| parent == of) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Waits for a process to end; whether it did.
pub fn ends(pid: u32) -> bool {
    for _ in 0..500 {
        if state(pid).is_none_or(|(state, _)| state == 'Z') {
            return true;
        }
        thread::sleep(STEP);
    }
    false
}

/// Whether a process has ended.
pub fn is_gone(pid: u32) -> bool {
    state(pid).is_none_or(|(state, _)| state == 'Z')
}

/// The state of a process and its parent.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// How many shots of `q` came to an outcome.
pub fn outcome(verdict: &Value, word: &str) -> u64 {
    verdict["traffic"]["q"]["outcomes"][word].as_u64().unwrap_or(0)
}

/// The finding on a promise.
pub fn finding<'v>(verdict: &'v Value, promise: &str) -> &'v Value {
    let findings = verdict["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().find(|f| f["promise"] == promise).unwrap_or(&Value::Null)
}
