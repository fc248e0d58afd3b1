//! Finding series by their matchers.

use std::collections::HashMap;

use super::selector::Selector;
use crate::base::series::Series;

/// Series in memory, found by metric name without looking at the others. No two may have the same labels.
#[derive(Debug, Clone, Default)]
pub struct Storage<'a> {
    series: Vec<&'a Series>,
    by_name: HashMap<&'a str, std::ops::Range<usize>>,
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
        Storage { series, by_name }
    }

    /// The series whose labels satisfy all matchers, sorted by name and labels.
    pub fn select(&self, selector: &Selector) -> Vec<&'a Series> {
        let candidates = match selector.metric() {
            Some(name) => self.named(name),
            None => &self.series,
        };
        candidates.iter().copied().filter(|one| selector.matches(&one.labels)).collect()
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
