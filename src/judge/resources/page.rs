//! What a page of metrics says of the processes behind it.

use super::{Level, Member, Source, Taker, Usage};
use crate::base::series::{Labels, Sample, Series, is_stale};
use crate::base::time::Offset;

/// How memory is called, by client libraries and by cAdvisor; the first that a page has is read.
const MEMORY: [&str; 3] =
    ["process_resident_memory_bytes", "container_memory_working_set_bytes", "container_memory_rss"];
/// How processor time is called, in seconds.
const CPU: [&str; 2] = ["process_cpu_seconds_total", "container_cpu_usage_seconds_total"];
/// How open descriptors are called.
const FILES: [&str; 2] = ["process_open_fds", "container_file_descriptors"];
/// How threads are called.
const THREADS: [&str; 3] = ["process_threads", "process_num_threads", "container_threads"];
/// How changes of context are called, by node exporter; of the whole machine.
const SWITCHES: [&str; 1] = ["node_context_switches_total"];
/// When a process started, in seconds since the Unix epoch.
const STARTED: &str = "process_start_time_seconds";

/// Whether a metric tells of memory, or of when whoever has it began.
pub fn is_memory(name: &str) -> bool {
    MEMORY.contains(&name) || name == STARTED
}

/// Reads what the page of a job says; nothing where it says nothing of processes.
pub fn read(job: &str, samples: &[Series], wall_zero: i64) -> Option<Taker> {
    let of_job: Vec<&Series> = samples.iter().filter(|s| s.labels.get("job") == job && is_one(&s.labels)).collect();
    let named = |names: &[&str]| -> Vec<&Series> {
        let of = |name: &&str| of_job.iter().copied().filter(|s| s.labels.name() == *name).collect::<Vec<_>>();
        names.iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
    };
    let (memory, cpu) = (named(&MEMORY), named(&CPU));
    if memory.is_empty() && cpu.is_empty() {
        return None;
    }
    let when = |ms: i64| Offset::from_nanos(ms * 1_000_000 - wall_zero);
    let several = memory.len() > 1;
    let started = named(&[STARTED]);
    let member = |series: &&Series| {
        let starts = started.iter().find(|s| same(&s.labels, &series.labels));
        let mut life = 0;
        let mut before: Option<f64> = None;
        let level = |sample: &Sample| {
            let start = starts.and_then(|s| at(s, sample.at));
            if let (Some(now), Some(then)) = (start, before)
                && (now - then).abs() > 1.0
            {
                life += 1;
            }
            before = start.or(before);
            Level { at: when(sample.at), bytes: sample.value, life }
        };
        let memory = series.samples.iter().filter(|s| s.value.is_finite()).map(level).collect();
        Member { name: if several { told(&series.labels) } else { String::new() }, memory }
    };
    let members: Vec<Member> = memory.iter().map(member).collect();
    let usage = usage(&[memory, cpu, named(&FILES), named(&THREADS), named(&SWITCHES)], when);
    Some(Taker { name: job.to_owned(), source: Source::Page, members, usage })
}

/// cAdvisor also tells of what holds containers, and of the pause container of each pod: both would be counted twice.
fn is_one(labels: &Labels) -> bool {
    !labels.name().starts_with("container_") || !matches!(labels.get("container"), "" | "POD")
}

/// Everything at each scrape: what of gauges is there, what counters rose by since the scrape before.
fn usage([memory, cpu, files, threads, switches]: &[Vec<&Series>; 5], when: impl Fn(i64) -> Offset) -> Vec<Usage> {
    let mut times: Vec<i64> = memory.iter().chain(cpu).flat_map(|s| &s.samples).map(|sample| sample.at).collect();
    times.sort_unstable();
    times.dedup();
    let gauge = |all: &[&Series], t: i64| {
        let there: Vec<f64> = all.iter().filter_map(|s| at(s, t)).collect();
        (!there.is_empty()).then(|| there.iter().sum())
    };
    let counter = |all: &[&Series], from: i64, to: i64| {
        // A counter that fell began anew: what it has now it has gained since.
        let rose = |s: &&Series| Some((at(s, from)?, at(s, to)?)).map(|(a, b)| if b < a { b } else { b - a });
        let there: Vec<f64> = all.iter().filter_map(rose).collect();
        (!there.is_empty()).then(|| there.iter().sum::<f64>() / ((to - from) as f64 / 1e3))
    };
    let pair = |pair: &[i64]| {
        let [from, to] = *pair else { return Usage::default() };
        Usage {
            at: when(to),
            over: (to - from) as f64 / 1e3,
            cpu: counter(cpu, from, to),
            bytes: gauge(memory, to),
            files: gauge(files, to),
            threads: gauge(threads, to),
            switches: counter(switches, from, to),
        }
    };
    times.windows(2).map(pair).collect()
}

/// The value of a series at an instant at which it was scraped.
fn at(series: &Series, ms: i64) -> Option<f64> {
    let found = series.samples.binary_search_by_key(&ms, |s| s.at).ok()?;
    Some(series.samples[found].value).filter(|value| !is_stale(*value) && value.is_finite())
}

/// Whether two series are about one process.
fn same(a: &Labels, b: &Labels) -> bool {
    let rest = |labels: &Labels| labels.filter(|name| name != "__name__");
    rest(a) == rest(b)
}

/// What tells a series from the others of its page.
fn told(labels: &Labels) -> String {
    labels.filter(|name| name != "__name__" && name != "job").to_string()
}
