//! Watches our own process, the machine under it and, where the run started it, the target's process: what they had of
//! the processor, of memory, descriptors and ports. Once a second, from `/proc`.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use tokio::sync::{mpsc, watch};

use super::beat::{SHORTEST, each_second};
use crate::base::procfs::{self, ProcFile};
use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;
use crate::evidence::health::{HostHealth, ProcessHealth};

/// What is read of the machine's counts: those of 300 cores and more.
const ROOM: usize = 32 * 1024;

/// Measures from one sample to the next.
pub struct HostMeter {
    at: Offset,
    cores: Cores,
    throttle: Option<Throttle>,
    own: Option<Process>,
    target: Option<Process>,
    sockstat: Option<ProcFile>,
    sockstat6: Option<ProcFile>,
    ports: Option<u64>,
}

impl HostMeter {
    /// A meter that begins now; `target` is the id of the target's process, where it is a child of ours.
    pub fn new(now: Offset, target: Option<u32>) -> HostMeter {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        HostMeter {
            at: now,
            cores: Cores::new(),
            throttle: Throttle::new(),
            own: Process::new("self"),
            target: target.and_then(|pid| Process::new(&pid.to_string())),
            sockstat: ProcFile::open("/proc/self/net/sockstat"),
            sockstat6: ProcFile::open("/proc/self/net/sockstat6"),
            ports: range.and_then(|range| ports(&range)),
        }
    }

    /// How things went since the last sample; nothing where that was just now.
    pub fn sample(&mut self, now: Offset) -> Option<HostHealth> {
        let over = now.since(self.at);
        if over < SHORTEST {
            return None;
        }
        self.at = now;
        let (busy, steal) = self.cores.sample();
        let mut room = [0; 1024];
        let (mut sockets, mut time_wait) = (None, None);
        if let Some(said) = self.sockstat.as_ref().and_then(|file| file.read(&mut room)) {
            (sockets, time_wait) = tcp(said, "TCP:");
        }
        if let Some(said) = self.sockstat6.as_ref().and_then(|file| file.read(&mut room)) {
            sockets = sockets.map(|n| n + tcp(said, "TCP6:").0.unwrap_or(0));
        }
        Some(HostHealth {
            at: now,
            over: over.as_nanos() as u64,
            busy,
            steal,
            throttled: self.throttle.as_mut().and_then(Throttle::sample),
            own: self.own.as_mut().and_then(|process| process.sample(over)),
            files: files(),
            files_limit: getrlimit(Resource::Nofile).current,
            sockets,
            time_wait,
            ports: self.ports,
            target: self.target.as_mut().and_then(|process| process.sample(over)),
        })
    }

    /// Samples at each whole second of the plan's axis and tells, until `stop` turns true, and then once more.
    pub async fn watch(mut self, clock: Clock, events: mpsc::UnboundedSender<Event>, stop: watch::Receiver<bool>) {
        each_second(clock, events, stop, |now| self.sample(now).map(Event::Host)).await;
    }
}

/// The cores that our process may use.
struct Cores {
    stat: Option<ProcFile>,
    mine: Option<CpuSet>,
    room: Vec<u8>,
    before: Vec<Ticks>,
}

/// The counts of a core since the machine started, in hundredths of a second on most systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    core: usize,
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Cores {
    fn new() -> Cores {
        let mut cores = Cores {
            stat: ProcFile::open("/proc/stat"),
            mine: sched_getaffinity(None).ok(),
            room: vec![0; ROOM],
            before: Vec::new(),
        };
        cores.before = cores.read();
        cores
    }

    fn read(&mut self) -> Vec<Ticks> {
        let Some(said) = self.stat.as_ref().and_then(|file| file.read(&mut self.room)) else { return Vec::new() };
        let mine = |core: usize| core >= CpuSet::MAX_CPU || self.mine.as_ref().is_none_or(|mine| mine.is_set(core));
        said.lines().filter_map(ticks).filter(|t| mine(t.core)).collect()
    }

    /// The share of all that was used, and the most of one core that was stolen.
    fn sample(&mut self) -> (Option<f64>, Option<f64>) {
        let now = self.read();
        let shares = shares(&self.before, &now);
        self.before = now;
        shares
    }
}

