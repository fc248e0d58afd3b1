//! Which expression, metric and promise of the five design notes is evaluated by which scenario. What the notes have is listed
//! in `tests/coverage/`; where it is evaluated is found by reading the scenarios that ship and their rule files, and
//! comparing expressions as trees, so that nobody has to keep a table by hand.
//!
//! `UPDATE_GOLDEN=1 cargo test --test shipped coverage::` writes `docs/coverage.md`; read the difference.

mod normal;
mod rows;
mod scenes;
mod table;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use rows::Rows;
use scenes::Scenes;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_list_is_whole() {
    let rows = Rows::read();
    let ids: Vec<String> = (1..=140).map(|n| format!("E{n:03}")).collect();
    assert_eq!(rows.expressions.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), ids);
    for row in rows.all() {
        assert!(row.cannot.as_ref().is_none_or(|why| rows.reasons.contains_key(why)), "{}: no such reason", row.id);
    }
    for why in rows.reasons.keys() {
        assert!(rows.all().any(|row| row.cannot.as_ref() == Some(why)), "{why}: nobody's reason");
    }
}

#[test]
fn what_can_be_evaluated_is() {
    let (rows, scenes) = (Rows::read(), Scenes::read());
    let mut missing = Vec::new();
    for row in rows.all() {
        let found = scenes.places(&rows, row);
        if row.cannot.is_none() && (found.missing.len() + usize::from(found.places.is_empty())) > 0 {
            missing.push(format!("{} ({}): {} {:?}", row.id, row.of, row.says, found.missing));
        }
    }
    assert!(missing.is_empty(), "not evaluated by any scenario:\n{}", missing.join("\n"));
}

#[test]
fn the_page_says_what_the_scenarios_do() {
    let path = root().join("docs/coverage.md");
    let written = table::page(&Rows::read(), &Scenes::read());
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        fs::write(&path, written).expect("writable");
        return;
    }
    let page = text(&path);
    let differs = page.lines().zip(written.lines()).find(|(is, should)| is != should);
    assert!(
        page == written,
        "docs/coverage.md is not what the scenarios say: UPDATE_GOLDEN=1 cargo test --test shipped coverage:: writes it; {differs:?}"
    );
}

#[test]
fn expressions_are_equal_whatever_their_spelling() {
    let same = |a: &str, b: &str| assert_eq!(normal::form(a), normal::form(b), "{a} and {b}");
    let other = |a: &str, b: &str| assert_ne!(normal::form(a), normal::form(b), "{a} and {b}");
    same("( sum by(le,a) (rate(x[5m])) )", "sum(rate(x[$window])) by (a, le)");
    same("x{a='1', b=\"2\"}", "x{b=\"2\",a=\"1\"}");
    same("a / (b + c) # why", "a/(b+c)");
    same("x > 0.10", "x > 1e-1");
    other("a / b + c", "a / (b + c)");
    other("x{a=\"1\"}", "x{a=~\"1\"}");
    other("rate(x[5m])", "increase(x[5m])");
    other("rate(x[5m])", "rate(x[5m] offset 1h)");
    other("x > 1", "x > 2");
    other("sum by (a) (x)", "sum without (a) (x)");
    other("a / on (x) b", "a / b");
    assert_eq!(normal::form("{a=\"b\"} | json"), None);
    assert_eq!(normal::bound("value > 99%"), normal::bound("value >= 0.99"));
    assert_eq!(normal::bound("value < 500ms"), Some(0.5));
}

/// What the practice targets expose is what the list says: each metric by its name, type and labels.
#[test]
fn practice_targets_expose_the_metrics_of_the_list() {
    let rows = Rows::read();
    let mut wrong = Vec::new();
    for system in ["quote-service", "quantum-trader", "b25", "trading-platform"] {
        if proofload::sim::System::named(system).is_ok() {
            let page = targets::pages(system);
            let listed = rows.metrics.iter().filter(|row| row.of == system && row.cannot.is_none());
            wrong.extend(listed.filter_map(|row| targets::differs(&page, row)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
