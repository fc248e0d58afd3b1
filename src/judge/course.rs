//! How the value of a PromQL promise went over time. It decides nothing: a promise is judged by one answer for its window, or for
//! each slice of it. It shows when a promise broke that was not kept.

use std::time::Duration;

use super::server::{Server, window};
use super::verdict::{Finding, Verdict};
use crate::base::series::Labels;
use crate::base::time::Offset;
use crate::promql::{self, Element, Options, Value};
use crate::scenario::{Claim, Compare, Promise, Source};

/// So often a promise is asked over the measured phase.
const ASKED: u32 = 40;
/// So many promises are, in their order: each answer reads every series that it names.
const MOST: usize = 8;
/// `$window` stands for so many scrapes at least; of fewer a rate says little.
const SCRAPES: u32 = 4;

/// The value of an expression over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// What stands for `$window`; nothing where the expression does not name it.
    pub window: Option<Duration>,
    /// When, and the value of the worst element of the answer; nothing where there was none.
    pub values: Vec<(Offset, Option<f64>)>,
}

impl Server<'_> {
    /// Adds to each PromQL promise that was not kept how its value went.
    pub(super) fn draw(&self, promises: &[Promise], findings: &mut [Finding]) {
        let mut left = MOST;
        for (promise, finding) in promises.iter().zip(findings) {
            if left > 0 && finding.verdict != Verdict::Pass {
                finding.course = self.course(promise);
                left -= usize::from(finding.course.is_some());
            }
        }
    }

    fn course(&self, promise: &Promise) -> Option<Course> {
        let Claim::Server { expr, compare, source, .. } = &promise.claim else { return None };
        let measured = self.trial.timeline.measured(None);
        let scrape = self.trial.scenario.jobs.iter().map(|job| job.every).max().unwrap_or(Duration::from_secs(1));
        let tenth = measured.length() / 10;
        let length = promise.each.unwrap_or_else(|| tenth.max(scrape * SCRAPES));
        let length = Duration::from_secs(length.as_secs_f64().ceil() as u64);
        let named = expr.contains("$window").then_some(length);
        let expr = promql::parse(&expr.replace("$window", &window(length))).ok()?;
        let fetched = self.fetched();
        let (storage, options) = match source {
            Source::Scrape => (&self.storage, Options::default()),
            Source::Prometheus => fetched.map(|(fetched, storage)| (storage, fetched.options()))?,
        };
        // The first answer reads nothing of the warm-up.
        let from = measured.start + named.unwrap_or_default();
        let step = measured.end.min(self.trial.windows.seen).since(from) / ASKED;
        if step.is_zero() {
            return None;
        }
        let ask = |n: u32| {
            let at = from + step * n;
            let elements = match promql::evaluate(&expr, storage, self.unix_ms(at), &options) {
                Ok(Value::Vector(elements)) => elements,
                Ok(Value::Scalar(value)) => vec![Element { labels: Labels::default(), value }],
                Ok(Value::Matrix(_) | Value::Text(_)) | Err(_) => Vec::new(),
            };
            (at, worst(&elements, *compare))
        };
        let values: Vec<_> = (0..=ASKED).map(ask).collect();
        values.iter().any(|(_, value)| value.is_some()).then_some(Course { window: named, values })
    }
}

/// Of an answer the value that is farthest on the wrong side; nothing where none can be drawn.
fn worst(elements: &[Element], compare: Compare) -> Option<f64> {
    let values = elements.iter().map(|element| element.value).filter(|value| value.is_finite());
    if compare.is_ceiling() { values.max_by(f64::total_cmp) } else { values.min_by(f64::total_cmp) }
}
