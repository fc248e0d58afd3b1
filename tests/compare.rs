//! Whether two runs are told apart when they are different, and not when they are not. `.ci/proof compare` does it with 200 and
//! with 50 pairs.

#[path = "compare/model.rs"]
mod model;

use model::{Made, compared};
use proofload::judge::{Change, Compared};

const MADE: Made = Made { seed: 1, rate: 400, seconds: 40, busy: 0.7, slower: 1.0, fails: 0.0 };

fn changes(base: Made, candidate: Made) -> Vec<Change> {
    let folder = tempfile::tempdir().expect("a folder");
    let (base, candidate) = (base.make(folder.path()), candidate.make(folder.path()));
    let comparison = compared(&base, &candidate);
    assert_eq!(comparison.changes.len(), 6, "{comparison:?}");
    comparison.changes
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
