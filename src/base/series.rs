//! Time series in Prometheus's shape: what scrapes yield, evidence keeps and PromQL reads.

use std::fmt;

/// A set of labels, sorted by name, each name once; the metric's name is the label `__name__`. An empty value is the
/// same as no label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// From pairs in any order; of two with one name the later wins, empty values are dropped.
    pub fn new<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels {
        let mut labels = Labels::default();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }

    /// The value of a label; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        // One after the other: few labels have the same length of name, and only those are read.
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The metric's name; empty when there is none.
    pub fn name(&self) -> &str {
        self.get("__name__")
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match (self.0.binary_search_by(|(n, _)| n.cmp(&name)), value.is_empty()) {
            (Ok(i), true) => drop(self.0.remove(i)),
            (Ok(i), false) => self.0[i].1 = value,
            (Err(_), true) => {}
            (Err(i), false) => self.0.insert(i, (name, value)),
        }
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) {
        self.set(name, "");
    }

    /// All labels, sorted by name, `__name__` included.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The labels whose names begin with an underscore or an upper-case letter, which come before all others: what is said of
    /// the metric itself is among them.
    pub fn leading(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().take_while(|(name, _)| name.as_bytes().first().is_some_and(|byte| *byte <= b'_'))
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels for which `keep` holds.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Labels {
        Labels(self.0.iter().filter(|(n, _)| keep(n)).cloned().collect())
    }
}

/// `name{a="b",c="d"}`, escaped as in the exposition format.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let mut open = false;
        for (name, value) in self.iter().filter(|(n, _)| *n != "__name__") {
            f.write_str(if open { "," } else { "{" })?;
            open = true;
            write!(f, "{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))?;
        }
        f.write_str(match (open, self.name().is_empty()) {
            (true, _) => "}",
            (false, true) => "{}",
            (false, false) => "",
        })
    }
}

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Milliseconds on the axis of whoever made the sample.
    pub at: i64,
    /// May be NaN or infinite; [`stale`] marks the end of a series.
    pub value: f64,
}

/// A series and its samples in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Who it is.
    pub labels: Labels,
    /// In order of time, no instant twice.
    pub samples: Vec<Sample>,
}

/// The bit pattern by which Prometheus marks that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks that a series has ended.
pub fn stale() -> f64 {
    f64::from_bits(STALE)
}

/// Whether a value is the stale marker; an ordinary NaN is not.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_print_escaped() {
        let labels = Labels::new([("b", "x\"y"), ("__name__", "up"), ("a", "1"), ("c", "")]);
        assert_eq!(labels.to_string(), "up{a=\"1\",b=\"x\\\"y\"}");
        assert_eq!(labels.get("c"), "");
        assert_eq!(Labels::default().to_string(), "{}");
    }

    #[test]
    fn only_the_marker_is_stale() {
        assert!(is_stale(stale()) && !is_stale(f64::NAN));
    }
}
