//! Wakes at an instant. The runtime's own timer counts whole milliseconds, which is far too coarse for due times; a
//! timerfd is late by some tens of microseconds. This is the only file with unsafe code.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

use crate::base::time::{Clock, Offset};

/// Wakes at an instant.
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
    clock: Clock,
}

impl Pacer {
    /// A pacer on the given clock. Needs a runtime.
    pub fn new(clock: Clock) -> io::Result<Pacer> {
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(unsafe_code, reason = "the runtime asks that the descriptor stays open while it is registered")]
        // SAFETY: the descriptor is owned by the `AsyncFd` itself, which deregisters it before it closes it, and it is
        // never replaced: `get_ref` gives out shared references only.
        let timer = unsafe { AsyncFd::register(timer)? };
        Ok(Pacer { timer, clock })
    }

    /// Returns at `at` or as soon after as the system lets us; at once when it has passed.
    pub async fn wait(&self, at: Offset) -> io::Result<()> {
        if self.clock.now() >= at {
            return Ok(());
        }
        let nanos = self.clock.monotonic_at(at);
        let when = Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: when };
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
            match read {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(e)) => return Err(e),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn never_wakes_early_and_never_waits_for_the_past() {
        let clock = Clock::starting_in(Duration::ZERO);
        let pacer = Pacer::new(clock).expect("a timer");
        for ms in [1, 3, 3, 2] {
            pacer.wait(Offset::from_millis(ms)).await.expect("waits");
            assert!(clock.now() >= Offset::from_millis(ms));
        }
    }
}
