//! What is asked of another evaluator to see whether it agrees with what the replay rests on: the expressions behind the alerts
//! that findings are about, at evaluations of their groups.

use std::collections::BTreeSet;

use super::Replayed;
use super::book;
use crate::base::time::Offset;
use crate::judge::Question;
use crate::scenario::{Claim, Promise};

/// So many evaluations of an alert are asked about, besides those at which something came of it.
const SPREAD: usize = 10;
/// And so many at which something did.
const TURNS: usize = 20;

impl Replayed<'_> {
    /// The questions behind promises about alerts, and behind what holds without being promised, whose findings come after those
    /// of all promises. Nothing where the samples are a server's: its own word is in the evidence.
    pub fn questions(&self, promises: &[Promise]) -> Vec<Question> {
        if self.basis.fetched().is_some() {
            return Vec::new();
        }
        let promised = promises.iter().enumerate().filter_map(|(finding, promise)| match &promise.claim {
            Claim::Alert(claim) => Some((finding, claim.alert.as_str())),
            _ => None,
        });
        let unwritten = self.unwritten().into_iter().enumerate();
        let unwritten = unwritten.map(|(nth, (name, _))| (promises.len() + nth, name));
        let of = |(finding, name): (usize, &str)| {
            let rules = self.book.named(name);
            rules.into_iter().flat_map(move |rule| self.behind(finding, rule)).collect::<Vec<Question>>()
        };
        promised.chain(unwritten).flat_map(of).collect()
    }

    /// What one alert reads, without what rules write, at its evaluations of the first phase.
    fn behind(&self, finding: usize, rule: usize) -> Vec<Question> {
        let is_given = |expr: &&crate::promql::Expr| {
            !expr.selectors().iter().any(|selection| book::is_written(selection.selector, &self.book))
        };
        let exprs = self.book.alerts[rule].reads.iter().filter(is_given);
        let ticks = self.asked_at(rule);
        let ask = |expr: &crate::promql::Expr| {
            let of_tick =
                |at: &Offset| Question { finding, expr: expr.text().to_owned(), at_ms: self.basis.unix_ms(*at) };
            ticks.iter().map(of_tick).collect::<Vec<Question>>()
        };
        exprs.flat_map(ask).collect()
    }

    /// Evaluations from beginning to end, and those at which an element became pending, fired or let go.
    fn asked_at(&self, rule: usize) -> BTreeSet<Offset> {
        let Some(track) = self.phases.first().map(|phase| &phase[rule]) else { return BTreeSet::new() };
        let step = track.ticks.len().div_ceil(SPREAD).max(1);
        let stints = track.instances.iter().flat_map(|instance| &instance.stints);
        let turns = stints.flat_map(|stint| [Some(stint.from), stint.to]).flatten();
        let turns: BTreeSet<Offset> = turns.filter(|at| track.ticks.contains(at)).collect();
        track.ticks.iter().step_by(step).copied().chain(turns.into_iter().take(TURNS)).collect()
    }
}
