//! The table at the end of a suite: what became of each scenario, and how the platform stood each fault.

mod html;
mod machine;

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::words;
use crate::base::{text, units};
use crate::judge::{Ended, Finding, Judgement, Kind, Recovery, Stood, Turn, Verdict};

/// From here on a part of a bound is told in times and not in percent.
const FAR: f64 = 2.0;
/// How wide a table may be, in characters.
const WIDTH: u16 = 110;

/// Several runs, for the page about all of them.
#[derive(Debug, Clone, Copy)]
pub struct Launchpad<'p> {
    /// What they are called together.
    pub name: &'p str,
    /// What this time is called: the name of its folder.
    pub run: &'p str,
    /// Each, and what became of it.
    pub turns: &'p [Turn],
    /// The way to the folder of each from that of the page.
    pub hrefs: &'p [Option<String>],
    /// How it ends for whoever started it.
    pub code: u8,
}

/// The page about all, and the same for machines and for pull requests, by name.
pub fn suite_files(pad: &Launchpad<'_>) -> Vec<(&'static str, String)> {
    vec![("suite.html", html::page(pad)), ("suite.json", machine::json(pad)), ("suite.md", machine::markdown(pad))]
}

/// The headline of all: what its exit code means.
fn headline(code: u8) -> (&'static str, &'static str) {
    match code {
        0 => ("READY", "every scenario keeps its promises"),
        1 => ("NOT READY", "a promise is broken"),
        2 => ("NOT READY", "the command line or a scenario is wrong"),
        3 => ("UNDECIDED", "not everything could be decided"),
        4 => ("UNDECIDED", "an experiment was not what its scenario describes"),
        5 => ("UNDECIDED", "something could not start"),
        6 => ("NOT READY", "a fault could not be undone"),
        _ => ("UNDECIDED", "interrupted"),
    }
}

/// Of a scenario's critical promises the one that is nearest to its bound, or furthest beyond: its room as a part of the bound,
/// below 0 where it is beyond. Bounds of 0 have no room to tell.
fn tightest(judgement: &Judgement) -> Option<Tightest<'_>> {
    let room = |finding: &'_ Finding| {
        let (observed, bound) = (finding.observed?.value, finding.bound.value);
        let sign = if finding.compare.starts_with('<') { 1.0 } else { -1.0 };
        let room = sign * (bound - observed) / bound.abs();
        (room.is_finite() && finding.bound.kind != Kind::Relative).then_some(room)
    };
    let of = judgement.critical().filter_map(|finding| Some(Tightest { finding, room: room(finding)? }));
    of.min_by(|a, b| a.finding.verdict.cmp(&b.finding.verdict).reverse().then(a.room.total_cmp(&b.room)))
}

/// What a promise is about: all before its comparator, which is none of those between braces and brackets.
fn measure(promise: &str) -> &str {
    let mut depth = 0;
    let end = promise.find(|c| {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(c, '<' | '>' | '=')
    });
    promise[..end.unwrap_or(promise.len())].trim()
}

/// A promise and how far it is from being broken.
struct Tightest<'j> {
    finding: &'j Finding,
    room: f64,
}

impl Tightest<'_> {
    /// `p95(quotes): 412 ms, promised < 500 ms (17.6 % left)`
    fn words(&self) -> String {
        format!("{} ({})", self.promise(), self.distance())
    }

    /// `p95(quotes): 412 ms, promised < 500 ms`
    fn promise(&self) -> String {
        let finding = self.finding;
        let measure = measure(&finding.promise);
        format!("{measure}: {}, promised {} {}", words::observed(finding), finding.compare, finding.bound)
    }

    /// How far it is from its bound, as people say it: `17.6 % left`, `12 % beyond`, `714 times its bound`.
    fn distance(&self) -> String {
        // Of a lower bound no more than all of it can be missing; of an upper one there is no end to what is beyond.
        match self.room {
            room if room >= FAR => format!("{} times its bound", text::thousands(room.round() as u64 + 1)),
            room if room >= 0.0 => format!("{:.1} % left", room * 100.0),
            room if room <= -FAR => format!("{} times its bound", text::thousands((1.0 - room).round() as u64)),
            room => format!("{:.1} % beyond", -room * 100.0),
        }
    }
}

