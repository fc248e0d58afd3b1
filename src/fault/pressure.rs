//! `cpu` and `memory`: a limit on the control group (v2) of a process. It holds for everything in that group.

use std::path::PathBuf;

use super::victim::Victim;
use crate::base::cgroup::{self, Cgroup};
use crate::base::process::Process;
use crate::evidence::undo::Undo;

/// The length over which the kernel shares out processor time, in microseconds.
const PERIOD: u64 = 100_000;
/// The least that it gives, in microseconds.
const LEAST: u64 = 1_000;

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The file in the group.
    pub file: &'static str,
    /// What is written there.
    pub value: String,
}

impl Limit {
    /// So many cores' worth of processor time.
    pub fn cpu(cores: f64) -> Limit {
        let quota = ((cores * PERIOD as f64) as u64).max(LEAST);
        Limit { file: "cpu.max", value: format!("{quota} {PERIOD}") }
    }

    /// So much memory, in bytes; beyond it the kernel reclaims and slows down.
    pub fn memory(bytes: u64) -> Limit {
        Limit { file: "memory.high", value: bytes.to_string() }
    }

    /// How it is undone. The error says what is missing.
    pub fn undo(&self, victim: &Victim) -> Result<Undo, String> {
        let (file, value) = self.place(victim)?;
        Ok(Undo::Restore { file, value })
    }

    /// Does it.
    pub async fn apply(&self, victim: &Victim) -> Result<(), String> {
        let ((file, was), value) = (self.place(victim)?, self.value.clone());
        // The kernel may take its time to reclaim.
        let set = tokio::task::spawn_blocking(move || match cgroup::set(&file, &value)? {
            now if now == was && was != value => Err(format!("{}: it still says `{now}`", file.display())),
            _ => Ok(()),
        });
        set.await.unwrap_or_else(|why| Err(why.to_string()))
    }

    fn place(&self, victim: &Victim) -> Result<(PathBuf, String), String> {
        let process = victim.process()?;
        let group = Cgroup::of(process)?;
        // The stage is in ours, and so is all that this run started.
        if Process::find(std::process::id()).is_ok_and(|own| group.holds(own)) {
            return Err(format!(
                "{process} is in the control group of this run, which would be slowed down with it: start it in one of \
                 its own, such as `systemd-run --user --scope`"
            ));
        }
        group.limit(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_the_kernel_wants_them() {
        assert_eq!(Limit::cpu(0.2).value, "20000 100000");
        assert_eq!(Limit::cpu(1.5).value, "150000 100000");
        assert_eq!(Limit::cpu(0.000_1).value, "1000 100000");
        assert_eq!(Limit::memory(1 << 20), Limit { file: "memory.high", value: "1048576".into() });
    }

    #[test]
    fn what_would_slow_us_down_is_refused() {
        let own = Process::find(std::process::id()).expect("we live");
        let refused = Limit::cpu(0.5).undo(&Victim::Foreign(own));
        // Where we are in no group with limits, that is what is said.
        let why = refused.expect_err("never on ourselves");
        assert!(why.contains("control group"), "{why}");
    }
}
