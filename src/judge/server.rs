//! Promises about what the target says of itself.

use super::evaluate;
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity};
use crate::base::series::Series;
use crate::scenario::{Compare, Promise};

/// The scraped series of a run, laid out for questions.
pub struct Server<'a> {
    trial: &'a Trial<'a>,
}

impl<'a> Server<'a> {
    /// Takes the scraped series.
    pub fn new(trial: &'a Trial<'a>, _samples: &'a [Series]) -> Server<'a> {
        Server { trial }
    }

    /// What a PromQL promise comes to.
    pub fn finding(&self, promise: &Promise, expr: &str, compare: Compare, bound: f64) -> Finding {
        let parts = self.trial.windows.cut(promise.window, None).parts;
        let bound = Quantity { value: bound, kind: Kind::Plain };
        let mut finding = evaluate::blank(self.trial, promise, parts, bound, compare.word());
        finding.promql = Some(expr.to_owned());
        finding.why = "PromQL promises are not judged yet".into();
        finding
    }
}
