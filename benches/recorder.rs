//! What recording a reply costs, writing included, beside counting its five clocks in bare histograms of the
//! `hdrhistogram` crate; and whether memory stays where it is. Run with `cargo bench --bench recorder`.

use std::time::Duration;

use hdrhistogram::Histogram;
use proofload::base::seed::{Seed, Stream};
use proofload::base::time::{Offset, Span, thread_cpu};
use proofload::base::trace::Tracer;
use proofload::evidence::folder::Folder;
use proofload::evidence::recorder::{Batch, Plan, Recorder, second_of};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply, Stage};
use proofload::evidence::tally::{DIGITS, HIGHEST, LOWEST};

/// How often a sender reports, in milliseconds.
const REPORT: i64 = 100;

fn main() {
    println!("processor time for each reply, recorded and written, over 10 s of load; the best of 3");
    println!("{:>10}  {:>14}  {:>14}  {:>6}  {:>10}", "rate", "recorder", "hdrhistogram", "ratio", "evidence");
    for (rate, fault) in [(2_000, false), (20_000, false), (200_000, false), (200_000, true)] {
        let load = Load::new(rate);
        let (mut ours, mut bare, mut bytes) = (f64::MAX, f64::MAX, 0);
        for _ in 0..3 {
            let run = Run::new(&load, fault);
            bytes = run.bytes;
            ours = ours.min(run.cost);
            bare = bare.min(histograms(&load));
        }
        println!(
            "{rate:>8}/s  {ours:>8.1} ns/op  {bare:>8.1} ns/op  {:>6.1}  {:>5} KB/s{}",
            ours / bare,
            bytes / 10_000,
            if fault { "  while a fault is effective" } else { "" }
        );
    }
    println!("memory of the process over 10 min at 20000/s, and how much more it is than after the first minute");
    let load = Load::new(20_000);
    let mut recorder = Recording::new(false);
    let mut first = 0;
    for second in 1..=600 {
        recorder.second(&load);
        if second == 10 || second % 60 == 0 {
            let now = resident();
            if second == 60 {
                first = now;
            }
            let more = now as f64 / first.max(1) as f64 * 100.0 - 100.0;
            println!(
                "{second:>8} s  {:>6.2} MB{}",
                now as f64 / 1e3,
                if first > 0 { format!("  {more:>+5.1} %") } else { String::new() }
            );
        }
    }
}

/// A second of replies, in the order in which they are over; every second is like it.
struct Load {
    batches: Vec<Vec<Reply>>,
    rate: u64,
}

impl Load {
    fn new(rate: u64) -> Load {
        let mut chance = Seed(1).stream("recorder");
        let mut replies: Vec<Reply> = (0..rate)
            .map(|seq| {
                let due = Offset::from_nanos((seq * 1_000_000_000 / rate) as i64);
                // A few microseconds of lag and wait; hits of some 8 ms, misses of some 150 ms, one in 500 a timeout.
                let micros =
                    |mean: f64, chance: &mut Stream| Duration::from_secs_f64(mean * 1e-6 * chance.exponential());
                let ready = due + micros(10.0, &mut chance);
                let sent = ready + micros(5.0, &mut chance);
                let (hit, lost) = (chance.unit() < 0.78, chance.unit() < 0.002);
                let done = match (hit, lost) {
                    (_, true) => sent + Duration::from_secs(2),
                    (true, _) => sent + Duration::from_millis(5) + micros(3_000.0, &mut chance),
                    (false, _) => sent + Duration::from_millis(90) + micros(60_000.0, &mut chance),
                };
                Reply {
                    traffic: 0,
                    seq,
                    class: (!lost).then_some(u16::from(!hit)),
                    outcome: if lost { Outcome::TimedOut(Stage::Head) } else { Outcome::Ok },
                    status: (!lost).then_some(200),
                    due,
                    ready,
                    sent: Some(sent).into(),
                    first_byte: (!lost).then_some(done - Duration::from_micros(30)).into(),
                    done,
                    opening: Opening::default(),
                    not_before: Maybe::NONE,
                    why: lost.then(|| "no reply within 2s".into()),
                }
            })
            .collect();
        replies.sort_by_key(|reply| reply.done);
        // What is over in a later second is over at that time of every second, for shots due in an earlier one.
        const REPORTS: i64 = 1_000 / REPORT;
        let mut batches = vec![Vec::new(); REPORTS as usize];
        for reply in replies {
            let at = reply.done.nanos() / (REPORT * 1_000_000);
            batches[(at % REPORTS) as usize].push(reply);
        }
        for batch in &mut batches {
            batch.sort_by_key(|reply| reply.done.nanos() % 1_000_000_000);
        }
        Load { batches, rate }
    }
}

