//! What is published of a run while it goes on, and what is printed when it is over: the page of metrics is what our own
//! linter asks of others, the dashboard asks for nothing that is not on it, and the summary fits its screen.

use std::fs;
use std::path::Path;

use proofload::base::time::Offset;
use proofload::evidence::board::Board;
use proofload::evidence::reply::Outcome;
use proofload::evidence::tally::Tally;
use proofload::judge::{Judgement, Severity, Standing, State, Verdict, standings};
use proofload::lint::metrics::{Terms, Watch};
use proofload::lint::{Dashboard, Exposed, Known};
use proofload::observe::exposition::{self, Dialect};
use proofload::report::metered::{Media, Metered, page, write_request};
use proofload::report::{self, github};

use super::case::Case;
use super::judgements;

fn case() -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts/green-absorbed-but-slow.case");
    Case::read(&fs::read_to_string(path).expect("readable")).expect("a case")
}

/// A name that somebody chose.
const HOSTILE: &str = "<&>\"'\\ {le=\"1\"} 1\n# EOF 🚀";

fn board(case: &Case, second: u64) -> Board {
    let names = case.scenario.traffic.iter().map(|traffic| traffic.name.clone());
    let mut board = Board::new("20260101T000000.000Z".into(), names, case.plan.timeline.end);
    board.at = Offset::from_millis(second as i64 * 1_000);
    board.wall = 1_700_000_000_000_000_000 + board.at.nanos();
    board.faults = vec!["hangs".into(), HOSTILE.into()];
    board.cpu = Some(0.25);
    for lane in &mut board.traffic {
        lane.phase = "hold".into();
        (lane.taken, lane.finished, lane.late) = (second * 100, second * 99, 1);
        lane.outcomes[usize::from(Outcome::Ok.code())] = second * 98;
        lane.outcomes[usize::from(Outcome::Rejected.code())] = second;
        let lengths: Tally = (1..=second * 99).map(|n| (n * 1_000_000, 1)).collect();
        lane.count(&lengths);
    }
    board
}

fn standing(promise: &str, state: State) -> Standing {
    let (promise, window) = (promise.into(), "whole run".into());
    Standing { promise, window, severity: Severity::Critical, state, observed: None }
}

