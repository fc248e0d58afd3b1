//! Many runs of one scenario: a table with a picture in characters, a page, and the same for machines.

mod page;

pub use page::history_html;

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::json;

use crate::base::{text, units};
use crate::judge::{History, Shift, Trend, least_runs};

/// So many of the last runs have a line in the table.
const LINES: usize = 20;
/// From low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A value in words.
fn value(measure: &str, value: f64) -> String {
    match measure {
        "errors" => units::percent(value),
        "rate" => format!("{value:.1}/s"),
        _ => units::measured(Duration::from_secs_f64(value.clamp(0.0, 1e9))),
    }
}

/// What a figure is called.
fn name(trend: &Trend) -> String {
    format!("{}({})", trend.measure, trend.traffic)
}

/// A change, in a sentence.
fn change(trend: &Trend, shift: &Shift, run: &str) -> String {
    let of = if trend.measure == "errors" { " of all shots" } else { "" };
    format!(
        "{} changed for the {} with {run}: from {} to {} ({}{of}), p {:.4}",
        name(trend),
        if shift.worse { "worse" } else { "better" },
        value(&trend.measure, shift.before),
        value(&trend.measure, shift.after),
        units::change(shift.change),
        shift.p
    )
}

/// All changes, in sentences; or why there is none to tell.
fn changes(history: &History) -> Vec<String> {
    let all: Vec<String> = history.changes().map(|(trend, shift, run)| change(trend, shift, run)).collect();
    let (runs, least) = (history.runs.len(), least_runs(history.series.len()));
    match all.is_empty() {
        false => all,
        true if runs < least => {
            let figures = text::count(history.series.len() as u64, "figure");
            vec![format!(
                "{}: {least} are needed before a change of {figures} can be named",
                text::count(runs as u64, "run")
            )]
        }
        true => vec!["no figure changed surely, and by more than matters".into()],
    }
}

/// A figure's way, a character for each run.
fn bars(trend: &Trend) -> String {
    let known = || trend.values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(_) if high <= low => BARS[3],
        Some(value) => BARS[(((value - low) / (high - low) * 7.0).round() as usize).min(7)],
    };
    trend.values.iter().skip(trend.values.len().saturating_sub(60)).map(bar).collect()
}

/// For people.
pub fn history_text(history: &History) -> String {
    let mut out =
        format!("\n{}, {}\n\n", text::shorten(&history.scenario, 90), text::count(history.runs.len() as u64, "run"));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let head = ["run".to_owned(), String::new()].into_iter().chain(history.series.iter().map(name));
    table.set_header(head.collect::<Vec<_>>());
    let skipped = history.runs.len().saturating_sub(LINES);
    for (n, (run, verdict)) in history.runs.iter().enumerate().skip(skipped) {
        let figures = history.series.iter().map(|trend| {
            let changed = if trend.changes.iter().any(|shift| shift.at == n) { "* " } else { "" };
            right(trend.values[n].map_or_else(|| "–".into(), |v| format!("{changed}{}", value(&trend.measure, v))))
        });
        table.add_row([Cell::new(run), Cell::new(verdict.word())].into_iter().chain(figures).collect::<Vec<_>>());
    }
    if skipped > 0 {
        let _ = writeln!(out, "the last {LINES}; {} before them", text::count(skipped as u64, "run"));
    }
    table.lines().for_each(|line| _ = writeln!(out, "{}", line.trim_end()));
    out.push('\n');
    let width = history.series.iter().map(|trend| name(trend).chars().count()).max().unwrap_or_default();
    for trend in &history.series {
        let _ = writeln!(out, "{:<width$}  {}", name(trend), bars(trend));
    }
    out.push('\n');
    changes(history).iter().for_each(|line| _ = writeln!(out, "{line}"));
    history.left_out.iter().for_each(|(run, why)| _ = writeln!(out, "left out: {run}: {why}"));
    out
}

/// For machines: all histories of a folder.
pub fn history_json(histories: &[History]) -> String {
    // Cannot fail: every key is text, and every value finite or null.
    serde_json::to_string_pretty(&json!({ "format": 1, "histories": histories })).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::judge::{Past, Verdict};

    fn history(runs: usize, step: usize) -> History {
        let run = |n: usize| Past {
            run: format!("run{n:02}"),
            verdict: Verdict::Pass,
            figures: vec![("<q>".into(), "p99".into(), if n < step { 0.1 } else { 0.2 } + n as f64 * 1e-5)],
        };
        let runs: Vec<Past> = (0..runs).map(run).collect();
        let left_out = vec![("old".to_owned(), "plans: a and b".to_owned())];
        History::new("a <b> history", &runs, left_out, 0.05, Seed(1))
    }

    #[test]
    fn a_change_is_named_in_every_form() {
        let history = history(24, 12);
        let shown = history_text(&history);
        let said = "p99(<q>) changed for the worse with run12: from 100 ms to 200 ms (+99.98 %), p 0.0002";
        assert!(shown.contains(said), "{shown}");
        assert!(shown.contains("4 runs before them") && shown.contains("* 200 ms"), "{shown}");
        assert!(shown.contains("▁▁▁▁▁▁▁▁▁▁▁▁████████████"), "{shown}");
        assert!(shown.contains("left out: old: plans"), "{shown}");
        let page = history_html(std::slice::from_ref(&history), "reports");
        assert!(page.contains("run12") && page.contains("<circle") && !page.contains("<q>"), "{page}");
        let value: serde_json::Value = serde_json::from_str(&history_json(&[history])).expect("json");
        assert_eq!(value["histories"][0]["series"][0]["changes"][0]["at"], 12);
    }

    #[test]
    fn what_can_not_be_told_is_said() {
        assert!(history_text(&history(5, 2)).contains("5 runs: 8 are needed before a change of 1 figure can be named"));
        assert!(history_text(&history(20, 99)).contains("no figure changed surely"));
        assert!(history_text(&history(0, 0)).contains("0 runs"));
    }
}
