//! What must be fetched from a Prometheus server so that rules can be replayed over its samples.

use std::time::Duration;

use super::basis;
use super::book::{self, Alert, Book};
use crate::judge::fetched::Selection;
use crate::scenario::{Scenario, Source};

/// Every selector that rules read and do not write themselves, as far back as they read it at their first evaluation.
pub fn selections(scenario: &Scenario) -> Vec<Selection> {
    let Some(alerts) = scenario.alerts.as_ref().filter(|alerts| alerts.source == Source::Prometheus) else {
        return Vec::new();
    };
    let book = Book::read(alerts);
    let lead = basis::lead(&book);
    let back = |alert: &Alert| -> Duration { alert.reach.saturating_add(lead) };
    let of = |alert: &Alert| -> Vec<Selection> {
        let selectors = alert.reads.iter().flat_map(|expr| expr.selectors()).map(|s| s.selector);
        let given = selectors.filter(|selector| !book::is_written(selector, &book));
        given.map(|selector| Selection::new(selector, back(alert))).collect()
    };
    book.alerts.iter().flat_map(of).collect()
}
