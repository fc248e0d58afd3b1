//! Whether two runs are told apart when they are different, and not when they are not. `.ci/proof compare` does it with 200 and
//! with 50 pairs.

#[path = "compare/model.rs"]
mod model;

use model::{Made, compared};
use proofload::judge::{Change, Compared, Comparison};
use proofload::report;
use proofload::report::compare::Pair;

const MADE: Made = Made { seed: 1, rate: 400, seconds: 40, busy: 0.7, slower: 1.0, fails: 0.0 };

fn changes(base: Made, candidate: Made) -> Vec<Change> {
    comparison(base, candidate).changes
}

fn comparison(base: Made, candidate: Made) -> Comparison {
    let folder = tempfile::tempdir().expect("a folder");
    let (base, candidate) = (base.make(folder.path()), candidate.make(folder.path()));
    let comparison = compared(&base, &candidate);
    assert_eq!(comparison.changes.len(), 6, "{comparison:?}");
    comparison
}

fn outcome(changes: &[Change], measure: &str) -> Compared {
    changes.iter().find(|change| change.measure == measure).expect("compared").outcome
}

#[test]
fn the_same_target_is_not_worse_than_itself() {
    for pair in 0..4 {
        let all = changes(Made { seed: 10 + pair, ..MADE }, Made { seed: 110 + pair, ..MADE });
        assert!(all.iter().all(|change| change.outcome != Compared::Worse), "{all:#?}");
    }
    // And a run is surely the same as itself.
    let all = changes(MADE, Made { ..MADE });
    assert!(all.iter().all(|change| change.change == 0.0), "{all:#?}");
}

#[test]
fn a_target_that_is_half_as_slow_again_is_found_out() {
    let all = changes(Made { seed: 20, ..MADE }, Made { seed: 120, slower: 1.5, ..MADE });
    for measure in ["p50", "p90", "p95"] {
        assert_eq!(outcome(&all, measure), Compared::Worse, "{all:#?}");
    }
    assert_eq!(outcome(&all, "errors"), Compared::Same, "there were none");
    let other_way = changes(Made { seed: 120, slower: 1.5, ..MADE }, Made { seed: 20, ..MADE });
    assert_eq!(outcome(&other_way, "p50"), Compared::Better, "{other_way:#?}");
}

#[test]
fn failures_that_were_not_there_before_are_worse() {
    let all = changes(Made { seed: 30, ..MADE }, Made { seed: 130, fails: 0.03, ..MADE });
    assert_eq!(outcome(&all, "errors"), Compared::Worse, "{all:#?}");
}

#[test]
fn too_short_a_run_decides_nothing() {
    let short = Made { seconds: 6, ..MADE };
    let all = changes(Made { seed: 40, ..short }, Made { seed: 140, slower: 3.0, ..short });
    for change in &all {
        assert_eq!(change.outcome, Compared::Undecided, "{change:?}");
        assert!(change.why.as_ref().is_some_and(|why| why.contains("12 are needed on each side")), "{change:?}");
    }
}

#[test]
fn the_page_shows_what_changed_and_where_in_the_distribution() {
    let comparison = comparison(Made { seed: 20, ..MADE }, Made { seed: 120, slower: 1.5, ..MADE });
    assert!(comparison.lengths.iter().all(|lengths| lengths.count() > 10_000), "full distributions");
    let pair = Pair {
        base: "reports/base".into(),
        candidate: "<script>alert(1)</script>".into(),
        unfair: vec!["another host & another day".into()],
        threshold: 0.05,
        traffic: vec![comparison],
    };
    let page = report::comparison_html(&[pair]);
    assert!(page.contains("<p class=\"verdict\">WORSE</p>") && page.contains("<body class=\"fail\">"));
    assert!(page.contains("Not a fair pair: another host &amp; another day"));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.matches("<script").count() == 1, "names are text");
    for figure in ["p50(x)", "p99(x)", "errors(x)", "rate(x)", "id=\"shifts-0-0\"", "id=\"ranks-0-0\""] {
        assert!(page.contains(figure), "{figure}");
    }
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let nothing = report::comparison_html(&[]);
    assert!(nothing.contains("UNDECIDED"), "nothing compared is not the same");
}
