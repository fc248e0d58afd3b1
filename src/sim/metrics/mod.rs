//! The instruments of the practice targets and their page in Prometheus's text format: counters, gauges and
//! histograms in families by label values. Handles are cheap to clone and to keep, and touching one is an atomic
//! operation, so that a target which holds its handles pays next to nothing for being watched.

mod instrument;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError, RwLock};

pub use instrument::{Amount, Both, Counter, Gauge, Histogram, Instrument, Summary};
use text::escape;

/// What a page of this format calls itself in `Content-Type`.
pub const MEDIA: &str = "text/plain; version=0.0.4";

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
