//! What a run came to on one screen of 80 columns and 24 lines: the verdict, what speaks against it, what was sent, whether
//! the instrument is to be trusted, and where the rest is.

use console::{measure_text_width, truncate_str};

use super::{reconcile, table, words};
use crate::base::text;
use crate::judge::{Finding, Judgement, Percentiles, Severity, Verdict};

/// How wide it is, in columns.
pub const WIDTH: usize = 80;
/// How many lines it has at most.
pub const HEIGHT: usize = 24;

/// So many reasons, promises, traffics and faults are shown; of the others, how many there are.
const REASONS: usize = 3;
const PROMISES: usize = 4;
const TRAFFICS: usize = 3;
const FAULTS: usize = 2;

/// Renders a judgement; `place` is the folder of the run.
pub fn summary(judgement: &Judgement, place: &str, colour: bool) -> String {
    let scale = if judgement.time_scale > 1 { format!(", scaled 1:{}", judgement.time_scale) } else { String::new() };
    let scenario = text::shorten(&judgement.scenario, WIDTH);
    let exit = format!(" (exit {})", judgement.exit.code());
    let mut lines = vec![
        String::new(),
        format!("{}  {scenario}{scale}", judgement.verdict.word()),
        format!("  {}{exit}", truncate_str(&words::headline(judgement), WIDTH - 2 - exit.len(), "…")),
    ];
    let reasons: Vec<String> =
        judgement.reasons.iter().map(|reason| format!("  {}: {}", reason.verdict.word(), reason.why)).collect();
    lines.extend(some(&reasons, REASONS, "reason"));
    lines.extend(promises(judgement));
    let traffic: Vec<String> = judgement
        .traffic
        .iter()
        .map(|(name, of)| {
            let failed: u64 =
                of.outcomes.iter().filter(|(word, _)| word != "ok" && word != "skipped").map(|(_, n)| n).sum();
            let lengths = |of: &Percentiles| [of.p50, of.p95, of.p99].map(words::length);
            let response =
                words::response(of).map(lengths).map(|[p50, p95, p99]| format!(", p50 {p50}  p95 {p95}  p99 {p99}"));
            let response = response.unwrap_or_default();
            let name = text::shorten(name, 16);
            let shots = text::count(of.taken_up, "shot");
            format!("traffic  {name}: {shots}, {} failed{response}", text::thousands(failed))
        })
        .collect();
    lines.extend(some(&traffic, TRAFFICS, "traffic"));
    let faults: Vec<String> =
        judgement.faults.iter().map(|fault| format!("fault    {}: {}", fault.name, words::fault(fault))).collect();
    lines.extend(some(&faults, FAULTS, "fault"));
    for (job, scrapes) in judgement.scrapes.iter().filter(|(_, of)| of.planned > 0 && of.good * 2 < of.planned) {
        lines.push(format!("scrapes  {job}: {} good of {}", scrapes.good, scrapes.planned));
    }
    lines.push(format!("harness  {}", words::fitness(judgement)));
    for stuck in &judgement.stuck {
        lines.push(format!("fault {} could not be undone: {}", stuck.fault, stuck.why));
    }
    lines.truncate(HEIGHT - 1);
    let mut out = String::new();
    for line in &lines {
        let line = truncate_str(line, WIDTH, "…");
        out.push_str(table::shade(line.trim_end(), colour).as_str());
        out.push('\n');
    }
    // Where the rest is must be whole to be of use: the start goes, if anything must.
    out.push_str(&format!("report   {}\n", tail(&format!("{place}/report.html"), WIDTH - 9)));
    out
}

/// What was not kept, the gravest first, and how many were.
fn promises(judgement: &Judgement) -> Vec<String> {
    let mut broken: Vec<&Finding> = judgement.findings.iter().filter(|f| f.verdict != Verdict::Pass).collect();
    broken.sort_by_key(|finding| (finding.severity, std::cmp::Reverse(finding.verdict)));
    let line = |finding: &&Finding| {
        let word = match finding.severity {
            Severity::Critical => finding.verdict.word(),
            severity => severity.word(),
        };
        let observed = words::observed(finding);
        format!("{word:<8} {}: {observed}, {}", words::promise(finding), finding.window.name)
    };
    let mut lines = some(&broken.iter().map(line).collect::<Vec<_>>(), PROMISES, "promise");
    let checks: Vec<String> = judgement
        .reconcile
        .iter()
        .filter(|check| check.counts_as != Verdict::Pass)
        .map(|check| format!("{:<8} {}", check.counts_as.word(), reconcile::sentence(check)))
        .collect();
    lines.extend(some(&checks, 2, "reconciliation"));
    let kept = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Pass);
    if let Some(closest) =
        kept.clone().filter(|f| f.severity == Severity::Critical).max_by(|a, b| nearness(a).total_cmp(&nearness(b)))
    {
        let (all, count) = (judgement.findings.len() as u64, kept.count() as u64);
        let observed = words::observed(closest);
        let nearest = format!("{}: {observed}", words::promise(closest));
        lines.push(format!(
            "kept     {} of {}, nearest {nearest}",
            text::thousands(count),
            text::count(all, "promise")
        ));
    }
    lines
}

/// How much of its bound a promise that was kept uses up; 1 is all of it.
fn nearness(finding: &Finding) -> f64 {
    let Some(observed) = finding.observed else { return f64::NEG_INFINITY };
    let (observed, bound) = (observed.value, finding.bound.value);
    let used = if finding.compare.starts_with('<') { observed / bound } else { bound / observed };
    if used.is_finite() { used } else { f64::NEG_INFINITY }
}

/// The first lines, and how many more there are.
fn some(lines: &[String], most: usize, noun: &str) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(most).map(|line| text::shorten(line, 2 * WIDTH)).collect();
    if let Some(more) = lines.len().checked_sub(most).filter(|more| *more > 0) {
        shown.push(format!("         and {} more", text::count(more as u64, noun)));
    }
    shown
}

/// The end of a text, as wide as there is room.
fn tail(text: &str, room: usize) -> String {
    let mut kept = text;
    while measure_text_width(kept) > room {
        let next = kept.char_indices().nth(1).map_or(kept.len(), |(at, _)| at);
        kept = &kept[next..];
    }
    match kept.len() == text.len() {
        true => text.into(),
        false => format!("…{}", kept.chars().skip(1).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_place_the_end_is_shown() {
        assert_eq!(tail("/a/b", 9), "/a/b");
        assert_eq!(tail("reports/quote-service/smoke", 9), "…ce/smoke");
    }
}