/// A line of `/proc/stat`: `cpu0 user nice system idle iowait irq softirq steal …`; what comes after is counted in user.
fn ticks(line: &str) -> Option<Ticks> {
    let (core, counts) = line.strip_prefix("cpu")?.split_once(' ')?;
    let counts: Vec<u64> = counts.split_ascii_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
    let [_, _, _, idle, iowait, _, _, stolen] = *counts else { return None };
    Some(Ticks { core: core.parse().ok()?, all: counts.iter().sum(), idle: idle + iowait, stolen })
}

fn shares(before: &[Ticks], now: &[Ticks]) -> (Option<f64>, Option<f64>) {
    let (mut all, mut used, mut steal) = (0, 0, None);
    for now in now {
        let Some(before) = before.iter().find(|b| b.core == now.core) else { continue };
        let passed = now.all.saturating_sub(before.all);
        let stolen = now.stolen.saturating_sub(before.stolen);
        let unused = now.idle.saturating_sub(before.idle) + stolen;
        all += passed;
        used += passed.saturating_sub(unused);
        if passed > 0 {
            steal = Some(f64::max(steal.unwrap_or(0.0), stolen as f64 / passed as f64));
        }
    }
    ((all > 0).then(|| digits(used as f64 / all as f64)), steal.map(digits))
}

/// What a limit on the processor time of our control group held back.
struct Throttle {
    stat: ProcFile,
    before: Option<u64>,
}

impl Throttle {
    fn new() -> Option<Throttle> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let held = |path: String| {
            let stat = ProcFile::open(&path)?;
            let before = Some(throttled(stat.read(&mut [0; 1024])?)?);
            Some(Throttle { stat, before })
        };
        places(&groups).into_iter().find_map(held)
    }

    fn sample(&mut self) -> Option<u64> {
        let now = self.stat.read(&mut [0; 1024]).and_then(throttled);
        let grown = Some(now?.saturating_sub(self.before?));
        self.before = now;
        grown
    }
}

/// Where the counts of our control group may be, by `/proc/self/cgroup`: of the one hierarchy, or of the one for the
/// processor among many. A container often sees its own group as the root whatever the path says.
fn places(groups: &str) -> Vec<String> {
    let mut places = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            several if several.split(',').any(|c| c == "cpu") => format!("/sys/fs/cgroup/{several}"),
            _ => continue,
        };
        places.push(format!("{root}{}/cpu.stat", path.trim_end_matches('/')));
        places.push(format!("{root}/cpu.stat"));
    }
    places
}

/// In nanoseconds; the two versions of control groups count in different units.
fn throttled(said: &str) -> Option<u64> {
    let micros = procfs::number(said, "throttled_usec").map(|us| us.saturating_mul(1_000));
    micros.or_else(|| procfs::number(said, "throttled_time"))
}

/// A process.
struct Process {
    stat: ProcFile,
    statm: ProcFile,
    before: Option<u64>,
}

impl Process {
    fn new(pid: &str) -> Option<Process> {
        let open = |name: &str| ProcFile::open(&format!("/proc/{pid}/{name}"));
        let stat = open("stat")?;
        let before = stat.read(&mut [0; 1024]).and_then(used);
        Some(Process { stat, statm: open("statm")?, before })
    }

    fn sample(&mut self, over: Duration) -> Option<ProcessHealth> {
        let now = self.stat.read(&mut [0; 1024]).and_then(used);
        let ticks = now?.saturating_sub(self.before?);
        self.before = now;
        let pages: u64 = self.statm.read(&mut [0; 256])?.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64 / over.as_secs_f64();
        Some(ProcessHealth { cpu: digits(cpu), rss: pages * rustix::param::page_size() as u64 })
    }
}

/// Processor time of all threads of a process, by its `stat`: the 14th and 15th words. The second is a name in
/// brackets, which may hold anything.
fn used(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || words.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

/// Descriptors that we have open. Newer kernels tell at once, others have them counted.
fn files() -> Option<u64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    let count = || Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64);
    if told > 0 { Some(told) } else { count() }
}

