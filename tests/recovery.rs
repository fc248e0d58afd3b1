//! Recovery is measured to a tenth of a second: against targets that recover in a step after a known time, whatever the seed,
//! the rate from 1 000/s on, and the manner of failing.

#[path = "recovery/model.rs"]
mod model;

use std::time::Duration;

use model::{Case, Manner, cases};
use proofload::judge::Verdict;

/// As promised.
const MOST: Duration = Duration::from_millis(100);

#[test]
fn recovery_is_known_to_a_tenth_of_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = Vec::new();
    let all = cases(120, Duration::from_secs(4));
    for case in &all {
        let found = case.play(folder.path());
        if found.error().is_none_or(|error| error > MOST) || found.outside().is_none_or(|out| out > MOST) {
            wrong.push(format!("{case:?}: {:?} instead of {}", found.between, found.truth));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn as_well_after_half_a_minute() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seed, manner) in [(1_001, Manner::Errs), (1_002, Manner::Slow)] {
        let case = Case { seed, rate: 1_000, after: Duration::from_millis(30_000 - seed % 100 * 7), manner };
        let found = case.play(folder.path());
        assert!(found.error().is_some_and(|error| error <= MOST), "{case:?}: {:?}", found.between);
        let promise = found.judgement.findings.iter().find(|f| f.promise.starts_with("recovery")).expect("promised");
        assert_eq!(promise.verdict, Verdict::Pass, "{}", promise.why);
    }
}

/// The proof can fail: a target that is bad again within the calm is not taken for a recovered one.
#[test]
fn a_recovery_that_is_none_is_told_from_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = Case { seed: 2_001, rate: 1_000, after: Duration::from_secs(3), manner: Manner::Errs };
    let found = case.play(folder.path());
    let early = Case { after: Duration::from_secs(2), seed: 2_002, ..case }.play(folder.path());
    let apart = found.between.zip(early.between).map(|(a, b)| a[1].since(b[1]));
    assert!(apart.is_some_and(|apart| apart >= Duration::from_millis(800)), "{apart:?}");
}
