//! `kill`: a process is sent a signal that ends it, and is started again in the end.

use std::time::Duration;

use rustix::process::Signal;

use super::victim::Victim;
use crate::base::process::State;
use crate::evidence::undo::{Mark, Undo};

/// How long a process may take to end by the signal.
const ENDING: Duration = Duration::from_secs(10);

/// The signal of a name, without SIG; only those that end a process.
pub fn signal(name: &str) -> Option<Signal> {
    Some(match name {
        "KILL" => Signal::KILL,
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "ABRT" => Signal::ABORT,
        "HUP" => Signal::HUP,
        _ => return None,
    })
}

/// How it is undone; nothing where the run starts it again itself, because it ends with the run. The error says why it
/// cannot be done.
pub fn undo(victim: &Victim, restart: Option<&[String]>, mark: Mark) -> Result<Option<Undo>, String> {
    let process = victim.process()?;
    if process.state() == State::Gone {
        return Err(format!("{process} is gone"));
    }
    match (victim, restart) {
        (Victim::Ours(_), _) => Ok(None),
        (Victim::Foreign(_), Some(command)) => Ok(Some(Undo::Restart { process, command: command.to_vec(), mark })),
        (Victim::Foreign(_), None) => Err(format!("nothing is known that starts {process} again: write `restart`")),
    }
}

/// Does it.
pub async fn apply(victim: &Victim, signal: Signal) -> Result<(), String> {
    let process = victim.process()?;
    match process.signal(signal) {
        Ok(true) if process.comes_to(|state| state == State::Gone, ENDING).await => Ok(()),
        Ok(true) => Err(format!("{process} did not end by the signal within 10s: take KILL")),
        Ok(false) => Err(format!("{process} is gone")),
        Err(why) => Err(format!("{process}: {why}: it belongs to somebody else")),
    }
}

/// Starts again what this run started.
pub async fn revive(victim: &Victim) -> Result<(), String> {
    match victim {
        Victim::Ours(member) => member.again().await,
        Victim::Foreign(_) => Ok(()),
    }
}
