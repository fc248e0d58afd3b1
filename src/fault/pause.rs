//! `pause`: a process is stopped (SIGSTOP) and let go on (SIGCONT). Its connections stay open; the kernel accepts and
//! buffers for it.

use std::time::Duration;

use rustix::process::Signal;

use super::victim::Victim;
use crate::base::process::State;
use crate::evidence::undo::Undo;

/// How long a signal may take to show its effect.
const EFFECT: Duration = Duration::from_secs(1);

/// How it is undone. The error says why it cannot be done.
pub fn undo(victim: &Victim) -> Result<Undo, String> {
    let process = victim.process()?;
    match process.state() {
        State::Running => Ok(Undo::Resume { process }),
        State::Stopped => Err(format!("{process} is stopped already, by somebody else")),
        State::Gone => Err(format!("{process} is gone")),
    }
}

/// Does it.
pub async fn apply(victim: &Victim) -> Result<(), String> {
    let process = victim.process()?;
    match process.signal(Signal::STOP) {
        Ok(true) if process.comes_to(|state| state == State::Stopped, EFFECT).await => Ok(()),
        Ok(true) => Err(format!("{process} does not stop")),
        Ok(false) => Err(format!("{process} is gone")),
        Err(why) => Err(format!("{process}: {why}: it belongs to somebody else")),
    }
}
