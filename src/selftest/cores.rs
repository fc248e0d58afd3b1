//! Who runs on which processor. A target elsewhere has processors of its own; one on this machine is woken by the
//! sender's very packets, and the scheduler likes to put who wakes beside who is woken, which then waits for the other's
//! turn to end: milliseconds that would be counted as the target's or as ours, and are neither's.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread, and what it starts from now on, off one processor, which is the target's. Undone when dropped.
pub struct Cores {
    before: CpuSet,
    target: usize,
}

impl Cores {
    /// Divides the processors that this thread may use; `None` where there is but one, or where that is not allowed.
    pub fn divide() -> Option<Cores> {
        let before = sched_getaffinity(None).ok()?;
        let (ours, target) = without_last(&before)?;
        sched_setaffinity(None, &ours).ok()?;
        Some(Cores { before, target })
    }

    /// The target's processor.
    pub fn target(&self) -> usize {
        self.target
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.before); // on another thread, or over, it makes no difference
    }
}

/// A set of at least two without its last, and the last.
fn without_last(set: &CpuSet) -> Option<(CpuSet, usize)> {
    let last = (0..CpuSet::MAX_CPU).rfind(|cpu| set.is_set(*cpu))?;
    let mut rest = *set;
    rest.unset(last);
    (rest.count() > 0).then_some((rest, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu));
        set
    }

    #[test]
    fn the_last_is_the_targets_and_one_alone_is_not_divided() {
        assert!(without_last(&set(&[])).is_none() && without_last(&set(&[3])).is_none());
        let (ours, target) = without_last(&set(&[1, 4, 6])).expect("three");
        assert!(ours == set(&[1, 4]) && target == 6);
    }

    #[test]
    fn what_was_divided_is_whole_again() {
        let before = sched_getaffinity(None).expect("known");
        if let Some(cores) = Cores::divide() {
            let during = sched_getaffinity(None).expect("known");
            assert!(!during.is_set(cores.target()) && during.count() + 1 == before.count());
        }
        assert!(sched_getaffinity(None).expect("known") == before);
    }
}
