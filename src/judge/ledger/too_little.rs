//! Stop conditions on what is absorbed.

use std::time::Duration;

use super::super::measure;
use super::super::seconds::Seconds;
use super::super::shots::second;
use super::super::trial::Trial;
use super::super::verdict::Verdict;
use super::Ledger;
use super::absorbed::books;
use crate::base::time::Offset;
use crate::base::units;
use crate::scenario::Absorbed;

/// Why a condition is met that must hold for so long, if it is: of the requests struck whose shots were due in the last stretch of
/// which all is known, second by second and together.
pub fn too_little(trial: &Trial<'_>, claim: &Absorbed, hold: Duration, now: Offset) -> Option<String> {
    let traffics = 0..trial.scenario.traffic.len();
    let meant = traffics.filter(|traffic| claim.traffic.is_none_or(|named| named == *traffic));
    let end = meant.map(|traffic| trial.settled(traffic, None, now)).min()?;
    let ledger = Ledger::read(trial);
    let books = books(&ledger, claim);
    if ledger.unreadable.is_some() || books.iter().any(|(_, book)| !book.attributable && book.total.all() > 0) {
        return None;
    }
    let mut seconds = Seconds::default();
    for (row, counts) in books.iter().flat_map(|(_, book)| book.of(claim.traffic)) {
        if !row.traffic.is_some_and(|traffic| trial.fitness.is_spoilt(traffic, row.second)) {
            seconds.add(row.second, counts.absorbed, counts.all());
        }
    }
    // A fault that has stood for less says nothing of so long.
    if !seconds.has(second(end) - second(Offset::ZERO + hold)) {
        return None;
    }
    let [absorbed, struck] =
        seconds.over(second(end), hold, |share| claim.compare.holds(share, claim.bound.fraction()))?;
    let ruling = measure::rule_absorbed(claim, None, absorbed, struck);
    let observed = ruling.observed.filter(|_| ruling.verdict == Verdict::Pass)?;
    Some(format!("absorbed {observed} for {}", units::duration(hold)))
}
