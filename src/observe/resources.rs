//! Watches the target's processes on this machine: what they have of the processor, of memory, descriptors and threads. A
//! process stands for all that come from it: a server that works in children is as large as they are. From `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::beat::{SHORTEST, each_second};
use crate::base::procfs;
use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;
use crate::evidence::resources::{ProcessUse, Resources};

/// Of a process with more threads than this they are not asked one by one.
const THREADS: u64 = 512;
/// More processes that come from one are not followed.
const PROCESSES: usize = 256;

/// A process that is watched.
pub struct Process {
    name: String,
    find: Box<dyn Fn() -> Option<u32> + Send>,
    before: BTreeMap<u32, Counts>,
}

impl Process {
    /// One that has a name; `find` says its id whenever it is asked, for it may be started again.
    pub fn new(name: &str, find: impl Fn() -> Option<u32> + Send + 'static) -> Process {
        Process { name: name.to_owned(), find: Box::new(find), before: BTreeMap::new() }
    }

    /// What it took since the last look; nothing where it is not there.
    fn sample(&mut self, over: Duration) -> Option<ProcessUse> {
        let root = (self.find)()?;
        let now = family(root);
        let started = now.get(&root)?.started;
        let mut sum = ProcessUse { name: self.name.clone(), pid: root, started, ..ProcessUse::default() };
        let (mut ticks, mut rss) = (0, 0);
        let (mut files, mut threads) = (Some(0), Some(0));
        let (mut voluntary, mut involuntary) = (Some(0), Some(0));
        for (pid, counts) in &now {
            let before = self.before.get(pid).filter(|before| before.started == counts.started);
            // One that is new since the last look has done all of it since then; of the first look nothing is known.
            let born = !self.before.is_empty() || counts.started > started;
            let rose = |now: u64, before: Option<u64>| match before {
                Some(before) => now.saturating_sub(before),
                None if born => now,
                None => 0,
            };
            ticks += rose(counts.ticks, before.map(|b| b.ticks));
            rss += counts.rss;
            files = files.zip(counts.files).map(|(a, b)| a + b);
            threads = threads.zip(counts.threads).map(|(a, b)| a + b);
            let switches = |of: fn(&Counts) -> Option<u64>| of(counts).map(|now| rose(now, before.and_then(of)));
            voluntary = voluntary.zip(switches(|c| c.voluntary)).map(|(a, b)| a + b);
            involuntary = involuntary.zip(switches(|c| c.involuntary)).map(|(a, b)| a + b);
        }
        sum.processes = now.len() as u32;
        let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64 / over.as_secs_f64();
        sum.cpu = (cpu * 1e4).round() / 1e4;
        sum.rss = rss * rustix::param::page_size() as u64;
        (sum.files, sum.threads, sum.voluntary, sum.involuntary) = (files, threads, voluntary, involuntary);
        self.before = now;
        Some(sum)
    }
}

/// Measures from one sample to the next.
pub struct ResourceMeter {
    at: Offset,
    of: Vec<Process>,
}

impl ResourceMeter {
    /// A meter that begins now.
    pub fn new(now: Offset, mut of: Vec<Process>) -> ResourceMeter {
        of.iter_mut().for_each(|process| process.before = (process.find)().map(family).unwrap_or_default());
        ResourceMeter { at: now, of }
    }

    /// What was taken since the last sample; nothing where that was just now.
    pub fn sample(&mut self, now: Offset) -> Option<Resources> {
        let over = now.since(self.at);
        if over < SHORTEST {
            return None;
        }
        self.at = now;
        let of = self.of.iter_mut().filter_map(|process| process.sample(over)).collect();
        Some(Resources { at: now, over: over.as_nanos() as u64, of })
    }

    /// Samples at each whole second of the plan's axis and tells, until `stop` turns true, and then once more.
    pub async fn watch(mut self, clock: Clock, events: mpsc::UnboundedSender<Event>, stop: watch::Receiver<bool>) {
        if !self.of.is_empty() {
            each_second(clock, events, stop, |now| self.sample(now).map(Event::Resources)).await;
        }
    }
}

