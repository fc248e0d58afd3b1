//! What a fault on a process or a hook does, and how that is undone: one of the kinds.

use rustix::process::Signal;

use super::hook::HookCalls;
use super::pressure::Limit;
use super::victim::Victim;
use super::{container, kill, pause};
use crate::base::docker::Docker;
use crate::base::process;
use crate::evidence::undo::{Mark, Undo};
use crate::scenario::{DockerAction, Fault, Inject, On, Process, ProcessFault, Scenario};

/// What a fault on a process or a hook does.
pub enum Deed {
    /// Stops a process.
    Pause(Victim),
    /// Ends a process.
    Kill {
        /// Which.
        victim: Victim,
        /// How.
        signal: Signal,
        /// What starts it again, where the run does not know.
        restart: Option<Vec<String>>,
    },
    /// Limits a process.
    Pressure(Victim, Limit),
    /// Acts on a container, by name.
    Container(Docker, String, DockerAction),
    /// Calls a hook.
    Hook(Box<HookCalls>),
}

impl Deed {
    /// What a fault does; nothing where the stage does it. `ours` finds a process that the run started. The error says
    /// what is not there.
    pub fn of(
        fault: &Fault,
        scenario: &Scenario,
        ours: impl Fn(&Process) -> Option<Victim>,
    ) -> Result<Option<Deed>, String> {
        let victim = |process: &Process| match process {
            Process::Pid(pid) => process::Process::find(*pid).map(Victim::Foreign),
            process => ours(process).ok_or_else(|| "this run has not started it".into()),
        };
        Ok(Some(match (&fault.on, &fault.inject) {
            (On::Upstream(_) | On::Link(_) | On::Kafka { .. }, _) => return Ok(None),
            (On::Hook(hook), _) => Deed::Hook(Box::new(HookCalls::new(&scenario.hooks[*hook]))),
            (On::Process(Process::Container(name)), Inject::Process(ProcessFault::Docker { action })) => {
                Deed::Container(Docker::of_host(), name.clone(), *action)
            }
            (On::Process(process), Inject::Process(kind)) => {
                let victim = victim(process)?;
                match kind {
                    ProcessFault::Pause => Deed::Pause(victim),
                    ProcessFault::Kill { signal, restart } => Deed::Kill {
                        victim,
                        signal: kill::signal(signal)
                            .ok_or_else(|| format!("{signal} is no signal that ends a process"))?,
                        restart: restart.clone(),
                    },
                    ProcessFault::Cpu { cores } => Deed::Pressure(victim, Limit::cpu(*cores)),
                    ProcessFault::Memory { limit } => Deed::Pressure(victim, Limit::memory(limit.0)),
                    ProcessFault::Docker { .. } => return Err("only a container can be acted on through docker".into()),
                }
            }
            (On::Process(_), _) => return Err(format!("`{}` is nothing for a process", fault.inject.word())),
        }))
    }

    /// How it is undone, after seeing that it can be done; nothing where it ends with the run. `mark` is what it is known
    /// by that is started. The error says what is missing.
    pub async fn undo(&self, mark: Mark) -> Result<Option<Undo>, String> {
        match self {
            Deed::Pause(victim) => pause::undo(victim).map(Some),
            Deed::Kill { victim, restart, .. } => kill::undo(victim, restart.as_deref(), mark),
            Deed::Pressure(victim, limit) => limit.undo(victim).map(Some),
            Deed::Container(engine, name, _) => container::undo(engine, name).await.map(Some),
            Deed::Hook(hook) => hook.undo().await.map(Some),
        }
    }

    /// Does it, and sees that it had its effect.
    pub async fn apply(&self) -> Result<(), String> {
        match self {
            Deed::Pause(victim) => pause::apply(victim).await,
            Deed::Kill { victim, signal, .. } => kill::apply(victim, *signal).await,
            Deed::Pressure(victim, limit) => limit.apply(victim).await,
            Deed::Container(engine, name, action) => container::apply(engine, name, *action).await,
            Deed::Hook(hook) => hook.apply().await,
        }
    }

    /// What only the run can undo, after all else is undone.
    pub async fn revive(&self) -> Result<(), String> {
        match self {
            Deed::Kill { victim, .. } => kill::revive(victim).await,
            Deed::Pause(_) | Deed::Pressure(..) | Deed::Container(..) | Deed::Hook(_) => Ok(()),
        }
    }
}
