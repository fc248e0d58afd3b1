//! How a worker's thread does: the instrument watches itself while it measures.
//!
//! The worker tells what only it can know (how long it spun, how late it woke, what waits) in calls that cost a compare
//! each; once a second the rest is asked of the kernel.

use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use crate::base::procfs::{self, ProcFile};
use crate::base::time::{self, Offset};
use crate::evidence::health::WorkerHealth;
use crate::evidence::recorder::second_of;

/// A share of a shorter stretch says little; it is joined to the next.
const SHORTEST: Duration = Duration::from_millis(500);
/// The last stretch has none to be joined to; of a shorter one nothing is said.
const LAST: Duration = Duration::from_millis(100);

/// Measures the thread that it was made on, and stays there.
pub struct HealthMeter {
    worker: u16,
    kernel: Kernel,
    since: Mark,
    seen: Seen,
    stays: PhantomData<Rc<()>>,
}

/// What the kernel knows of a thread.
struct Kernel {
    schedstat: Option<ProcFile>,
    status: Option<ProcFile>,
}

/// Where the thread's counts stood.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Offset,
    cpu: u64,
    delay: Option<u64>,
    switches: Option<u64>,
}

/// What the worker told since the last mark; lengths in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    spun: u64,
    hiccup: u64,
    no_files: u64,
    no_ports: u64,
    most: Depth,
    now: Depth,
}

#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    waiting: u64,
    open: u64,
    in_flight: u64,
}

impl HealthMeter {
    /// A meter of worker `worker` for the thread that makes it.
    pub fn new(worker: u16, now: Offset) -> HealthMeter {
        let kernel = Kernel {
            schedstat: ProcFile::open("/proc/thread-self/schedstat"),
            status: ProcFile::open("/proc/thread-self/status"),
        };
        let since = kernel.mark(now);
        HealthMeter { worker, kernel, since, seen: Seen::default(), stays: PhantomData }
    }

    /// The worker spun for so many nanoseconds, which is waiting and not work.
    pub fn spun(&mut self, nanos: u64) {
        self.seen.spun += nanos;
    }

    /// The worker was to wake, or to take something up, at `due`, and did so `now`. To be told of every timer, the one
    /// of reports included: that one goes on where no shot is due.
    pub fn woke(&mut self, due: Offset, now: Offset) {
        self.seen.hiccup = self.seen.hiccup.max(now.since(due).as_nanos() as u64);
    }

    /// So many shots wait for a connection, connections are open, shots are under way.
    pub fn depth(&mut self, waiting: u64, open: u64, in_flight: u64) {
        self.seen.now = Depth { waiting, open, in_flight };
        self.seen.most = self.seen.most.or(self.seen.now);
    }

    /// A connection could not be opened; whether that was for want of our own descriptors or ports.
    pub fn refused(&mut self, why: &io::Error) -> bool {
        match why.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE) => self.seen.no_files += 1,
            Some(Errno::ADDRNOTAVAIL) => self.seen.no_ports += 1,
            _ => return false,
        }
        true
    }

    /// How the worker did since the last time; once in each second of the plan's axis, so that this may be called as
    /// often as one likes.
    pub fn sample(&mut self, now: Offset) -> Option<WorkerHealth> {
        let whole = second_of(now) > second_of(self.since.at) && now.since(self.since.at) >= SHORTEST;
        whole.then(|| self.take(now))
    }

    /// How the worker did at last, when it ends.
    pub fn last(&mut self, now: Offset) -> Option<WorkerHealth> {
        (now.since(self.since.at) >= LAST).then(|| self.take(now))
    }

    fn take(&mut self, now: Offset) -> WorkerHealth {
        let mark = self.kernel.mark(now);
        let health = between(self.worker, &self.since, &mark, &self.seen);
        self.since = mark;
        // What is open goes on to be, told again or not.
        self.seen = Seen { most: self.seen.now, now: self.seen.now, ..Seen::default() };
        health
    }
}

impl Depth {
    fn or(self, other: Depth) -> Depth {
        Depth {
            waiting: self.waiting.max(other.waiting),
            open: self.open.max(other.open),
            in_flight: self.in_flight.max(other.in_flight),
        }
    }
}

impl Kernel {
    fn mark(&self, at: Offset) -> Mark {
        // `run time, run-queue delay, time slices`, in nanoseconds.
        let delay = |said: &str| said.split_ascii_whitespace().nth(1)?.parse().ok();
        let switches = |said: &str| procfs::number(said, "nonvoluntary_ctxt_switches");
        Mark {
            at,
            cpu: time::thread_cpu(),
            delay: self.schedstat.as_ref().and_then(|file| delay(file.read(&mut [0; 128])?)),
            switches: self.status.as_ref().and_then(|file| switches(file.read(&mut [0; 4096])?)),
        }
    }
}

