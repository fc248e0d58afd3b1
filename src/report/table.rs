//! The final table: what a tired human reads in ten seconds. The verdict comes last, where the eye is.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::{alerts, contract, effects, ledger, reconcile, resources, servers, words};
use crate::base::text;
use crate::judge::{Finding, Judgement, Severity, Verdict};

/// How much of a promise is shown, in characters; the other reports show it whole.
const PROMISE: usize = 44;
/// How much of a metric's name and of its labels is shown, in characters.
const METRIC: usize = 32;
/// So many struck requests are shown of a fault; the other reports show more.
const EXAMPLES: usize = 3;
/// So many violations are shown of a contract; the other reports show all.
const VIOLATIONS: usize = 12;
/// How wide the table may be, in characters.
const WIDTH: u16 = 100;

/// Renders a judgement; `place` is the folder of the run.
pub fn table(judgement: &Judgement, place: &str, colour: bool) -> String {
    let mut out = String::new();
    let scale = if judgement.time_scale > 1 { format!(", scaled 1:{}", judgement.time_scale) } else { String::new() };
    let _ = writeln!(out, "\n{}{scale}\n", text::shorten(&judgement.scenario, 90));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["", "promise", "observed", "bound", "samples", "where"]);
    // Broken promises first; otherwise as in the scenario.
    let mut findings: Vec<&Finding> = judgement.findings.iter().collect();
    findings.sort_by_key(|f| (std::cmp::Reverse(f.verdict), f.severity));
    for finding in &findings {
        table.add_row(row(finding));
    }
    if !findings.is_empty() {
        for line in table.lines() {
            let _ = writeln!(out, "{}", shade(line.trim_end(), colour));
        }
        out.push('\n');
    }
    for finding in findings.iter().filter(|f| f.verdict != Verdict::Pass) {
        let _ = writeln!(out, "  {} {}: {}", mark(finding), words::promise(finding), finding.why);
        if let Some(anatomy) = words::anatomy(finding) {
            let _ = writeln!(out, "       {anatomy}");
        }
    }
    let disagree: Vec<_> = judgement.reconcile.iter().filter(|c| c.counts_as != Verdict::Pass).collect();
    for check in &disagree {
        let _ = writeln!(out, "  {} {}: {}", reconcile::mark(check), check.check, check.why);
    }
    for reason in &judgement.reasons {
        let _ = writeln!(out, "  {}: {}", reason.verdict.word(), reason.why);
    }
    if findings.iter().any(|f| f.verdict != Verdict::Pass) || !disagree.is_empty() || !judgement.reasons.is_empty() {
        out.push('\n');
    }
    for (name, traffic) in &judgement.traffic {
        let outcomes: Vec<String> =
            traffic.outcomes.iter().map(|(word, n)| format!("{word} {}", text::thousands(*n))).collect();
        let _ = writeln!(out, "traffic  {name}: {}", outcomes.join(", "));
        if let Some(response) = words::response(traffic) {
            let _ = writeln!(out, "         response {}", words::percentiles(response));
        }
        for (name, part) in &traffic.parts {
            let _ = writeln!(out, "         {}", words::part(name, part));
        }
        if let Some(claimed) = &traffic.closed_loop_claim {
            let _ = writeln!(out, "         {}", words::claimed(claimed));
        }
        for line in words::followed(traffic) {
            let _ = writeln!(out, "         {line}");
        }
        for line in traffic.closed_loops.iter().flat_map(words::closed_loop) {
            let _ = writeln!(out, "         {line}");
        }
        for line in traffic.effects.iter().flat_map(|effects| effects::lines(effects, effects::EXAMPLES)) {
            let _ = writeln!(out, "         {line}");
        }
    }
    if let Some(baseline) = &judgement.baseline {
        let _ = writeln!(out, "baseline {}", words::baseline(baseline));
    }
    if let Some(gate) = &judgement.gate {
        let _ = writeln!(out, "steady   {}", words::gate(gate));
    }
    for fault in &judgement.faults {
        let _ = writeln!(out, "fault    {}: {}", fault.name, words::fault(fault));
        let examples = fault.ledger.iter().flat_map(|ledger| &ledger.examples).filter(|e| e.account != "absorbed");
        let examples = examples.take(EXAMPLES).map(ledger::example);
        for line in ledger::lines(fault).into_iter().chain(examples) {
            let _ = writeln!(out, "         {line}");
        }
        for line in words::control(fault).into_iter().chain(words::damage(fault)) {
            let _ = writeln!(out, "         {line}");
        }
    }
    out.push_str(&reconciled(judgement, colour));
    if let Some(injector) = words::injector(judgement) {
        let _ = writeln!(out, "stage    {injector}");
    }
    if let Some(canary) = words::canary(&judgement.canary) {
        let _ = writeln!(out, "canary   {canary}");
    }
    for (job, scrapes) in &judgement.scrapes {
        let _ = writeln!(out, "scrapes  {job}: {} good of {}", scrapes.good, scrapes.planned);
    }
    if let Some(replayed) = &judgement.alerts {
        let _ = writeln!(out, "alerts   {}", alerts::headline(replayed));
        let said = replayed.alerts.iter().flat_map(|alert| alerts::lines(alert, true));
        let said = said.chain(alerts::beside(replayed)).chain(replayed.mistakes.iter().cloned());
        for line in alerts::table(replayed).into_iter().chain(said) {
            let _ = writeln!(out, "         {line}");
        }
    }
    for (job, of) in &judgement.contracts {
        let _ = writeln!(out, "contract {job}: {}", contract::page(of));
        for violation in of.violations.iter().take(VIOLATIONS) {
            let _ = writeln!(out, "         {}", contract::violation(violation));
            if violation.breaks {
                let _ = writeln!(out, "           → {}", violation.remedy);
            }
        }
        if let Some(more) = of.violations.len().checked_sub(VIOLATIONS).filter(|more| *more > 0) {
            let _ = writeln!(out, "         and {more} more, in summary.md");
        }
        for line in contract::probes(of) {
            let _ = writeln!(out, "         {line}");
        }
        for idle in &of.idle {
            let _ = writeln!(out, "         nothing came under the exception {idle}");
        }
    }
    let watching = [
        ("server", judgement.prometheus.as_ref().map(servers::prometheus)),
        ("alerts", judgement.alertmanager.as_ref().map(servers::alertmanager)),
    ];
    for (name, lines) in watching {
        for (i, line) in lines.into_iter().flatten().enumerate() {
            let _ = writeln!(out, "{:<8} {line}", if i == 0 { name } else { "" });
        }
    }
    for (i, (name, line)) in resources::lines(judgement).into_iter().enumerate() {
        let _ = writeln!(out, "{} {name}: {line}", if i == 0 { "took    " } else { "        " });
    }
    if let Some(target) = words::target(judgement).filter(|_| judgement.resources.is_empty()) {
        let _ = writeln!(out, "target   {target}");
    }
    let _ = writeln!(out, "harness  {}", words::fitness(judgement));
    for cause in words::causes(judgement) {
        let _ = writeln!(out, "         {cause}");
    }
    let _ = writeln!(out, "evidence {place}\n");
    for stuck in &judgement.stuck {
        let _ = writeln!(out, "fault {} could not be undone: {}\n  type: {}", stuck.fault, stuck.why, stuck.remedy);
    }
    let last = format!("{}  {} (exit {})", judgement.verdict.word(), words::headline(judgement), judgement.exit.code());
    let _ = writeln!(out, "{}", shade(&last, colour));
    out
}

