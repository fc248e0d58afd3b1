//! The labels of an element on its way through an expression: borrowed from the series until something changes them,
//! so that `sum(rate(x[1m]))` copies no label at all.

use std::borrow::Cow;

use super::ast::{Grouping, MatchLabels};
use crate::base::series::Labels;

const NAME: &str = "__name__";

/// Whether a label says what a metric is rather than whose: dropped together with its name.
fn is_metadata(label: &str) -> bool {
    label.starts_with("__") && matches!(label, NAME | "__type__" | "__unit__")
}

/// Labels, with the metric's name (and type and unit) hidden once a function has dropped it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags<'a> {
    labels: Cow<'a, Labels>,
    nameless: bool,
}

impl<'a> Tags<'a> {
    /// The labels of a series.
    pub(super) fn of(labels: &'a Labels) -> Tags<'a> {
        Tags { labels: Cow::Borrowed(labels), nameless: false }
    }

    /// Labels of its own.
    pub(super) fn owned(labels: Labels) -> Tags<'a> {
        Tags { labels: Cow::Owned(labels), nameless: false }
    }

    /// The value of a label; empty when there is none.
    pub(super) fn get(&self, label: &str) -> &str {
        if self.nameless && is_metadata(label) { "" } else { self.labels.get(label) }
    }

    /// All labels, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().filter(|(label, _)| !(self.nameless && is_metadata(label)))
    }

    /// The same without the metric's name.
    #[must_use]
    pub(super) fn without_name(self) -> Tags<'a> {
        Tags { nameless: true, ..self }
    }

    /// The name that the series had, dropped or not.
    pub(super) fn origin(&self) -> &str {
        self.labels.name()
    }

    /// All that is dropped with the name, dropped or not.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.leading().filter(|(label, _)| is_metadata(label))
    }

    /// Whether the same is dropped of two series with their names.
    pub(super) fn has_metadata_of(&self, other: &Tags<'_>) -> bool {
        self.metadata().eq(other.metadata())
    }

    /// Labels that stand on their own.
    pub(super) fn into_labels(self) -> Labels {
        if self.nameless { self.labels.filter(|label| !is_metadata(label)) } else { self.labels.into_owned() }
    }

    /// Only the labels that `keep` holds for.
    pub(super) fn filter(&self, keep: impl Fn(&str) -> bool) -> Labels {
        self.labels.filter(|label| keep(label) && !(self.nameless && is_metadata(label)))
    }

    /// The same without one label.
    #[must_use]
    pub(super) fn without(self, label: &str) -> Tags<'a> {
        Tags { labels: Cow::Owned(self.labels.filter(|l| l != label)), ..self }
    }

    /// Writes a key into `key` that two elements share exactly when all their labels but one are the same.
    pub(super) fn key_without(&self, label: &str, key: &mut Vec<u8>) {
        key.clear();
        self.iter().filter(|(name, _)| *name != label).for_each(|(name, value)| push(key, name, value));
    }

    /// The labels of the group that an element belongs to.
    pub(super) fn group(&self, grouping: &Grouping) -> Labels {
        match grouping {
            Grouping::By(names) => self.filter(|label| names.iter().any(|n| n == label)),
            Grouping::Without(names) => self.filter(|label| label != NAME && !names.iter().any(|n| n == label)),
        }
    }

    /// Writes a key into `key` that two elements share exactly when they belong to one group.
    pub(super) fn group_key(&self, grouping: &Grouping, key: &mut Vec<u8>) {
        key.clear();
        match grouping {
            Grouping::By(names) => names.iter().for_each(|name| push(key, name, self.get(name))),
            Grouping::Without(names) => self.push_all_but(names, key),
        }
    }

    /// Writes a key into `key` that two elements share exactly when they match.
    pub(super) fn match_key(&self, labels: &MatchLabels, key: &mut Vec<u8>) {
        key.clear();
        match labels {
            MatchLabels::On(names) => names.iter().for_each(|name| push(key, name, self.get(name))),
            MatchLabels::Ignoring(names) => self.push_all_but(names, key),
        }
    }

    /// Writes a key into `key` that two elements share exactly when all their labels are the same.
    pub(super) fn full_key(&self, key: &mut Vec<u8>) {
        key.clear();
        self.iter().for_each(|(label, value)| push(key, label, value));
    }

    fn push_all_but(&self, names: &[String], key: &mut Vec<u8>) {
        for (label, value) in self.labels.iter() {
            if label != NAME && !(self.nameless && is_metadata(label)) && !names.iter().any(|n| n == label) {
                push(key, label, value);
            }
        }
    }
}

/// 0xff occurs in no UTF-8 text, so it tells `a="aa"` from `aa="a"`.
fn push(key: &mut Vec<u8>, label: &str, value: &str) {
    key.extend_from_slice(label.as_bytes());
    key.push(0xff);
    key.extend_from_slice(value.as_bytes());
    key.push(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_run_together() {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let by = Grouping::By(vec!["a".into(), "b".into()]);
        Tags::owned(Labels::new([("a", "aa"), ("b", "bb")])).group_key(&by, &mut one);
        Tags::owned(Labels::new([("a", "a"), ("b", "abb")])).group_key(&by, &mut two);
        assert_ne!(one, two);
    }

    #[test]
    fn a_dropped_name_is_gone() {
        let labels = Labels::new([("__name__", "up"), ("job", "a")]);
        let tags = Tags::of(&labels).without_name();
        assert_eq!((tags.get("__name__"), tags.origin()), ("", "up"));
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("job", "a")]);
        assert_eq!(tags.group(&Grouping::By(vec!["__name__".into(), "job".into()])), Labels::new([("job", "a")]));
        assert_eq!(tags.into_labels(), Labels::new([("job", "a")]));
    }
}
