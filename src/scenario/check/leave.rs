//! What a scenario may do only where the command line says so: run commands, act on containers, break processes that are
//! not its own. A scenario from a stranger must do none of that on the machine of whoever checks or runs it.

use super::super::fault::{On, Process};
use super::super::inject::ProcessFault;
use super::super::raw;
use super::super::shape::At;
use super::super::{Fault, Inject, Leave, Place, System, Target};
use super::Check;

impl Check<'_, '_> {
    /// Notes a command, or something done to a container, that is not allowed.
    pub(super) fn exec(&mut self, at: Place, what: &str) {
        if self.settings.leave.is_some_and(|leave| !leave.exec) {
            let remedy = "if what this scenario does may be done on this machine, run with --allow-exec";
            self.reader.wrong(at, what, remedy);
        }
    }

    /// What a fault on a process may not do, and what it needs besides; the path is at the fault.
    pub(super) fn process_fault(&mut self, raw: &raw::Fault, fault: &Fault, target: Option<&Target>) {
        let On::Process(process) = &fault.on else { return };
        match process {
            Process::Pid(pid) => self.pid(&raw.on, *pid),
            Process::Container(_) => self.exec(raw.on.at, "containers are acted on only where that is allowed"),
            Process::Target if target.is_some_and(|t| !matches!(t.system, System::Sim { .. })) => {
                let remedy = "write process/PID, or a process of `processes`";
                self.reader.wrong(raw.on.at, "the target is none that the run starts", remedy);
            }
            Process::Target | Process::Named(_) => {}
        }
        let Inject::Process(ProcessFault::Kill { restart, .. }) = &fault.inject else { return };
        let at = raw.inject.at;
        match (process, restart) {
            (Process::Pid(_), Some(_)) => {
                self.exec(at, "`restart` is a command");
                if let Some(repeat) = &raw.repeat {
                    let remedy = "leave `repeat` out, or let the run start it: see `processes`";
                    self.reader.wrong(repeat.place, "a process that was started again has another number", remedy);
                }
            }
            (Process::Pid(_), None) => {
                let remedy = "add the command that does: `kill: { restart: [systemctl, start, NAME] }`";
                self.reader.wrong(at, "nothing is known that starts it again", remedy);
            }
            (_, Some(_)) => {
                let remedy = "leave `restart` out: it is started again by its own command";
                self.reader.wrong(at, "`restart` for a process that the run starts", remedy);
            }
            (_, None) => {}
        }
    }

    fn pid(&mut self, on: &At<String>, pid: u32) {
        let refused = |leave: Leave<'_>| !leave.pids.contains(&pid);
        if self.settings.leave.is_some_and(refused) {
            let remedy = format!("if it may be broken, run with --allow-pid {pid}");
            self.reader.wrong(on.at, format!("process {pid} is not of this run"), remedy);
        }
    }
}
