//! How the stage itself does: what it adds to calls that no fault strikes and to bytes that no toxic holds, and whether it is
//! awake when something is due. An injector that cannot keep up breaks what it should only pass on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::link::links::Links;
use super::protocol::Report;
use super::world::Scene;
use crate::base::time::{monotonic, process_cpu};
use crate::evidence::health::{Lateness, StageHealth};
use crate::evidence::tally::Tally;

/// From one wake-up to the next. Each is due whether the one before was late or not: a stage that was away for half a
/// second missed fifty of them.
const STEP: u64 = 10_000_000; // ns
/// How often it is told.
const SECOND: u64 = 1_000_000_000; // ns

/// What is measured of a stage between one telling and the next.
#[derive(Default)]
pub struct Pulse(Mutex<Beat>);

#[derive(Default)]
struct Beat {
    since: u64, // on the kernel's monotonic clock, in nanoseconds; so is every instant here
    cpu: u64,   // processor time used by then
    wakes: Tally,
    calls: Tally,
}

impl Pulse {
    /// Measures from now on.
    pub fn begin() -> Pulse {
        Pulse(Mutex::new(Beat { since: monotonic(), cpu: process_cpu(), ..Beat::default() }))
    }

    /// A reply that no fault struck is out, so long after it was due.
    pub fn call(&self, late: Duration) {
        self.beat().calls.record(late);
    }

    /// What is due is taken up, so long after it was.
    fn wake(&self, late: u64) {
        self.beat().wakes.record(Duration::from_nanos(late));
    }

    /// What was measured since this was asked last; everything but where the stretch ends on the run's axis. `links` is
    /// how long bytes were in links.
    fn take(&self, now: u64, links: &Tally) -> StageHealth {
        let cpu = process_cpu();
        let beat = std::mem::replace(&mut *self.beat(), Beat { since: now, cpu, ..Beat::default() });
        StageHealth {
            over: now.saturating_sub(beat.since),
            used: cpu.saturating_sub(beat.cpu),
            wakes: Lateness::of(&beat.wakes),
            calls: Lateness::of(&beat.calls),
            links: Lateness::of(links),
            ..StageHealth::default()
        }
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a hundred times a second, and tells once a second how that went. Ends when there is nobody left to tell.
pub async fn beat(pulse: Arc<Pulse>, scene: Weak<Mutex<Scene>>, links: Weak<Links>) {
    let (mut due, mut told) = (monotonic() + STEP, monotonic());
    loop {
        tokio::time::sleep(Duration::from_nanos(due.saturating_sub(monotonic()))).await;
        let now = monotonic();
        while due <= now {
            pulse.wake(now - due);
            due += STEP;
        }
        if now - told < SECOND {
            continue;
        }
        told = now;
        let (Some(scene), Some(links)) = (scene.upgrade(), links.upgrade()) else { return };
        let health = pulse.take(now, &links.passed());
        let scene = scene.lock().unwrap_or_else(PoisonError::into_inner);
        let at = scene.now();
        scene.faults.report(Report::Health(StageHealth { at, ..health }));
        scene.tell_calls(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let pulse = Pulse::begin();
        (1..=100).for_each(|ms| pulse.call(Duration::from_millis(ms)));
        pulse.wake(7_000_000);
        let mut links = Tally::default();
        links.record(Duration::from_micros(40));
        let health = pulse.take(monotonic(), &links);
        assert_eq!((health.calls.count, health.wakes.count, health.links.count), (100, 1, 1));
        let near = |nanos: u64, ms: u64| nanos.abs_diff(ms * 1_000_000) <= ms * 1_000;
        let Lateness { p50, p99, max, .. } = health.calls;
        assert!(near(p50, 50) && near(p99, 99) && near(max, 100), "{health:?}");
        let again = pulse.take(monotonic(), &Tally::default());
        assert_eq!((again.calls, again.wakes, again.links), Default::default());
        assert!(again.over <= health.over + SECOND && health.cpu() >= 0.0);
    }
}
