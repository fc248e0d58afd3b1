//! What is to be made of signals that had no effect by their deadline: whether they failed, or rightly came to nothing.

use super::measure::Ruling;
use super::verdict::Verdict;
use crate::base::text;

/// What the books of a whole run say of the signals of one traffic that had no effect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Missing {
    /// Nobody says that any of them rightly came to nothing: all of them failed.
    #[default]
    Failed,
    /// All of them did, of the whole run and so of every window: they are skipped.
    Skipped,
    /// Some may have.
    Between {
        /// How many of the run are missing.
        all: u64,
        /// So many of them failed at least.
        least: u64,
        /// So many failed at most.
        most: u64,
        /// What is known of them, as findings say it.
        why: String,
    },
    /// The run goes on, or is looked at as it was: of what is missing, and of what is not over yet, some may have.
    SoFar {
        /// So many failed at most.
        most: u64,
        /// What is known of them, as findings say it.
        why: String,
    },
}

impl Missing {
    /// How many of those missing in a window rightly came to nothing: at least, and at most. They may all have been due in
    /// it, or none.
    pub fn skipped(&self, missing: u64) -> (u64, u64) {
        match self {
            Missing::Failed => (0, 0),
            Missing::Skipped => (missing, missing),
            Missing::Between { all, least, most, .. } => {
                (missing.saturating_sub(*most), missing.min(all.saturating_sub(*least)))
            }
            Missing::SoFar { most, .. } => (missing.saturating_sub(*most), missing),
        }
    }

    /// What is decided where as few as can be rightly came to nothing, and where as many as can be: what both decide.
    pub fn either(&self, fewest: Ruling, most: Ruling, measure: &str) -> Ruling {
        let (Missing::Between { why, .. } | Missing::SoFar { why, .. }) = self else { return fewest };
        if fewest.verdict == most.verdict {
            return fewest;
        }
        let between = match (most.observed, fewest.observed) {
            (Some(low), Some(high)) => format!("{measure} lies between {low} and {high}"),
            (None, Some(high)) => format!("{measure} is {high}, or there is none"),
            _ => format!("{measure} is not known"),
        };
        Ruling { verdict: Verdict::Inconclusive, why: format!("{between}: {why}"), ..fewest }
    }
}

/// What findings say where nothing tells failures from what rightly came to nothing.
pub fn waited_for(missing: u64) -> String {
    format!(
        "; {} had no effect: those that rightly start nothing are waited for too, as no `unmatched` counter tells of them",
        text::count(missing, "signal")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(all: u64, least: u64, most: u64) -> Missing {
        Missing::Between { all, least, most, why: "nobody says when".into() }
    }

    /// Held against every way in which the run's failures can lie in a window and outside it.
    #[test]
    fn a_window_has_as_many_as_any_way_of_laying_them_out() {
        for (all, least, most) in [(0, 0, 0), (5, 0, 5), (5, 2, 2), (5, 1, 3), (7, 0, 4), (6, 6, 6)] {
            for missing in 0..=all {
                let mut ways = Vec::new();
                for failed in least..=most {
                    for here in 0..=failed.min(missing) {
                        // What failed elsewhere must have room there.
                        if failed - here <= all - missing {
                            ways.push(missing - here);
                        }
                    }
                }
                let (few, many) = between(all, least, most).skipped(missing);
                assert_eq!(Some(&few), ways.iter().min(), "{missing} of {all}, {least} to {most}");
                assert_eq!(Some(&many), ways.iter().max(), "{missing} of {all}, {least} to {most}");
            }
        }
    }

    #[test]
    fn while_a_run_goes_on_none_of_them_need_have_failed() {
        let so_far = |most, missing| Missing::SoFar { most, why: String::new() }.skipped(missing);
        assert_eq!((so_far(3, 10), so_far(30, 10), so_far(0, 10)), ((7, 10), (0, 10), (10, 10)));
    }

    #[test]
    fn what_both_decide_is_decided() {
        let ruling = |verdict| Ruling { verdict, observed: None, samples: 9, why: "w".into() };
        let both = |a, b| between(3, 0, 3).either(ruling(a), ruling(b), "errors").verdict;
        assert_eq!(both(Verdict::Fail, Verdict::Fail), Verdict::Fail);
        assert_eq!(both(Verdict::Pass, Verdict::Pass), Verdict::Pass);
        assert_eq!(both(Verdict::Fail, Verdict::Pass), Verdict::Inconclusive);
        assert_eq!(both(Verdict::Pass, Verdict::Inconclusive), Verdict::Inconclusive);
    }
}
