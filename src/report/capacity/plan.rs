//! A plan on the terminal and for machines.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::words::rate;
use crate::judge::capacity::plan::Answer;
use crate::report::table::shade;

/// So many rows of the curve are shown.
const ROWS: usize = 16;

/// Renders a plan. The verdict comes last, where the eye is.
pub fn plan_text(answer: &Answer, colour: bool) -> String {
    let mut out = String::from("\n");
    let mut table = Table::new();
    // However wide it becomes: a folder that is broken in two cannot be copied.
    table.load_style(presets::NOTHING);
    table.set_header(["replicas", "take", "between", "", ""]);
    let most = answer.measured.last().map_or(0, |m| m.replicas);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for m in &answer.measured {
        let range = format!("{} – {}", rate(m.low), rate(m.high));
        table.add_row(vec![
            right(m.replicas.to_string()),
            right(rate(m.rate)),
            right(range),
            Cell::new("measured"),
            Cell::new(&m.from),
        ]);
    }
    let step = answer.curve.len().div_ceil(ROWS).max(1);
    for f in answer.curve.iter().step_by(step) {
        let n = f.n.round() as u32;
        let note = match () {
            () if Some(n) == answer.carrying => "bears it",
            () if n > most => "beyond what was measured",
            () => "",
        };
        let range = format!("{} – {}", rate(f.low), rate(f.high));
        table.add_row(vec![
            right(n.to_string()),
            right(rate(f.rate)),
            right(range),
            Cell::new("by the law"),
            Cell::new(note),
        ]);
    }
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push('\n');
    if let (Some(at), Some([lambda, sigma, kappa])) = (answer.parameters, answer.between) {
        let _ = writeln!(out, "law       X(n) = λ n / (1 + σ (n − 1) + κ n (n − 1))");
        let _ = writeln!(out, "          λ {} ({} – {})", rate(at.lambda), rate(lambda.0), rate(lambda.1));
        let _ = writeln!(out, "          σ {:.4} ({:.4} – {:.4})", at.sigma, sigma.0, sigma.1);
        let _ = writeln!(out, "          κ {:.5} ({:.5} – {:.5})\n", at.kappa, kappa.0, kappa.1);
    }
    for (name, lines) in [("assumes", &answer.assumptions), ("doubts", &answer.doubts)] {
        for (i, line) in lines.iter().enumerate() {
            let _ = writeln!(out, "{:<9} {line}", if i == 0 { name } else { "" });
        }
    }
    let _ = writeln!(out, "\n{}", shade(&format!("{}  {}", answer.verdict.word(), answer.headline), colour));
    out
}

/// As JSON.
pub fn plan_json(answer: &Answer) -> String {
    // Cannot fail: every key is text, and what is not finite is null.
    serde_json::to_string_pretty(answer).unwrap_or_else(|why| format!("{{\"error\": \"{why}\"}}")) + "\n"
}

/// Every file that a plan makes, by name.
pub fn plan_files(answer: &Answer) -> Vec<(&'static str, String)> {
    vec![
        ("plan.json", plan_json(answer)),
        ("plan.md", super::markdown::plan_markdown(answer)),
        ("plan.html", crate::report::html::plan(answer)),
    ]
}
