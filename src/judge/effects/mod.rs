//! What became of signals: lost, duplicated, reordered; how the backlog drained; how far their reader was behind.
//!
//! A signal that was acknowledged and had no effect by its deadline is missing. Of what is missing, the system's own
//! counters say how much rightly came to nothing; the rest is lost.

mod backlog;
mod books;
mod drain;
mod lag;
mod resent;
mod share;
mod so_far;
mod summary;
mod too_much;
mod unmatched;

pub use drain::Draining;
pub use so_far::{Counts, by};
pub use summary::{EffectsSummary, LagSummary};
pub use too_much::too_much;
pub use unmatched::UnmatchedSummary;

use std::collections::BTreeMap;

use super::measure::Ruling;
use super::missing::Missing;
use super::server::Server;
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity, Verdict};
use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::evidence::effects::{Example, Lag, Row, Totals};
use crate::evidence::event::Event;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::scenario::{EffectClaim, EffectMeasure, Promise, Seen};
use unmatched::{Course, Known, course};

/// What the evidence says of the effects of one traffic's signals.
#[derive(Debug, Clone, Default)]
pub struct Account {
    totals: Totals,
    rows: BTreeMap<(Offset, Offset), Row>, // by when they were due and over
    backlog: Vec<(Offset, u64)>,
    examples: Vec<Example>,
    /// Why effects may have been missed for good.
    missed: Option<String>,
    lags: Vec<Lag>,
    /// What rightly came to nothing, by counter.
    unmatched: Vec<(String, Result<Course, String>)>,
    /// How many signals those may stand for that are not missing.
    others: u64,
    /// What a counter of effects rose by, where effects are only counted.
    counted: Option<Known>,
}

/// The accounts of all traffics, by position; nothing for those that are no signals.
pub struct Accounts(Vec<Option<Account>>);

impl Accounts {
    /// Reads them.
    pub fn read(trial: &Trial<'_>, server: &Server<'_>) -> Accounts {
        let account = |traffic: usize| Account::read(trial, traffic, |expr| course(server, expr));
        Accounts((0..trial.scenario.traffic.len()).map(account).collect())
    }

    /// What is to be made of signals without effect, by traffic.
    pub fn missing(&self, trial: &Trial<'_>) -> Vec<Missing> {
        let unfinished = |traffic: usize| {
            let of_run = trial.shots.on(Timing::Response);
            let of_run = of_run.filter(|(who, _)| who.traffic == traffic && who.told == Outcome::Unfinished);
            of_run.map(|(_, interval)| books::shots(interval)).sum()
        };
        let of = |(traffic, account): (usize, &Option<Account>)| match account {
            Some(account) => account.missing(unfinished(traffic)),
            None => Missing::Failed,
        };
        self.0.iter().enumerate().map(of).collect()
    }

    /// What a promise about signals comes to.
    pub fn finding(&self, trial: &Trial<'_>, server: &Server<'_>, promise: &Promise, claim: &EffectClaim) -> Finding {
        let nothing = Account::default();
        let account = self.0[claim.traffic].as_ref().unwrap_or(&nothing);
        match claim.measure {
            EffectMeasure::Drain => drain::finding(trial, account, promise, claim),
            EffectMeasure::ConsumerLag => lag::finding(trial, server, account, promise, claim),
            _ => share::finding(trial, account, promise, claim),
        }
    }

    /// What reports show of the signals of a traffic.
    pub fn summary(&self, trial: &Trial<'_>, server: &Server<'_>, traffic: usize) -> Option<EffectsSummary> {
        let account = self.0[traffic].as_ref()?;
        Some(summary::of(trial, server, account, traffic))
    }
}

impl Account {
    /// The account of a traffic, with the courses of its counters; nothing for one that is no signals.
    fn read(trial: &Trial<'_>, traffic: usize, course: impl Fn(&str) -> Result<Course, String>) -> Option<Account> {
        let signal = trial.scenario.traffic[traffic].kind.signal()?;
        let mut account = Account::told(trial.evidence, &trial.scenario.traffic[traffic].name);
        account.unmatched = signal.unmatched.iter().map(|u| (u.expr.clone(), course(&u.expr))).collect();
        account.others = account.others(trial, traffic);
        if let Seen::Metric(metric) = &signal.effects.seen {
            account.counted = Some(course(&metric.expr).map(|course| course.rise()));
        }
        Some(account)
    }

    /// What the ledger of a traffic told.
    fn told(evidence: &Evidence, traffic: &str) -> Account {
        let mut account = Account::default();
        for event in &evidence.events {
            match event {
                Event::Effects(new) if new.traffic == traffic => account.add(new),
                Event::Lag(lag) if lag.traffic == traffic => account.lags.push(lag.clone()),
                _ => {}
            }
        }
        account
    }

    fn add(&mut self, new: &crate::evidence::effects::Effects) {
        self.totals = new.totals;
        for row in &new.rows {
            let sum =
                self.rows.entry((row.due, row.done)).or_insert(Row { due: row.due, done: row.done, ..Row::default() });
            sum.duplicated += row.duplicated;
            sum.reordered += row.reordered;
        }
        self.backlog.extend(&new.backlog);
        self.examples.extend(new.examples.iter().cloned());
        self.missed = self.missed.take().or_else(|| new.missed.clone());
    }

    /// How many signals of the whole run rightly came to nothing; the error names a counter that says nothing.
    fn unmatched(&self) -> Result<u64, String> {
        let mut sum = 0;
        for (expr, known) in &self.unmatched {
            sum += known.as_ref().map_err(|why| format!("`{expr}`: {why}"))?.rise();
        }
        Ok(sum)
    }
}

/// The bound of a promise, in the unit of its measure.
pub fn bound(claim: &EffectClaim) -> Quantity {
    let bound = claim.bound as f64;
    match claim.measure {
        EffectMeasure::Drain => Quantity { value: bound / 1e9, kind: Kind::Time },
        EffectMeasure::ConsumerLag => Quantity { value: bound, kind: Kind::Plain },
        _ => Quantity { value: bound / 1e9, kind: Kind::Share },
    }
}

fn undecided(why: String) -> Ruling {
    Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why }
}
