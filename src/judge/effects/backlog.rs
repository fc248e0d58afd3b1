//! How many signals were waited for, and when: the ledger's word ten times a second, or, where the system counts what
//! rightly comes to nothing, at each scrape of those counters.
//!
//! To the ledger a signal that rightly starts nothing is outstanding until its deadline. So what the counters had risen by
//! is taken off, and what the ledger had given up by then is put back, since that is what the counters mean. Of what it
//! gave up some may be lost, and those have left the backlog: how many, the books of the whole run say. Where those know
//! it exactly, and none are lost, so is the backlog.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::trial::Trial;
use super::Account;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::evidence::latency::grid;
use crate::evidence::reply::Outcome;

/// Looks farther apart than this saw nothing in between.
pub const BLIND: Duration = Duration::from_secs(2);

/// What was waited for at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// When.
    pub at: Offset,
    /// So many signals at least.
    pub least: u64,
    /// So many at most.
    pub most: u64,
}

/// All looks of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backlog {
    /// In order.
    pub looks: Vec<Look>,
    /// Whether what rightly comes to nothing is taken off.
    pub is_net: bool,
}

impl Backlog {
    /// The backlog of a traffic; the error says which counter says nothing.
    pub fn read(trial: &Trial<'_>, account: &Account, traffic: usize) -> Result<Backlog, String> {
        if account.unmatched.is_empty() {
            let look = |(at, n): &(Offset, u64)| Look { at: *at, least: *n, most: *n };
            return Ok(Backlog { looks: account.backlog.iter().map(look).collect(), is_net: false });
        }
        let books = account.books()?;
        // Too much was explained: how much of it was never waited for, nobody knows.
        if books.explained > books.missing && books.most == books.missing && books.missing > 0 {
            return Err(books.doubt());
        }
        let courses: Vec<_> = account.unmatched.iter().filter_map(|(_, course)| course.as_ref().ok()).collect();
        let given_up = GivenUp::read(trial, traffic);
        let instants: BTreeSet<Offset> = courses.iter().flat_map(|course| course.looks()).collect();
        let look = |at: Offset| {
            let nothing: f64 = courses.iter().map(|course| course.at(at, BLIND)).sum::<Option<f64>>()?;
            let last = account.backlog.partition_point(|(look, _)| *look <= at).checked_sub(1)?;
            let (seen, outstanding) = account.backlog[last];
            let given_up = given_up.by(seen);
            let most = (outstanding + given_up).saturating_sub(nothing.round() as u64).min(outstanding);
            let least = most.saturating_sub(given_up.min(books.most));
            (at.since(seen) <= BLIND).then_some(Look { at, least, most })
        };
        Ok(Backlog { looks: instants.into_iter().filter_map(look).collect(), is_net: true })
    }

    /// The looks of a span.
    pub fn within(&self, span: Span) -> &[Look] {
        let from = self.looks.partition_point(|look| look.at < span.start);
        let to = self.looks.partition_point(|look| look.at < span.end);
        &self.looks[from..to.max(from)]
    }
}

/// When the deadlines of signals came that had no effect.
struct GivenUp(Vec<(Offset, u64)>); // when all of an interval were over, and how many had been by then

impl GivenUp {
    fn read(trial: &Trial<'_>, traffic: usize) -> GivenUp {
        let deadline = trial.scenario.traffic[traffic].deadline().unwrap_or_default();
        // What rightly came to nothing may be told as skipped already; a state that says so has an effect, and is not.
        let all = trial.shots.on(Timing::Response);
        let mut ends: Vec<(Offset, u64)> = all
            .filter(|(who, _)| who.traffic == traffic && who.told == Outcome::Unfinished)
            .map(|(_, interval)| {
                (interval.span.start + grid(Timing::Response) + deadline, super::books::shots(interval))
            })
            .collect();
        ends.sort_unstable();
        let mut sum = 0;
        for (_, count) in &mut ends {
            sum += *count;
            *count = sum;
        }
        GivenUp(ends)
    }

    fn by(&self, at: Offset) -> u64 {
        self.0.partition_point(|(end, _)| *end <= at).checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}
