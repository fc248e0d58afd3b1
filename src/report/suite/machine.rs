//! What became of a suite, for machines and for pull requests.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Launchpad, Tightest, ended, headline, recovery, tightest};
use crate::judge::{Ended, Stood, Turn};

/// The version of the shape of `suite.json`.
const FORMAT: u32 = 1;

/// `suite.json`
pub fn json(pad: &Launchpad<'_>) -> String {
    let (word, why) = headline(pad.code);
    let turns = pad.turns.iter().zip(pad.hrefs);
    let all = json!({
        "format": FORMAT,
        "suite": pad.name,
        "run": pad.run,
        "outcome": word,
        "why": why,
        "exit_code": pad.code,
        "scenarios": turns.map(|(turn, href)| scenario(turn, href.as_deref())).collect::<Vec<_>>(),
    });
    // Cannot fail: every key is text.
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn scenario(turn: &Turn, href: Option<&str>) -> Value {
    let (word, why, _) = ended(&turn.ended);
    let mut value =
        json!({ "scenario": turn.scenario, "file": turn.file, "outcome": word, "why": why, "evidence": href });
    if let Ended::Judged { judgement, faults, .. } = &turn.ended {
        value["exit_code"] = judgement.exit.code().into();
        value["promises"] = judgement.findings.len().into();
        value["tightest"] = tightest(judgement).map(|of| of.json()).into();
        value["faults"] = faults.iter().map(fault).collect::<Vec<_>>().into();
    }
    value
}

impl Tightest<'_> {
    fn json(&self) -> Value {
        let finding = self.finding;
        json!({
            "promise": finding.promise,
            "window": finding.window.name,
            "verdict": finding.verdict,
            "observed": finding.observed,
            "bound": finding.bound,
            "room": self.room,
        })
    }
}

fn fault(stood: &Stood) -> Value {
    json!({
        "fault": stood.fault,
        "kind": stood.kind,
        "verdict": stood.verdict,
        "injected": stood.injected,
        "absorbed": stood.absorbed,
        "surfaced": stood.surfaced,
        "recovery": recovery(stood.recovery),
    })
}

/// `suite.md`
pub fn markdown(pad: &Launchpad<'_>) -> String {
    let (word, why) = headline(pad.code);
    let mut out = format!("## {word}: {}\n\n{why} (exit {})\n\n", cell(pad.name), pad.code);
    out.push_str("| | scenario | what it came to | nearest to its bound |\n|---|---|---|---|\n");
    for turn in pad.turns {
        let (word, why, _) = ended(&turn.ended);
        let near = match &turn.ended {
            Ended::Judged { judgement, .. } => tightest(judgement).map_or_else(|| "–".into(), |of| of.words()),
            _ => "–".into(),
        };
        let _ = writeln!(out, "| {word} | {} | {} | {} |", cell(&turn.scenario), cell(&why), cell(&near));
    }
    out
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