/// A recorder under a clock that only counts.
struct Recording {
    recorder: Recorder,
    batch: Batch,
    second: i64,
    spent: Duration,
    folder: tempfile::TempDir,
}

impl Recording {
    fn new(fault: bool) -> Recording {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(parent.path(), 0).expect("a new folder");
        let always = Span { start: Offset::ZERO, end: Offset::MAX };
        let plan = Plan {
            workers: 1,
            traffic: vec![("quotes".into(), vec!["hit".into(), "miss".into()])],
            parts: Vec::new(),
            edges: &[Offset::ZERO],
            faults: if fault { vec![("hang".into(), vec![always])] } else { Vec::new() },
            lag_limit: Duration::from_millis(1),
            wall_zero: 0,
            tracer: Tracer::new(Seed(1), "bench"),
        };
        let recorder = Recorder::create(&folder, plan).expect("new files");
        Recording { recorder, batch: Batch::default(), second: 0, spent: Duration::ZERO, folder: parent }
    }

    /// One more second of load, then a flush.
    fn second(&mut self, load: &Load) {
        for (n, replies) in load.batches.iter().enumerate() {
            let at = Offset::from_millis(self.second * 1_000 + (n as i64 + 1) * REPORT);
            let later = |offset: Offset, from: Offset| Offset::from_nanos(offset.nanos() + from.nanos());
            self.batch.at = at;
            self.batch.through = at;
            self.batch.taken.clear();
            self.batch.taken.push((0, self.second, load.rate * REPORT as u64 / 1_000));
            self.batch.replies.clear();
            for reply in replies {
                // Over now; due as long ago as it took.
                let shift = Offset::from_nanos((self.second - second_of(reply.done)) * 1_000_000_000);
                let mut reply = reply.clone();
                reply.seq += self.second as u64 * load.rate;
                reply.due = later(reply.due, shift);
                reply.ready = later(reply.ready, shift);
                reply.sent = reply.sent.instant().map(|at| later(at, shift)).into();
                reply.first_byte = reply.first_byte.instant().map(|at| later(at, shift)).into();
                reply.done = later(reply.done, shift);
                self.batch.replies.push(reply);
            }
            let start = thread_cpu();
            self.recorder.batch(&self.batch).expect("space");
            self.spent += Duration::from_nanos(thread_cpu() - start);
        }
        self.second += 1;
        let start = thread_cpu();
        std::hint::black_box(self.recorder.look());
        self.recorder.flush(Offset::from_millis(self.second * 1_000)).expect("space");
        self.spent += Duration::from_nanos(thread_cpu() - start);
    }
}

struct Run {
    cost: f64, // ns
    bytes: u64,
}

impl Run {
    fn new(load: &Load, fault: bool) -> Run {
        let mut recording = Recording::new(fault);
        (0..10).for_each(|_| recording.second(load));
        let run =
            std::fs::read_dir(recording.folder.path()).expect("a folder").next().expect("a run").expect("readable");
        let files = std::fs::read_dir(run.path()).expect("a folder");
        let bytes = files.map(|file| file.expect("readable").metadata().expect("readable").len()).sum();
        Run { cost: recording.spent.as_nanos() as f64 / (10 * load.rate) as f64, bytes }
    }
}

/// The same lengths counted in one histogram for each clock, nothing written.
fn histograms(load: &Load) -> f64 {
    let mut clocks: Vec<Histogram<u64>> =
        (0..5).map(|_| Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("valid bounds")).collect();
    let start = thread_cpu();
    for reply in load.batches.iter().flatten() {
        let lengths = [Some(reply.response()), reply.service(), Some(reply.lag()), reply.wait(), reply.first_byte()];
        for (clock, length) in clocks.iter_mut().zip(lengths) {
            if let Some(length) = length {
                clock.saturating_record(length.as_nanos() as u64);
            }
        }
    }
    let spent = thread_cpu() - start;
    std::hint::black_box(&clocks);
    spent as f64 / load.rate as f64
}

/// Memory that this process holds, in KB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
