//! Doing what a recipe says: how a fault on a process or a hook is undone, by whoever is left to do it. Doing it twice
//! is doing it once.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::link::remote::{self, Remote};
use crate::base::ask::Ask;
use crate::base::cgroup;
use crate::base::command;
use crate::base::docker::{self, Docker, Verb};
use crate::base::process::{Process, State, marked};
use crate::base::units;
use crate::evidence::undo::{Call, Mark, Undo, Value};

/// How long a signal may take to show its effect.
const EFFECT: Duration = Duration::from_secs(1);
/// How long what is told to end may take before it is killed.
const LEAVE: Duration = Duration::from_secs(1);
/// How long nothing of ours may have been seen before nothing is left: a process that was being started when whoever
/// started it died is not known by its mark yet.
const QUIET: Duration = Duration::from_millis(250);
/// How long ending everything may take.
const ENDING: Duration = Duration::from_secs(10);
/// How long it is from one look to the next.
const LOOK: Duration = Duration::from_millis(100);
/// How often a deed is tried.
const ATTEMPTS: u32 = 3;
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_millis(300);
/// How long a deed may take that has no bound of its own.
const DEED: Duration = Duration::from_secs(15);

/// Undoes something; what was done, in words. The error says why it could not be.
pub async fn mend(undo: &Undo) -> Result<String, String> {
    match undo {
        Undo::Resume { process } => resume(*process).await,
        Undo::Restart { process, command, mark } => restart(*process, command, mark).await,
        Undo::Restore { file, value } => restore(file.clone(), value.clone()).await,
        Undo::Container { socket, id, name } => container(&Docker::at(socket), id, name).await,
        Undo::Call { undo, probe, within } => hook(undo, probe, *within).await,
        Undo::Toxiproxy { server, proxy, toxic } => toxiproxy(server, proxy, toxic.as_deref()).await,
        Undo::End { mark } => end(mark).await,
    }
}

