//! The page that is made of all that.

use std::fmt::Write as _;

use super::rows::{Row, Rows};
use super::scenes::{Found, Scenes};

/// The systems by their folders, and what they are called.
const SYSTEMS: [(&str, &str); 5] = [
    ("quote-service", "The quote service"),
    ("quantum-trader", "Quantum Trader"),
    ("trading-platform", "The trading platform"),
    ("b25", "B25"),
    ("tradeengine", "The trade engine"),
];
/// So many places are told; the rest are counted.
const MOST: usize = 4;

const HEAD: &str = "\
# What of the design notes the scenarios hold

Five trading systems came with design notes. This page says of each PromQL expression in them, of each metric that they name and
of each figure that they promise, which scenario evaluates it: file and line below `scenarios/`. It is written by
`UPDATE_GOLDEN=1 cargo test --test shipped coverage::`, which reads the scenarios and their rule files and compares expressions as trees
(spelling, parentheses and the length of ranges make no difference: a promise has `[$window]` where a dashboard has `[5m]`); CI fails
when the page is not what they say. What is listed stands in `tests/coverage/`.

Beside a place stands the bound: one of `>= 0` asks only that there is an answer. *Corrected* is a rule of the same name whose expression was
put right, because as published it does not do what it says; the published ones are in `as-published/` and replayed by
`must-fail/as-published.yaml`. An expression that is *always empty* (`=` with a pipe, two sides whose labels never match) is evaluated as
it stands with severity `info`, and comes out INCONCLUSIVE with the reason, beside one that has an answer.

";

/// The page.
pub fn page(rows: &Rows, scenes: &Scenes) -> String {
    let mut out = HEAD.to_owned();
    let is_held =
        |row: &Row, found: &Found| row.cannot.is_none() && !found.places.is_empty() && found.missing.is_empty();
    let count = |of: &[Row], system: &str| {
        let mine: Vec<&Row> = of.iter().filter(|row| row.of == system).collect();
        let held = mine.iter().filter(|row| is_held(row, &scenes.places(rows, row))).count();
        let cannot = mine.iter().filter(|row| row.cannot.is_some()).count();
        match (mine.len(), cannot) {
            (0, _) => "none".into(),
            (all, 0) => format!("{held} of {all}"),
            (all, cannot) => format!("{held} of {all}, {cannot} cannot be"),
        }
    };
    let _ = writeln!(out, "| system | expressions | metrics | promises |\n|---|---|---|---|");
    for (system, title) in SYSTEMS {
        let [expressions, metrics, promises] =
            [&rows.expressions, &rows.metrics, &rows.promises].map(|of| count(of, system));
        let _ = writeln!(out, "| {title} | {expressions} | {metrics} | {promises} |");
    }
    for (system, title) in SYSTEMS {
        let _ = writeln!(out, "\n## {title}");
        let of = |all: &'_ [Row]| all.iter().filter(|row| row.of == system).cloned().collect::<Vec<_>>();
        let expressions = of(&rows.expressions);
        let _ = writeln!(out, "\n| id | asks | expression | evaluated by |\n|---|---|---|---|");
        for row in &expressions {
            let expr = row.expr.as_deref().unwrap_or_default().replace('|', "\\|");
            let _ = writeln!(out, "| {} | {} | `{expr}` | {} |", row.id, row.says, told(rows, scenes, row));
        }
        let promises = of(&rows.promises);
        let _ = writeln!(out, "\n| id | promises | held by |\n|---|---|---|");
        for row in &promises {
            let _ = writeln!(out, "| {} | {} | {} |", row.id, row.says, told(rows, scenes, row));
        }
        let metrics = of(&rows.metrics);
        if !metrics.is_empty() {
            let _ = writeln!(out, "\n| id | metric | type | read by |\n|---|---|---|---|");
        }
        for row in &metrics {
            let kind = row.kind.as_deref().unwrap_or_default();
            let _ = writeln!(out, "| {} | `{}` | {kind} | {} |", row.id, row.says, told(rows, scenes, row));
        }
    }
    let _ = writeln!(out, "\n## What cannot be evaluated, and why\n\n| | | |\n|---|---|---|");
    for (why, reason) in &rows.reasons {
        let ids: Vec<&str> =
            rows.all().filter(|row| row.cannot.as_ref() == Some(why)).map(|row| row.id.as_str()).collect();
        let _ = writeln!(out, "| {why} | {reason} | {} |", ids.join(", "));
    }
    out
}

/// Where a row is evaluated, in a few words.
fn told(rows: &Rows, scenes: &Scenes, row: &Row) -> String {
    if let Some(why) = &row.cannot {
        return format!("– ({why})");
    }
    let found = scenes.places(rows, row);
    if found.places.is_empty() {
        return "not yet".into();
    }
    let short = |(place, what): &(String, String)| {
        let place = place.strip_prefix(&format!("{}/", row.of)).unwrap_or(place);
        if what.is_empty() { place.to_owned() } else { format!("{place} ({})", what.replace('|', "\\|")) }
    };
    let mut words: Vec<String> = found.places.iter().take(MOST).map(short).collect();
    if found.places.len() > MOST {
        words.push(format!("and {} more", found.places.len() - MOST));
    }
    if !found.missing.is_empty() {
        words.push(format!("not yet: {}", found.missing.join(", ").replace('|', "\\|")));
    }
    words.join(", ")
}