fn between(worker: u16, since: &Mark, now: &Mark, seen: &Seen) -> WorkerHealth {
    let grown = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    let over = now.at.since(since.at).as_nanos() as u64;
    let delay = grown(since.delay, now.delay);
    // A spin is timed by the wall, and the core may have been taken from it meanwhile: as much of it as may have gone
    // that way is not taken off, or a worker that is short of its core would look idle.
    let spinning = seen.spun.saturating_sub(delay.unwrap_or(0));
    let used = now.cpu.saturating_sub(since.cpu).saturating_sub(spinning);
    WorkerHealth {
        worker,
        at: now.at,
        over,
        cpu: (used as f64 / over.max(1) as f64 * 1e4).round() / 1e4,
        spun: seen.spun,
        delay,
        switches: grown(since.switches, now.switches),
        hiccup: seen.hiccup,
        waiting: seen.most.waiting,
        open: seen.most.open,
        in_flight: seen.most.in_flight,
        no_files: seen.no_files,
        no_ports: seen.no_ports,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> Offset {
        Offset::from_millis(n)
    }

    fn mark(at: i64, cpu: u64, delay: Option<u64>) -> Mark {
        Mark { at: ms(at), cpu: cpu * 1_000_000, delay: delay.map(|ms| ms * 1_000_000), switches: None }
    }

    fn share(cpu: u64, spun: u64, delay: Option<u64>) -> f64 {
        let seen = Seen { spun: spun * 1_000_000, ..Seen::default() };
        between(0, &mark(0, 100, Some(5)), &mark(1_000, 100 + cpu, delay.map(|d| d + 5)), &seen).cpu
    }

    #[test]
    fn spinning_is_no_work() {
        assert_eq!(share(400, 0, Some(0)), 0.4);
        assert_eq!(share(1_000, 750, Some(0)), 0.25);
        assert_eq!(share(1_000, 2_000, None), 0.0);
    }

    #[test]
    fn a_spin_that_lost_its_core_hides_no_work() {
        // Of 900 ms of spin by the wall 400 were spent without the core.
        assert_eq!(share(600, 900, Some(400)), 0.1);
    }

    #[test]
    fn what_the_kernel_does_not_tell_stays_unsaid() {
        let health = between(3, &mark(0, 0, None), &mark(1_000, 0, Some(7)), &Seen::default());
        assert_eq!((health.worker, health.delay, health.switches), (3, None, None));
    }

    #[test]
    fn a_stretch_ends_once_a_second_and_none_is_too_short() {
        let mut meter = HealthMeter::new(0, ms(700));
        assert_eq!(meter.sample(ms(990)), None);
        assert_eq!(meter.sample(ms(1_100)), None, "400 ms say little");
        let first = meter.sample(ms(1_200)).expect("half a second");
        assert_eq!((first.at, first.over), (ms(1_200), 500_000_000));
        assert_eq!(meter.sample(ms(1_999)), None);
        assert_eq!(meter.sample(ms(4_000)).map(|h| h.over), Some(2_800_000_000));
        assert_eq!(meter.last(ms(4_050)), None);
        assert_eq!(meter.last(ms(4_100)).map(|h| h.over), Some(100_000_000));
    }

    #[test]
    fn the_worst_of_a_stretch_is_told_and_what_is_open_goes_on() {
        let mut meter = HealthMeter::new(0, ms(0));
        meter.woke(ms(10), ms(55));
        meter.woke(ms(60), ms(61));
        meter.woke(ms(70), ms(69));
        meter.depth(5, 8, 13);
        meter.depth(0, 8, 2);
        assert!(meter.refused(&Errno::MFILE.into()) && meter.refused(&Errno::ADDRNOTAVAIL.into()));
        assert!(!meter.refused(&Errno::CONNREFUSED.into()));
        let health = meter.sample(ms(1_000)).expect("a second");
        assert_eq!((health.hiccup, health.no_files, health.no_ports), (45_000_000, 1, 1));
        assert_eq!((health.waiting, health.open, health.in_flight), (5, 8, 13));
        let health = meter.sample(ms(2_000)).expect("a second");
        assert_eq!((health.hiccup, health.no_files, health.no_ports), (0, 0, 0));
        assert_eq!((health.waiting, health.open, health.in_flight), (0, 8, 2));
    }

    #[test]
    fn this_kernel_tells_of_its_threads() {
        let mut meter = HealthMeter::new(0, ms(0));
        let health = meter.last(ms(1_000)).expect("a second");
        assert!(health.switches.is_some(), "{health:?}");
        let told = std::fs::exists("/proc/self/schedstat").unwrap_or(false);
        assert_eq!(health.delay.is_some(), told, "{health:?}");
    }
}
