//! Two runs side by side: for people, for machines, for pull requests.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::base::units;
use crate::judge::{Change, Compared, Comparison};

/// What columns are called.
pub(super) const HEAD: [&str; 7] = ["", "figure", "base", "candidate", "change", "surely between", "p"];

/// A candidate beside its base.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The folder of the base.
    pub base: String,
    /// The folder of the candidate.
    pub candidate: String,
    /// What sets them apart beside the target.
    pub unfair: Vec<String>,
    /// What is less does not matter: a part of the base.
    pub threshold: f64,
    /// What came of each traffic.
    pub traffic: Vec<Comparison>,
}

impl Pair {
    /// The worst that came of any figure.
    pub fn outcome(&self) -> Option<Compared> {
        self.changes().map(|change| change.outcome).max()
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.traffic.iter().flat_map(|comparison| &comparison.changes)
    }

    fn count(&self, outcome: Compared) -> usize {
        self.changes().filter(|change| change.outcome == outcome).count()
    }

    /// In a sentence.
    pub fn headline(&self) -> String {
        let all = self.changes().count();
        let words = [Compared::Worse, Compared::Undecided, Compared::Better, Compared::Same];
        let counted = words.iter().map(|outcome| (self.count(*outcome), outcome.word())).filter(|(n, _)| *n > 0);
        let parts: Vec<String> = counted.map(|(n, word)| format!("{n} {word}")).collect();
        match all {
            0 => "nothing to compare".into(),
            _ => format!("of {all} figures {}; {} matters", parts.join(", "), units::percent(self.threshold)),
        }
    }
}

/// The cells of a figure.
pub(super) fn cells(change: &Change) -> [String; 7] {
    let value = |value: f64| match change.measure {
        "errors" => units::percent(value),
        "rate" => format!("{value:.1}/s"),
        _ => units::measured(Duration::from_secs_f64(value.max(0.0))),
    };
    let between = change.between.map_or_else(|| "–".into(), |[a, b]| format!("{} to {}", signed(a), signed(b)));
    [
        change.outcome.word().into(),
        format!("{}({})", change.measure, change.traffic),
        value(change.base),
        value(change.candidate),
        signed(change.change),
        between,
        change.p.map_or_else(|| "–".into(), |p| if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") }),
    ]
}

/// `+4.2 %`, `72 times`
fn signed(part: f64) -> String {
    if part >= 9.0 { units::change(part) } else { format!("{:+.1} %", part * 100.0) }
}

/// For people.
pub fn compare_text(pair: &Pair) -> String {
    let mut out = format!("\nbase       {}\ncandidate  {}\n\n", pair.base, pair.candidate);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(HEAD);
    for change in pair.changes() {
        table.add_row(cells(change).iter().enumerate().map(|(n, cell)| match n {
            2.. => Cell::new(cell).set_alignment(CellAlignment::Right),
            _ => Cell::new(cell),
        }));
    }
    table.lines().for_each(|line| _ = writeln!(out, "{}", line.trim_end()));
    out.push('\n');
    for why in notes(pair) {
        let _ = writeln!(out, "{why}");
    }
    let _ = writeln!(out, "{}", pair.headline());
    out
}

/// What there is to say beside the figures.
pub(super) fn notes(pair: &Pair) -> Vec<String> {
    let mut notes: Vec<String> = pair.unfair.iter().map(|what| format!("not a fair pair: {what}")).collect();
    for comparison in &pair.traffic {
        let Some(first) = comparison.changes.first() else { continue };
        let (length, [base, candidate]) = comparison.blocks;
        let second =
            comparison.mann_whitney.map_or_else(String::new, |p| format!("; Mann-Whitney of their medians: p {p:.4}"));
        notes.push(format!("{}: {base} and {candidate} blocks of {length} s{second}", first.traffic));
        let mut whys: Vec<&String> = comparison.changes.iter().filter_map(|change| change.why.as_ref()).collect();
        whys.dedup();
        notes.extend(whys.into_iter().map(|why| format!("{}: {why}", first.traffic)));
    }
    notes
}

/// For pull requests.
pub fn compare_markdown(pair: &Pair) -> String {
    let mut out = format!("### `{}` beside `{}`\n\n{}.\n\n", pair.candidate, pair.base, pair.headline());
    let _ = writeln!(out, "| {} |\n|---|---|---:|---:|---:|---:|---:|", HEAD.join(" | "));
    for change in pair.changes() {
        let _ = writeln!(out, "| {} |", cells(change).join(" | "));
    }
    out.push('\n');
    notes(pair).iter().for_each(|note| _ = writeln!(out, "- {note}"));
    out
}

/// For machines.
pub fn compare_json(pairs: &[Pair]) -> String {
    let of = |pair: &Pair| -> Value {
        json!({
            "base": pair.base,
            "candidate": pair.candidate,
            "unfair": pair.unfair,
            "threshold": pair.threshold,
            "outcome": pair.outcome(),
            "traffic": pair.traffic,
        })
    };
    let all = json!({ "format": 1, "pairs": pairs.iter().map(of).collect::<Vec<_>>() });
    // Cannot fail: every key is text.
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}