/// Our books against the target's.
fn reconciled(judgement: &Judgement, colour: bool) -> String {
    let rows = reconcile::rows(judgement);
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(reconcile::HEAD);
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(n, cell)| match n {
            3.. => Cell::new(cell).set_alignment(CellAlignment::Right),
            _ => Cell::new(text::shorten(cell, METRIC)),
        }));
    }
    let mut out = String::from("\n");
    for line in table.lines() {
        let _ = writeln!(out, "{}", shade(line.trim_end(), colour));
    }
    for (check, line) in judgement.reconcile.iter().flat_map(|c| reconcile::lines(c).into_iter().map(move |l| (c, l))) {
        if line != check.why || check.counts_as == Verdict::Pass {
            let name = check.check.split([' ', '{']).next().unwrap_or_default();
            let _ = writeln!(out, "         {name}: {line}");
        }
    }
    out.push('\n');
    out
}

fn row(finding: &Finding) -> Vec<Cell> {
    vec![
        Cell::new(mark(finding)),
        Cell::new(text::shorten(&words::promise(finding), PROMISE)),
        Cell::new(words::observed(finding)).set_alignment(CellAlignment::Right),
        Cell::new(format!("{} {}", finding.compare, finding.bound)),
        Cell::new(text::thousands(finding.samples)).set_alignment(CellAlignment::Right),
        Cell::new(&finding.window.name),
    ]
}

/// The verdict of a finding; of one that does not count, what it is.
fn mark(finding: &Finding) -> String {
    match finding.severity {
        Severity::Critical => finding.verdict.word().into(),
        _ if finding.verdict == Verdict::Pass => "pass".into(),
        severity => severity.word().into(),
    }
}

/// A line with its first word in the colour of what it says.
pub fn shade(line: &str, colour: bool) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    let code = match word {
        "PASS" | "pass" | "OK" => 32,
        "FAIL" | "MISMATCH" => 31,
        "INCONCLUSIVE" | "INVALID" | "UNDECIDED" | "NO_DATA" => 35,
        "warning" | "info" => 33,
        _ => return line.into(),
    };
    if colour { line.replacen(word, &format!("\u{1b}[1;{code}m{word}\u{1b}[0m"), 1) } else { line.into() }
}
