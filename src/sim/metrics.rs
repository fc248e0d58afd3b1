//! The instruments of the practice targets and their page in Prometheus's text format: counters, gauges and
//! histograms in families by label values. Handles are cheap to clone and to keep, and touching one is an atomic
//! operation, so that a target which holds its handles pays next to nothing for being watched.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What a page of this format calls itself in `Content-Type`.
pub const MEDIA: &str = "text/plain; version=0.0.4";

/// A number that only goes up.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>); // the bits of an f64

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds to the value, or takes from it.
    pub fn add(&self, change: f64) {
        let changed = |bits| Some((f64::from_bits(bits) + change).to_bits());
        let _ = self.0.fetch_update(Relaxed, Relaxed, changed); // the closure never declines
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// An amount that only goes up: a counter of dollars, not of events.
#[derive(Debug, Clone, Default)]
pub struct Amount(Gauge);

impl Amount {
    /// More; nothing is taken away.
    pub fn add(&self, more: f64) {
        self.0.add(more.max(0.0));
    }

    /// The amount so far.
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// How values are distributed over fixed buckets.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    bounds: &'static [f64],    // upper bounds, inclusive, increasing, all finite
    buckets: Box<[AtomicU64]>, // one per bound and one for what is above the last; not cumulative
    sum: AtomicU64,            // the bits of an f64
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(Cells { bounds, buckets, sum: AtomicU64::new(0f64.to_bits()) }))
    }

    /// Counts one value. NaN belongs to no bucket and is left out.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        self.0.buckets[bucket].fetch_add(1, Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _ = self.0.sum.fetch_update(Relaxed, Relaxed, add); // the closure never declines
    }

    /// Counts a length of time, in seconds.
    pub fn observe_duration(&self, length: std::time::Duration) {
        self.observe(length.as_secs_f64());
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|b| b.load(Relaxed)).sum()
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Relaxed))
    }
}

/// Quantiles of the last thousand values, as client libraries of some languages make them.
#[derive(Debug, Clone)]
pub struct Summary(Arc<Mutex<Recent>>);

#[derive(Debug, Default)]
struct Recent {
    last: VecDeque<f64>,
    count: u64,
    sum: f64,
}

impl Summary {
    /// Of how many values the quantiles are.
    const WINDOW: usize = 1000;
    /// Which quantiles.
    const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

    /// Counts one value. NaN is left out.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.last.len() == Summary::WINDOW {
            recent.last.pop_front();
        }
        recent.last.push_back(value);
        recent.count += 1;
        recent.sum += value;
    }

    /// The lines of the quantiles; NaN where nothing was counted yet.
    fn write_quantiles(&self, out: &mut String, name: &str, labels: &str) {
        let mut last: Vec<f64> = {
            let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            recent.last.iter().copied().collect()
        };
        last.sort_unstable_by(f64::total_cmp);
        let comma = if labels.is_empty() { "" } else { "," };
        for quantile in Summary::QUANTILES {
            let rank = (quantile * last.len() as f64).ceil() as usize;
            let value = last.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN);
            line(out, name, "", &format!("{labels}{comma}quantile=\"{quantile}\""), value);
        }
    }
}

/// A histogram whose page has quantiles beside its buckets, under one name: what dashboards ask for that were written by
/// several hands.
#[derive(Debug, Clone)]
pub struct Both {
    histogram: Histogram,
    summary: Summary,
}

impl Both {
    /// Counts one value.
    pub fn observe(&self, value: f64) {
        self.histogram.observe(value);
        self.summary.observe(value);
    }
}

/// One of the instruments.
pub trait Instrument: Clone + Send + Sync + 'static {
    /// What the TYPE line says.
    const TYPE: &'static str;
    /// A new one, at zero. `bounds` are a histogram's.
    fn new(bounds: &'static [f64]) -> Self;
    /// Writes its lines; `labels` is the inside of the braces.
    fn write(&self, out: &mut String, name: &str, labels: &str);
    /// Counts from nothing again; what it is just now stays.
    fn reset(&self);
}

impl Instrument for Counter {
    const TYPE: &'static str = "counter";
    fn new(_: &'static [f64]) -> Counter {
        Counter::default()
    }
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        line(out, name, "", labels, self.get() as f64);
    }
    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

impl Instrument for Gauge {
    const TYPE: &'static str = "gauge";
    fn new(_: &'static [f64]) -> Gauge {
        Gauge::default()
    }
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        line(out, name, "", labels, self.get());
    }
    fn reset(&self) {}
}

impl Instrument for Histogram {
    const TYPE: &'static str = "histogram";
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram::new(bounds)
    }
    /// `_count` is the sum of the buckets just read, so that it equals `+Inf` even while values come in.
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bucket, bound) in self.0.buckets.iter().zip(self.0.bounds.iter().chain([&f64::INFINITY])) {
            below += bucket.load(Relaxed);
            let _ = write!(out, "{name}_bucket{{{labels}{comma}le=\"");
            number(out, *bound);
            let _ = writeln!(out, "\"}} {below}");
        }
        line(out, name, "_sum", labels, self.sum());
        line(out, name, "_count", labels, below as f64);
    }
    fn reset(&self) {
        self.0.buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
        self.0.sum.store(0f64.to_bits(), Relaxed);
    }
}

