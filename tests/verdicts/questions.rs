//! What a second evaluator is asked about alerts: what their rules read, when something came of it and in between.

use std::collections::{BTreeMap, BTreeSet};

use proofload::judge::{self, Question};

use super::case::{Case, WALL};
use super::*;

/// By expression, the seconds of the plan at which it is asked about; all for one finding.
fn asked(name: &str, finding: usize) -> BTreeMap<String, BTreeSet<i64>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name);
    let case = Case::read(&fs::read_to_string(path).expect("a case")).expect("a case");
    let mut all: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for Question { finding: of, expr, at_ms } in
        judge::questions(&case.scenario, &case.plan, &case.evidence(), &case.series)
    {
        assert_eq!(of, finding, "{expr}");
        let ms = at_ms - WALL / 1_000_000;
        assert_eq!(ms % 1_000, 0, "{expr}: whole seconds here");
        all.entry(expr).or_default().insert(ms / 1_000);
    }
    all
}

/// Where the alert became pending, fired and let go, and from one end of the run to the other.
#[test]
fn an_alert_is_asked_about_where_something_came_of_it_and_in_between() {
    let asked = asked("alert-fires-in-time.case", 0);
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["depth > 5"]);
    let at = &asked["depth > 5"];
    for turn in [25, 30, 40] {
        assert!(at.contains(&turn), "{turn} s: {at:?}");
    }
    assert!(at.iter().all(|second| second % 5 == 0), "its group is evaluated every 5 s: {at:?}");
    assert!(at.first() <= Some(&5) && at.last() >= Some(&80), "{at:?}");
    assert!((10..=14).contains(&at.len()), "{at:?}");
}

/// What a rule writes is in no sample: the second evaluator is asked what that rule reads.
#[test]
fn what_a_rule_wrote_is_asked_about_where_it_came_from() {
    let asked = asked("alert-missing-behind-a-record.case", 0);
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["depth / size"]);
}
