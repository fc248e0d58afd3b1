//! Runs unit tests.

use super::super::group::Group;
use super::super::replay::{Replay, Setup};
use super::file::{AlertTest, ExprTest, Test, TestFile};
use crate::base::mistake::Place;
use crate::base::series::Labels;
use crate::promql::{Element, Options, Semantics, Storage, print_length};

/// What was not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// Where the expectation stands.
    pub at: Place,
    /// What was looked at: an alert or an expression, and when.
    pub what: String,
    /// What was expected, in lines.
    pub wanted: Vec<String>,
    /// What was found.
    pub found: Vec<String>,
}

/// Runs one test of a file over these groups; what comes back is not as expected.
///
/// All groups tick at the interval of the file, whatever they say, from the start of the test to the last time that is
/// looked at; no sample after the last tick is seen.
pub fn run(file: &TestFile, test: &Test, groups: &[Group], semantics: Semantics) -> Vec<Miss> {
    let groups = ordered(groups, &file.order);
    let last = test.alerts.iter().map(|a| a.eval_ms).chain(test.exprs.iter().map(|e| e.eval_ms)).max();
    let Some(last) = last else { return Vec::new() };
    let last_tick = test.start_ms + last / file.interval_ms * file.interval_ms;
    let mut series = test.series.clone();
    for one in &mut series {
        let seen = one.samples.partition_point(|sample| sample.at <= last_tick);
        one.samples.truncate(seen);
    }
    let storage = Storage::new(&series);
    let options = Options { semantics, subquery_step_ms: file.interval_ms, ..Options::default() };
    let setup = Setup {
        interval_ms: file.interval_ms,
        origin_ms: test.start_ms,
        one_interval: true,
        options,
        external_labels: test.external_labels.clone(),
        external_url: test.external_url.clone(),
        ..Setup::new(test.start_ms, last_tick)
    };
    let mut replay = Replay::new(&groups, &storage, &setup);
    let mut misses = Vec::new();
    let mut alerts: Vec<&AlertTest> = test.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.eval_ms);
    for alert in alerts {
        let tick = test.start_ms + alert.eval_ms / file.interval_ms * file.interval_ms;
        replay.run_until(tick);
        misses.extend(check_alerts(alert, replay.firing(&alert.name, tick)));
    }
    replay.run_until(last_tick);
    for (rule, failure) in replay.failures() {
        let when = print_length(failure.from_ms - test.start_ms);
        let what = format!("rule {} at {when}: {}", rule.name, failure.why);
        misses.push(Miss { at: test.at, what, wanted: Vec::new(), found: Vec::new() });
    }
    for expr in &test.exprs {
        misses.extend(check_expr(expr, replay.query(&expr.expr, test.start_ms + expr.eval_ms), file.fuzzy));
    }
    misses.sort_by_key(|miss| miss.at);
    misses
}

/// Groups that are named come first, in that order.
fn ordered(groups: &[Group], order: &[String]) -> Vec<Group> {
    let mut groups = groups.to_vec();
    let place = |group: &Group| order.iter().position(|name| *name == group.name).unwrap_or(order.len());
    groups.sort_by_key(place);
    groups
}

fn check_alerts(test: &AlertTest, firing: Vec<(Labels, Vec<(String, String)>)>) -> Option<Miss> {
    let named = |labels: &Labels| {
        let mut labels = labels.clone();
        labels.set("alertname", test.name.as_str());
        labels
    };
    let mut wanted: Vec<_> = test.alerts.iter().map(|a| (named(&a.labels), a.annotations.clone())).collect();
    let mut found: Vec<_> = firing.into_iter().map(|(labels, said)| (labels, Labels::new(said))).collect();
    wanted.sort();
    found.sort();
    if wanted == found {
        return None;
    }
    let lines = |alerts: &[(Labels, Labels)]| {
        let of = |(labels, said): &(Labels, Labels)| {
            let annotations = said.iter().map(|(name, text)| format!("  {name}: {text:?}")).collect::<Vec<_>>();
            std::iter::once(labels.to_string()).chain(annotations)
        };
        alerts.iter().flat_map(of).collect()
    };
    let what = format!("alert {} at {}", test.name, print_length(test.eval_ms));
    Some(Miss { at: test.at, what, wanted: lines(&wanted), found: lines(&found) })
}

fn check_expr(test: &ExprTest, answer: Result<Vec<Element>, String>, fuzzy: bool) -> Option<Miss> {
    let what = format!("expression {} at {}", test.expr.trim(), print_length(test.eval_ms));
    let mut found = match answer {
        Ok(found) => found,
        Err(why) => {
            return Some(Miss { at: test.at, what: format!("{what}: {why}"), wanted: Vec::new(), found: Vec::new() });
        }
    };
    let mut wanted = test.samples.clone();
    wanted.sort_by(|a, b| a.labels.cmp(&b.labels));
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    let same = |(a, b): (&Element, &Element)| a.labels == b.labels && equal(a.value, b.value, fuzzy);
    if wanted.len() == found.len() && wanted.iter().zip(&found).all(same) {
        return None;
    }
    let lines = |all: &[Element]| all.iter().map(|e| format!("{} {}", e.labels, number(e.value))).collect();
    Some(Miss { at: test.at, what, wanted: lines(&wanted), found: lines(&found) })
}

/// Whether two numbers are the same; or, if that is enough, neighbours. Unlike promtool, `NaN` is met by `NaN`.
fn equal(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (fuzzy && (a.next_up() == b || a.next_down() == b))
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}