impl Instrument for Amount {
    const TYPE: &'static str = "counter";
    fn new(_: &'static [f64]) -> Amount {
        Amount::default()
    }
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        line(out, name, "", labels, self.get());
    }
    fn reset(&self) {
        self.0.set(0.0);
    }
}

impl Instrument for Summary {
    const TYPE: &'static str = "summary";
    fn new(_: &'static [f64]) -> Summary {
        Summary(Arc::default())
    }
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        self.write_quantiles(out, name, labels);
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line(out, name, "_sum", labels, recent.sum);
        line(out, name, "_count", labels, recent.count as f64);
    }
    fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
    }
}

impl Instrument for Both {
    const TYPE: &'static str = "histogram";
    fn new(bounds: &'static [f64]) -> Both {
        Both { histogram: Histogram::new(bounds), summary: Instrument::new(bounds) }
    }
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        self.histogram.write(out, name, labels);
        self.summary.write_quantiles(out, name, labels);
    }
    fn reset(&self) {
        self.histogram.reset();
        self.summary.reset();
    }
}

/// All instruments of one name, by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct Family<M, const N: usize>(Arc<Inner<M, N>>);

#[derive(Debug)]
struct Inner<M, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    bounds: &'static [f64],
    members: RwLock<BTreeMap<String, M>>, // by the inside of the braces, as written
}

impl<M: Instrument, const N: usize> Family<M, N> {
    /// The member with these label values, made at zero when it is new.
    pub fn with(&self, values: [&str; N]) -> M {
        let mut key = String::with_capacity(128);
        for (name, value) in self.0.labels.iter().zip(values) {
            let _ = write!(key, "{}{name}=\"", if key.is_empty() { "" } else { "," });
            escape(&mut key, value);
            key.push('"');
        }
        if let Some(member) = self.0.members.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return member.clone();
        }
        let mut members = self.0.members.write().unwrap_or_else(PoisonError::into_inner);
        members.entry(key).or_insert_with(|| M::new(self.0.bounds)).clone()
    }
}

trait Page: Send + Sync {
    fn write(&self, out: &mut String);
    fn reset(&self);
}

impl<M: Instrument, const N: usize> Page for Family<M, N> {
    fn write(&self, out: &mut String) {
        let Inner { name, help, .. } = *self.0;
        let _ = writeln!(out, "# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n"));
        let _ = writeln!(out, "# TYPE {name} {}", M::TYPE);
        for (labels, member) in self.0.members.read().unwrap_or_else(PoisonError::into_inner).iter() {
            member.write(out, name, labels);
        }
    }
    fn reset(&self) {
        self.0.members.read().unwrap_or_else(PoisonError::into_inner).values().for_each(Instrument::reset);
    }
}

/// All families of a target, in the order in which they were declared.
#[derive(Default)]
pub struct Registry(Vec<Box<dyn Page>>);

impl Registry {
    /// Declares a family of counters.
    pub fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Family<Counter, N> {
        self.family(name, help, labels, &[])
    }

    /// Declares one counter without labels; it is on the page from the start.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        self.counters(name, help, []).with([])
    }

    /// Declares one gauge without labels; it is on the page from the start.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        self.family(name, help, [], &[]).with([])
    }

    /// Declares a family of gauges.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Family<Gauge, N> {
        self.family(name, help, labels, &[])
    }

    /// Declares a family of histograms. `bounds` are the buckets' upper bounds, increasing; `+Inf` is added.
    pub fn histograms<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Family<Histogram, N> {
        self.family(name, help, labels, bounds)
    }

    /// Declares one histogram without labels; it is on the page from the start.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, bounds: &'static [f64]) -> Histogram {
        self.histograms(name, help, [], bounds).with([])
    }

    /// Declares a family of any instrument; `bounds` are those of its buckets, where it has some.
    pub fn family<M: Instrument, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Family<M, N> {
        debug_assert!(bounds.is_sorted() && bounds.iter().all(|b| b.is_finite()), "{name}: bounds must increase");
        let family = Family(Arc::new(Inner { name, help, labels, bounds, members: RwLock::default() }));
        self.0.push(Box::new(family.clone()));
        family
    }

    /// Every counter and histogram counts from nothing again.
    pub fn reset(&self) {
        self.0.iter().for_each(|family| family.reset());
    }

    /// The page, as text format 0.0.4.
    pub fn page(&self) -> String {
        let mut out = String::with_capacity(64 * 1024);
        for family in &self.0 {
            family.write(&mut out);
        }
        out
    }
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, value: f64) {
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    let _ = write!(out, "{name}{suffix}{open}{labels}{close} ");
    number(out, value);
    out.push('\n');
}

