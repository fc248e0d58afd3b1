//! Wakes at an instant. The runtime's own timer counts whole milliseconds, which is far too coarse for due times; a
//! timerfd is late by some tens of microseconds. This is the only file with unsafe code.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

use super::drive::Setup;
use crate::base::time::{Clock, Offset};
use crate::scenario::Precision;

/// How a worker keeps its appointments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Sleeps until the instant, but for so long at least since it last woke: shots that are due meanwhile leave
    /// together.
    Timer(Duration),
    /// Never sleeps: takes a whole core.
    Spin,
}

/// A round of spinning that takes up to so many times the shortest one is idle: a look at the sockets and nothing else.
const IDLE: u64 = 3;
/// Below so many shots a second a worker wakes for each of them.
const COALESCE: f64 = 12_000.0;
/// Above, it lets so much time pass from one waking to the next.
const TICK: Duration = Duration::from_micros(100);
/// As `TICK`, for whom precision is worth less than processor time.
const ECO_TICK: Duration = Duration::from_millis(1);

impl Pace {
    /// How the workers of a run keep their appointments.
    pub fn of(setup: &Setup) -> Pace {
        let peak: f64 = setup.plan.traffic.iter().map(|t| t.profile.peak()).sum();
        match setup.scenario.fitness.precision {
            Precision::Eco => Pace::Timer(ECO_TICK),
            Precision::Balanced if peak / setup.workers as f64 > COALESCE => Pace::Timer(TICK),
            Precision::Balanced => Pace::Timer(Duration::ZERO),
            Precision::Exact => Pace::Spin,
        }
    }
}

/// Wakes at an instant.
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
    clock: Clock,
    pace: Pace,
    woke: Offset,
    round: u64, // the shortest round of spinning so far, in nanoseconds
}

impl Pacer {
    /// A pacer on the given clock. Needs a runtime.
    pub fn new(clock: Clock, pace: Pace) -> io::Result<Pacer> {
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(unsafe_code, reason = "the runtime asks that the descriptor stays open while it is registered")]
        // SAFETY: the descriptor is owned by the `AsyncFd` itself, which deregisters it before it closes it, and it is
        // never replaced: `get_ref` gives out shared references only.
        let timer = unsafe { AsyncFd::register(timer)? };
        Ok(Pacer { timer, clock, pace, woke: clock.now(), round: 1_000_000 })
    }

    /// Returns at `at` or as soon after as the system lets us; at once when it has passed. How long it spun, in
    /// nanoseconds.
    pub async fn wait(&mut self, at: Offset) -> io::Result<u64> {
        let mut spun = 0;
        match self.pace {
            Pace::Timer(tick) => self.sleep(at.max(self.woke + tick)).await?,
            Pace::Spin => {
                let mut last = self.clock.now();
                while last < at {
                    tokio::task::yield_now().await;
                    let now = self.clock.now();
                    // A round in which nobody had anything to do is short; what is longer was work.
                    let round = now.since(last).as_nanos() as u64;
                    self.round = self.round.min(round);
                    spun += round.min(IDLE * self.round);
                    last = now;
                }
            }
        }
        self.woke = self.clock.now();
        Ok(spun)
    }

    async fn sleep(&self, at: Offset) -> io::Result<()> {
        let nanos = self.clock.monotonic_at(at);
        let when = Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: when };
        // Setting it forgets that it ever expired: what was not read before need not be.
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        while self.clock.now() < at {
            self.timer.readable().await?.clear_ready();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn never_wakes_early_and_never_waits_for_the_past() {
        let clock = Clock::starting_in(Duration::ZERO);
        for pace in [Pace::Timer(Duration::ZERO), Pace::Timer(Duration::from_millis(1)), Pace::Spin] {
            let mut pacer = Pacer::new(clock, pace).expect("a timer");
            let began = clock.now();
            for ms in [1, 3, 3, 2] {
                let at = began + Duration::from_millis(ms);
                pacer.wait(at).await.expect("waits");
                assert!(clock.now() >= at);
            }
        }
    }
}