fn with<T>(second: u64, then: impl FnOnce(&Metered<'_>) -> T) -> T {
    let case = case();
    // One of them is promised twice.
    let standings = ["p95(quotes) < 1s", HOSTILE, "p95(quotes) < 1s"].map(|promise| standing(promise, State::Broken));
    then(&Metered {
        scenario: HOSTILE,
        version: "0.1.0",
        plan: &case.plan,
        board: &board(&case, second),
        standings: &standings,
        verdict: Some(Verdict::Fail),
    })
}

#[test]
fn our_own_page_is_what_we_ask_of_others() {
    for (media, dialect) in [(Media::Text, Dialect::Text), (Media::OpenMetrics, Dialect::OpenMetrics)] {
        let mut watch = Watch::default();
        let mut texts = Vec::new();
        for second in [5, 6, 9] {
            let text = with(second, |metered| page(Some(metered), media));
            watch.page(second as i64 * 1_000, text.as_bytes(), Some(media.word()));
            texts.push(text);
        }
        let found = watch.findings(&Terms::default(), None);
        let found: Vec<String> = found.iter().map(|f| format!("{} {}: {}", f.rule.id, f.metric, f.why)).collect();
        assert!(found.is_empty(), "{media:?}: {found:#?}\n{}", texts[0]);
        let parsed = exposition::parse(texts[0].as_bytes(), dialect).expect("a page");
        assert!(parsed.rows.len() > 30, "{media:?}: {}", texts[0]);
        assert!(parsed.rows.iter().any(|row| row.series.contains("# EOF 🚀\",window=")), "{}", texts[0]);
    }
    assert_eq!(page(None, Media::OpenMetrics), "# EOF\n", "between two runs");
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_on_the_page() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana/proofload.json");
    let text = fs::read_to_string(&file).expect("readable");
    let lint = |page: &str| {
        let parsed = exposition::parse(page.as_bytes(), Dialect::Text).expect("a page");
        let exposed = Exposed::of_page("the page", &parsed);
        let report =
            Dashboard::read("proofload.json", &text).lint(&Known { exposed: Some(&exposed), ..Known::default() });
        assert!(report.looked_at >= 16, "{}", report.looked_at);
        report.findings.iter().map(|f| format!("{}: {} {}", f.of, f.kind.id, f.what)).collect::<Vec<_>>()
    };
    let page = with(9, |metered| page(Some(metered), Media::Text));
    assert_eq!(lint(&page), Vec::<String>::new());
    let without = page.replace("proofload_shots_late", "proofload_shots_tardy");
    assert!(!lint(&without).is_empty(), "a metric that is not there is seen");
}

#[test]
fn a_push_holds_every_sample_of_the_page_and_says_whose_it_is() {
    let request = with(9, |metered| write_request(metered, &[("job", "proofload"), ("run", "r1")]));
    let page = with(9, |metered| page(Some(metered), Media::Text));
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    let text = String::from_utf8_lossy(&request);
    assert_eq!(text.matches("__name__").count(), samples);
    assert_eq!(text.matches("\u{1a}r1").count() + text.matches("\u{2}r1").count(), samples, "the run of each");
}

#[test]
fn every_summary_fits_a_small_screen_and_says_how_it_ended() {
    let check = |name: &str, judgement: &Judgement| {
        let place = "/a/long/way/to/reports/".to_owned() + &"deep/".repeat(30) + "20260101T000000.000Z";
        let summary = report::summary(judgement, &place, false);
        let lines: Vec<&str> = summary.lines().collect();
        assert!(lines.len() <= 24, "{name}: {} lines\n{summary}", lines.len());
        for line in &lines {
            assert!(console::measure_text_width(line) <= 80, "{name}: {line:?}");
        }
        assert!(lines[1].starts_with(judgement.verdict.word()), "{name}: {summary}");
        assert!(summary.contains(&format!("(exit {})", judgement.exit.code())), "{name}: {summary}");
        assert!(summary.ends_with("20260101T000000.000Z/report.html\n"), "{name}: {summary}");
        let coloured = report::summary(judgement, &place, true);
        assert_eq!(console::strip_ansi_codes(&coloured), summary, "{name}");
    };
    for (name, judgement) in judgements() {
        check(name, judgement);
        let mut wide = judgement.clone();
        wide.scenario = "名前🚀".repeat(60);
        for finding in &mut wide.findings {
            finding.promise = "🚀".repeat(200);
        }
        wide.findings = wide.findings.iter().cycle().take(wide.findings.len() * 40).cloned().collect();
        check(name, &wide);
    }
}

#[test]
fn what_was_not_kept_is_annotated_where_it_stands() {
    let (mut failed, mut passed) = (0, 0);
    for (name, judgement) in judgements() {
        let lines: Vec<Option<u32>> = (0..judgement.findings.len()).map(|n| Some(n as u32 + 7)).collect();
        let said = github::annotations(judgement, "scenarios/a.yaml", &lines);
        for line in said.lines() {
            assert!(["::error ", "::warning ", "::notice "].iter().any(|c| line.starts_with(c)), "{name}: {line}");
        }
        let is_pass = judgement.verdict == Verdict::Pass;
        assert_eq!(said.contains("::error "), !is_pass, "{name}: {said}");
        assert_eq!(said.contains("::notice title=PASS"), is_pass, "{name}: {said}");
        let broken =
            judgement.findings.iter().position(|f| f.verdict == Verdict::Fail && f.severity == Severity::Critical);
        if let Some(nth) = broken.filter(|_| judgement.findings.len() <= 9) {
            let place = format!("::error file=scenarios/a.yaml,line={},title=FAIL ", nth + 7);
            assert!(said.contains(&place), "{name}: {place}\n{said}");
            failed += 1;
        }
        passed += usize::from(is_pass);
    }
    assert!(failed > 20 && passed > 20, "{failed}, {passed}");
}

/// What a promise stands at when all is over is what the judge finds, or open: never the opposite.
#[test]
fn how_promises_stand_at_the_end_is_how_they_are_judged() {
    let (mut kept, mut broken) = (0, 0);
    for (path, (name, judged)) in super::cases().into_iter().zip(super::judged()).step_by(3) {
        let Ok((_, judgement)) = judged.as_ref() else { continue };
        let case = Case::read(&fs::read_to_string(path).expect("readable")).expect("a case");
        let stand = standings(&case.scenario, &case.plan, &case.evidence(), &case.series);
        for (standing, finding) in stand.iter().zip(&judgement.findings) {
            match standing.state {
                State::Broken => assert_eq!(finding.verdict, Verdict::Fail, "{name}: {}", standing.promise),
                State::Kept => {
                    let verdicts = [Verdict::Pass, Verdict::Inconclusive];
                    assert!(verdicts.contains(&finding.verdict), "{name}: {}: {finding:?}", standing.promise);
                }
                State::Open => {}
            }
            kept += usize::from(standing.state == State::Kept);
            broken += usize::from(standing.state == State::Broken);
        }
    }
    assert!(kept > 20 && broken > 20, "{kept}, {broken}");
}
