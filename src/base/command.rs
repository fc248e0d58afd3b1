//! Commands that others wrote: run to their end, or started for good. What they print is kept short, and never with the
//! value of a variable whose name says that it is secret.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::text;
use super::units;

/// How much of what a command printed is kept, in bytes: its end.
const KEPT: usize = 2048;
/// How long output may be on its way after the command ended; what it left running may hold it open for ever.
const REST: Duration = Duration::from_millis(100);
/// A command that still runs after this long was meant to.
const SETTLED: Duration = Duration::from_secs(1);

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The end of what it printed, secrets left out.
    pub said: String,
}

/// Runs a command, its program first, to its end. Errors: when it does not start, or takes longer than `within`; then it
/// and what it started in its group are killed, as when the future is dropped.
pub async fn run(command: &[String], within: Duration) -> Result<Ran, String> {
    let name = shown(command);
    let mut child = prepared(command, &[])?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("`{name}` cannot be started: {e}"))?;
    let mut group = Group(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw));
    let output = tokio::spawn(printed(child.stdout.take()));
    let errors = tokio::spawn(printed(child.stderr.take()));
    match timeout(within, child.wait()).await {
        Ok(Ok(status)) => {
            group.0 = None;
            let said = async { [output.await.unwrap_or_default(), errors.await.unwrap_or_default()].concat() };
            let said = timeout(REST, said).await.unwrap_or_default();
            Ok(Ran { code: status.code(), said: redacted(&String::from_utf8_lossy(&said)) })
        }
        Ok(Err(why)) => Err(format!("`{name}`: {why}")),
        Err(_) => Err(format!("`{name}` had not ended after {}", units::duration(within))),
    }
}

/// Killed when dropped, unless its leader has ended: its number may be another's then.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// Starts a command that is to outlive us, with entries added to its environment. It has come up when it ends well, or
/// still runs after a second.
pub async fn start(command: &[String], env: &[(&str, &str)]) -> Result<(), String> {
    let name = shown(command);
    let mut child = prepared(command, env)?
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("`{name}` cannot be started: {e}"))?;
    match timeout(SETTLED, child.wait()).await {
        Err(_) => Ok(()),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{name}` ended at once: {status}")),
        Ok(Err(why)) => Err(format!("`{name}`: {why}")),
    }
}

fn prepared(command: &[String], env: &[(&str, &str)]) -> Result<Command, String> {
    let [program, arguments @ ..] = command else { return Err("a command without a program".into()) };
    let mut prepared = Command::new(program);
    // A group of its own: what interrupts us is not meant for it.
    prepared.args(arguments).envs(env.iter().copied()).stdin(Stdio::null()).process_group(0);
    Ok(prepared)
}

/// A command as it is typed, for messages and remedies.
pub fn shown(command: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    let word = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Text in which the values of variables that look secret are blotted out.
pub fn redacted(said: &str) -> String {
    let mut said = said.trim().to_owned();
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if text::looks_secret(&name) && value.len() >= 4 {
            said = said.replace(&*value, "***");
        }
    }
    said
}

/// The end of what is printed.
async fn printed(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(Into::into).to_vec()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_command_says_how_it_ended_and_little_more() {
        let ran = run(&sh("echo one; echo two >&2; exit 3"), LONG).await.expect("runs");
        assert_eq!(ran, Ran { code: Some(3), said: "one\ntwo".into() });
        let much = run(&sh("yes | head -c 100000; echo end"), LONG).await.expect("runs");
        assert!(much.said.len() <= KEPT && much.said.ends_with("end"), "{} bytes", much.said.len());
        let killed = run(&sh("kill -9 $$"), LONG).await.expect("runs");
        assert_eq!(killed.code, None);
        assert!(run(&["/no/such/program".into()], LONG).await.is_err_and(|why| why.contains("/no/such/program")));
        assert!(run(&[], LONG).await.is_err());
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_ended_with_what_it_started() {
        let mark = format!("PROOFLOAD_LATE=m{}", std::process::id());
        let late = run(&sh(&format!("{mark} sleep 60 & {mark} sleep 60")), Duration::from_millis(200)).await;
        assert!(late.is_err_and(|why| why.contains("200ms")));
        for process in super::super::process::marked(&mark) {
            assert!(process.comes_to(|s| s == super::super::process::State::Gone, LONG).await);
        }
        // What is left running on purpose holds nobody up.
        let left = run(&sh("sleep 2 & exit 0"), LONG).await.expect("runs");
        assert_eq!(left.code, Some(0));
    }

    #[tokio::test]
    async fn what_is_started_stays_or_ends_well() {
        start(&sh("exit 0"), &[]).await.expect("ended well");
        assert!(start(&sh("exit 4"), &[]).await.is_err_and(|why| why.contains("exit status: 4")));
        let mark = format!("m{}", std::process::id());
        start(&sh("exec sleep 60"), &[("PROOFLOAD_STARTED", &mark)]).await.expect("stays");
        let found = super::super::process::marked(&format!("PROOFLOAD_STARTED={mark}"));
        assert_eq!(found.len(), 1);
        assert!(found[0].signal(Signal::KILL).expect("ours"));
    }

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let command = ["echo", "it's", "", "a b", "--x=1"].map(String::from);
        assert_eq!(shown(&command), r"echo 'it'\''s' '' 'a b' --x=1");
    }
}