/// As [`mend`], tried again a few times.
pub async fn mend_surely(undo: &Undo) -> Result<String, String> {
    let mut attempt = 1;
    loop {
        match mend(undo).await {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
        sleep(AGAIN).await;
    }
}

/// How long [`mend_surely`] may take: whoever was told to and has said nothing by then does not do it.
pub fn longest(undo: &Undo) -> Duration {
    let once = match undo {
        Undo::Call { within, .. } => *within * 2,
        Undo::Container { .. } => docker::WITHIN * 3,
        Undo::Toxiproxy { .. } => remote::PATIENCE,
        Undo::Resume { .. } | Undo::Restart { .. } | Undo::Restore { .. } | Undo::End { .. } => DEED,
    };
    (once + AGAIN) * ATTEMPTS + Duration::from_secs(1)
}

async fn toxiproxy(server: &str, proxy: &str, toxic: Option<&str>) -> Result<String, String> {
    let remote = Remote::new(server, proxy);
    match toxic {
        Some(toxic) => remote.remove(toxic).await.map(|()| format!("the proxy {proxy} at {server} has no {toxic}")),
        None => remote.enable(true).await.map(|()| format!("the proxy {proxy} at {server} takes connections")),
    }
}

async fn resume(process: Process) -> Result<String, String> {
    match process.signal(Signal::CONT) {
        Ok(true) if process.comes_to(|state| state != State::Stopped, EFFECT).await => Ok(format!("{process} goes on")),
        Ok(true) => Err(format!("{process} is still stopped after SIGCONT")),
        Ok(false) => Ok(format!("{process} is gone")),
        Err(why) => Err(format!("{process}: {why}")),
    }
}

async fn restart(process: Process, command: &[String], mark: &Mark) -> Result<String, String> {
    // The signal may be on its way still.
    if !process.comes_to(|state| state == State::Gone, EFFECT).await {
        return Ok(format!("{process} runs: it was not killed"));
    }
    if let Some(started) = marked(&mark.entry()).first() {
        return Ok(format!("it was started again already: {started}"));
    }
    command::start(command, &[(&mark.name, &mark.value)]).await?;
    Ok(format!("started again: {}", command::shown(command)))
}

async fn restore(file: std::path::PathBuf, value: String) -> Result<String, String> {
    if !file.exists() {
        return Ok(format!("{}: the group is gone", file.display()));
    }
    // The kernel may take its time to reclaim.
    let restored = tokio::task::spawn_blocking(move || {
        let now = cgroup::set(&file, &value)?;
        if now != value {
            return Err(format!("{}: it says `{now}` after `{value}` was written", file.display()));
        }
        Ok(format!("{}: {value}", file.display()))
    });
    restored.await.unwrap_or_else(|why| Err(why.to_string()))
}

async fn container(engine: &Docker, id: &str, name: &str) -> Result<String, String> {
    let now = engine.inspect(id).await?;
    if now.paused {
        engine.tell(id, Verb::Unpause).await?;
    } else if !now.running {
        engine.tell(id, Verb::Start).await?;
    }
    let then = engine.inspect(id).await?;
    match then.running && !then.paused {
        true => Ok(format!("the container `{name}` runs")),
        false => Err(format!("the container `{name}` does not run")),
    }
}

async fn hook(undo: &Call, probe: &Call, within: Duration) -> Result<String, String> {
    call(undo, within).await?;
    becomes(probe, true, within).await?;
    Ok(format!("called: {}", undo.shown()))
}

/// Ends everything with a mark: SIGTERM, and SIGKILL for what is left after a second.
async fn end(mark: &Mark) -> Result<String, String> {
    let entry = mark.entry();
    let mut ended = std::collections::HashSet::new();
    let ending = async {
        let mut quiet = Duration::ZERO;
        while quiet < QUIET {
            let left = marked(&entry);
            quiet = if left.is_empty() { quiet + LOOK } else { Duration::ZERO };
            for process in left {
                ended.insert(process);
                process.signal(Signal::TERM).map_err(|why| format!("{process}: {why}"))?;
                // What is stopped does not hear of it.
                let _ = process.signal(Signal::CONT);
                if !process.comes_to(|state| state == State::Gone, LEAVE).await {
                    process.signal(Signal::KILL).map_err(|why| format!("{process}: {why}"))?;
                }
            }
            sleep(LOOK).await;
        }
        Ok::<(), String>(())
    };
    match timeout(ENDING, ending).await {
        Ok(ended) => ended?,
        Err(_) => return Err(format!("there are still processes with {entry}")),
    }
    Ok(match ended.len() {
        0 => "nothing was left of it".into(),
        n => format!("ended {}", crate::base::text::count(n as u64, "process")),
    })
}

/// Calls what a hook says. The error says why it failed.
pub async fn call(call: &Call, within: Duration) -> Result<(), String> {
    match call {
        Call::Exec(command) => {
            let ran = command::run(command, within).await?;
            match ran.code {
                Some(0) => Ok(()),
                Some(code) => Err(format!("`{}` ended with {code}: {}", call.shown(), ran.said)),
                None => Err(format!("`{}` was ended by a signal: {}", call.shown(), ran.said)),
            }
        }
        Call::Http { .. } => {
            let ask = request(call)?;
            let told = ask.send(within).await?;
            match told.is_ok() {
                true => Ok(()),
                false => Err(format!("`{}` was answered {}", call.shown(), told.status)),
            }
        }
    }
}

/// Whether a probe says that all is well. A command that ends with another code, or an address that answers with another
/// status or not at all, says that it is not; the error is a probe that says nothing.
pub async fn is_well(probe: &Call, within: Duration) -> Result<bool, String> {
    match probe {
        Call::Exec(command) => match command::run(command, within).await? {
            command::Ran { code: Some(code), .. } => Ok(code == 0),
            command::Ran { code: None, said } => Err(format!("`{}` was ended by a signal: {said}", probe.shown())),
        },
        Call::Http { .. } => Ok(request(probe)?.send(within).await.is_ok_and(|told| told.is_ok())),
    }
}

/// Asks a probe until it says what is wanted. The error says that it did not, or why it says nothing.
pub async fn becomes(probe: &Call, well: bool, within: Duration) -> Result<(), String> {
    let mut last = None;
    let asking = async {
        loop {
            let said = is_well(probe, within).await;
            if said == Ok(well) {
                return;
            }
            last = said.err();
            sleep(LOOK).await;
        }
    };
    if timeout(within, asking).await.is_ok() {
        return Ok(());
    }
    let state = if well { "mended" } else { "broken" };
    let why = last.map_or_else(String::new, |why| format!(": {why}"));
    Err(format!("the probe `{}` did not find it {state} within {}{why}", probe.shown(), units::duration(within)))
}

fn request(call: &Call) -> Result<Ask, String> {
    let Call::Http { method, url, headers, body } = call else { return Err("a command is no request".into()) };
    let mut ask = Ask::new(method, url)?;
    for (name, value) in headers {
        let value = match value {
            Value::Text(text) => text.clone(),
            Value::Secret(variable) => std::env::var(variable)
                .map_err(|_| format!("the secret {variable} is not in the environment: set it and do this again"))?,
        };
        ask.headers.push((name.clone(), value));
    }
    ask.body.clone_from(body);
    Ok(ask)
}

#[cfg(test)]
mod tests;
