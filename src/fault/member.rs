//! A process that this run started: one of `processes:`, or the practice target. Faults may stop and kill it, and the run
//! starts it again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::base::command::redacted;
use crate::base::process::Process;

/// How long one that speaks may take to say that it is ready.
const START: Duration = Duration::from_secs(15);
/// One that does not speak and still runs after this long has started.
const SETTLED: Duration = Duration::from_millis(200);
/// How long one may take to end when its standard input does.
const END: Duration = Duration::from_secs(2);
/// How much of what it says is kept, in bytes: the end.
const LAST_WORDS: usize = 4096;

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What faults call it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Added to its environment.
    pub env: Vec<(String, String)>,
    /// Where it runs; where we do when not given.
    pub dir: Option<PathBuf>,
    /// A line that it is told on its standard input first; only one that speaks has one.
    pub tells: Option<String>,
    /// Whether it says with a line on standard output that it is ready, and ends when its standard input does.
    pub speaks: bool,
}

/// A process that this run started.
pub struct Member {
    spec: Mutex<Spec>,
    alive: tokio::sync::Mutex<Alive>,
    process: Mutex<Option<Process>>,
}

struct Alive {
    child: Child,
    words: [JoinHandle<Vec<u8>>; 2],
}

impl Member {
    /// Starts it and waits until it is up; the line that it said. The error has its last words.
    pub async fn start(spec: Spec) -> Result<(Arc<Member>, String), String> {
        let (alive, process, line) = launch(&spec).await?;
        let member =
            Member { spec: Mutex::new(spec), alive: tokio::sync::Mutex::new(alive), process: Mutex::new(process) };
        Ok((Arc::new(member), line))
    }

    /// Its process as it was last started; it may have ended since.
    pub fn process(&self) -> Result<Process, String> {
        let process = *self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.ok_or_else(|| format!("`{}` has ended", self.spec().name))
    }

    /// From now on it is started with one more argument, so that it comes back where it was.
    pub fn pin(&self, args: [OsString; 2]) {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).args.extend(args);
    }

    /// Starts it again after it was killed.
    pub async fn again(&self) -> Result<(), String> {
        let mut alive = self.alive.lock().await;
        // Taken notice of, or it stays a zombie.
        if timeout(END, alive.child.wait()).await.is_err() {
            return Err(format!("`{}` still runs", self.spec().name));
        }
        let (started, process, _) = launch(&self.spec()).await?;
        *alive = started;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
        Ok(())
    }

    /// Ends it: its standard input ends, and after a while it is killed.
    pub async fn stop(&self) {
        let mut alive = self.alive.lock().await;
        drop(alive.child.stdin.take());
        // One that does not speak knows nothing of that.
        let patience = if self.spec().speaks { END } else { Duration::ZERO };
        if timeout(patience, alive.child.wait()).await.is_err() {
            let _ = alive.child.kill().await;
        }
        alive.words.iter().for_each(JoinHandle::abort);
    }

    fn spec(&self) -> Spec {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn launch(spec: &Spec) -> Result<(Alive, Option<Process>, String), String> {
    let Spec { name, program, args, env, dir, tells, speaks } = spec;
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    command.stdin(if *speaks { Stdio::piped() } else { Stdio::null() });
    // A group of its own: Ctrl-C is for us, who still have to drain.
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| format!("`{name}`: {}: {e}", program.display()))?;
    let process = child.id().and_then(|pid| Process::find(pid).ok());
    if let (Some(line), Some(stdin)) = (tells, &mut child.stdin) {
        // One that does not listen will not say that it is up.
        let _ = stdin.write_all(format!("{line}\n").as_bytes()).await;
    }
    let errors = tokio::spawn(last_words(child.stderr.take()));
    let mut line = String::new();
    let mut out = child.stdout.take().map(BufReader::new);
    let up = match &mut out {
        Some(out) if *speaks => {
            timeout(START, out.read_line(&mut line)).await.is_ok_and(|read| read.is_ok_and(|n| n > 0))
        }
        _ => timeout(SETTLED, child.wait()).await.is_err(),
    };
    if !up {
        let _ = child.start_kill();
        let status = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
        let said = timeout(END, errors).await.ok().and_then(Result::ok).unwrap_or_default();
        return Err(format!("`{name}` did not start ({status}): {}", redacted(&String::from_utf8_lossy(&said))));
    }
    let output = tokio::spawn(last_words(out));
    Ok((Alive { child, words: [output, errors] }, process, line))
}

/// Reads on, so that nobody is held up by a full pipe; keeps the end.
async fn last_words(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut words = Vec::new();
    let Some(mut from) = from else { return words };
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        words.extend_from_slice(&buffer[..n]);
        words.drain(..words.len().saturating_sub(LAST_WORDS));
    }
    words
}