/// TCP sockets in use and in TIME_WAIT, by a line of `sockstat`.
fn tcp(said: &str, line: &str) -> (Option<u64>, Option<u64>) {
    let line = said.lines().find(|l| l.starts_with(line)).unwrap_or_default();
    (procfs::number(line, "inuse"), procfs::number(line, "tw"))
}

/// How many ports a range holds: `32768 60999`.
fn ports(range: &str) -> Option<u64> {
    let mut ends = range.split_ascii_whitespace().map(str::parse::<u64>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (high + 1).checked_sub(low)
}

/// Four digits after the point are more than such counts hold.
fn digits(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 0 50 800 40 0 10 0 0 0\ncpu1 0 0 0 1000 0 0 0 0 0 0\nintr 5 6";
    const AFTER: &str =
        "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 140 0 60 820 43 0 10 27 5 0\ncpu1 50 0 0 1050 0 0 0 0 0 0\nintr 9 9";

    fn read(stat: &str) -> Vec<Ticks> {
        stat.lines().filter_map(ticks).collect()
    }

    #[test]
    fn stolen_time_is_that_of_the_core_that_lost_most() {
        let (before, after) = (read(BEFORE), read(AFTER));
        assert_eq!(before[0], Ticks { core: 0, all: 1_000, idle: 840, stolen: 0 });
        // Of core 0: 100 hundredths passed, 50 of them used, 23 idle, 27 stolen. Of core 1: 50 of 100 used.
        assert_eq!(shares(&before, &after), (Some(0.5), Some(0.27)));
        assert_eq!(shares(&before[..1], &after), (Some(0.5), Some(0.27)), "a core that came up late is left out");
        assert_eq!(shares(&before, &before), (None, None), "no time, no share");
        assert_eq!(read("cpu0 1 2 3"), [], "a kernel that counts less than we know of");
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a) b ) c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 3 0 100";
        assert_eq!(used(stat), Some(300));
        assert_eq!(used("42 (x) S 1"), None);
    }

    #[test]
    fn control_groups_are_looked_up_where_they_may_be() {
        let two = places("0::/user.slice/a\n");
        assert_eq!(two, ["/sys/fs/cgroup/user.slice/a/cpu.stat", "/sys/fs/cgroup/cpu.stat"]);
        let one = places("7:cpuset:/\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/\n");
        assert_eq!(one, ["/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat"]);
        assert_eq!(throttled("usage_usec 5\nnr_throttled 1\nthrottled_usec 7\n"), Some(7_000));
        assert_eq!(throttled("nr_periods 0\nthrottled_time 7000\n"), Some(7_000));
        assert_eq!(throttled("usage_usec 5\n"), None, "no limit that could be told of");
    }

    #[test]
    fn sockets_and_ports_are_read() {
        let said = "sockets: used 21\nTCP: inuse 12 orphan 0 tw 28000 alloc 14 mem 0\nUDP: inuse 3 mem 0\n";
        assert_eq!(tcp(said, "TCP:"), (Some(12), Some(28_000)));
        assert_eq!(tcp(said, "TCP6:"), (None, None));
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        assert_eq!((ports("60999 32768"), ports("")), (None, None));
    }

    #[test]
    fn this_machine_is_told_of() {
        let mut meter = HostMeter::new(Offset::ZERO, Some(std::process::id()));
        assert_eq!(meter.sample(Offset::from_millis(100)), None);
        let health = meter.sample(Offset::from_millis(1_000)).expect("a second");
        assert_eq!((health.at, health.over), (Offset::from_millis(1_000), 1_000_000_000));
        assert!(health.files.is_some_and(|n| n >= 3), "{health:?}");
        assert!(health.files_limit.is_some_and(|limit| health.files <= Some(limit)), "{health:?}");
        assert!(health.own.is_some_and(|own| own.rss > 1_000_000), "{health:?}");
        assert!(health.target.is_some_and(|target| target.rss > 1_000_000), "{health:?}");
        assert!(HostMeter::new(Offset::ZERO, Some(u32::MAX)).target.is_none());
        let line = serde_json::to_string(&Event::Host(health)).expect("serialises");
        assert!(line.len() < 500, "{}: {line}", line.len());
    }
}