/// What a process has taken since it started, and has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    started: u64,
    ticks: u64,
    rss: u64, // in pages
    threads: Option<u64>,
    files: Option<u64>,
    voluntary: Option<u64>,
    involuntary: Option<u64>,
}

/// A process and all that come from it.
fn family(root: u32) -> BTreeMap<u32, Counts> {
    let mut all = BTreeMap::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop().filter(|_| all.len() < PROCESSES) {
        let Some(mut counts) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|text| stat(&text)) else {
            continue;
        };
        counts.files = files(pid);
        let few = counts.threads.is_some_and(|threads| threads <= THREADS);
        let (mut voluntary, mut involuntary) = (few.then_some(0), few.then_some(0));
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks.take(THREADS as usize) {
            let read = |name| fs::read_to_string(task.path().join(name)).ok();
            if let Some(status) = read("status").filter(|_| few) {
                let add = |sum: Option<u64>, name| Some(sum? + procfs::number(&status, name)?);
                voluntary = add(voluntary, "voluntary_ctxt_switches");
                involuntary = add(involuntary, "nonvoluntary_ctxt_switches");
            }
            let children = read("children").unwrap_or_default();
            next.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        (counts.voluntary, counts.involuntary) = (voluntary, involuntary);
        all.entry(pid).or_insert(counts);
    }
    all
}

/// What `stat` says. Its second word is a name in brackets, which may hold anything.
fn stat(text: &str) -> Option<Counts> {
    let (_, rest) = text.rsplit_once(')')?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |n: usize| words.get(n)?.parse::<u64>().ok();
    Some(Counts {
        started: number(19)?,
        ticks: number(11)? + number(12)?,
        rss: number(21)?,
        threads: number(17),
        ..Counts::default()
    })
}

/// Descriptors that a process has open; nothing where we may not know.
fn files(pid: u32) -> Option<u64> {
    let place = format!("/proc/{pid}/fd");
    let told = fs::metadata(&place).ok()?.len();
    let count = || Some(fs::read_dir(&place).ok()?.count() as u64);
    if told > 0 { Some(told) } else { count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_behind_any_name() {
        let text = "42 (a) b ) c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 3 0 100 9000 77 1 2";
        let counts = Counts { started: 100, ticks: 300, rss: 77, threads: Some(3), ..Counts::default() };
        assert_eq!(stat(text), Some(counts));
        assert_eq!(stat("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_is_told_of_with_its_children() {
        let own = std::process::id();
        let mut meter = ResourceMeter::new(Offset::ZERO, vec![Process::new("target", move || Some(own))]);
        assert_eq!(meter.sample(Offset::from_millis(100)), None);
        let mut child = std::process::Command::new("sleep").arg("20").spawn().expect("a child");
        let seen = meter.sample(Offset::from_millis(1_000)).expect("a second");
        let _ = child.kill();
        let _ = child.wait();
        let of = &seen.of[0];
        assert_eq!((seen.over, of.name.as_str(), of.pid), (1_000_000_000, "target", own));
        assert!(of.processes >= 2 && of.rss > 1_000_000 && of.started > 0, "{of:?}");
        assert!(of.files.is_some_and(|n| n >= 3) && of.threads.is_some_and(|n| n >= 1), "{of:?}");
        assert!(of.voluntary.is_some() && of.involuntary.is_some(), "{of:?}");
        let line = serde_json::to_string(&Event::Resources(seen)).expect("serialises");
        assert!(line.len() < 300, "{}: {line}", line.len());
    }

    #[test]
    fn nobody_takes_nothing() {
        let nobody = vec![Process::new("gone", || Some(u32::MAX)), Process::new("never", || None)];
        let mut meter = ResourceMeter::new(Offset::ZERO, nobody);
        assert_eq!(meter.sample(Offset::from_millis(1_000)).map(|seen| seen.of), Some(Vec::new()));
    }
}
