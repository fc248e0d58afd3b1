//! Finding series by their matchers.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::selector::{MatchOp, Matcher, Selector};
use crate::base::series::{Labels, Series, is_stale};

/// Series in memory, found by metric name without looking at the others. No two may have the same labels.
#[derive(Debug, Clone, Default)]
pub struct Storage<'a> {
    series: Vec<&'a Series>,
    by_name: HashMap<&'a str, std::ops::Range<usize>>,
    /// Series that are found too, unless there is one of the same labels above.
    below: Option<&'a Storage<'a>>,
    /// Whether a series has stale markers: looked for when a range of it is first read.
    marked: Vec<OnceLock<bool>>,
}

/// A series of a storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'s, 'a> {
    pub(super) series: &'a Series,
    marked: &'s OnceLock<bool>,
}

impl<'a> Storage<'a> {
    /// Takes series in any order. What an expression answers does not depend on it.
    pub fn new(series: impl IntoIterator<Item = &'a Series>) -> Storage<'a> {
        let mut series: Vec<&Series> = series.into_iter().collect();
        series.sort_by(|a, b| order(&a.labels, &b.labels));
        let mut by_name: HashMap<&str, std::ops::Range<usize>> = HashMap::new();
        for (i, one) in series.iter().enumerate() {
            by_name.entry(one.labels.name()).and_modify(|range| range.end = i + 1).or_insert(i..i + 1);
        }
        let marked = vec![OnceLock::new(); series.len()];
        Storage { series, by_name, below: None, marked }
    }

    /// Takes series that lie over others: of two with the same labels, only the upper one is found.
    pub fn over(below: &'a Storage<'a>, series: impl IntoIterator<Item = &'a Series>) -> Storage<'a> {
        Storage { below: Some(below), ..Storage::new(series) }
    }

    /// The series whose labels satisfy all matchers, sorted by name and labels.
    pub fn select(&self, selector: &Selector) -> Vec<&'a Series> {
        self.find(selector).into_iter().map(|found| found.series).collect()
    }

    /// The same, for whoever asks more about them.
    pub(super) fn find(&self, selector: &Selector) -> Vec<Found<'_, 'a>> {
        let places = match selector.metric() {
            Some(name) => self.by_name.get(name).cloned().unwrap_or_default(),
            None => 0..self.series.len(),
        };
        // Those of a name need not be asked for it again.
        let is_known = |m: &&Matcher| m.label == "__name__" && matches!(m.op, MatchOp::Equal);
        let open: Vec<&Matcher> = selector.matchers.iter().filter(|m| !is_known(m)).collect();
        let is_meant = |labels: &Labels| match selector.metric() {
            Some(_) if selector.matchers.len() == open.len() + 1 => {
                open.iter().all(|m| m.matches(labels.get(&m.label)))
            }
            _ => selector.matches(labels),
        };
        let found = places.map(|place| Found { series: self.series[place], marked: &self.marked[place] });
        let mut found: Vec<Found<'_, 'a>> = found.filter(|found| is_meant(&found.series.labels)).collect();
        if let Some(below) = self.below {
            let above = found.len();
            found.extend(below.find(selector).into_iter().filter(|found| !self.has(&found.series.labels)));
            if above > 0 {
                found.sort_by(|a, b| order(&a.series.labels, &b.series.labels));
            }
        }
        found
    }

    fn has(&self, labels: &Labels) -> bool {
        self.series.binary_search_by(|one| order(&one.labels, labels)).is_ok()
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

/// By name, then by labels.
fn order(a: &Labels, b: &Labels) -> Ordering {
    (a.name(), a).cmp(&(b.name(), b))
}

impl Found<'_, '_> {
    /// Whether there are stale markers among its samples.
    pub(super) fn is_marked(&self) -> bool {
        *self.marked.get_or_init(|| self.series.samples.iter().any(|s| is_stale(s.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::Sample;
    use crate::promql::parse;

    #[test]
    fn of_two_layers_the_upper_one_is_found() {
        let series = |job: &str, value| Series {
            labels: Labels::new([("__name__", "x"), ("job", job)]),
            samples: vec![Sample { at: 0, value }],
        };
        let (a, c, b, upper) = (series("a", 1.0), series("c", 1.0), series("b", 2.0), series("c", 2.0));
        let below = Storage::new([&a, &c]);
        let both = Storage::over(&below, [&b, &upper]);
        let expr = parse("x").expect("it is PromQL");
        let found = both.select(expr.selectors()[0].selector);
        let seen: Vec<(&str, f64)> = found.iter().map(|s| (s.labels.get("job"), s.samples[0].value)).collect();
        assert_eq!(seen, [("a", 1.0), ("b", 2.0), ("c", 2.0)]);
    }
}
