//! `summary.md`: for pull requests and step summaries.

use std::fmt::Write as _;

use super::{alerts, contract, effects, ledger, reconcile, resources, servers, words};
use crate::base::text;
use crate::judge::alerts::AlertsSummary;
use crate::judge::{Judgement, Verdict};

/// Renders a judgement.
pub fn markdown(judgement: &Judgement) -> String {
    let mut out = String::new();
    let mark = match judgement.verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Invalid | Verdict::Inconclusive => "⚠️",
    };
    let _ = writeln!(out, "## {mark} {}: {}\n", judgement.verdict.word(), escape(&judgement.scenario));
    let scale = if judgement.time_scale > 1 { format!(" Scaled 1:{}.", judgement.time_scale) } else { String::new() };
    let _ = writeln!(out, "{}.{scale}\n", words::headline(judgement));
    for reason in &judgement.reasons {
        let _ = writeln!(out, "- **{}**: {}", reason.verdict.word(), escape(&reason.why));
    }
    if !judgement.reasons.is_empty() {
        out.push('\n');
    }
    out.push_str("| | promise | observed | bound | samples | where | why |\n|---|---|---:|---|---:|---|---|\n");
    for finding in &judgement.findings {
        let _ = writeln!(
            out,
            "| {} | {} ({}) | {} | {} {} | {} | {} | {} |",
            finding.verdict.word(),
            code(&words::promise(finding)),
            finding.severity.word(),
            words::observed(finding),
            finding.compare,
            finding.bound,
            text::thousands(finding.samples),
            escape(&finding.window.name),
            escape(&finding.why)
        );
    }
    out.push('\n');
    let rows = reconcile::rows(judgement);
    if !rows.is_empty() {
        let _ = writeln!(
            out,
            "|{}|\n|---|---|---|---:|---:|---:|---:|---:|",
            reconcile::HEAD.map(|h| format!(" {h} ")).join("|")
        );
        for row in rows {
            let _ = writeln!(out, "|{}|", row.map(|cell| format!(" {} ", escape(&cell))).join("|"));
        }
        out.push('\n');
        for check in &judgement.reconcile {
            for line in reconcile::lines(check) {
                let _ = writeln!(out, "- {}: {}", code(&check.check), escape(&line));
            }
        }
        out.push('\n');
    }
    for (finding, anatomy) in judgement.findings.iter().filter_map(|f| words::anatomy(f).map(|anatomy| (f, anatomy))) {
        let _ = writeln!(out, "- `{}`: {anatomy}", escape(&words::promise(finding)));
    }
    for (name, traffic) in &judgement.traffic {
        let outcomes: Vec<String> =
            traffic.outcomes.iter().map(|(word, n)| format!("{word} {}", text::thousands(*n))).collect();
        let _ = writeln!(out, "- traffic **{}**: {}", escape(name), outcomes.join(", "));
        if let Some(response) = words::response(traffic) {
            let _ = writeln!(out, "  - response {}", words::percentiles(response));
        }
        for (name, part) in &traffic.parts {
            let _ = writeln!(out, "  - {}", escape(&words::part(name, part)));
        }
        if let Some(claimed) = &traffic.closed_loop_claim {
            let _ = writeln!(out, "  - {}", words::claimed(claimed));
        }
        for line in words::followed(traffic) {
            let _ = writeln!(out, "  - {}", escape(&line));
        }
        for line in traffic.effects.iter().flat_map(|of| effects::lines(of, usize::MAX)) {
            let _ = writeln!(out, "  - {}", escape(&line));
        }
        for closed in &traffic.closed_loops {
            let _ = writeln!(out, "  - {}", words::closed_loop(closed).join("; "));
        }
    }
    if let Some(baseline) = &judgement.baseline {
        let _ = writeln!(out, "- baseline: {}", escape(&words::baseline(baseline)));
    }
    if let Some(gate) = &judgement.gate {
        let _ = writeln!(out, "- steady: {}", escape(&words::gate(gate)));
    }
    for fault in &judgement.faults {
        let _ = writeln!(out, "- fault **{}**: {}", escape(&fault.name), escape(&words::fault(fault)));
        for line in ledger::lines(fault) {
            let _ = writeln!(out, "  - {}", escape(&line));
        }
        for example in fault.ledger.iter().flat_map(|ledger| &ledger.examples) {
            let _ = writeln!(out, "    - {}", escape(&ledger::example(example)));
        }
        for line in words::control(fault).into_iter().chain(words::damage(fault)) {
            let _ = writeln!(out, "  - {}", escape(&line));
        }
    }
    if let Some(injector) = words::injector(judgement) {
        let _ = writeln!(out, "- stage: {injector}");
    }
    if let Some(canary) = words::canary(&judgement.canary) {
        let _ = writeln!(out, "- canary: {}", escape(&canary));
    }
    for (job, scrapes) in &judgement.scrapes {
        let _ = writeln!(out, "- scrapes of **{}**: {} good of {}", escape(job), scrapes.good, scrapes.planned);
    }
    for (job, of) in &judgement.contracts {
        let _ = writeln!(out, "- contract **{}**: {}", escape(job), escape(&contract::page(of)));
        for line in contract::probes(of) {
            let _ = writeln!(out, "  - {}", escape(&line));
        }
        for idle in &of.idle {
            let _ = writeln!(out, "  - nothing came under the exception {}", escape(idle));
        }
    }
    let watching = [
        ("server", judgement.prometheus.as_ref().map(servers::prometheus)),
        ("alerts", judgement.alertmanager.as_ref().map(servers::alertmanager)),
    ];
    for (name, lines) in watching {
        for (i, line) in lines.into_iter().flatten().enumerate() {
            let line = escape(&line);
            let _ = if i == 0 { writeln!(out, "- {name}: {line}") } else { writeln!(out, "  - {line}") };
        }
    }
    for (name, line) in resources::lines(judgement) {
        let _ = writeln!(out, "- {} took {}", escape(name), escape(&line));
    }
    if let Some(target) = words::target(judgement).filter(|_| judgement.resources.is_empty()) {
        let _ = writeln!(out, "- target: {target}");
    }
    let _ = writeln!(out, "- harness: {}", words::fitness(judgement));
    for cause in words::causes(judgement) {
        let _ = writeln!(out, "  - {}", escape(&cause));
    }
    if let Some(replayed) = &judgement.alerts {
        rules(replayed, &mut out);
    }
    violations(judgement, &mut out);
    out
}

