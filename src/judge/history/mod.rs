//! Many runs of one scenario: how its figures went over time, and where they changed.

mod change;

pub use change::{CHANCE, Change as Shift, least_runs};

use serde::Serialize;

use super::verdict::Verdict;
use crate::base::seed::Seed;

/// A run, as far as a history needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// What it is called: its folder's name, a time.
    pub run: String,
    /// How it was judged.
    pub verdict: Verdict,
    /// Its figures: traffic, measure, value.
    pub figures: Vec<(String, String, f64)>,
}

/// Runs of one scenario that were run in the same way, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// What the scenario is called.
    pub scenario: String,
    /// The runs, with how each was judged.
    pub runs: Vec<(String, Verdict)>,
    /// Each figure.
    pub series: Vec<Series>,
    /// Runs that say nothing here, and why.
    pub left_out: Vec<(String, String)>,
}

/// A figure over many runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The traffic.
    pub traffic: String,
    /// `p50`, `p95`, `p99`, `errors` or `rate`.
    pub measure: String,
    /// Of each run, in seconds, as a fraction of 1, or per second; nothing where it was not measured.
    pub values: Vec<Option<f64>>,
    /// Where it changed, in order.
    pub changes: Vec<Shift>,
}

impl History {
    /// Lays out runs that are comparable, the oldest first. What is less than `threshold`, a part of what was before, does not
    /// matter; of errors, a tenth of it.
    pub fn new(scenario: &str, runs: &[Past], left_out: Vec<(String, String)>, threshold: f64, seed: Seed) -> History {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for (traffic, measure, _) in runs.iter().flat_map(|run| &run.figures) {
            if !names.contains(&(traffic, measure)) {
                names.push((traffic, measure));
            }
        }
        let of = |(traffic, measure): &(&str, &str)| {
            let value = |run: &Past| {
                let found = run.figures.iter().find(|(t, m, _)| t == traffic && m == measure);
                // What was not the experiment is no figure of the target.
                found.filter(|_| run.verdict != Verdict::Invalid).map(|(.., value)| *value)
            };
            let values: Vec<Option<f64>> = runs.iter().map(value).collect();
            let seed = seed.stream(&format!("history {traffic} {measure}"));
            let changes = change::changes(&values, &Terms { measure, threshold, series: names.len() }, seed);
            Series { traffic: (*traffic).into(), measure: (*measure).into(), values, changes }
        };
        History {
            scenario: scenario.into(),
            runs: runs.iter().map(|run| (run.run.clone(), run.verdict)).collect(),
            series: names.iter().map(of).collect(),
            left_out,
        }
    }

    /// The changes of all figures, each with the figure and the name of the run with which it began.
    pub fn changes(&self) -> impl Iterator<Item = (&Series, &Shift, &str)> {
        self.series.iter().flat_map(move |series| {
            series.changes.iter().map(move |shift| (series, shift, self.runs[shift.at].0.as_str()))
        })
    }
}

/// What a change is measured by.
pub(super) struct Terms<'t> {
    /// The measure.
    pub measure: &'t str,
    /// What is less does not matter.
    pub threshold: f64,
    /// How many figures are looked at.
    pub series: usize,
}
