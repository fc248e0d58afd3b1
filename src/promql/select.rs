//! Finding series by their matchers.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::selector::Selector;
use crate::base::series::{Series, is_stale};

/// Series in memory, found by metric name without looking at the others. No two may have the same labels.
#[derive(Debug, Clone, Default)]
pub struct Storage<'a> {
    series: Vec<&'a Series>,
    by_name: HashMap<&'a str, std::ops::Range<usize>>,
    /// Whether a series has stale markers: looked for when a range of it is first read.
    marked: Vec<OnceLock<bool>>,
}

/// A series of a storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) series: &'a Series,
    place: usize,
}

impl<'a> Storage<'a> {
    /// Takes series in any order. What an expression answers does not depend on it.
    pub fn new(series: impl IntoIterator<Item = &'a Series>) -> Storage<'a> {
        let mut series: Vec<&Series> = series.into_iter().collect();
        series.sort_by(|a, b| (a.labels.name(), &a.labels).cmp(&(b.labels.name(), &b.labels)));
        let mut by_name: HashMap<&str, std::ops::Range<usize>> = HashMap::new();
        for (i, one) in series.iter().enumerate() {
            by_name.entry(one.labels.name()).and_modify(|range| range.end = i + 1).or_insert(i..i + 1);
        }
        let marked = vec![OnceLock::new(); series.len()];
        Storage { series, by_name, marked }
    }

    /// The series whose labels satisfy all matchers, sorted by name and labels.
    pub fn select(&self, selector: &Selector) -> Vec<&'a Series> {
        self.find(selector).into_iter().map(|found| found.series).collect()
    }

    /// The same, for whoever asks more about them.
    pub(super) fn find(&self, selector: &Selector) -> Vec<Found<'a>> {
        let places = match selector.metric() {
            Some(name) => self.by_name.get(name).cloned().unwrap_or_default(),
            None => 0..self.series.len(),
        };
        let found = places.map(|place| Found { series: self.series[place], place });
        found.filter(|found| selector.matches(&found.series.labels)).collect()
    }

    /// Whether there are stale markers among the samples of a series.
    pub(super) fn is_marked(&self, found: Found<'_>) -> bool {
        let look = || found.series.samples.iter().any(|s| is_stale(s.value));
        *self.marked[found.place].get_or_init(look)
    }

    /// The series of a metric.
    pub fn named(&self, metric: &str) -> &[&'a Series] {
        self.by_name.get(metric).map_or(&[], |range| &self.series[range.clone()])
    }

    /// All series, sorted by name and labels.
    pub fn all(&self) -> &[&'a Series] {
        &self.series
    }
}
