//! `summary.md` of a study, and of a plan.

use std::fmt::Write as _;

use super::words::{self, length, rate};
use crate::base::units;
use crate::judge::Verdict;
use crate::judge::capacity::Study;
use crate::judge::capacity::model::Models;
use crate::judge::capacity::plan::Answer;
use crate::report::markdown::escape;

/// Renders a study.
pub fn markdown(study: &Study, models: &Models) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## {} {}: {}\n", mark(study.verdict), study.verdict.word(), escape(&study.scenario));
    let _ = writeln!(out, "Capacity of `{}`, {}.\n", escape(&study.traffic), escape(&study.target));
    for line in words::recommendation(study, models) {
        let _ = writeln!(out, "{}\n", escape(&line));
    }
    for claimed in &study.claims {
        let _ = writeln!(out, "- {} `{}`: {}", claimed.verdict.word(), escape(&claimed.promise), escape(&claimed.why));
    }
    for why in &study.why {
        let _ = writeln!(out, "- {}", escape(why));
    }
    if study.searches.len() > 1 {
        out.push_str("\n### With something broken\n\n| fault | knee | between | lost | breaks first |\n|---|---:|---|---:|---|\n");
        for search in &study.searches {
            let knee = &search.knee;
            let known = |of: Option<f64>| of.map_or("–".to_owned(), rate);
            let lost = study.loss(search).filter(|_| search.fault.is_some());
            let _ = writeln!(
                out,
                "| {} | {} | {} – {} | {} | {} |",
                escape(search.fault.as_deref().unwrap_or("none")),
                known(knee.rate),
                rate(knee.low),
                known(knee.high),
                lost.map_or("–".into(), |lost| units::percent(lost.max(0.0))),
                escape(knee.breaks.first().map_or("–", |first| &first.promise)),
            );
        }
    }
    for search in &study.searches {
        let under = search.fault.as_ref().map_or(String::new(), |fault| format!(" under `{}`", escape(fault)));
        let _ = writeln!(out, "\n### Probes{under}\n");
        out.push_str("| | offered | achieved | p50 | p95 | p99 | errors | in flight | first broken |\n|---|---:|---:|---:|---:|---:|---:|---:|---|\n");
        let mut probes: Vec<_> = search.probes.iter().collect();
        probes.sort_by(|a, b| a.offered.total_cmp(&b.offered));
        for probe in probes {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                probe.verdict.word(),
                rate(probe.offered),
                rate(probe.achieved),
                length(probe.response.p50),
                length(probe.response.p95),
                length(probe.response.p99),
                units::percent(probe.errors),
                probe.in_flight.map_or("–".into(), |n| format!("{n:.1}")),
                escape(probe.first_broken.as_deref().unwrap_or(""))
            );
        }
    }
    if !models.budgets.is_empty() {
        out.push_str("\n### Upstreams\n\n| upstream | limit | calls at the highest load | |\n|---|---:|---:|---|\n");
        for budget in &models.budgets {
            let most =
                budget.points.last().map_or("–".into(), |(at, calls)| format!("{} at {}", rate(*calls), rate(*at)));
            let limit = budget.limit.map_or("–".into(), rate);
            let _ = writeln!(out, "| {} | {limit} | {most} | {} |", escape(&budget.upstream), words::budget(budget));
        }
    }
    out.push_str("\n### What this rests on\n\n");
    for line in words::assumptions(study, models) {
        let _ = writeln!(out, "- {}", escape(&line));
    }
    out
}

/// Renders a plan.
pub fn plan_markdown(answer: &Answer) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## {} {}\n", mark(answer.verdict), escape(&answer.headline));
    out.push_str("| replicas | knee | between | from |\n|---:|---:|---|---|\n");
    for m in &answer.measured {
        let _ = writeln!(
            out,
            "| {} | {} | {} – {} | {} |",
            m.replicas,
            rate(m.rate),
            rate(m.low),
            rate(m.high),
            escape(&m.from)
        );
    }
    out.push_str("\n| replicas | take, by the law | between |\n|---:|---:|---|\n");
    for f in &answer.curve {
        let _ = writeln!(out, "| {:.0} | {} | {} – {} |", f.n, rate(f.rate), rate(f.low), rate(f.high));
    }
    for (title, lines) in
        [("What this takes for granted", &answer.assumptions), ("What speaks against it", &answer.doubts)]
    {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n### {title}\n");
            lines.iter().for_each(|line| _ = writeln!(out, "- {}", escape(line)));
        }
    }
    out
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Invalid | Verdict::Inconclusive => "⚠️",
    }
}