/// What the target's own alert rules did.
fn rules(replayed: &AlertsSummary, out: &mut String) {
    let _ = writeln!(out, "\n### Alerts\n\n{}.\n", escape(&alerts::headline(replayed)));
    if let Some(first) = replayed.alerts.first() {
        let windows: Vec<String> = first.windows.iter().map(|w| escape(&w.name)).collect();
        let _ = writeln!(out, "| alert | {} | evaluated |", windows.join(" | "));
        let _ = writeln!(out, "|---|{}---|", "---|".repeat(windows.len()));
    }
    for alert in &replayed.alerts {
        let states: Vec<String> = alert.windows.iter().map(|w| alerts::state(w, replayed.phases)).collect();
        let evaluated = code(&alerts::evaluated(alert));
        let _ = writeln!(out, "| {} | {} | {evaluated} |", escape(&alert.alert), states.join(" | "));
    }
    out.push('\n');
    let said = replayed.alerts.iter().flat_map(|alert| alerts::lines(alert, false));
    for line in said.chain(alerts::beside(replayed)).chain(replayed.mistakes.iter().cloned()) {
        let _ = writeln!(out, "- {}", escape(&line));
    }
    out.push('\n');
}

/// What was found of each contract, as a table.
fn violations(judgement: &Judgement, out: &mut String) {
    for (job, of) in judgement.contracts.iter().filter(|(_, of)| !of.violations.is_empty()) {
        let _ = writeln!(
            out,
            "\n| contract {} | finding | metric | why | what to do |\n|---|---|---|---|---|",
            escape(job)
        );
        for violation in &of.violations {
            let line = violation.line.map_or_else(String::new, |line| format!(", line {line}"));
            let example = violation.examples.first().map_or_else(String::new, |example| format!(", such as {example}"));
            let _ = writeln!(
                out,
                "| {} | {} | {}{line} | {}{} | {} |",
                violation.gravity.word(),
                violation.id,
                escape(&violation.metric),
                escape(&violation.why),
                escape(&example),
                escape(violation.remedy)
            );
        }
    }
}

/// Text that cannot break out of a table cell, start markup, or lead anywhere.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '[' | ']' | '*' | '\\' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '`' => out.push('\''),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text between backticks, in which nothing but a backtick, a bar and the end of the line means anything.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace(['\n', '\r'], " ").replace('|', "\\|"))
}
