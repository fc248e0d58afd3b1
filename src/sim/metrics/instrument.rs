//! What counts and measures. Handles are cheap to clone and to keep, and touching one is an atomic operation.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::text::{line, number};

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