fn number(out: &mut String, value: f64) {
    let _ = match value {
        v if v.is_nan() => write!(out, "NaN"),
        v if v.is_infinite() => write!(out, "{}Inf", if v > 0.0 { '+' } else { '-' }),
        v => write!(out, "{v}"),
    };
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_the_format_says() {
        let mut registry = Registry::default();
        let requests = registry.counters("requests_total", "All of them,\nby path", ["path"]);
        requests.with(["/a\"b\\c\nd"]).add(3);
        requests.with(["/a\"b\\c\nd"]).inc();
        registry.gauge("depth", "How deep").set(-1.5);
        let took = registry.histograms("took_seconds", "How long", ["kind"], &[0.1, 0.5]).with(["x"]);
        for value in [0.05, 0.1, 0.3, 7.0, f64::NAN] {
            took.observe(value);
        }
        let want = "\
            # HELP requests_total All of them,\\nby path\n\
            # TYPE requests_total counter\n\
            requests_total{path=\"/a\\\"b\\\\c\\nd\"} 4\n\
            # HELP depth How deep\n\
            # TYPE depth gauge\n\
            depth -1.5\n\
            # HELP took_seconds How long\n\
            # TYPE took_seconds histogram\n\
            took_seconds_bucket{kind=\"x\",le=\"0.1\"} 2\n\
            took_seconds_bucket{kind=\"x\",le=\"0.5\"} 3\n\
            took_seconds_bucket{kind=\"x\",le=\"+Inf\"} 4\n\
            took_seconds_sum{kind=\"x\"} 7.45\n\
            took_seconds_count{kind=\"x\"} 4\n";
        assert_eq!(registry.page(), want);
        assert_eq!((took.count(), took.sum()), (4, 7.45));
    }

    #[test]
    fn a_family_without_labels_has_no_braces_but_for_buckets() {
        let mut registry = Registry::default();
        registry.counter("served_total", "Served");
        registry.histogram("age_seconds", "Age", &[1.0]).observe(0.5);
        let page = registry.page();
        assert!(page.contains("\nserved_total 0\n"), "{page}");
        assert!(
            page.contains("\nage_seconds_bucket{le=\"1\"} 1\n") && page.contains("\nage_seconds_sum 0.5\n"),
            "{page}"
        );
    }

    #[test]
    fn another_reader_finds_the_same_values() {
        let mut registry = Registry::default();
        let family = registry.counters("n_total", "N", ["a", "b"]);
        family.with(["1", "x"]).add(5);
        family.with(["2", "y"]).add(7);
        let page = registry.page();
        let scrape = prometheus_parse::Scrape::parse(page.lines().map(|l| Ok(l.to_owned()))).expect("a readable page");
        let mut found: Vec<(String, f64)> = scrape
            .samples
            .iter()
            .map(|s| {
                let value = match s.value {
                    prometheus_parse::Value::Counter(value) => value,
                    _ => f64::NAN,
                };
                (format!("{}{}", s.labels.get("a").unwrap_or(""), s.labels.get("b").unwrap_or("")), value)
            })
            .collect();
        found.sort_by(|x, y| x.0.cmp(&y.0));
        assert_eq!(found, [("1x".to_owned(), 5.0), ("2y".to_owned(), 7.0)]);
    }

    #[test]
    fn what_is_reset_counts_from_nothing_through_every_handle() {
        let mut registry = Registry::default();
        let (counter, gauge) = (registry.counter("n_total", "N"), registry.gauge("g", "G"));
        let histogram = registry.histogram("h", "H", &[1.0]);
        counter.add(5);
        gauge.set(3.0);
        histogram.observe(0.5);
        registry.reset();
        counter.inc();
        assert_eq!((counter.get(), gauge.get(), histogram.count(), histogram.sum()), (1, 3.0, 0, 0.0));
    }

    #[test]
    fn quantiles_are_those_of_the_last_thousand() {
        let mut registry = Registry::default();
        let summary: Summary = registry.family("s", "S", ["a"], &[]).with(["x"]);
        assert!(registry.page().contains("s{a=\"x\",quantile=\"0.5\"} NaN\n"));
        (0..500).for_each(|_| summary.observe(1e9)); // pushed out by what follows
        (1..=1000).for_each(|n| summary.observe(f64::from(n)));
        let page = registry.page();
        for line in
            ["quantile=\"0.5\"} 500\n", "quantile=\"0.99\"} 990\n", "s_count{a=\"x\"} 1500\n", "# TYPE s summary\n"]
        {
            assert!(page.contains(line), "{line} in {page}");
        }
        let both: Both = registry.family("b", "B", [], &[1.0]).with([]);
        both.observe(0.5);
        let page = registry.page();
        assert!(page.contains("b_bucket{le=\"1\"} 1\n") && page.contains("b{quantile=\"0.95\"} 0.5\n"), "{page}");
        let amount: Amount = registry.family("a_total", "A", [], &[]).with([]);
        amount.add(0.25);
        amount.add(-9.0);
        assert_eq!(amount.get(), 0.25);
    }

    #[test]
    fn many_hands_lose_nothing() {
        let mut registry = Registry::default();
        let sum = registry.histogram("s", "S", &[1.0]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| sum.observe(2.0)));
            }
        });
        assert_eq!((sum.count(), sum.sum()), (4000, 8000.0));
    }
}
