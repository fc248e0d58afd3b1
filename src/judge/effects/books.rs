//! What is missing in all of a run held against what the system's own counters explain.

use super::super::missing::Missing;
use super::super::trial::Trial;
use super::Account;
use crate::base::text;
use crate::base::timing::Timing;
use crate::evidence::latency::Interval;
use crate::evidence::reply::Outcome;

/// How much of what is missing is lost.
///
/// Counters say how many signals rightly came to nothing. Not all of those need be among the missing: some are not over
/// yet, and of some nobody knows whether they arrived, since they were never acknowledged. So many more may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Acknowledged, and without an effect by the deadline.
    pub missing: u64,
    /// What the counters rose by.
    pub explained: u64,
    /// Lost at least.
    pub least: u64,
    /// Lost at most.
    pub most: u64,
}

impl Books {
    /// Of so many missing ones, where the counters rose by `explained`, which may stand for `others` besides.
    fn new(missing: u64, explained: u64, others: u64) -> Books {
        let least = missing.saturating_sub(explained);
        // Counters that explain more than there is to explain count something else as well, and how much nobody says.
        let most = match explained > missing + others {
            true => missing,
            false => missing.min((missing + others).saturating_sub(explained)),
        };
        Books { missing, explained, least, most }
    }

    /// Why it is not known how much is lost, where it is not.
    pub fn doubt(&self) -> String {
        let (missing, explained) = (text::count(self.missing, "signal"), text::thousands(self.explained));
        match self.explained > self.missing && self.most == self.missing {
            true => format!(
                "`unmatched` counters rose by {explained}, and only {missing} had no effect: they count more than signals that start nothing"
            ),
            false => format!(
                "of {missing} without effect {} to {} are lost: counters say that {explained} came to nothing, and signals that are not over or were never acknowledged may be among them",
                text::thousands(self.least),
                text::thousands(self.most)
            ),
        }
    }
}

impl Account {
    /// What is missing held against the counters; the error names one that says nothing.
    pub fn books(&self) -> Result<Books, String> {
        Ok(Books::new(self.totals.lost, self.unmatched()?, self.others))
    }

    /// How many signals counters may stand for that are not missing: those that are not over, and those of which nobody
    /// said whether they arrived and that had no effect.
    pub fn others(&self, trial: &Trial<'_>, traffic: usize) -> u64 {
        let unsure = |outcome| {
            matches!(outcome, Outcome::Unreachable(_) | Outcome::Broken(_) | Outcome::TimedOut(_) | Outcome::Unfinished)
        };
        let (mut over, mut unacknowledged) = (0, 0);
        for (who, interval) in trial.shots.on(Timing::Response).filter(|(who, _)| who.traffic == traffic) {
            over += shots(interval);
            unacknowledged += if unsure(who.told) { shots(interval) } else { 0 };
        }
        let unacknowledged = unacknowledged.saturating_sub(self.totals.lost + self.totals.unacked);
        self.totals.taken.saturating_sub(over) + unacknowledged
    }

    /// What is to be made of what is missing, in promises about shots.
    pub fn missing(&self, unfinished: u64) -> Missing {
        let all = unfinished.max(self.totals.lost);
        if self.unmatched.is_empty() || self.counted.is_some() || all == 0 {
            return Missing::Failed;
        }
        let unknown = |why: String| Missing::Between { all, least: 0, most: all, why };
        if let Some(why) = &self.missed {
            return unknown(format!("we may have missed effects: {why}"));
        }
        match self.books() {
            Err(why) => unknown(format!("what rightly had no effect is not known: {why}")),
            Ok(books) if books.most == 0 && all == books.missing => Missing::Skipped,
            Ok(books) => {
                // What was never acknowledged failed, whatever the counters say.
                let failed = all - books.missing;
                let why = match books.least == books.most {
                    true => format!(
                        "counters say that {} of the run rightly came to nothing, and not when",
                        text::thousands(books.explained)
                    ),
                    false => books.doubt(),
                };
                Missing::Between { all, least: books.least + failed, most: books.most + failed, why }
            }
        }
    }
}

/// How many shots an interval holds.
pub fn shots(interval: &Interval) -> u64 {
    interval.cells.iter().map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(missing: u64, explained: u64, others: u64) -> (u64, u64) {
        let books = Books::new(missing, explained, others);
        (books.least, books.most)
    }

    #[test]
    fn what_counters_explain_is_not_lost() {
        assert_eq!(lost(10, 10, 0), (0, 0));
        assert_eq!(lost(10, 4, 0), (6, 6));
        assert_eq!(lost(10, 0, 0), (10, 10));
        assert_eq!(lost(0, 0, 0), (0, 0));
    }

    #[test]
    fn counters_may_stand_for_what_is_not_over_or_was_never_acknowledged() {
        assert_eq!(lost(10, 10, 3), (0, 3));
        assert_eq!(lost(10, 4, 3), (6, 9));
        assert_eq!(lost(10, 0, 3), (10, 10));
        assert_eq!(lost(10, 13, 3), (0, 0), "all three of the others came to nothing, too");
        assert_eq!(lost(2, 1, 50), (1, 2));
    }

    #[test]
    fn counters_that_explain_too_much_prove_nothing() {
        assert_eq!(lost(10, 11, 0), (0, 10));
        assert_eq!(lost(10, 14, 3), (0, 10));
        assert_eq!(lost(0, 5, 0), (0, 0), "where nothing is missing nothing is lost");
        let doubt = Books::new(10, 11, 0).doubt();
        assert!(doubt.contains("rose by 11, and only 10 signals had no effect"), "{doubt}");
        let doubt = Books::new(10, 10, 3).doubt();
        assert!(doubt.contains("0 to 3 are lost"), "{doubt}");
    }
}
