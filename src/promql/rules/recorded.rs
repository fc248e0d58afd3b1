//! The series that rules make, and the markers that end them.

use std::collections::HashMap;

use crate::base::series::{Labels, Sample, Series, stale};

/// Names a series among those that rules make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(usize);

/// Series that rules make.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    series: Vec<Series>,
    ids: HashMap<Labels, Id>,
    /// In which evaluation each was last written.
    written: Vec<u64>,
    evaluation: u64,
}

impl Recorded {
    /// The series of these labels.
    pub(super) fn id(&mut self, labels: &Labels) -> Id {
        if let Some(id) = self.ids.get(labels) {
            return *id;
        }
        let id = Id(self.series.len());
        self.series.push(Series { labels: labels.clone(), samples: Vec::new() });
        self.written.push(0);
        self.ids.insert(labels.clone(), id);
        id
    }

    /// Begins the evaluation of a rule, whose series are those that are written until [`end`](Self::end).
    pub(super) fn begin(&mut self) {
        self.evaluation += 1;
    }

    /// Writes a sample. One that is not newer than the last is dropped, as Prometheus does.
    pub(super) fn write(&mut self, id: Id, at: i64, value: f64) {
        self.written[id.0] = self.evaluation;
        let samples = &mut self.series[id.0].samples;
        if samples.last().is_none_or(|last| last.at < at) {
            samples.push(Sample { at, value });
        }
    }

    /// Ends the evaluation of a rule: of what it wrote in the one before, what it did not write in this one is over.
    pub(super) fn end(&mut self, before: &[Id], at: i64) {
        for id in before.iter().filter(|id| self.written[id.0] != self.evaluation) {
            let samples = &mut self.series[id.0].samples;
            if samples.last().is_none_or(|last| last.at < at) {
                samples.push(Sample { at, value: stale() });
            }
        }
    }

    /// All of them, those among them that have no sample left out.
    pub(super) fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| !series.samples.is_empty())
    }

    pub(super) fn into_series(self) -> Vec<Series> {
        let mut all = self.series;
        all.retain(|series| !series.samples.is_empty());
        all.sort_by(|a, b| (a.labels.name(), &a.labels).cmp(&(b.labels.name(), &b.labels)));
        all
    }
}