/// Renders the turns of a suite; `code` is its exit code, `page` where its page was written.
pub fn suite(name: &str, turns: &[Turn], code: u8, page: Option<&str>, colour: bool) -> String {
    let mut out = format!("\n{}\n\n", text::shorten(name, 90));
    let mut scenarios = plain(["", "scenario", "what it came to", "evidence"]);
    for turn in turns {
        let (word, why, place) = ended(&turn.ended);
        let place = Some(place).filter(|p| !p.is_empty()).unwrap_or(&turn.file);
        scenarios.add_row([word, &text::shorten(&turn.scenario, 60), &text::shorten(&why, 60), place]);
    }
    write(&mut out, &scenarios, colour);
    let mut resilience = plain(["", "fault", "kind", "injected", "absorbed", "surfaced", "recovery"]);
    let mut any = false;
    for turn in turns {
        let Ended::Judged { faults, .. } = &turn.ended else { continue };
        for stood in faults {
            any = true;
            resilience.add_row(row(stood));
        }
    }
    if any {
        write(&mut out, &resilience, colour);
    }
    if let Some(page) = page {
        let _ = writeln!(out, "page     {page}\n");
    }
    let count = |wanted: &str| turns.iter().filter(|t| ended(&t.ended).0 == wanted).count() as u64;
    let words = ["PASS", "FAIL", "INVALID", "INCONCLUSIVE", "not started", "not run"];
    let counts = words.into_iter().map(|word| (word, count(word))).filter(|(_, n)| *n > 0);
    let counts: Vec<String> = counts.map(|(word, n)| format!("{} {word}", text::thousands(n))).collect();
    let _ = writeln!(out, "{}: {} (exit {code})", text::count(turns.len() as u64, "scenario"), counts.join(", "));
    out
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(header);
    table
}

fn write(out: &mut String, table: &Table, colour: bool) {
    for line in table.lines() {
        let _ = writeln!(out, "{}", super::table::shade(line.trim_end(), colour));
    }
    out.push('\n');
}

/// The word for how a scenario ended, what it came to, and where its evidence is.
fn ended(ended: &Ended) -> (&str, String, &str) {
    match ended {
        Ended::Judged { judgement, place, .. } => {
            let broken = judgement.critical().find(|f| f.verdict == judgement.verdict && f.verdict != Verdict::Pass);
            let why = match (broken, judgement.reasons.first()) {
                (Some(finding), _) => format!("{}, {}", words::promise(finding), finding.window.name),
                (None, Some(reason)) => reason.why.clone(),
                (None, None) => words::headline(judgement),
            };
            (judgement.verdict.word(), why, place)
        }
        Ended::Unjudged { why, place } => ("INCONCLUSIVE", why.clone(), place),
        Ended::Searched { verdict, why, place } => (verdict.word(), why.clone(), place),
        Ended::NotStarted(why) => ("not started", why.clone(), ""),
        Ended::NotRun => ("not run", String::new(), ""),
    }
}

fn row(stood: &Stood) -> Vec<Cell> {
    let number = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), text::thousands);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    vec![
        Cell::new(stood.verdict.map_or("–", Verdict::word)),
        Cell::new(&stood.fault),
        Cell::new(&stood.kind),
        right(number(Some(stood.injected))),
        right(number(stood.absorbed)),
        right(number(stood.surfaced)),
        right(recovery(stood.recovery)),
    ]
}

fn recovery(recovery: Recovery) -> String {
    match recovery {
        Recovery::Nothing | Recovery::Within(_, Duration::ZERO) => "at once".into(),
        Recovery::Within(after, by) => format!("{}–{}", units::duration(after), units::duration(by)),
        Recovery::Undecided => "undecided".into(),
        Recovery::Never => "never".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_that_did_not_run_are_shown() {
        let turn = |scenario: &str, ended| Turn { scenario: scenario.into(), file: format!("{scenario}.yaml"), ended };
        let turns = [turn("one", Ended::NotStarted("no target".into())), turn("two", Ended::NotRun)];
        let shown = suite("a suite", &turns, 5, None, false);
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        assert!(lines.iter().any(|l| l.contains("not started") && l.contains("no target")), "{shown}");
        assert!(lines.iter().any(|l| l.contains("not run") && l.contains("two.yaml")), "{shown}");
        assert_eq!(lines.last(), Some(&"2 scenarios: 1 not started, 1 not run (exit 5)"));
        assert!(!shown.contains("absorbed"), "no faults, no table of them");
    }

    #[test]
    fn what_is_not_told_is_a_dash() {
        let ms = Duration::from_millis;
        let stood = Stood {
            fault: "hangs".into(),
            kind: "timeout".into(),
            injected: 12_345,
            absorbed: None,
            surfaced: Some(0),
            recovery: Recovery::Within(ms(300), ms(400)),
            verdict: None,
        };
        let cells: Vec<String> = row(&stood).iter().map(|cell| cell.content().to_owned()).collect();
        assert_eq!(cells, ["–", "hangs", "timeout", &text::thousands(12_345), "–", "0", "300ms–400ms"]);
        assert_eq!(recovery(Recovery::Within(ms(0), ms(0))), "at once");
    }

    #[test]
    fn bug_an_alert_was_cut_off_within_its_labels() {
        assert_eq!(measure("p95(quotes, hit) < 100ms"), "p95(quotes, hit)");
        assert_eq!(measure("lost(signals)==0"), "lost(signals)");
        let alert = r#"QuoterFailing{quoter="DFlow"} resolves within 12s"#;
        assert_eq!(measure(alert), alert);
    }
}
